"""What our calls to Google's APIs have in common: the connection, the attempts, and what went wrong."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import grpc
import grpc.aio

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0

#: What Google's clients set: no cap on the size of an answer, and a ping every half minute, for something on the
#: way may forget a connection that is silent.
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
)

T = TypeVar("T")


class Fault(Exception):
    """Google did not do what it was asked. Named like its own clients' errors, for logs tell the name."""


class DeadlineExceeded(Fault):
    pass


class InvalidArgument(Fault):
    """It will never do this, as when a document would grow too large."""


class NotFound(Fault):
    pass


class PermissionDenied(Fault):
    pass


class ResourceExhausted(Fault):
    pass


class ServiceUnavailable(Fault):
    pass


class Unauthenticated(Fault):
    pass


_FAULTS: Mapping[grpc.StatusCode, type[Fault]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: ServiceUnavailable,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
}


def fault_of(error: grpc.aio.AioRpcError) -> Fault:
    """Without the server's words, which could quote what it was sent."""
    return _FAULTS.get(error.code(), Fault)(error.code().name)


def channel(host: str, emulator_host: str | None) -> grpc.aio.Channel:
    """A connection to Google's `host`, or to the emulator instead. Belongs to the event loop that runs now."""
    if emulator_host:
        return grpc.aio.insecure_channel(emulator_host, [*_OPTIONS, ("grpc.enable_http_proxy", 0)])
    return grpc.aio.secure_channel(host, grpc.ssl_channel_credentials(), _OPTIONS)


async def attempted(
    attempt: Callable[[float], Awaitable[T]], again: frozenset[grpc.StatusCode], seconds: float
) -> T:
    """The outcome of the first `attempt` that is not to be made `again`; one may begin for as many `seconds`.

    Each is given the seconds that are left. Raises what the last one did.
    """
    until, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await attempt(until - time.monotonic())
        except grpc.aio.AioRpcError as error:
            pause_now = random.uniform(0, pause)  # noqa: S311 - no secret
            if error.code() not in again or time.monotonic() + pause_now >= until:
                raise
        await asyncio.sleep(pause_now)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
