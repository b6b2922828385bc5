"""While Cloud Tasks is away: sign accepts into the spool, a sweep enqueues it later, and nothing is lost."""

import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from shared import circuit_breaker
from shared.databases.firestore import FirestoreDatabase, put
from shared.errors import QueueUnavailable
from shared.queue import MAX_BODY_BYTES, QueueName, cloud_tasks
from shared.queue.spool import COLLECTION, FirestoreSpool
from shared.queue.sweep import TIME_SECONDS, Sweeper
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import World, world
from tests.support.emulator import free_port
from tests.support.firestore_server import FirestoreServer, serving
from tests.support.silent_proxy import SilentProxy

QUEUES = "projects/undersign-test/locations/europe-west1/queues"
DATABASE = "(default)"


class KeepingQueue:
    """Remembers what it was given, and fails once it has `room` no more."""

    def __init__(self, room: int = 1_000) -> None:
        self.bodies: list[bytes] = []
        self.queues: set[QueueName] = set()
        self.room = room

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: object = None) -> None:
        if len(self.bodies) >= self.room:
            raise QueueUnavailable("full")
        self.bodies.append(body)
        self.queues.add(queue)

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def sweeping(project: str, queue: KeepingQueue, *ticks: float) -> AsyncIterator[Sweeper]:
    """`ticks`: what the clock says each time that it is read; without, it stands still."""
    clock = itertools.chain(ticks, itertools.repeat(ticks[-1] if ticks else 0.0))
    sweeper = Sweeper(project, DATABASE, queue, lambda: next(clock))
    yield sweeper
    await sweeper.aclose()


@pytest.fixture
def spool(project: str, emulator: str, monkeypatch: pytest.MonkeyPatch) -> FirestoreSpool:
    monkeypatch.setattr("shared.queue.spool.TIMEOUT_SECONDS", 60)  # an emulator that has just started is slow
    return FirestoreSpool(project, DATABASE)


@pytest.fixture
async def tasks() -> AsyncIterator[CloudTasksServer]:
    async with CloudTasksServer() as server:
        yield server


@pytest.fixture
async def deployed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    emulator: str,
    project: str,
    tasks: CloudTasksServer,
) -> AsyncIterator[World]:
    """A deployment whose queue is Cloud Tasks, with a spool; its patience with the queue is shortened."""
    monkeypatch.setattr(cloud_tasks, "RETRY_SECONDS", 1)
    environment = {
        "TASKS": "cloud_tasks",
        "CLOUD_TASKS_EMULATOR_HOST": tasks.host,
        "TASKS_QUEUES": QUEUES,
        "DELIVER_URL": f"http://127.0.0.1:{free_port()}/v1/tasks/deliver",
        "DELIVER_AUDIENCE": "https://deliver.example.org",
        "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
        "SPOOL_PROJECT": project,
        "SPOOL_DATABASE": DATABASE,
    }
    async with world(tmp_path, monkeypatch, **environment) as made:
        yield made
        await made.functions["deliver"].deps.sweeper.aclose()


async def test_what_is_kept_is_swept_into_the_queue_once(spool: FirestoreSpool, project: str) -> None:
    """Byte for byte, where fresh signatures go; and then it is gone from the spool."""
    for body in (b"one", b"two\xff\x00"):
        await spool.keep(body)
    queue = KeepingQueue()

    async with sweeping(project, queue) as sweeper:
        moved = [await sweeper.sweep(), await sweeper.sweep()]

    assert moved == [2, 0]
    assert sorted(queue.bodies) == [b"one", b"two\xff\x00"]
    assert queue.queues == {QueueName.SIGNATURES}


async def test_a_sweep_that_the_queue_cuts_short_leaves_the_rest(spool: FirestoreSpool, project: str) -> None:
    """The next one goes on; nothing is lost and nothing moved twice."""
    for number in range(5):
        await spool.keep(str(number).encode())
    queue = KeepingQueue(room=2)

    async with sweeping(project, queue) as sweeper:
        with pytest.raises(QueueUnavailable):
            await sweeper.sweep()
        queue.room = 1_000
        moved = await sweeper.sweep()

    assert moved == 3
    assert sorted(queue.bodies) == [b"0", b"1", b"2", b"3", b"4"]


async def keep_many(project: str, number: int) -> None:
    database = FirestoreDatabase(project, DATABASE)
    await database.commit(*(put(f"{COLLECTION}/{each:04}", {"body": b"task"}) for each in range(number)))
    database.close()


@pytest.mark.usefixtures("emulator")
async def test_a_sweep_ends_when_the_spool_is_empty(project: str) -> None:
    """However many there are: after a long outage, a signer should not wait for more sweeps than one."""
    await keep_many(project, 450)
    queue = KeepingQueue()

    async with sweeping(project, queue) as sweeper:
        moved = await sweeper.sweep()

    assert moved == len(queue.bodies) == 450


@pytest.mark.usefixtures("emulator")
async def test_a_sweep_ends_before_the_time_of_its_request(project: str) -> None:
    """What it has moved by then is moved, and the next one goes on."""
    await keep_many(project, 450)
    queue = KeepingQueue()

    async with sweeping(project, queue, 0, 1, TIME_SECONDS) as sweeper:
        moved = await sweeper.sweep()

    assert 0 < moved == len(queue.bodies) < 450


async def test_junk_in_the_spool_stands_in_nobodys_way(spool: FirestoreSpool, project: str) -> None:
    """What sign did not make is dropped, and the rest is moved."""
    await spool.keep(b"x" * (MAX_BODY_BYTES + 1))
    await spool.keep(b"task")
    queue = KeepingQueue()

    async with sweeping(project, queue) as sweeper:
        await sweeper.sweep()
        left = await sweeper.sweep()

    assert queue.bodies == [b"task"]
    assert left == 0


async def test_what_an_attempt_without_an_answer_has_kept_is_kept_once(
    spool: FirestoreSpool, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next attempt, at the same document, finds it there."""
    monkeypatch.setattr("shared.queue.spool._random_id", lambda: "one")
    queue = KeepingQueue()

    for _ in range(2):
        await spool.keep(b"task")

    async with sweeping(project, queue) as sweeper:
        assert await sweeper.sweep() == 1
    assert queue.bodies == [b"task"]


async def test_a_connection_that_died_silently_is_left_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one deadline without an answer, so that the signer notices nothing."""
    monkeypatch.setattr("shared.queue.spool.TIMEOUT_SECONDS", 4)
    async with serving(FirestoreServer()) as server, SilentProxy(server.host) as proxy:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", proxy.host)
        async with aclosing(FirestoreSpool("p", DATABASE)) as spool:
            await spool.keep(b"before")
            proxy.silence()

            await spool.keep(b"after")

    assert (proxy.accepted, server.calls) == (2, 2)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> FirestoreSpool:
    """A spool whose database is away, and for which nobody waits long."""
    monkeypatch.setattr("shared.queue.spool.TIMEOUT_SECONDS", 0.1)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    return FirestoreSpool("p", DATABASE)


async def test_a_spool_that_is_away_too_says_so(nowhere: FirestoreSpool) -> None:
    """Nobody is told that a signature was accepted."""
    with pytest.raises(QueueUnavailable):
        await nowhere.keep(b"body")


async def test_a_signature_is_accepted_while_cloud_tasks_is_away_and_delivered_when_it_is_back(
    deployed: World, tasks: CloudTasksServer
) -> None:
    """202 with the same bytes as ever; after the sweep its task is in the queue."""
    usual = await deployed.sign()
    tasks.fail_with = grpc.StatusCode.UNAVAILABLE
    spooled = await deployed.sign(email="bob@example.org")
    still_away = await deployed.client.post("/v1/tasks/sweep")
    tasks.fail_with = None

    swept = await deployed.client.post("/v1/tasks/sweep")

    assert (spooled.status_code, spooled.content) == (usual.status_code, usual.content)
    assert (still_away.status_code, swept.status_code) == (503, 204)
    assert len(tasks.created) == 2
    delivered = await deployed.client.post("/v1/tasks/deliver", content=tasks.created[1].http_request.body)
    assert delivered.status_code == 204
    assert [mail.to for mail in deployed.outbox.received()] == ["bob@example.org"]


async def test_a_queue_that_does_not_answer_is_soon_not_asked_any_more(
    deployed: World, tasks: CloudTasksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signers are accepted into the spool at once, in place of waiting for one timeout after the other."""
    monkeypatch.setattr(circuit_breaker, "FAILING_SECONDS", 0)
    tasks.fail_with = grpc.StatusCode.DEADLINE_EXCEEDED
    first = await deployed.sign()
    while_noticing = tasks.calls

    later = [await deployed.sign(email=f"bob-{number}@example.org") for number in range(3)]

    assert {each.status_code for each in (first, *later)} == {202}
    assert (while_noticing, tasks.calls) == (2, 2)


async def test_with_both_away_the_signer_is_told_to_try_again(
    deployed: World, tasks: CloudTasksServer, nowhere: FirestoreSpool
) -> None:
    """503 with Retry-After; the form is kept where it was typed."""
    tasks.fail_with = grpc.StatusCode.UNAVAILABLE
    deployed.functions["sign"].deps.envelopes._queue._spool = nowhere

    response = await deployed.sign()

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
