"""Our own way to Firestore: its values are Google's, and what goes wrong is told or tried again as there."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import pytest
from google.cloud.firestore_v1 import _helpers, types
from google.cloud.firestore_v1.field_path import FieldPath
from hypothesis import given
from hypothesis import strategies as st

from shared.google_cloud import firestore, rpc
from shared.google_cloud import firestore_pb2 as pb
from shared.google_cloud.firestore import Database

CONTENT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.binary()
    | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), CONTENT, max_size=4))
def test_documents_are_googles_both_ways(content: dict[str, Any]) -> None:
    """Google's client reads what we write, and we read what it writes."""
    ours = firestore.put("name", content).update.SerializeToString()
    googles = types.Document(name="name", fields=_helpers.encode_dict(content))

    assert _helpers.decode_dict(types.Document.deserialize(ours).fields, None) == content
    assert firestore._read(pb.Document.FromString(types.Document.serialize(googles))).content == content


def test_what_firestore_holds_no_value_for_is_refused() -> None:
    """Rather than kept as something else."""
    with pytest.raises(TypeError, match="complex"):
        firestore.put("name", {"field": 1j})


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_paths_of_fields_are_quoted_as_google_quotes_them(names: list[str]) -> None:
    """Keys are sources and partners, whose hyphens no plain path may hold."""
    assert firestore.field_path(*names) == FieldPath(*names).to_api_repr()


class Tokens:
    """An `Access` that gives a token."""

    async def token(self) -> str:
        return "token"


class Server:
    """Speaks Commit and BatchGetDocuments; refuses with each of `refusals` in turn, then answers."""

    def __init__(self, *refusals: grpc.StatusCode) -> None:
        self.refusals = list(refusals)
        self.headers: list[dict[str, str]] = []

    async def commit(self, _request: pb.CommitRequest, context: Any) -> pb.CommitResponse:
        await self._refuse(context)
        return pb.CommitResponse(write_results=[{"update_time": {"seconds": 7}}])

    async def read(
        self, request: pb.BatchGetDocumentsRequest, context: Any
    ) -> AsyncIterator[pb.BatchGetDocumentsResponse]:
        for name in reversed(request.documents):
            yield pb.BatchGetDocumentsResponse(found={"name": name})
            await self._refuse(context)

    async def _refuse(self, context: Any) -> None:
        self.headers.append(dict(context.invocation_metadata()))
        if self.refusals:
            await context.abort(self.refusals.pop(0), "told to")


@asynccontextmanager
async def database(served: Server) -> AsyncIterator[Database]:
    server = grpc.aio.server()
    methods = {
        "Commit": grpc.unary_unary_rpc_method_handler(
            served.commit, pb.CommitRequest.FromString, pb.CommitResponse.SerializeToString
        ),
        "BatchGetDocuments": grpc.unary_stream_rpc_method_handler(
            served.read,
            pb.BatchGetDocumentsRequest.FromString,
            pb.BatchGetDocumentsResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", methods),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield Database("p", "d", Tokens(), f"127.0.0.1:{port}")
    await server.stop(None)


async def test_what_is_away_for_a_moment_is_asked_again() -> None:
    """Reads from the start, also where half of the answer had come."""
    served = Server(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)

    async with database(served) as ours:
        found = await ours.read("one", "two")

    assert [read.name for read in found] == ["one", "two"]


async def test_a_commit_is_repeated_where_it_was_not_done() -> None:
    """UNAVAILABLE and RESOURCE_EXHAUSTED; the version is the new one."""
    served = Server(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

    async with database(served) as ours:
        [version] = await ours.commit([firestore.delete("one")])

    assert version.seconds == 7
    assert served.refusals == []


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, firestore.Conflict),
        (grpc.StatusCode.ALREADY_EXISTS, firestore.Conflict),
        (grpc.StatusCode.NOT_FOUND, firestore.Conflict),
        (grpc.StatusCode.ABORTED, firestore.Conflict),
        (grpc.StatusCode.INVALID_ARGUMENT, rpc.InvalidArgument),
        (grpc.StatusCode.PERMISSION_DENIED, rpc.PermissionDenied),
        (grpc.StatusCode.DEADLINE_EXCEEDED, rpc.DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, rpc.Fault),
    ],
)
async def test_a_commit_that_was_refused_or_may_be_done_is_not_repeated(
    status: grpc.StatusCode, fault: type[rpc.Fault]
) -> None:
    """The caller learns which of these it was."""
    served = Server(status)

    async with database(served) as ours:
        with pytest.raises(fault) as told:
            await ours.commit([firestore.delete("one")])

    assert type(told.value) is fault
    assert len(served.headers) == 1


async def test_what_stays_away_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All attempts together take no longer than one call may."""
    monkeypatch.setattr(firestore, "TIMEOUT_SECONDS", 0.5)
    began = time.monotonic()

    async with database(Server(*[grpc.StatusCode.UNAVAILABLE] * 100)) as ours:
        with pytest.raises(rpc.ServiceUnavailable):
            await ours.commit([firestore.delete("one")])

    assert time.monotonic() - began < 5


async def test_a_call_says_which_database_it_is_for() -> None:
    """Google routes by these headers."""
    served = Server()

    async with database(served) as ours:
        await ours.commit([firestore.delete("one")])

    [headers] = served.headers
    assert headers["google-cloud-resource-prefix"] == "projects/p/databases/d"
    assert headers["x-goog-request-params"] == "database=projects/p/databases/d"
    assert headers["authorization"] == "Bearer owner"


async def test_a_call_to_google_is_made_as_the_functions_account() -> None:
    """Over TLS to Google alone; the emulator knows one account."""
    google = Database("p", "d", Tokens(), None)

    headers = dict(await google._headers("database=d"))

    assert headers["authorization"] == "Bearer token"
