"""Google Cloud Tasks as the task queue.

Tasks are not named: a name would deduplicate, but makes creation much slower, and deliver is idempotent anyway.
"""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote

import grpc
import grpc.aio

from shared.errors import QueueUnavailable
from shared.google_cloud import cloud_tasks_pb2 as pb
from shared.google_cloud.access import AccessUnavailable, MetadataServer
from shared.google_cloud.rpc import attempted, channel, fault_of
from shared.queue import MAX_BODY_BYTES

_HOST = "cloudtasks.googleapis.com:443"
_CREATE_TASK = "/google.cloud.tasks.v2.CloudTasks/CreateTask"
_AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})

#: An attempt may start until RETRY_SECONDS are over and takes at most ATTEMPT_SECONDS: 8 seconds in all, which
#: somebody who pressed a button still waits for. The task may then exist more than once; deliver is idempotent.
ATTEMPT_SECONDS = 2.0
RETRY_SECONDS = 6.0

#: How long Cloud Tasks waits for deliver's answer. Must be longer than deliver's own timeout: otherwise the task
#: is sent again while the first delivery still runs. https://cloud.google.com/tasks/docs/creating-http-target-tasks
DISPATCH_DEADLINE = timedelta(seconds=90)


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
        self._template = pb.CreateTaskRequest(
            parent=queue,
            task={
                "http_request": {
                    "url": deliver_url,
                    "http_method": pb.POST,
                    "headers": {"Content-Type": "application/json"},
                    "oidc_token": {"service_account_email": service_account, "audience": audience},
                },
                "dispatch_deadline": DISPATCH_DEADLINE,
            },
        )
        self._routing = ("x-goog-request-params", f"parent={quote(queue)}")
        self._emulator_host = emulator_host
        self._access = MetadataServer()

    async def enqueue(self, body: bytes, *, not_before: datetime | None = None) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a task body of {len(body)} bytes exceeds {MAX_BODY_BYTES}")
        request = pb.CreateTaskRequest()
        request.CopyFrom(self._template)
        request.task.http_request.body = body
        if not_before is not None:
            request.task.schedule_time.FromDatetime(not_before)

        async def attempt(_left: float) -> None:
            await self._create_task(request, timeout=ATTEMPT_SECONDS, metadata=await self._headers())

        try:
            await attempted(attempt, _AGAIN, RETRY_SECONDS)
        except AccessUnavailable as away:
            raise QueueUnavailable(f"Cloud Tasks: {type(away).__name__}") from away
        except grpc.aio.AioRpcError as error:
            fault = fault_of(error)
            raise QueueUnavailable(f"Cloud Tasks: {type(fault).__name__}") from fault

    async def _headers(self) -> tuple[tuple[str, str], ...]:
        if self._emulator_host:
            return (self._routing,)
        return (self._routing, ("authorization", f"Bearer {await self._access.token()}"))

    async def aclose(self) -> None:
        """Close the connection; the next `enqueue` opens another."""
        self.__dict__.pop("_create_task", None)
        if open_channel := self.__dict__.pop("_channel", None):
            await open_channel.close()

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Made by the first request: a channel belongs to the loop in which it was made, and one that is made at
        # import belongs to none that survives gunicorn's fork.
        return channel(_HOST, self._emulator_host)

    @cached_property
    def _create_task(self) -> Any:
        # Nobody reads the task that comes back.
        return self._channel.unary_unary(_CREATE_TASK, pb.CreateTaskRequest.SerializeToString, None)
