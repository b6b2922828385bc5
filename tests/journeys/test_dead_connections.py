"""A connection whose packets vanish, as after a freeze or a change of network, under each adapter that keeps one.

The relays' connections are tested in tests/shared/mail/test_smtp.py; that to the metadata server in
test_credentials.py. Overlays are read over a new connection each time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import grpc.aio
import pytest

from desk.store import cloud_tasks_list
from desk.store.cloud_tasks_list import CloudTasksList
from desk.store.firestore import FirestoreMaintenance
from desk.store.firestore_tasks import FirestoreTasks
from shared.databases.firestore import FirestoreDatabase
from shared.errors import QueueUnavailable, StoreUnavailable
from shared.queue import QueueName, cloud_tasks
from shared.queue.cloud_tasks import CloudTasksQueue
from shared.queue.spool import COLLECTION, FirestoreSpool
from shared.queue.sweep import Sweeper
from shared.store.entities import Point
from shared.store.firestore import FirestoreStore
from tests.shared.store.test_store_contract import make_address, submission
from tests.support.clock import NOW
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.messages import RecordingQueue
from tests.support.silent_proxy import SilentProxy

#: For a call with all its attempts, of which one may take half.
TIMEOUT_SECONDS = 4.0
QUEUES = "projects/p/locations/europe-west1/queues"
TASK = f"{QUEUES}/signatures/tasks/1"
CAMPAIGN = "silent"

Calls = dict[str, Callable[[], Awaitable[object]]]


@pytest.fixture(autouse=True)
def a_connection_for_each_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As over TLS: to a plaintext server, channels share a connection until the last of them is collected."""
    insecure_channel = grpc.aio.insecure_channel

    def alone(target: str, options: Sequence[tuple[str, Any]] = ()) -> grpc.aio.Channel:
        return insecure_channel(target, [*options, ("grpc.use_local_subchannel_pool", 1)])

    monkeypatch.setattr(grpc.aio, "insecure_channel", alone)


async def all_of(items: AsyncIterator[object]) -> list[object]:
    return [each async for each in items]


async def survives(proxy: SilentProxy, call: Callable[[], Awaitable[object]]) -> None:
    """The call that meets the dead connection may fail; the next one works, at once."""
    await call()
    proxy.silence()

    with suppress(QueueUnavailable, StoreUnavailable):
        await call()
    async with asyncio.timeout(TIMEOUT_SECONDS / 2):
        await call()

    assert proxy.accepted == 2


@asynccontextmanager
async def cloud_tasks_calls(host: str) -> AsyncIterator[Calls]:
    queue = CloudTasksQueue(
        queues=QUEUES,
        deliver_url="http://127.0.0.1:1/",
        audience="https://deliver.example.org",
        service_account="queue@p.iam.gserviceaccount.com",
        emulator_host=host,
    )
    async with aclosing(queue), aclosing(CloudTasksList(f"{QUEUES}/signatures", host)) as tasks:
        yield {
            "enqueue": lambda: queue.enqueue(QueueName.SIGNATURES, b"body"),
            "list": lambda: all_of(tasks.tasks()),
            "delete": lambda: tasks.delete([TASK]),
        }


@pytest.mark.parametrize("name", ["enqueue", "list", "delete"])
async def test_cloud_tasks_is_reached_over_another_connection(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """By sign, deliver and confirm, which enqueue, and by the desk."""
    for module in (cloud_tasks, cloud_tasks_list):
        prefix = "" if module is cloud_tasks else "_"
        monkeypatch.setattr(module, f"{prefix}ATTEMPT_SECONDS", TIMEOUT_SECONDS / 2)
        monkeypatch.setattr(module, f"{prefix}RETRY_SECONDS", TIMEOUT_SECONDS)

    async with (
        CloudTasksServer() as server,
        SilentProxy(server.host) as proxy,
        cloud_tasks_calls(proxy.host) as calls,
    ):
        await survives(proxy, calls[name])


def _database(adapter: Any) -> FirestoreDatabase:
    found = vars(adapter).get("database") or vars(adapter)["_database"]
    assert isinstance(found, FirestoreDatabase)
    return found


ADDRESS = make_address(CAMPAIGN)
PLACE = ("silent-test", "(default)")

FIRESTORE: dict[str, tuple[Callable[[], Any], Callable[[Any], Awaitable[object]]]] = {
    "store admits": (lambda: FirestoreStore(*PLACE), lambda store: store.admit(ADDRESS, submission(), NOW)),
    "store reads the tally": (lambda: FirestoreStore(*PLACE), lambda store: store.tally(CAMPAIGN)),
    "store adds to the history": (
        lambda: FirestoreStore(*PLACE),
        lambda store: store.add_to_history(CAMPAIGN, Point(NOW, 1, {"DE": 1})),
    ),
    "spool keeps": (lambda: FirestoreSpool(*PLACE), lambda spool: spool.keep(b"body")),
    "sweep": (lambda: Sweeper(*PLACE, RecordingQueue()), lambda sweeper: sweeper.sweep()),
    "desk scans": (lambda: FirestoreMaintenance(*PLACE), lambda store: all_of(store.scan(CAMPAIGN))),
    "desk lists campaigns": (lambda: FirestoreMaintenance(*PLACE), lambda store: store.campaigns()),
    "desk recounts": (lambda: FirestoreMaintenance(*PLACE), lambda store: store.recount(CAMPAIGN, str)),
    "desk reads the funnel": (lambda: FirestoreMaintenance(*PLACE), lambda store: store.funnel(CAMPAIGN)),
    "desk lists tasks": (lambda: FirestoreTasks(*PLACE, COLLECTION), lambda tasks: all_of(tasks.tasks())),
    "desk deletes a task": (lambda: FirestoreTasks(*PLACE, COLLECTION), lambda tasks: tasks.delete(["1"])),
}


@pytest.mark.parametrize("name", FIRESTORE)
async def test_firestore_is_reached_over_another_connection(
    emulator: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By the functions and by the desk."""
    make, call = FIRESTORE[name]
    async with SilentProxy(emulator) as proxy:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", proxy.host)
        adapter = make()
        monkeypatch.setattr(_database(adapter), "_timeout_seconds", TIMEOUT_SECONDS)

        await survives(proxy, lambda: call(adapter))

        _database(adapter).close()
