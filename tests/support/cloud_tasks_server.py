"""A fake Cloud Tasks server over gRPC: CreateTask, ListTasks and DeleteTask; it delivers the tasks it accepts.

Google ships no emulator, and google-cloud-tasks no servicer classes, so this uses generic handlers and its
message classes. It refuses what the real API refuses, according to
https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2 and
https://cloud.google.com/tasks/docs/quotas, so that no test passes with a task that Google would not accept.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import grpc
import grpc.aio
import httpx
from google.cloud.tasks_v2 import (
    CreateTaskRequest,
    DeleteTaskRequest,
    HttpMethod,
    ListTasksRequest,
    ListTasksResponse,
    Task,
)
from google.protobuf import empty_pb2

from tests.support.oidc import checked_by_cloud_run, claims

_PARENT = re.compile(r"projects/[A-Za-z0-9:.-]+/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]{1,100}")
_NAME = re.compile(_PARENT.pattern + r"/tasks/[A-Za-z0-9_-]{1,500}")
_URL = re.compile(r"https?://[^/\s]+\S*")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")

_MAX_TASK_BYTES = 100 * 1024
_MAX_URL_LENGTH = 2083
_HORIZON = timedelta(days=30)
_SHORTEST_DEADLINE = timedelta(seconds=15)
_LONGEST_DEADLINE = timedelta(minutes=30)

_LIST_PAGE = 2
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.05


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False, slots=True)
class _Undelivered:
    task: Task
    due_at: datetime
    deleted: bool = False


class CloudTasksServer:
    """Accept tasks over gRPC at `host`, and POST each to its URL, as through Cloud Run, until that answers 2xx.

    A scheduled task is delivered when `clock` reaches its time or `release` moves the server's time there.

    Attributes:
        host: `host:port`, plaintext.
        created: every accepted task, with its name, oldest first.
        calls: the number of calls of CreateTask, including refused ones.
        fail_with: the status with which CreateTask fails; None accepts.
        fail_times: how many more calls fail with `fail_with`; None for all.
        latency: seconds between accepting a task and answering.
        deliver_twice: deliver each task twice at the same time, as Cloud Tasks occasionally does.
        transport: for its requests, if the URLs in tasks do not exist on this machine.
    """

    host: str

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = _utc_now,
        fail_with: grpc.StatusCode | None = None,
        fail_times: int | None = None,
        latency: float = 0,
        deliver_twice: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.created: list[Task] = []
        self.calls = 0
        self.fail_with = fail_with
        self.fail_times = fail_times
        self.latency = latency
        self.deliver_twice = deliver_twice
        self._clock = clock
        self._transport = transport
        self._released = datetime.min.replace(tzinfo=UTC)
        self._undelivered: set[_Undelivered] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(trust_env=False, transport=self._transport)
        self._deliveries: set[asyncio.Task[None]] = set()
        self._server = grpc.aio.server()
        methods = {
            "CreateTask": grpc.unary_unary_rpc_method_handler(
                self._create_task, CreateTaskRequest.deserialize, Task.serialize
            ),
            "ListTasks": grpc.unary_unary_rpc_method_handler(
                self._list_tasks, ListTasksRequest.deserialize, ListTasksResponse.serialize
            ),
            "DeleteTask": grpc.unary_unary_rpc_method_handler(
                self._delete_task, DeleteTaskRequest.deserialize, empty_pb2.Empty.SerializeToString
            ),
        }
        service = "google.cloud.tasks.v2.CloudTasks"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(None)
        unfinished = [delivery for delivery in self._deliveries if delivery.cancel()]
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._client.aclose()
        for delivery in self._deliveries:
            if not delivery.cancelled():
                delivery.result()  # raises the exception of a failed delivery

    async def release(self, until: datetime) -> None:
        """Move the server's time forward to `until`, which delivers the tasks scheduled up to then."""
        async with self._changed:
            self._released = max(self._released, until)
            self._changed.notify_all()

    async def drain(self) -> None:
        """Wait until every task that is due is delivered."""
        async with self._changed:
            await self._changed.wait_for(lambda: not any(map(self._is_due, self._undelivered)))

    async def _create_task(self, request: CreateTaskRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Task:
        self.calls += 1
        if self.fail_with is not None and self.fail_times != 0:
            if self.fail_times is not None:
                self.fail_times -= 1
            await context.abort(self.fail_with, "fail_with")
        error = self._error(request)
        if error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error)
        task = Task(request.task)
        if task.name and any(task.name == other.name for other in self.created):
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "a task of this name exists or existed")

        now = self._now()
        task.name = task.name or f"{request.parent}/tasks/{uuid4().int}"
        task.schedule_time = max(task.schedule_time or now, now)
        task.create_time = now
        self._accept(task)
        if self.latency:
            await asyncio.sleep(self.latency)
        return task

    async def _list_tasks(
        self, request: ListTasksRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ListTasksResponse:
        """Return a page of tasks, with bodies only in the full view; a page's token is its offset."""
        tasks = (each.task for each in self._undelivered if each.task.name.startswith(f"{request.parent}/tasks/"))
        waiting = sorted(tasks, key=lambda task: task.name)
        start = int(request.page_token or 0)
        page = [Task(task) for task in waiting[start : start + _LIST_PAGE]]
        if request.response_view is not Task.View.FULL:
            for task in page:
                task.http_request.body = b""
        more = str(start + _LIST_PAGE) if len(waiting) > start + _LIST_PAGE else ""
        return ListTasksResponse(tasks=page, next_page_token=more)

    async def _delete_task(
        self, request: DeleteTaskRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> empty_pb2.Empty:
        for undelivered in self._undelivered:
            if undelivered.task.name == request.name:
                undelivered.deleted = True
                self._undelivered.remove(undelivered)
                return empty_pb2.Empty()
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such task")
        raise AssertionError

    def _error(self, request: CreateTaskRequest) -> str | None:
        task = request.task
        http = task.http_request
        deadline = task.dispatch_deadline
        errors = {
            "queue name": not _PARENT.fullmatch(request.parent),
            "task name": bool(task.name)
            and not (task.name.startswith(f"{request.parent}/tasks/") and _NAME.fullmatch(task.name)),
            "task size": Task.pb(task).ByteSize() > _MAX_TASK_BYTES,
            "url": not _URL.fullmatch(http.url) or len(http.url) > _MAX_URL_LENGTH,
            "body without POST, PUT or PATCH": bool(http.body)
            and http.http_method not in (HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH),
            "schedule time": bool(task.schedule_time) and task.schedule_time > self._now() + _HORIZON,
            "dispatch deadline": bool(deadline) and not _SHORTEST_DEADLINE <= deadline <= _LONGEST_DEADLINE,
            # The real API accepts tasks without a token, too, but deliver's ingress would refuse them for ever.
            "oidc service account": not _ADDRESS.fullmatch(http.oidc_token.service_account_email),
        }
        return ", ".join(error for error, present in errors.items() if present) or None

    def _accept(self, task: Task) -> None:
        undelivered = _Undelivered(task, task.schedule_time)
        self.created.append(task)
        self._undelivered.add(undelivered)
        self._deliveries.add(asyncio.create_task(self._deliver(undelivered)))

    async def _deliver(self, undelivered: _Undelivered) -> None:
        await self._wait_until_due(undelivered)
        if undelivered.deleted:
            return
        copies = 2 if self.deliver_twice else 1
        async with asyncio.TaskGroup() as attempts:
            for _ in range(copies):
                attempts.create_task(self._attempt_until_done(undelivered.task))
        async with self._changed:
            self._undelivered.remove(undelivered)
            self._changed.notify_all()

    async def _wait_until_due(self, undelivered: _Undelivered) -> None:
        while not self._is_due(undelivered):
            remaining = (undelivered.due_at - self._now()).total_seconds()
            try:
                async with asyncio.timeout(remaining), self._changed:
                    await self._changed.wait_for(lambda: self._is_due(undelivered))
            except TimeoutError:
                continue  # a timer may fire a moment early

    async def _attempt_until_done(self, task: Task) -> None:
        retries, executions, pause = 0, 0, _FIRST_PAUSE_SECONDS
        while True:
            status = await self._attempt(task, retries, executions)
            if status is not None and 200 <= status < 300:
                return
            retries += 1
            executions += status is not None and status < 500
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _attempt(self, task: Task, retries: int, executions: int) -> int | None:
        """POST a task once; return the status of the answer, or None if there was none."""
        http = task.http_request
        deadline = task.dispatch_deadline or timedelta(minutes=10)
        *_, queue, _, name = task.name.split("/")
        token = http.oidc_token
        headers = {
            **http.headers,
            "Authorization": checked_by_cloud_run(claims(token.service_account_email, token.audience)),
            "User-Agent": "Google-Cloud-Tasks",
            "X-CloudTasks-QueueName": queue,
            "X-CloudTasks-TaskName": name,
            "X-CloudTasks-TaskRetryCount": str(retries),
            "X-CloudTasks-TaskExecutionCount": str(executions),
            "X-CloudTasks-TaskETA": f"{task.schedule_time.timestamp():.6f}",
        }
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                response = await self._client.request(
                    HttpMethod(http.http_method).name,
                    http.url,
                    content=http.body,
                    headers=headers,
                    timeout=None,
                )
        except (httpx.HTTPError, TimeoutError):
            return None
        return response.status_code

    def _is_due(self, undelivered: _Undelivered) -> bool:
        return undelivered.due_at <= self._now()

    def _now(self) -> datetime:
        return max(self._clock(), self._released)
