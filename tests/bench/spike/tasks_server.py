"""The test's Cloud Tasks as a process of its own, so that it has the machine's cores to share like everybody else.

Prints where it listens, and ends when its input does.
"""

import asyncio
import sys

from tests.cloud_tasks_server import CloudTasksServer


async def _serve() -> None:
    async with CloudTasksServer() as tasks:
        sys.stdout.write(f"{tasks.host}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
