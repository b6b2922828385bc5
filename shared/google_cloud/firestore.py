"""Firestore's calls on the path of a request, on gRPC and messages of our own.

Google's client imports for as long as half of an empty function's start takes, and costs 0.3 ms of each call; this
does what a function needs of it, with the same headers, deadlines and attempts. Messages: firestore.proto.
https://firebase.google.com/docs/firestore/reference/rpc/google.firestore.v1
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote

import grpc
import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from shared.google_cloud import firestore_pb2 as pb
from shared.google_cloud.access import Access
from shared.google_cloud.firestore_pb2 import Write
from shared.google_cloud.rpc import Fault, attempted, channel, fault_of

#: For one call with all its attempts; a caller with a browser behind it should not wait longer.
TIMEOUT_SECONDS = 10
_HOST = "firestore.googleapis.com:443"
_SERVICE = "/google.firestore.v1.Firestore/"

T = TypeVar("T")

_Code = grpc.StatusCode
#: What is worth another attempt, as Google's client has it: a commit that may have been done is not repeated, but
#: for UNAVAILABLE.
_AGAIN_READ = frozenset({_Code.UNAVAILABLE, _Code.INTERNAL, _Code.DEADLINE_EXCEEDED})
_AGAIN_COMMIT = frozenset({_Code.UNAVAILABLE, _Code.RESOURCE_EXHAUSTED})


class Conflict(Fault):
    """Somebody else wrote first. ABORTED is contention on a document that many write to."""


_CONFLICTS = frozenset({_Code.FAILED_PRECONDITION, _Code.ALREADY_EXISTS, _Code.NOT_FOUND, _Code.ABORTED})


@dataclass(frozen=True, slots=True)
class Read:
    """A document as it was read. `version`: its update_time, None where there is none."""

    name: str
    content: dict[str, Any] | None
    version: Any

    @property
    def id(self) -> str:
        return self.name.rpartition("/")[2]


class Database:
    """One database. `access`: who asks. `emulator_host`: `host:port` of Google's emulator, None in production.

    Every call raises `Fault`. Belongs to the event loop of its first call.
    """

    def __init__(self, project: str, database: str, access: Access, emulator_host: str | None) -> None:
        self._database = f"projects/{project}/databases/{database}"
        self._access = access
        self._emulator_host = emulator_host

    def name(self, *path: str) -> str:
        """The full name of a document, from the names of collections and documents in turn."""
        return "/".join((self._database, "documents", *path))

    async def read(self, *names: str) -> list[Read]:
        """The documents of these names, in their order, all as of one moment."""
        request = pb.BatchGetDocumentsRequest(database=self._database, documents=names)
        answers = await self._answers(self._batch_get, request, f"database={quote(self._database)}")
        found = {answer.found.name: answer.found for answer in answers if answer.HasField("found")}
        return [_read(found[name]) if name in found else Read(name, None, None) for name in names]

    async def query(self, *path: str, start: str | None = None, limit: int | None = None) -> list[Read]:
        """All documents of the collection at `path`, by their ids; from the id `start` on, at most `limit`."""
        *parent, collection = path
        query = pb.StructuredQuery(limit={"value": limit} if limit else None)
        getattr(query, "from").add(collection_id=collection)
        if start is not None:
            query.order_by.add(field={"field_path": "__name__"})
            query.start_at.values.add(reference_value=self.name(*path, start))
            query.start_at.before = True
        request = pb.RunQueryRequest(parent=self.name(*parent), structured_query=query)
        answers = await self._answers(self._run_query, request, f"parent={quote(request.parent)}")
        return [_read(answer.document) for answer in answers if answer.HasField("document")]

    async def commit(self, writes: Sequence[Write]) -> list[Any]:
        """All of them or none; the version that each document then has."""
        request = pb.CommitRequest(database=self._database, writes=writes)

        async def attempt(seconds: float) -> pb.CommitResponse:
            headers = await self._headers(f"database={quote(self._database)}")
            answer: pb.CommitResponse = await self._commit(request, timeout=seconds, metadata=headers)
            return answer

        written = await self._attempted(attempt, _AGAIN_COMMIT)
        return [each.update_time for each in written.write_results]

    async def _answers(self, call: Any, request: Any, routing: str) -> list[Any]:
        async def attempt(seconds: float) -> list[Any]:
            headers = await self._headers(routing)
            return [answer async for answer in call(request, timeout=seconds, metadata=headers)]

        return await self._attempted(attempt, _AGAIN_READ)

    async def _attempted(self, attempt: Callable[[float], Awaitable[T]], again: frozenset[grpc.StatusCode]) -> T:
        try:
            return await attempted(attempt, again, TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            conflict = error.code() in _CONFLICTS
            raise (Conflict(error.code().name) if conflict else fault_of(error)) from error

    async def _headers(self, routing: str) -> tuple[tuple[str, str], ...]:
        token = "owner" if self._emulator_host else await self._access.token()
        return (
            ("google-cloud-resource-prefix", self._database),
            ("x-goog-request-params", routing),
            ("authorization", f"Bearer {token}"),
        )

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Made by the first call: a channel belongs to the loop in which it was made.
        return channel(_HOST, self._emulator_host)

    @cached_property
    def _batch_get(self) -> Any:
        return self._stream("BatchGetDocuments", pb.BatchGetDocumentsResponse)

    @cached_property
    def _run_query(self) -> Any:
        return self._stream("RunQuery", pb.RunQueryResponse)

    @cached_property
    def _commit(self) -> Any:
        return self._channel.unary_unary(f"{_SERVICE}Commit", _serialized, pb.CommitResponse.FromString)

    def _stream(self, method: str, answer: Any) -> Any:
        return self._channel.unary_stream(_SERVICE + method, _serialized, answer.FromString)


def _serialized(request: Any) -> bytes:
    return bytes(request.SerializeToString())


def create(name: str, content: Mapping[str, Any]) -> Write:
    """Write a document that is not there yet."""
    return Write(update=_document(name, content), current_document={"exists": False})


def replace(stored: Read, content: Mapping[str, Any]) -> Write:
    """Write the whole document, if nobody else has written it since it was read."""
    if stored.version is None:
        return create(stored.name, content)
    return Write(update=_document(stored.name, content), current_document={"update_time": stored.version})


def put(name: str, content: Mapping[str, Any], *, only: Iterable[str] | None = None) -> Write:
    """Write the whole document, whatever is there; or of it the fields at the paths in `only`."""
    mask = None if only is None else {"field_paths": only}
    return Write(update=_document(name, content), update_mask=mask)


def add(name: str, numbers: Mapping[str, Any]) -> Write:
    """Add to the numbers of a document, which is made where it is not there. Maps of `numbers` may lie in maps."""
    increments = [
        {"field_path": path, "increment": {"integer_value": number}} for path, number in _flat((), numbers)
    ]
    # Nothing but the numbers: the mask is there, and empty.
    return Write(update={"name": name}, update_mask={}, update_transforms=increments)


def delete(name: str, version: Any = None) -> Write:
    """Remove a document; where a `version` is given, if it still has that."""
    return Write(delete=name, current_document={"update_time": version} if version is not None else None)


def field_path(*names: str) -> str:
    """Names of fields, each within the one before.

    https://firebase.google.com/docs/firestore/reference/rpc/google.firestore.v1#document
    """
    return ".".join(map(_quoted, names))


def _quoted(name: str) -> str:
    if re.fullmatch("[A-Za-z_][A-Za-z_0-9]*", name):
        return name
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _flat(names: tuple[str, ...], numbers: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, number in numbers.items():
        if isinstance(number, Mapping):
            yield from _flat((*names, name), number)
        else:
            yield field_path(*names, name), number


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _document(name: str, content: Mapping[str, Any]) -> pb.Document:
    return pb.Document(name=name, fields={key: _encoded(value) for key, value in content.items()})


def _encoded(value: Any) -> pb.Value:
    match value:
        case None:
            return pb.Value(null_value=0)
        case bool():
            return pb.Value(boolean_value=value)
        case int():
            return pb.Value(integer_value=value)
        case str():
            return pb.Value(string_value=value)
        case bytes():
            return pb.Value(bytes_value=value)
        case datetime():
            return pb.Value(timestamp_value=_timestamp(value))
        case Mapping():
            return pb.Value(map_value={"fields": {key: _encoded(each) for key, each in value.items()}})
        case tuple() | list():
            return pb.Value(array_value={"values": [_encoded(each) for each in value]})
    raise TypeError(f"no value for Firestore: {type(value).__name__}")


def _timestamp(moment: datetime) -> Timestamp:
    since = moment - _EPOCH
    return Timestamp(seconds=since // timedelta(seconds=1), nanos=since.microseconds * 1000)


def _read(document: pb.Document) -> Read:
    return Read(document.name, _fields(document.fields), document.update_time)


def _fields(fields: Mapping[str, pb.Value]) -> dict[str, Any]:
    return {key: _decoded(value) for key, value in fields.items()}


def _decoded(value: pb.Value) -> Any:
    """
    Raises:
        ValueError: a kind of value that we never write.
    """
    kind = value.WhichOneof("value_type")
    match kind:
        case "null_value":
            return None
        case "map_value":
            return _fields(value.map_value.fields)
        case "array_value":
            return [_decoded(each) for each in value.array_value.values]
        case "timestamp_value":
            moment = value.timestamp_value
            return _EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1000)
        case None:
            raise ValueError("a value of a kind that we never write")
    return getattr(value, kind)
