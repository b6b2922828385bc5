"""Google Cloud Tasks as the task queue.

Tasks are not named: a name would deduplicate, but makes creation much slower, and deliver is idempotent anyway.
"""

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import grpc
import grpc.aio
from google.api_core.exceptions import (
    DeadlineExceeded,
    GoogleAPIError,
    NotFound,
    RetryError,
    ServiceUnavailable,
    from_grpc_error,
)
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.api_core.retry import if_exception_type
from google.api_core.retry_async import AsyncRetry
from google.auth.exceptions import GoogleAuthError
from google.cloud.tasks_v2 import CloudTasksAsyncClient, CreateTaskRequest, HttpMethod, ListTasksRequest, Task
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

from shared.errors import QueueUnavailable
from shared.tasks import MAX_BODY_BYTES

#: After the first attempt others may start until RETRY_SECONDS are over; each takes at most ATTEMPT_SECONDS: 8
#: seconds in all, which somebody who pressed a button still waits for. The task may then exist more than once;
#: deliver is idempotent.
ATTEMPT_SECONDS = 2.0
RETRY_SECONDS = 4.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0

#: How long Cloud Tasks waits for deliver's answer. Must be longer than deliver's own timeout: otherwise the task
#: is sent again while the first delivery still runs. https://cloud.google.com/tasks/docs/creating-http-target-tasks
DISPATCH_DEADLINE = timedelta(seconds=90)

#: What may have passed a moment later.
_PASSING = (ServiceUnavailable, DeadlineExceeded)

#: The bare messages: those of Google's client are wrapped once more, and each field is checked in Python.
_CreateTaskRequest: Any = CreateTaskRequest.pb()

#: Tasks that are listed at a time; Cloud Tasks gives at most a thousand.
_PAGE = 1000


class CloudTasksQueue:
    """A `TaskQueue` on one Cloud Tasks queue.

    Args:
        queue: full name, `projects/P/locations/L/queues/Q`.
        deliver_url: where each task is POSTed.
        audience: of the OIDC token that Cloud Tasks sends along; deliver's own address.
        service_account: whose OIDC token that is. The enqueuer must be allowed to act as it.
        emulator_host: `host:port` of a plaintext gRPC server instead of Google's; None in production.
    """

    def __init__(
        self,
        *,
        queue: str,
        deliver_url: str,
        audience: str,
        service_account: str,
        emulator_host: str | None = None,
    ) -> None:
        self._template = _CreateTaskRequest(
            parent=queue,
            task={
                "http_request": {
                    "url": deliver_url,
                    "http_method": HttpMethod.POST,
                    "headers": {"Content-Type": "application/json"},
                    "oidc_token": {"service_account_email": service_account, "audience": audience},
                },
                "dispatch_deadline": DISPATCH_DEADLINE,
            },
        )
        self._metadata = [to_grpc_metadata({"parent": queue})]  # type: ignore[no-untyped-call]
        self._emulator_host = emulator_host
        self._channel: grpc.aio.Channel | None = None
        self._retry = AsyncRetry(
            predicate=if_exception_type(*_PASSING),
            initial=FIRST_PAUSE_SECONDS,
            maximum=LONGEST_PAUSE_SECONDS,
            timeout=RETRY_SECONDS,
        )
        self._attempt_seconds = ATTEMPT_SECONDS

    async def enqueue(self, body: bytes, *, not_before: datetime | None = None) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a task body of {len(body)} bytes exceeds {MAX_BODY_BYTES}")
        request = _CreateTaskRequest()
        request.CopyFrom(self._template)
        request.task.http_request.body = body
        if not_before is not None:
            request.task.schedule_time.FromDatetime(not_before)
        try:
            await self._create(request)
        except (GoogleAPIError, GoogleAuthError) as error:
            cause = error.cause if isinstance(error, RetryError) else error
            raise QueueUnavailable(f"Cloud Tasks: {type(cause).__name__}") from error

    async def aclose(self) -> None:
        """Close the connection; the next `enqueue` opens another."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            self.__dict__.pop("_call", None)
            await channel.close()

    async def _create(self, request: Any) -> None:
        """One attempt; more where it might help. To wrap each of them in the retrying would cost as much again."""
        try:
            await self._attempt(request)
        except _PASSING:
            await self._retry(self._attempt)(request)

    async def _attempt(self, request: Any) -> None:
        try:
            await self._call(request, timeout=self._attempt_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_grpc_error(error) from error  # type: ignore[no-untyped-call]

    @cached_property
    def _call(self) -> "grpc.aio.UnaryUnaryMultiCallable[Any, Any]":
        """The stub that lies under Google's client, which takes three times as long to make the same call."""
        self._channel = _channel(self._emulator_host)
        return self._channel.unary_unary(
            "/google.cloud.tasks.v2.CloudTasks/CreateTask",
            request_serializer=_CreateTaskRequest.SerializeToString,
            response_deserializer=Task.pb().FromString,
        )


class CloudTasksList:
    """A `TaskList` of one Cloud Tasks queue; arguments as those of `CloudTasksQueue`."""

    def __init__(self, queue: str, emulator_host: str | None) -> None:
        self._queue = queue
        self._emulator_host = emulator_host

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        request = ListTasksRequest(parent=self._queue, response_view=Task.View.FULL, page_size=_PAGE)
        try:
            async for task in await self._client.list_tasks(request):
                yield task.name, task.http_request.body
        except (GoogleAPIError, GoogleAuthError, grpc.RpcError) as error:
            raise QueueUnavailable(f"Cloud Tasks: {type(error).__name__}") from error

    async def delete(self, names: Collection[str]) -> None:
        for name in names:
            try:
                await self._client.delete_task(name=name)
            except NotFound:
                continue  # it was delivered in the meantime
            except (GoogleAPIError, GoogleAuthError, grpc.RpcError) as error:
                raise QueueUnavailable(f"Cloud Tasks: {type(error).__name__}") from error

    async def overwrite(self) -> None:
        """Nothing to do: what is deleted is Google's to overwrite."""

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            await self._client.transport.close()  # type: ignore[no-untyped-call] # the vendor left it untyped

    @cached_property
    def _client(self) -> CloudTasksAsyncClient:
        return _connect(self._emulator_host)


def _connect(emulator_host: str | None) -> CloudTasksAsyncClient:
    if emulator_host is None:
        return CloudTasksAsyncClient()
    return CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=_channel(emulator_host)))


def _channel(emulator_host: str | None) -> grpc.aio.Channel:
    # Only ever called by the first request: a channel belongs to the loop in which it was made, and one that is
    # made at import belongs to none that survives gunicorn's fork.
    if emulator_host is None:
        channel: grpc.aio.Channel = CloudTasksGrpcAsyncIOTransport.create_channel()
        return channel
    return grpc.aio.insecure_channel(emulator_host, options=[("grpc.enable_http_proxy", 0)])
