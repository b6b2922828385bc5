"""What every test may ask for. A part that is missing is skipped aloud on a laptop and a failure in CI."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.counting_proxy import CountingProxy
from tests.support.deployment import World, world
from tests.support.emulator import firestore_emulator
from tests.support.missing import missing


@pytest.fixture(scope="session")
def _emulator() -> Iterator[str | None]:
    with firestore_emulator() as host:
        yield host


@pytest.fixture
def emulator(_emulator: str | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """host:port of Google's Firestore emulator."""
    if _emulator is None:
        missing("Google's Firestore emulator (gcloud components install cloud-firestore-emulator)")
    assert _emulator
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", _emulator)
    return _emulator


@pytest.fixture
async def proxy(emulator: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingProxy]:
    """In front of the emulator, for every client that is made after it."""
    async with CountingProxy(emulator) as made:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", made.host)
        yield made


@pytest.fixture
def project() -> str:
    """A Google Cloud project of the emulator's that no other test writes to."""
    return f"p-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def campaign_id() -> str:
    """A campaign that no other test writes to."""
    return f"c-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """All functions on SQLite, the local queue and the outbox."""
    async with world(tmp_path, monkeypatch) as made:
        yield made
