"""A gRPC proxy between a Firestore client and Google's emulator that forwards everything and counts it.

It forwards raw bytes, so that any client can be counted, and decodes only the fields that it needs from the wire
format (https://protobuf.dev/programming-guides/encoding/), by the field numbers in
https://github.com/googleapis/googleapis/tree/master/google/firestore/v1.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import grpc
import grpc.aio

_Place = tuple[int, ...]

# The fields in which each message names its documents or collection: paths of nested field numbers.
_ASKED: Mapping[str, Sequence[_Place]] = {"GetDocument": [(1,)], "BatchGetDocuments": [(2,)]}
_FOUND: Mapping[str, Sequence[_Place]] = {"RunQuery": [(1, 1)], "ListDocuments": [(1, 1)]}
#: The documents that each write updates, deletes or transforms.
_WRITTEN: Mapping[str, Sequence[_Place]] = {"Commit": [(2, 1, 1), (2, 2), (2, 6, 1)]}
_QUERIED: Mapping[str, Sequence[_Place]] = {"RunQuery": [(2, 2, 2)], "ListDocuments": [(2,)]}


class Call(NamedTuple):
    """`method`: as in Commit. `collections`: those of the documents concerned, sorted."""

    method: str
    collections: str


class CountingProxy:
    """Forward calls at `host` to the emulator at `emulator`, and count them from the start or since `forget`.

    Attributes:
        host: `host:port`, plaintext, for FIRESTORE_EMULATOR_HOST.
        calls: every call, including those that failed and retries.
        reads: documents by collection, as they are billed: a missing document, or a query without results, is a
            read, too.
        writes: documents by collection, each once in a commit, including commits that failed.
    """

    host: str

    def __init__(self, emulator: str) -> None:
        self._emulator = emulator
        self.forget()

    def forget(self) -> None:
        """Start counting from zero again."""
        self.calls = Counter[Call]()
        self.reads = Counter[str]()
        self.writes = Counter[str]()

    @property
    def methods(self) -> Counter[str]:
        """The number of calls by method."""
        methods = Counter[str]()
        for call, number in self.calls.items():
            methods[call.method] += number
        return methods

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._emulator)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Everything(self),))
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(grace=1)
        await self._channel.close()

    async def pass_on(
        self, path: str, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> AsyncIterator[bytes]:
        """Forward a call of any kind: a unary one is a stream of one message."""
        method = path.rpartition("/")[2]
        asked, answered = list[bytes](), list[bytes]()
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if key != "user-agent"]
        passed_on: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(path)
        call = passed_on(_kept(requests, asked), timeout=context.time_remaining(), metadata=metadata)
        try:
            async for answer in call:
                answered.append(answer)
                yield answer
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata()))
        finally:
            self._count(method, asked, answered)

    def _count(self, method: str, asked: list[bytes], answered: list[bytes]) -> None:
        read = _collections(asked, _ASKED.get(method, [])) + _collections(answered, _FOUND.get(method, []))
        written = _collections(asked, _WRITTEN.get(method, []))
        queried = {name.decode() for name in _named(asked, _QUERIED.get(method, []))}
        read = read or Counter(queried)
        self.calls[Call(method, " ".join(sorted({*read, *written, *queried})))] += 1
        self.reads += read
        self.writes += written


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, proxy: CountingProxy) -> None:
        self._proxy = proxy

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        path = details.method

        async def handle(
            requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
        ) -> AsyncIterator[bytes]:
            async for answer in self._proxy.pass_on(path, requests, context):
                yield answer

        return grpc.stream_stream_rpc_method_handler(handle)


async def _kept(messages: AsyncIterator[bytes], kept: list[bytes]) -> AsyncIterator[bytes]:
    async for message in messages:
        kept.append(message)
        yield message


def _collections(messages: Sequence[bytes], places: Sequence[_Place]) -> Counter[str]:
    """Count the named documents by collection, each document once."""
    return Counter(name.decode().split("/")[-2] for name in _named(messages, places))


def _named(messages: Sequence[bytes], places: Sequence[_Place]) -> set[bytes]:
    return {name for message in messages for place in places for name in _at(message, place)}


def _at(message: bytes, place: _Place) -> Iterator[bytes]:
    """Yield every value at this path of field numbers."""
    number, *inner = place
    for found, value in _fields(message):
        if found == number:
            yield from _at(value, tuple(inner)) if inner else [value]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each length-delimited field: a string, a message, or packed numbers."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind == 2:
            size, at = _varint(message, at)
            yield number, message[at : at + size]
            at += size
        else:
            at += {1: 8, 5: 4}[kind]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Decode a varint; return its value and the offset after it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
