"""Tokens from the metadata server, for which a server of this machine stands."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from shared.google_cloud.access import AccessUnavailable, MetadataServer
from tests.support.emulator import free_port


class _Handler(BaseHTTPRequestHandler):
    """As https://cloud.google.com/compute/docs/access/authenticate-workloads#applications has it."""

    asked: ClassVar[list[str]] = []
    refusals: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status = self.refusals.pop() if self.refusals else 200
        if self.headers["Metadata-Flavor"] != "Google":
            status = 403
        content = {"access_token": f"token {len(self.asked)}", "expires_in": 3599, "token_type": "Bearer"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode() if status == 200 else b"no")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[str]:
    _Handler.asked.clear()
    _Handler.refusals.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{served.server_port}"
        served.shutdown()


async def test_a_token_is_asked_for_once_and_kept_until_shortly_before_its_end(server: str) -> None:
    """However many ask for it at once."""
    clock = Clock()
    access = MetadataServer(server, clock)

    first = await asyncio.gather(*(access.token() for _ in range(20)))
    clock.now += 3599 - 226
    kept = await access.token()
    clock.now += 2
    renewed = await access.token()

    assert {*first, kept} == {"token 1"}
    assert renewed == "token 2"
    assert _Handler.asked == ["/computeMetadata/v1/instance/service-accounts/default/token"] * 2


async def test_a_server_that_stumbles_is_asked_again(server: str) -> None:
    """It does so while an instance starts."""
    _Handler.refusals[:] = [503, 503]

    assert await MetadataServer(server).token() == "token 3"


@pytest.mark.parametrize("refusals", [[500] * 3, None], ids=["refuses", "is away"])
async def test_a_server_that_gives_none_is_told(server: str, refusals: list[int] | None) -> None:
    """And asked anew by the next call."""
    access = MetadataServer(server if refusals else f"127.0.0.1:{free_port()}")
    _Handler.refusals[:] = refusals or []

    with pytest.raises(AccessUnavailable):
        await access.token()

    if refusals:
        assert await access.token() == "token 4"
