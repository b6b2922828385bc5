"""What every test may ask for. A part that is missing is skipped aloud on a laptop and a failure in CI."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore
from hypothesis import settings

from tests.support.counting_proxy import CountingProxy
from tests.support.deployment import World, world
from tests.support.emulator import firestore_emulator, wait_for_port
from tests.support.missing import missing

# A busy machine is no fault of the code: how long an example takes is for benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_SHARED_EMULATOR = pytest.StashKey[str | None]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give all workers of pytest-xdist one emulator, which starts while they collect the tests."""
    config: pytest.Config = node.config
    if _SHARED_EMULATOR not in config.stash:
        running = ExitStack()
        config.stash[_SHARED_EMULATOR] = running.enter_context(firestore_emulator(wait=False))
        config.add_cleanup(running.close)
    node.workerinput["emulator"] = config.stash[_SHARED_EMULATOR]


#: Where the files are that take longest.
_LONGEST = (
    "tests/infra/",
    "tests/chaos/",
    "tests/journeys/",
    "tests/browser/",
    "tests/shared/store/test_state_machine.py",
    "tests/shared/web/test_openapi.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the workers of pytest-xdist begin with long files, so that they end at about the same time."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.fixture(scope="session")
def emulator_host(request: pytest.FixtureRequest) -> Iterator[str]:
    """host:port of Google's Firestore emulator, for fixtures that outlive a test."""
    with ExitStack() as running:
        if workerinput := getattr(request.config, "workerinput", None):
            host = workerinput["emulator"]
        else:
            host = running.enter_context(firestore_emulator())
        if host is None or not wait_for_port(int(host.rpartition(":")[2])):
            missing("Google's Firestore emulator (gcloud components install cloud-firestore-emulator)")
        _warm_up(host)
        yield host


def _warm_up(host: str) -> None:
    """Let the emulator's first call, for which it loads its classes, not be one that has a deadline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", host)
        document = firestore.Client(project="warm-up").document("any/document")
        document.set({"written": True}, timeout=60)
        document.get(timeout=60)


@pytest.fixture
def emulator(emulator_host: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """host:port of Google's Firestore emulator."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulator_host)
    return emulator_host


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
