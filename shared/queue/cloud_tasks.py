"""Google Cloud Tasks as the task queue.

Tasks are not named: a name would deduplicate, but makes creation much slower, and deliver is idempotent anyway.
"""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar

import grpc.aio
from google.api_core.exceptions import DeadlineExceeded, GoogleAPIError, RetryError, ServiceUnavailable
from google.api_core.retry_async import AsyncRetry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.tasks_v2 import (
    CloudTasksAsyncClient,
    CreateTaskRequest,
    HttpMethod,
    HttpRequest,
    OidcToken,
    Task,
)
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

from shared.circuit_breaker import CircuitBreaker
from shared.errors import QueueUnavailable
from shared.queue import MAX_BODY_BYTES, QueueName

#: An attempt may start until RETRY_SECONDS are over and takes at most ATTEMPT_SECONDS: 8 seconds in all, which
#: somebody who pressed a button still waits for. The task may then exist more than once; deliver is idempotent.
ATTEMPT_SECONDS = 2.0
RETRY_SECONDS = 6.0
NO_ANSWER = (ServiceUnavailable, DeadlineExceeded)

#: How long Cloud Tasks waits for deliver's answer. Must be longer than deliver's own timeout: otherwise the task
#: is sent again while the first delivery still runs. https://cloud.google.com/tasks/docs/creating-http-target-tasks
DISPATCH_DEADLINE = timedelta(seconds=90)

T = TypeVar("T")
#: One attempt, which is given the seconds it may take.
Attempt = Callable[[CloudTasksAsyncClient, float], Awaitable[T]]


class CloudTasksQueue:
    """A `TaskQueue` on the Cloud Tasks queues of one location.

    Args:
        queues: where they are, `projects/P/locations/L/queues`.
        deliver_url: where each task is POSTed.
        audience: of the OIDC token that Cloud Tasks sends along; deliver's own address.
        service_account: whose OIDC token that is. The enqueuer must be allowed to act as it.
        emulator_host: `host:port` of a plaintext gRPC server instead of Google's; None in production.
        breaker: for a caller that has another way while Cloud Tasks does not answer.
    """

    def __init__(
        self,
        *,
        queues: str,
        deliver_url: str,
        audience: str,
        service_account: str,
        emulator_host: str | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._queues = queues
        self._template = CreateTaskRequest(
            task=Task(
                http_request=HttpRequest(
                    url=deliver_url,
                    http_method=HttpMethod.POST,
                    headers={"Content-Type": "application/json"},
                    oidc_token=OidcToken(service_account_email=service_account, audience=audience),
                ),
                dispatch_deadline=DISPATCH_DEADLINE,
            ),
        )
        self._client = CloudTasksClient(
            emulator_host, attempt_seconds=ATTEMPT_SECONDS, retry_seconds=RETRY_SECONDS, breaker=breaker
        )

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: datetime | None = None) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a task body of {len(body)} bytes exceeds {MAX_BODY_BYTES}")
        request = CreateTaskRequest(self._template)  # a copy, which costs a third of making another
        request.parent = f"{self._queues}/{queue}"
        request.task.http_request.body = body
        if not_before is not None:
            request.task.schedule_time = not_before
        await self._client.call(lambda client, seconds: client.create_task(request, retry=None, timeout=seconds))

    async def aclose(self) -> None:
        """Close the connection; the next `enqueue` opens another."""
        await self._client.aclose()


class CloudTasksClient:
    """Google's client, with the deadlines, the retries and the errors that a request needs.

    Args:
        emulator_host: as for `CloudTasksQueue`.
        attempt_seconds: that one attempt may take.
        retry_seconds: within which another attempt may start.
        breaker: as for `CloudTasksQueue`.
    """

    def __init__(
        self,
        emulator_host: str | None,
        *,
        attempt_seconds: float,
        retry_seconds: float,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._emulator_host = emulator_host
        self._attempt_seconds = attempt_seconds
        self._retry_seconds = retry_seconds
        self._breaker = breaker

    async def call(self, attempt: Attempt[T]) -> T:
        """Make a call until it succeeds, fails for good, or time is up.

        Raises:
            QueueUnavailable: named by Google's error and without its words; at once while the breaker is open.
        """

        async def once() -> T:
            client, limit = self._client, self._attempt_seconds
            try:
                with self._breaker.attempt(limit) if self._breaker else nullcontext(limit) as seconds:
                    return await attempt(client, seconds)
            except DeadlineExceeded:
                # The connection may have died silently, and would swallow every call for a minute or more. gRPC
                # closes it with the last reference to the client: calls that are under way keep theirs.
                if self.__dict__.get("_client") is client:
                    del self._client
                raise

        retry = AsyncRetry(
            if_exception_type(*NO_ANSWER),
            initial=0.1,
            maximum=1,
            timeout=self._retry_seconds,
        )
        try:
            return await retry(once)()
        except (GoogleAPIError, GoogleAuthError) as error:
            cause = error.cause if isinstance(error, RetryError) else error
            raise QueueUnavailable(f"Cloud Tasks: {type(cause).__name__}") from cause

    async def aclose(self) -> None:
        """Close the connection; the next call opens another."""
        if client := self.__dict__.pop("_client", None):
            await client.transport.close()

    @cached_property
    def _client(self) -> CloudTasksAsyncClient:
        # Made by the first call: a channel belongs to the loop in which it was made, and one that is made at
        # import belongs to none that survives gunicorn's fork.
        return cloud_tasks_client(self._emulator_host)


def cloud_tasks_client(emulator_host: str | None) -> CloudTasksAsyncClient:
    """Create Google's client with the Application Default Credentials, or for a test server without any.

    Raises:
        GoogleAuthError: there are no credentials.
    """
    if emulator_host is None:
        return CloudTasksAsyncClient()
    # Without a pool of its own a channel shares its connection with others like it; over TLS none does.
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.aio.insecure_channel(emulator_host, options)
    return CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=channel))
