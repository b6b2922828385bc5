"""An HTTP server on its own port to which queues deliver, and which records what it receives."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

#: How long to wait for a delivery, in seconds; only a failing test waits for so long.
PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    #: Looked up by name in any case.
    headers: Mapping[str, str]
    body: bytes


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve `app` on a free port, and yield its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


class Receiver:
    """Answer each POST to `url` with the next status of `answers`, and with 204 after the last."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.answers: deque[int] = deque()
        self._open = asyncio.Event()
        self._open.set()
        self._came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = Starlette(routes=[Route("/v1/tasks/deliver", self._receive, methods=["POST"])])
        self._serving = AsyncExitStack()
        self.url = await self._serving.enter_async_context(serving(app)) + "/v1/tasks/deliver"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        await self._serving.aclose()

    def hold(self) -> None:
        """Answer nothing until `let_go`."""
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()

    async def wait_for(self, count: int) -> None:
        """Wait until `count` deliveries have arrived, answered or not."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._came:
            await self._came.wait_for(lambda: len(self.deliveries) >= count)

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        status = self.answers.popleft() if self.answers else 204
        async with self._came:
            self.deliveries.append(Delivery(request.headers, body))
            self._came.notify_all()
        await self._open.wait()
        return Response(status_code=status)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # leave Ctrl-C to pytest
