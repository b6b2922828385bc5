"""What every task queue must do, asked of both adapters, and what only one of them can."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import grpc
import httpx
import pytest

from desk.store.cloud_tasks_list import CloudTasksList
from shared.databases import sqlite
from shared.errors import QueueUnavailable
from shared.queue import HORIZON, MAX_BODY_BYTES, QueueName, TaskList, TaskQueue, cloud_tasks, local_dispatcher
from shared.queue.cloud_tasks import CloudTasksQueue
from shared.queue.local import LEASE, TURNS, LocalQueue
from shared.queue.local_dispatcher import CONCURRENT_DELIVERIES, Dispatcher
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.http_receiver import PATIENCE_SECONDS, Receiver
from tests.support.silent_proxy import SilentProxy

REPOSITORY = Path(__file__).parents[3]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = timedelta(microseconds=1)
BODY = '{"v": 1, "sealed": "AAAA", "note": "ünïcode ✓"}'.encode()
QUEUES = "projects/petitions/locations/europe-west1/queues"
QUEUE = f"{QUEUES}/signatures"
SERVICE_ACCOUNT = "tasks@petitions.iam.gserviceaccount.com"
AUDIENCE = "https://deliver-1234.europe-west1.run.app"


class Subject(Protocol):
    """A queue, and what delivers its tasks."""

    queue: TaskQueue
    tasks: TaskList

    async def dispatch(self, now: datetime) -> None:
        """Have delivered all that is due at `now`."""


@dataclass
class LocalSubject:
    queue: LocalQueue
    tasks: LocalQueue
    dispatcher: Dispatcher

    async def dispatch(self, now: datetime) -> None:
        await self.dispatcher.dispatch_due(now)


@dataclass
class CloudSubject:
    queue: CloudTasksQueue
    tasks: CloudTasksList
    server: CloudTasksServer

    async def dispatch(self, now: datetime) -> None:
        await self.server.release(now)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.server.drain()


@asynccontextmanager
async def local_subject(path: Path, deliver_url: str) -> AsyncIterator[LocalSubject]:
    async with (
        aclosing(LocalQueue(path / "queue.sqlite")) as queue,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        yield LocalSubject(queue, queue, Dispatcher(queue, client, deliver_url))


@asynccontextmanager
async def cloud_subject(_path: Path, deliver_url: str) -> AsyncIterator[CloudSubject]:
    async with (
        CloudTasksServer(clock=lambda: NOW) as server,
        aclosing(cloud_queue(server.host, deliver_url)) as queue,
        aclosing(CloudTasksList(QUEUE, server.host)) as tasks,
    ):
        yield CloudSubject(queue, tasks, server)


def cloud_queue(host: str, deliver_url: str, *, queues: str = QUEUES) -> CloudTasksQueue:
    return CloudTasksQueue(
        queues=queues,
        deliver_url=deliver_url,
        audience=AUDIENCE,
        service_account=SERVICE_ACCOUNT,
        emulator_host=host,
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


Adapter = Callable[[Path, str], AbstractAsyncContextManager[Subject]]


@pytest.fixture(params=[local_subject, cloud_subject], ids=["local", "cloud_tasks"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> AsyncIterator[Subject]:
    adapter: Adapter = request.param
    async with adapter(tmp_path, receiver.url) as subject:
        yield subject


@pytest.fixture
async def on_file(tmp_path: Path, receiver: Receiver) -> AsyncIterator[LocalSubject]:
    async with local_subject(tmp_path, receiver.url) as subject:
        yield subject


@pytest.fixture
async def on_cloud(tmp_path: Path, receiver: Receiver) -> AsyncIterator[CloudSubject]:
    async with cloud_subject(tmp_path, receiver.url) as subject:
        yield subject


class TestEveryQueue:
    async def test_delivers_an_accepted_body_once_and_byte_for_byte(
        self, subject: Subject, receiver: Receiver
    ) -> None:
        """A task that was answered 2xx does not come again."""
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY)

        await subject.dispatch(NOW)
        await subject.dispatch(NOW + timedelta(days=1))

        assert receiver.bodies == [BODY]

    async def test_delivers_with_the_headers_of_cloud_tasks(self, subject: Subject, receiver: Receiver) -> None:
        """deliver may rely on the documented headers, whichever queue it is invoked by."""
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY)

        await subject.dispatch(NOW)

        headers = receiver.deliveries[0].headers
        assert headers["Content-Type"] == "application/json"
        assert headers["User-Agent"] == "Google-Cloud-Tasks"
        assert headers["X-CloudTasks-QueueName"] == "signatures"
        assert headers["X-CloudTasks-TaskName"].isdigit()
        assert headers["X-CloudTasks-TaskRetryCount"] == "0"
        assert headers["X-CloudTasks-TaskExecutionCount"] == "0"
        assert float(headers["X-CloudTasks-TaskETA"]) == NOW.timestamp()

    @pytest.mark.parametrize("queue", QueueName)
    async def test_delivers_from_the_queue_that_was_named(
        self, subject: Subject, receiver: Receiver, queue: QueueName
    ) -> None:
        """Each has a rate of its own, and each leads to deliver."""
        await subject.queue.enqueue(queue, BODY)

        await subject.dispatch(NOW)

        assert receiver.bodies == [BODY]
        assert receiver.deliveries[0].headers["X-CloudTasks-QueueName"] == queue

    async def test_gives_each_task_a_name_of_its_own(self, subject: Subject, receiver: Receiver) -> None:
        """Two tasks with the same body are two tasks."""
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY)
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY)

        await subject.dispatch(NOW)

        names = {delivery.headers["X-CloudTasks-TaskName"] for delivery in receiver.deliveries}
        assert len(receiver.deliveries) == len(names) == 2

    @pytest.mark.parametrize("delay", [SOON, timedelta(hours=1), HORIZON])
    async def test_delivers_nothing_before_its_time(
        self, subject: Subject, receiver: Receiver, delay: timedelta
    ) -> None:
        """A task comes neither a microsecond before `not_before` nor waits longer than until then."""
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY, not_before=NOW + delay)

        await subject.dispatch(NOW + delay - SOON)
        early = list(receiver.deliveries)
        await subject.dispatch(NOW + delay)

        assert early == []
        assert receiver.bodies == [BODY]
        assert float(receiver.deliveries[0].headers["X-CloudTasks-TaskETA"]) == (NOW + delay).timestamp()

    async def test_delivers_what_was_due_long_ago_at_once(self, subject: Subject, receiver: Receiver) -> None:
        """A `not_before` in the past is no reason to refuse or to wait."""
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY, not_before=NOW - timedelta(days=40))

        await subject.dispatch(NOW)

        assert receiver.bodies == [BODY]

    async def test_tries_again_until_deliver_answers_2xx(self, subject: Subject, receiver: Receiver) -> None:
        """Each try of a task carries its number; only answers other than 5xx count as executions."""
        receiver.answers.extend([503, 409, 302])
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY)

        for hour in range(5):
            await subject.dispatch(NOW + timedelta(hours=hour))

        tries = [
            (delivery.headers["X-CloudTasks-TaskRetryCount"], delivery.headers["X-CloudTasks-TaskExecutionCount"])
            for delivery in receiver.deliveries
        ]
        assert tries == [("0", "0"), ("1", "0"), ("2", "1"), ("3", "2")]
        assert receiver.bodies == [BODY] * 4
        assert len({delivery.headers["X-CloudTasks-TaskName"] for delivery in receiver.deliveries}) == 1

    async def test_takes_the_largest_body_that_is_allowed(self, subject: Subject, receiver: Receiver) -> None:
        """The limit itself is within the limit."""
        largest = b"x" * MAX_BODY_BYTES

        await subject.queue.enqueue(QueueName.SIGNATURES, largest)
        await subject.dispatch(NOW)

        assert receiver.bodies == [largest]

    async def test_refuses_a_body_that_is_too_large(self, subject: Subject, receiver: Receiver) -> None:
        """One byte over the limit is the caller's mistake, and nothing is kept of it."""
        too_large = b"x" * (MAX_BODY_BYTES + 1)

        with pytest.raises(ValueError, match="32001 bytes exceeds 32000"):
            await subject.queue.enqueue(QueueName.SIGNATURES, too_large)
        await subject.dispatch(NOW)

        assert receiver.deliveries == []


class TestEveryList:
    """What the desk does with the tasks that wait."""

    async def test_gives_name_and_body_of_every_task(self, subject: Subject) -> None:
        """Also of those that are not due yet, and over several pages."""
        bodies = [f'{{"v": {number}}}'.encode() for number in range(5)]
        for body in bodies:
            await subject.queue.enqueue(QueueName.SIGNATURES, body, not_before=NOW + timedelta(days=1))

        listed = [task async for task in subject.tasks.tasks()]

        assert sorted(body for _, body in listed) == bodies
        assert len({name for name, _ in listed}) == 5
        assert [await subject.tasks.count(most) for most in (3, 5, 1000)] == [3, 5, 5]

    async def test_removes_some_and_leaves_the_others(self, subject: Subject, receiver: Receiver) -> None:
        """What is removed is never delivered."""
        for body in (b'"keep"', b'"remove"'):
            await subject.queue.enqueue(QueueName.SIGNATURES, body, not_before=NOW + timedelta(days=1))

        await subject.tasks.delete([name async for name, body in subject.tasks.tasks() if body == b'"remove"'])
        await subject.dispatch(NOW + timedelta(days=2))

        assert [delivery.body for delivery in receiver.deliveries] == [b'"keep"']

    async def test_takes_no_offence_at_a_task_that_is_gone(self, subject: Subject) -> None:
        """It was delivered while the desk looked at the others."""
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY, not_before=NOW + timedelta(days=1))
        names = [name async for name, _ in subject.tasks.tasks()]

        await subject.tasks.delete(names)
        await subject.tasks.delete(names)

        assert [task async for task in subject.tasks.tasks()] == []

    async def test_overwrites_nothing_that_still_waits(self, subject: Subject, receiver: Receiver) -> None:
        """Also where nothing was removed before."""
        await subject.queue.enqueue(QueueName.SIGNATURES, BODY, not_before=NOW + timedelta(days=1))

        await subject.tasks.overwrite()
        await subject.dispatch(NOW + timedelta(days=1))

        assert receiver.bodies == [BODY]


class TestCloudTasks:
    async def test_lists_the_tasks_of_one_queue(self, on_cloud: CloudSubject) -> None:
        """The desk asks each of them."""
        for queue in QueueName:
            await on_cloud.queue.enqueue(queue, queue.encode(), not_before=NOW + timedelta(days=1))

        assert [body async for _, body in on_cloud.tasks.tasks()] == [b"signatures"]

    async def test_asks_for_a_token_that_delivers_ingress_accepts(self, on_cloud: CloudSubject) -> None:
        """Cloud Tasks is told as whom to invoke deliver, and for which audience."""
        await on_cloud.queue.enqueue(QueueName.SIGNATURES, BODY)

        token = on_cloud.server.created[0].http_request.oidc_token

        assert token.service_account_email == SERVICE_ACCOUNT
        assert token.audience == AUDIENCE

    async def test_connects_in_the_loop_of_the_first_enqueue(self, on_cloud: CloudSubject) -> None:
        """A queue that was built where no loop runs, as at import before a fork, works."""
        queue = await asyncio.to_thread(cloud_queue, on_cloud.server.host, "https://deliver.example/")

        async with aclosing(queue):
            await queue.enqueue(QueueName.SIGNATURES, BODY, not_before=NOW + timedelta(hours=1))

        assert len(on_cloud.server.created) == 1

    @pytest.mark.parametrize(
        "status",
        [
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.INTERNAL,
            grpc.StatusCode.UNKNOWN,
        ],
    )
    async def test_reports_a_refusal_at_once(self, on_cloud: CloudSubject, status: grpc.StatusCode) -> None:
        """What waiting does not cure is not tried again: sign has a spool to turn to."""
        on_cloud.server.fail_with = status

        with pytest.raises(QueueUnavailable) as caught:
            await on_cloud.queue.enqueue(QueueName.SIGNATURES, BODY)

        assert on_cloud.server.calls == 1
        assert "sealed" not in str(caught.value)

    async def test_tries_again_where_the_service_is_briefly_away(
        self, on_cloud: CloudSubject, receiver: Receiver
    ) -> None:
        """Two calls fail, the third is accepted, and the caller notices nothing."""
        on_cloud.server.fail_with, on_cloud.server.fail_times = grpc.StatusCode.UNAVAILABLE, 2

        await on_cloud.queue.enqueue(QueueName.SIGNATURES, BODY)
        await on_cloud.dispatch(NOW)

        assert on_cloud.server.calls == 3
        assert receiver.bodies == [BODY]

    @pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
    async def test_gives_up_on_a_service_that_stays_away(
        self, on_cloud: CloudSubject, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: grpc.StatusCode
    ) -> None:
        """Trying again is bounded, because somebody waits."""
        monkeypatch.setattr(cloud_tasks, "RETRY_SECONDS", 0.2)
        queue = cloud_queue(on_cloud.server.host, receiver.url)
        on_cloud.server.fail_with = status

        with pytest.raises(QueueUnavailable):
            async with asyncio.timeout(PATIENCE_SECONDS), aclosing(queue):
                await queue.enqueue(QueueName.SIGNATURES, BODY)

        assert on_cloud.server.calls >= 2
        assert on_cloud.server.created == []

    async def test_gives_up_on_an_answer_that_does_not_come(
        self, on_cloud: CloudSubject, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Accepted or not, nobody knows: that is unavailable too."""
        monkeypatch.setattr(cloud_tasks, "ATTEMPT_SECONDS", 0.2)
        monkeypatch.setattr(cloud_tasks, "RETRY_SECONDS", 0.2)
        queue = cloud_queue(on_cloud.server.host, receiver.url)
        on_cloud.server.latency = 3600

        with pytest.raises(QueueUnavailable):
            async with asyncio.timeout(PATIENCE_SECONDS), aclosing(queue):
                await queue.enqueue(QueueName.SIGNATURES, BODY)

        assert {task.http_request.body for task in on_cloud.server.created} == {BODY}

    async def test_reports_a_service_that_is_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A refused connection is unavailable."""
        monkeypatch.setattr(cloud_tasks, "RETRY_SECONDS", 0.2)
        queue = cloud_queue(f"unix:{tmp_path}/nobody", "https://deliver.example/")

        with pytest.raises(QueueUnavailable, match="ServiceUnavailable"):
            async with asyncio.timeout(PATIENCE_SECONDS), aclosing(queue):
                await queue.enqueue(QueueName.SIGNATURES, BODY)

    async def test_leaves_a_connection_that_died_silently(
        self, on_cloud: CloudSubject, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After one deadline without an answer the next attempt opens another, and the caller notices nothing."""
        monkeypatch.setattr(cloud_tasks, "ATTEMPT_SECONDS", 1)
        async with (
            SilentProxy(on_cloud.server.host) as proxy,
            aclosing(cloud_queue(proxy.host, receiver.url)) as queue,
        ):
            await queue.enqueue(QueueName.SIGNATURES, b"before")
            proxy.silence()

            await queue.enqueue(QueueName.SIGNATURES, b"after")
            await on_cloud.dispatch(NOW)

        assert receiver.bodies == [b"before", b"after"]
        assert proxy.accepted == 2

    async def test_reports_credentials_that_are_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Google is asked with the Application Default Credentials; lacking those is unavailable."""
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
        queue = CloudTasksQueue(
            queues=QUEUES,
            deliver_url="https://deliver.example/",
            audience=AUDIENCE,
            service_account=SERVICE_ACCOUNT,
        )

        with pytest.raises(QueueUnavailable, match="DefaultCredentialsError"):
            await queue.enqueue(QueueName.SIGNATURES, BODY)

    @pytest.mark.parametrize(
        ("queues", "deliver_url", "delay"),
        [
            ("queues", "https://deliver.example/", timedelta()),
            (QUEUES, "ftp://deliver.example/", timedelta()),
            (QUEUES, "https://deliver.example/", timedelta(days=30, seconds=1)),
        ],
        ids=["queue name", "url", "schedule time"],
    )
    async def test_reports_what_google_would_not_take(
        self, on_cloud: CloudSubject, queues: str, deliver_url: str, delay: timedelta
    ) -> None:
        """The server these tests lean on refuses what the real one refuses."""
        wrong = cloud_queue(on_cloud.server.host, deliver_url, queues=queues)

        with pytest.raises(QueueUnavailable, match="InvalidArgument"):
            async with aclosing(wrong):
                await wrong.enqueue(QueueName.SIGNATURES, BODY, not_before=NOW + delay)

        assert on_cloud.server.created == []

    async def test_may_deliver_a_task_twice(self, on_cloud: CloudSubject, receiver: Receiver) -> None:
        """The server can show deliver both of two concurrent deliveries of one task."""
        on_cloud.server.deliver_twice = True
        receiver.hold()

        await on_cloud.queue.enqueue(QueueName.SIGNATURES, BODY)
        await receiver.wait_for(2)
        receiver.let_go()
        await on_cloud.dispatch(NOW)

        assert receiver.bodies == [BODY, BODY]
        assert len({delivery.headers["X-CloudTasks-TaskName"] for delivery in receiver.deliveries}) == 1


class TestLocal:
    async def test_keeps_tasks_over_a_restart(self, tmp_path: Path, receiver: Receiver) -> None:
        """What one process accepted, the next one on the same file delivers."""
        async with local_subject(tmp_path, receiver.url) as before:
            await before.queue.enqueue(QueueName.SIGNATURES, BODY)

        async with local_subject(tmp_path, receiver.url) as after:
            await after.dispatch(NOW)

        assert receiver.bodies == [BODY]

    async def test_keeps_a_task_whose_process_is_killed_after_enqueue(
        self, on_file: LocalSubject, tmp_path: Path, receiver: Receiver
    ) -> None:
        """Nothing has to happen between the return of enqueue and the end of the process."""
        program = """
            import asyncio, os, pathlib, signal, sys
            from shared.queue import QueueName
            from shared.queue.local import LocalQueue

            async def main():
                await LocalQueue(pathlib.Path(sys.argv[1])).enqueue(QueueName.SIGNATURES, sys.argv[2].encode())
                os.kill(os.getpid(), signal.SIGKILL)

            asyncio.run(main())
        """
        process = await start(program, str(tmp_path / "queue.sqlite"), BODY.decode())

        status = await process.wait()
        await on_file.dispatch(NOW)

        assert status == -signal.SIGKILL
        assert receiver.bodies == [BODY]

    async def test_offers_a_task_again_whose_worker_was_killed(
        self, on_file: LocalSubject, tmp_path: Path, receiver: Receiver
    ) -> None:
        """The lease of a process killed in the midst of a delivery runs out, and counts as a try."""
        program = """
            import asyncio, datetime, pathlib, sys
            import httpx
            from shared.queue.local_dispatcher import Dispatcher
            from shared.queue.local import LocalQueue

            async def main():
                queue = LocalQueue(pathlib.Path(sys.argv[1]))
                async with httpx.AsyncClient(trust_env=False) as client:
                    now = datetime.datetime.fromisoformat(sys.argv[3])
                    await Dispatcher(queue, client, sys.argv[2]).dispatch_due(now)

            asyncio.run(main())
        """
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        receiver.hold()
        process = await start(program, str(tmp_path / "queue.sqlite"), receiver.url, NOW.isoformat())
        await receiver.wait_for(1)
        process.kill()
        await process.wait()
        receiver.let_go()

        leased = await on_file.dispatcher.dispatch_due(NOW + LEASE - SOON)
        run_out = await on_file.dispatcher.dispatch_due(NOW + LEASE)

        assert (leased, run_out) == (0, 1)
        assert receiver.deliveries[-1].headers["X-CloudTasks-TaskRetryCount"] == "1"
        assert await on_file.queue.pending() == 0

    async def test_never_delivers_a_task_in_two_places_at_once(
        self, on_file: LocalSubject, tmp_path: Path, receiver: Receiver
    ) -> None:
        """While one dispatcher waits for deliver's answer, another finds nothing to do."""
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        receiver.hold()
        first = asyncio.create_task(on_file.dispatcher.dispatch_due(NOW))
        await receiver.wait_for(1)

        async with local_subject(tmp_path, receiver.url) as other:
            second = await other.dispatcher.dispatch_due(NOW)
        receiver.let_go()

        assert second == 0
        assert await first == 1
        assert receiver.bodies == [BODY]

    async def test_shares_many_tasks_between_dispatchers(
        self, on_file: LocalSubject, tmp_path: Path, receiver: Receiver
    ) -> None:
        """Two dispatchers that race for a hundred tasks deliver each of them once."""
        bodies = {b"%d" % number for number in range(100)}
        await asyncio.gather(*(on_file.queue.enqueue(QueueName.SIGNATURES, body) for body in bodies))

        async with local_subject(tmp_path, receiver.url) as other:
            tried = await asyncio.gather(on_file.dispatcher.dispatch_due(NOW), other.dispatcher.dispatch_due(NOW))

        assert sum(tried) == 100
        assert sorted(receiver.bodies) == sorted(bodies)

    async def test_takes_tasks_from_many_processes_at_once(
        self, on_file: LocalSubject, tmp_path: Path, receiver: Receiver
    ) -> None:
        """Processes that all make the file and write to it at the same time lose nothing."""
        program = """
            import asyncio, pathlib, sys
            from shared.queue import QueueName
            from shared.queue.local import LocalQueue

            async def main():
                queue = LocalQueue(pathlib.Path(sys.argv[1]))
                for number in range(20):
                    await queue.enqueue(QueueName.SIGNATURES, f"{sys.argv[2]} {number}".encode())
                await queue.aclose()

            asyncio.run(main())
        """
        path = str(tmp_path / "queue.sqlite")

        processes = await asyncio.gather(*(start(program, path, str(name)) for name in range(4)))
        statuses = await asyncio.gather(*(process.wait() for process in processes))
        await on_file.dispatch(NOW)

        assert statuses == [0, 0, 0, 0]
        assert len(set(receiver.bodies)) == len(receiver.bodies) == 80

    async def test_backs_off_twice_as_long_each_time_up_to_an_hour(
        self, on_file: LocalSubject, receiver: Receiver
    ) -> None:
        """A refused task is kept, and comes after exactly 1, 2, 4 … seconds, never more than an hour."""
        pauses = [timedelta(seconds=min(2**tries, 3600)) for tries in range(14)]
        receiver.answers.extend([500] * 14)
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        await on_file.dispatch(NOW)

        now, tried = NOW, []
        for pause in pauses:
            early = await on_file.dispatcher.dispatch_due(now + pause - SOON)
            now += pause
            tried.append((early, await on_file.dispatcher.dispatch_due(now)))

        assert tried == [(0, 1)] * 14
        assert await on_file.queue.pending() == 0

    async def test_keeps_a_task_while_deliver_is_not_there(
        self, on_file: LocalSubject, tmp_path: Path, receiver: Receiver
    ) -> None:
        """A refused connection is a failed try like any other."""
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        async with local_subject(tmp_path, "http://127.0.0.1:1/") as to_nobody:
            await to_nobody.dispatch(NOW)

        await on_file.dispatch(NOW + timedelta(seconds=1))

        assert receiver.deliveries[0].headers["X-CloudTasks-TaskRetryCount"] == "1"
        assert receiver.deliveries[0].headers["X-CloudTasks-TaskExecutionCount"] == "0"

    async def test_gives_up_waiting_for_an_answer(
        self, on_file: LocalSubject, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A deliver that hangs holds up its task, not the dispatcher."""
        monkeypatch.setattr(local_dispatcher, "DELIVERY_TIMEOUT", timedelta(milliseconds=50))
        receiver.hold()
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)

        async with asyncio.timeout(PATIENCE_SECONDS):
            tried = await on_file.dispatcher.dispatch_due(NOW)

        assert tried == 1
        assert await on_file.queue.pending() == 1

    async def test_delivers_a_few_tasks_at_once(self, on_file: LocalSubject, receiver: Receiver) -> None:
        """Deliver is asked concurrently, but tasks beyond that are left for other dispatchers."""
        for _ in range(CONCURRENT_DELIVERIES + 1):
            await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        receiver.hold()

        dispatching = asyncio.create_task(on_file.dispatcher.dispatch_due(NOW))
        await receiver.wait_for(CONCURRENT_DELIVERIES)
        left = await on_file.queue.lease(NOW)
        receiver.let_go()
        await dispatching

        assert left is not None
        assert left.task == CONCURRENT_DELIVERIES + 1
        assert await on_file.queue.pending() == 1

    async def test_delivers_reminders_after_all_others(self, on_file: LocalSubject, receiver: Receiver) -> None:
        """However long they have been due: a fresh signature does not wait for a thousand of yesterday's."""
        for queue in reversed(QueueName):
            for hours in (2, 1):
                due_at = NOW - timedelta(hours=hours, minutes=["without-work", "reminders"].count(queue))
                await on_file.queue.enqueue(queue, f"{queue} {hours}".encode(), not_before=due_at)
        await on_file.queue.enqueue(QueueName.SIGNATURES, b"not due", not_before=NOW + SOON)

        leased = [await on_file.queue.lease(NOW) for _ in range(9)]

        assert [lease and lease.body.decode() for lease in leased] == [
            "presses 2",
            "signatures 2",
            "presses 1",
            "signatures 1",
            "without-work 2",
            "without-work 1",
            "reminders 2",
            "reminders 1",
            None,
        ]

    async def test_delivers_a_few_of_the_last_in_a_rush_too(self, on_file: LocalSubject) -> None:
        """Or neither browsers without scripts nor anybody who is to be reminded had a mail before its end."""
        for queue in QueueName:
            for _ in range(2 * TURNS):
                await on_file.queue.enqueue(queue, BODY)

        leased = [await on_file.queue.lease(NOW) for _ in range(2 * TURNS)]

        queues = [lease and lease.queue for lease in leased]
        assert (queues.count("without-work"), queues.count("reminders")) == (2, 2)

    async def test_ignores_the_end_of_a_lease_that_ran_out(self, on_file: LocalSubject) -> None:
        """A worker that comes back late with a failure does not free the task that another now holds."""
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        late = await on_file.queue.lease(NOW)
        await on_file.queue.lease(NOW + LEASE)
        assert late is not None

        await on_file.queue.retry(late, at=NOW, executed=True)

        assert await on_file.queue.lease(NOW + LEASE) is None

    async def test_runs_until_it_is_cancelled(self, on_file: LocalSubject, receiver: Receiver) -> None:
        """The running dispatcher notices a task that comes later, and stops when told to."""
        running = asyncio.create_task(on_file.dispatcher.run(lambda: NOW))
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        await receiver.wait_for(1)
        await on_file.queue.enqueue(QueueName.SIGNATURES, b"another")
        await receiver.wait_for(2)

        running.cancel()

        with pytest.raises(asyncio.CancelledError):
            await running
        assert receiver.bodies == [BODY, b"another"]

    async def test_ends_what_is_under_way_when_it_is_stopped(
        self, on_file: LocalSubject, receiver: Receiver
    ) -> None:
        """A restart cuts no mail off."""
        receiver.hold()
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        running = asyncio.create_task(on_file.dispatcher.run(lambda: NOW))
        await receiver.wait_for(1)

        on_file.dispatcher.stop()
        receiver.let_go()
        await running

        assert await on_file.queue.pending() == 0

    async def test_offers_again_what_a_cancelled_run_left_unfinished(
        self, on_file: LocalSubject, receiver: Receiver
    ) -> None:
        """A restart of the development server does not have to wait for the lease to run out."""
        receiver.hold()
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        running = asyncio.create_task(on_file.dispatcher.run(lambda: NOW))
        await receiver.wait_for(1)

        running.cancel()
        await asyncio.wait([running])
        receiver.let_go()

        assert await on_file.dispatcher.dispatch_due(NOW + timedelta(seconds=1)) == 1

    async def test_keeps_running_while_the_file_does_not_answer(self, tmp_path: Path, receiver: Receiver) -> None:
        """A run that starts on a file it cannot open delivers as soon as it can."""
        in_the_way = tmp_path / "var"
        in_the_way.touch()
        asked = asyncio.Event()

        def clock() -> datetime:
            asked.set()
            return NOW

        async with local_subject(in_the_way, receiver.url) as subject:
            running = asyncio.create_task(subject.dispatcher.run(clock))
            await asked.wait()
            with pytest.raises(QueueUnavailable):
                await subject.queue.pending()
            in_the_way.unlink()
            await subject.queue.enqueue(QueueName.SIGNATURES, BODY)
            await receiver.wait_for(1)
            running.cancel()
            await asyncio.wait([running])

        assert receiver.bodies == [BODY]

    async def test_reports_a_path_it_cannot_write(self, tmp_path: Path) -> None:
        """A file that cannot be made is unavailable, and the message does not hold the body."""
        queue = LocalQueue(tmp_path)

        with pytest.raises(QueueUnavailable) as caught:
            async with aclosing(queue):
                await queue.enqueue(QueueName.SIGNATURES, BODY)

        assert "sealed" not in str(caught.value)

    async def test_leaves_no_byte_of_a_removed_task(self, on_file: LocalSubject, tmp_path: Path) -> None:
        """Neither in the file nor in its log, which a plain DELETE leaves as it was."""
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY, not_before=NOW + timedelta(days=1))
        await on_file.tasks.delete([name async for name, _ in on_file.tasks.tasks()])

        await on_file.tasks.overwrite()

        assert [file.name for file in tmp_path.iterdir() if BODY in file.read_bytes()] == []

    async def test_reports_a_file_that_stays_locked(
        self, on_file: LocalSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A writer that does not let go is waited for a while, then unavailable; afterwards all is well."""
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        writer = sqlite3.connect(tmp_path / "queue.sqlite", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")

        with pytest.raises(QueueUnavailable, match="OperationalError"):
            await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)
        writer.execute("ROLLBACK")
        writer.close()
        await on_file.queue.enqueue(QueueName.SIGNATURES, BODY)

        assert await on_file.queue.pending() == 2


async def start(program: str, *arguments: str) -> asyncio.subprocess.Process:
    """A process of its own that runs the (indented) Python `program`."""
    indented = "if True:" + program
    return await asyncio.create_subprocess_exec(sys.executable, "-c", indented, *arguments, cwd=REPOSITORY)
