"""An HTTP/1.1 client that costs next to nothing, so that the load generator leaves the machine to others."""

import asyncio
from collections import defaultdict
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

#: Servers hang up after two seconds (gunicorn) or five (uvicorn) in which nothing was asked.
_KEPT_SECONDS = 1
#: Since when, and the two ends.
_Idle = tuple[float, asyncio.StreamReader, asyncio.StreamWriter]


class Client:
    """Keeps connections open, and opens another when all are in use. Only for answers with a Content-Length."""

    def __init__(self) -> None:
        self._idle: dict[str, list[_Idle]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connections in self._idle.values():
            for _, _, writer in connections:
                writer.close()

    async def get(self, url: str) -> int:
        """Send a GET and return the status."""
        return await self._ask("GET", url, b"")

    async def post(self, url: str, body: bytes) -> int:
        """Send a POST with a JSON body and return the status."""
        return await self._ask("POST", url, body)

    async def _ask(self, method: str, url: str, body: bytes) -> int:
        parts = urlsplit(url)
        head = (
            f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await self._connection(parts.netloc)
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = answer.partition("content-length:")[2].partition("\r\n")[0]
        await reader.readexactly(int(length or 0))
        self._idle[parts.netloc].append((asyncio.get_running_loop().time(), reader, writer))
        return int(answer.split()[1])

    async def _connection(self, place: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle[place]:
            since, reader, writer = self._idle[place].pop()
            if asyncio.get_running_loop().time() - since < _KEPT_SECONDS:
                return reader, writer
            writer.close()
        host, _, port = place.partition(":")
        return await asyncio.open_connection(host, int(port))
