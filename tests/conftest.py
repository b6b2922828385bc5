"""What every test may ask for. A part that is missing is skipped aloud on a laptop and a failure in CI."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from tests.counting_proxy import CountingProxy
from tests.emulator import firestore_emulator

#: The moment at which most tests take place.
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def missing(part: str) -> None:
    """Skip the test for want of `part`, or fail it where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{part} is missing, and in CI nothing is skipped")
    pytest.skip(f"{part} is missing: this was NOT tested")


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
