"""The tests' Cloud Tasks as a process of its own, so that it has the machine's cores to share like everybody else.

Prints where it listens, and ends when its input does.
"""

import asyncio
import sys

import httpx

from tests.support.cloud_tasks_server import CloudTasksServer

#: Tasks that are being delivered; the others wait, as they do in the real queue.
AT_ONCE = 20


class _Capped(httpx.AsyncHTTPTransport):
    """Lets no more than `AT_ONCE` requests through: httpx gets slower with each that waits for a connection."""

    def __init__(self) -> None:
        super().__init__()
        self._free = asyncio.Semaphore(AT_ONCE)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._free:
            return await super().handle_async_request(request)


async def _serve() -> None:
    async with CloudTasksServer(transport=_Capped()) as tasks:
        sys.stdout.write(f"{tasks.host}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
