"""Our deadlines and retries around Google's Firestore client, against a server that refuses or says nothing."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.api_core import exceptions

from shared.databases import firestore
from shared.databases.firestore import FirestoreDatabase, until_committed
from shared.errors import StoreUnavailable
from tests.support.firestore_server import FirestoreServer, serving
from tests.support.silent_proxy import SilentProxy


@asynccontextmanager
async def database(
    monkeypatch: pytest.MonkeyPatch, served: FirestoreServer, timeout_seconds: float = firestore.TIMEOUT_SECONDS
) -> AsyncIterator[FirestoreDatabase]:
    async with serving(served):
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", served.host)
        made = FirestoreDatabase("p", "d", timeout_seconds)
        yield made
        made.close()


async def test_what_is_away_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads from the start, also where half of the answer had come; the answer is in the order of the question."""
    served = FirestoreServer(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)

    async with database(monkeypatch, served) as made:
        found = await made.read("c/one", "c/two")

    assert [each.id for each in found] == ["one", "two"]


async def test_a_commit_is_repeated_where_it_was_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """UNAVAILABLE and RESOURCE_EXHAUSTED; the version is the new one."""
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
    ],
)
async def test_a_commit_that_was_refused_or_may_be_done_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, status: grpc.StatusCode, error: type[Exception]
) -> None:
    """The caller learns which of these it was."""
    served = FirestoreServer(status)

    async with database(monkeypatch, served) as made:
        with pytest.raises(error):
            await made.commit(firestore.delete("c/one"))

    assert served.calls == 1


async def test_what_stays_away_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All attempts together take no longer than one call may; the last may have no time left for an answer."""
    served = FirestoreServer(*[grpc.StatusCode.UNAVAILABLE] * 100)
    began = time.monotonic()

    async with database(monkeypatch, served, timeout_seconds=0.5) as made:
        with pytest.raises(StoreUnavailable, match=r"ServiceUnavailable|DeadlineExceeded"):
            await until_committed(lambda: made.commit(firestore.delete("c/one")))

    assert time.monotonic() - began < 5


async def test_a_connection_that_died_silently_is_left_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one deadline without an answer the same read succeeds, and so does what comes after it."""
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


async def test_contention_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every conflict means that somebody else got on, so it is tried again, but not for ever."""
    served = FirestoreServer(*[grpc.StatusCode.ABORTED] * 100)

    async with database(monkeypatch, served) as made:
        monkeypatch.setattr(firestore, "_PAUSE_SECONDS", 0)
        with pytest.raises(StoreUnavailable, match="contention"):
            await until_committed(lambda: made.commit(firestore.delete("c/one")))

    assert served.calls < 100


async def test_credentials_that_are_not_there_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without an emulator Google is asked with the Application Default Credentials."""
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))

    with pytest.raises(StoreUnavailable, match="DefaultCredentialsError"):
        await until_committed(lambda: FirestoreDatabase("p", "d").read("c/one"))
