"""Where the account may not change anything, the pages say so, and offer nothing that would fail."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.cloud.firestore_v1 import types

from desk import runtime
from desk.web import rights
from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import Session
from shared.clock import utc_now
from tests.support.deployment import CAMPAIGN
from tests.support.firestore_server import FirestoreServer, serving

HOST = "127.0.0.1:8123"
PARTNERS = f"/campaigns/{CAMPAIGN}/partners"


@asynccontextmanager
async def desk() -> AsyncIterator[httpx.AsyncClient]:
    """A desk in a browser."""
    session = Session(8123, utc_now())
    transport = httpx.ASGITransport(create_app(session, HOST, lambda: None))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        await client.get(LINK, params={"token": session.link_token})
        yield client


class Database(FirestoreServer):
    """A database that answers the first writes with errors, and holds nothing."""

    async def read(
        self, request: types.BatchGetDocumentsRequest, _context: Any
    ) -> AsyncIterator[types.BatchGetDocumentsResponse]:
        for name in request.documents:
            yield types.BatchGetDocumentsResponse(missing=name)


@asynccontextmanager
async def database(monkeypatch: pytest.MonkeyPatch, answer: grpc.StatusCode) -> AsyncIterator[FirestoreServer]:
    """A database in the cloud that answers the first write so."""
    async with serving(Database(answer)) as served:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", served.host)
        monkeypatch.setenv("STORE", "firestore")
        monkeypatch.setenv("FIRESTORE_PROJECT", "petition")
        yield served


@pytest.mark.parametrize(
    ("answer", "may"), [(grpc.StatusCode.PERMISSION_DENIED, False), (grpc.StatusCode.NOT_FOUND, True)]
)
async def test_the_database_itself_is_asked(
    monkeypatch: pytest.MonkeyPatch, answer: grpc.StatusCode, may: bool
) -> None:
    """Rights may be granted on one database alone, which nothing else knows."""
    async with database(monkeypatch, answer):
        assert await runtime.may_write() is may


async def test_pages_offer_no_button_that_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """They say why; what may be read is shown. It is asked once for several pages."""
    async with database(monkeypatch, grpc.StatusCode.PERMISSION_DENIED) as served, desk() as browser:
        changing = ("partners", "pause", "paper", "hand-over", "audit/repair")
        pages = [(await browser.get(f"/campaigns/{CAMPAIGN}/{page}")).text for page in changing]
        calls = served.calls

    for page in pages:
        assert "read-only" in page
        assert "may not change it: ask who runs this deployment" in page
        assert page.count('<form method="post"') == 1  # closes the desk
    assert calls == 1


async def test_with_rights_every_button_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a database does not say in time."""
    async with database(monkeypatch, grpc.StatusCode.NOT_FOUND), desk() as browser:
        shown = (await browser.get(PARTNERS)).text

    assert "read-only" not in shown
    assert "Admit in the database" in shown


async def test_files_that_cannot_be_written_are_found(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is what counts: a file is written beside the old one, and takes its place."""
    before = rights.files_read_only()
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert before == ""
    assert "cannot be written" in rights.files_read_only()
