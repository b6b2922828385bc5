"""A TCP proxy in front of servers, whose connections an adversary refuses, holds, and cuts."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Sequence
from enum import Enum, auto
from types import TracebackType
from typing import Self


class Mode(Enum):
    PASS = auto()
    #: Ends connections, and takes no new ones.
    REFUSE = auto()
    #: Takes connections and forwards nothing, until the mode changes: it may then arrive after all.
    HANG = auto()
    #: Ends some connections when a request arrives, before it is forwarded.
    CUT_REQUESTS = auto()
    #: Ends some connections when an answer arrives: what was asked for was done.
    CUT_ANSWERS = auto()


#: Of the pieces that arrive, how many end their connection. Not all, or no connection of gRPC would ever begin.
_CUT = 0.3


class Proxy:
    """Forwards connections at `host` to the first of `upstreams`, in turn, that accepts one; each is `host:port`.

    Attributes:
        upstreams: may be replaced while it runs.
    """

    host: str

    def __init__(self, upstreams: Sequence[str], chance: random.Random) -> None:
        self.upstreams = list(upstreams)
        self._chance = chance
        self._mode = Mode.PASS
        self._changed = asyncio.Event()
        self._turn = itertools.count()
        self._writers = set[asyncio.StreamWriter]()
        self._connections = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def become(self, mode: Mode) -> None:
        """Change how connections are treated, those that are open too."""
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode is Mode.REFUSE:
            for writer in self._writers:
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection
        self._connections.add(connection)
        try:
            if self._mode is Mode.REFUSE:
                return
            with contextlib.suppress(OSError):
                await self._forward(reader, writer)
        finally:
            writer.transport.abort()
            self._connections.discard(connection)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await self._connect()
        pair = {writer, upstream_writer}
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pipe(reader, upstream_writer, Mode.CUT_REQUESTS))
                both.create_task(self._pipe(upstream_reader, writer, Mode.CUT_ANSWERS))
        except* OSError:
            pass  # one side has ended the connection, and now it is ended at both
        finally:
            self._writers -= pair
            upstream_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to one of the servers.

        Raises:
            ConnectionError: none accepts a connection.
        """
        first = next(self._turn)
        for number in range(len(self.upstreams)):
            host, _, port = self.upstreams[(first + number) % len(self.upstreams)].rpartition(":")
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, int(port))
        raise ConnectionError

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, cut: Mode) -> None:
        """Forward what arrives until one side ends the connection, which always raises `ConnectionError`."""
        while content := await source.read(65_536):
            while self._mode is Mode.HANG:
                await self._changed.wait()
            if self._mode is cut and self._chance.random() < _CUT:
                break
            target.write(content)
            await target.drain()
        raise ConnectionError
