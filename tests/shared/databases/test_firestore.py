"""Our deadlines and retries around Google's Firestore client, against a server that fails or does not answer."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.api_core import exceptions

from shared.circuit_breaker import FAILING_SECONDS, CircuitBreaker
from shared.databases import firestore
from shared.databases.firestore import FirestoreDatabase, until_committed
from shared.errors import StoreUnavailable
from tests.support.firestore_server import FirestoreServer, serving
from tests.support.silent_proxy import SilentProxy


@asynccontextmanager
async def database(
    monkeypatch: pytest.MonkeyPatch,
    served: FirestoreServer,
    timeout_seconds: float = firestore.TIMEOUT_SECONDS,
    breaker: CircuitBreaker | None = None,
) -> AsyncIterator[FirestoreDatabase]:
    async with serving(served):
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", served.host)
        made = FirestoreDatabase("p", "d", timeout_seconds, breaker)
        yield made
        made.close()


def impatient_breaker() -> CircuitBreaker:
    """A breaker whose clock moves on each time that it is read, as far as two timeouts need to open it."""
    clock = itertools.count(step=FAILING_SECONDS)
    return CircuitBreaker("store", StoreUnavailable, firestore.NO_ANSWER, lambda: next(clock))


async def test_a_read_is_retried_after_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts over, even after half of the answer, and returns the documents in the order requested."""
    served = FirestoreServer(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)

    async with database(monkeypatch, served) as made:
        found = await made.read("c/one", "c/two")

    assert [each.id for each in found] == ["one", "two"]


async def test_a_commit_is_retried_if_it_was_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """After UNAVAILABLE and RESOURCE_EXHAUSTED it is sent again, and returns the document's new version."""
    served = FirestoreServer(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

    async with database(monkeypatch, served) as made:
        [version] = await made.commit(firestore.delete("c/one"))

    assert version.timestamp() == 7
    assert served.calls == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, exceptions.FailedPrecondition),
        (grpc.StatusCode.ALREADY_EXISTS, exceptions.AlreadyExists),
        (grpc.StatusCode.NOT_FOUND, exceptions.NotFound),
        (grpc.StatusCode.ABORTED, exceptions.Aborted),
        (grpc.StatusCode.INVALID_ARGUMENT, exceptions.InvalidArgument),
        (grpc.StatusCode.PERMISSION_DENIED, exceptions.PermissionDenied),
        (grpc.StatusCode.DEADLINE_EXCEEDED, exceptions.DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, exceptions.InternalServerError),
        (grpc.StatusCode.DATA_LOSS, exceptions.DataLoss),
        (grpc.StatusCode.UNKNOWN, exceptions.Unknown),
    ],
)
async def test_a_commit_that_was_refused_or_may_have_been_applied_is_not_retried(
    monkeypatch: pytest.MonkeyPatch, status: grpc.StatusCode, error: type[Exception]
) -> None:
    """After any other status the caller gets the client's own exception."""
    served = FirestoreServer(status)

    async with database(monkeypatch, served) as made:
        with pytest.raises(error):
            await made.commit(firestore.delete("c/one"))

    assert served.calls == 1


async def test_a_server_that_stays_unavailable_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All attempts together take no longer than one timeout; the last may end by its deadline."""
    served = FirestoreServer(*[grpc.StatusCode.UNAVAILABLE] * 100)
    began = time.monotonic()

    async with database(monkeypatch, served, timeout_seconds=0.5) as made:
        with pytest.raises(StoreUnavailable, match=r"ServiceUnavailable|DeadlineExceeded"):
            await until_committed(lambda: made.commit(firestore.delete("c/one")))

    assert time.monotonic() - began < 5


async def test_a_connection_that_died_silently_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one deadline without an answer, the read is retried on a new connection and succeeds."""
    async with serving(FirestoreServer()) as served, SilentProxy(served.host) as proxy:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", proxy.host)
        made = FirestoreDatabase("p", "d", timeout_seconds=4)
        await made.read("c/one")
        proxy.silence()

        [found] = await made.read("c/two")
        await made.commit(firestore.delete("c/three"))

        assert found.id == "two"
        assert proxy.accepted == 2
        made.close()


async def test_a_database_that_does_not_answer_is_soon_not_asked_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a breaker guards it: after two attempts over two connections."""
    served = FirestoreServer(*[grpc.StatusCode.DEADLINE_EXCEEDED] * 100)

    async with database(monkeypatch, served, breaker=impatient_breaker()) as made:
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await made.read("c/one")

    assert served.calls == 2


async def test_contention_says_nothing_about_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else wrote first, however often: it answers."""
    served = FirestoreServer(*[grpc.StatusCode.ABORTED] * 3)

    async with database(monkeypatch, served, breaker=impatient_breaker()) as made:
        [version] = await until_committed(lambda: made.commit(firestore.delete("c/one")))

    assert version.timestamp() == 7


async def test_endless_contention_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conflict means that another commit went through, so ours is retried, but not for ever."""
    served = FirestoreServer(*[grpc.StatusCode.ABORTED] * 100)

    async with database(monkeypatch, served) as made:
        monkeypatch.setattr(firestore, "_PAUSE_SECONDS", 0)
        with pytest.raises(StoreUnavailable, match="contention"):
            await until_committed(lambda: made.commit(firestore.delete("c/one")))

    assert served.calls < 100


async def test_missing_credentials_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an emulator, the client needs Application Default Credentials, and says so if there are none."""
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))

    with pytest.raises(StoreUnavailable, match="DefaultCredentialsError"):
        await until_committed(lambda: FirestoreDatabase("p", "d").read("c/one"))
