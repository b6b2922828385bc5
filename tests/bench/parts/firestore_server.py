"""A fake Firestore that answers at once: it keeps documents in memory and ignores preconditions.

    python -m tests.bench.parts.firestore_server [--contended]

Prints its port. `--contended`: documents with increments take one write a second, and a few more in a burst, as
Google documents; further writes wait. Google's emulator is so slow that it would hide the cost of the functions.
"""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.cloud.firestore_v1.types import firestore
from google.protobuf.timestamp_pb2 import Timestamp

from tests.bench.parts.serving import serve

#: Writes that a document takes in a burst, as in tests/bench/spike/facts.py.
_BURST = 5

_documents = dict[str, Any]()
#: By document, when it has processed all its writes.
_free_at = defaultdict[str, float](float)
_is_contended = "--contended" in sys.argv


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now


async def _batch_get(request: Any, _context: object) -> AsyncIterator[Any]:
    answer = firestore.BatchGetDocumentsResponse.pb()
    for name in request.documents:
        found = _documents.get(name)
        known = {"found": found} if found else {"missing": name}
        yield answer(**known, read_time=_now())


async def _commit(request: Any, _context: object) -> Any:
    if _is_contended:
        await asyncio.sleep(max(map(_wait, request.writes)))
    now = _now()
    for write in request.writes:
        # Store only whole documents, and not those of the tally, which are incremented.
        if write.HasField("update") and not write.HasField("update_mask"):
            write.update.update_time.CopyFrom(now)
            write.update.create_time.CopyFrom(now)
            _documents[write.update.name] = write.update
    return firestore.CommitResponse.pb()(
        write_results=[{"update_time": now} for _ in request.writes], commit_time=now
    )


def _wait(write: Any) -> float:
    """Return the seconds until the document takes this increment; 0 for other writes."""
    if not write.update_transforms:
        return 0
    now, free_at = time.monotonic(), _free_at[write.update.name]
    _free_at[write.update.name] = max(now, free_at) + 1
    return max(0.0, free_at - now - _BURST)


async def _run_query(_request: Any, _context: object) -> AsyncIterator[Any]:
    """Return no documents."""
    yield firestore.RunQueryResponse.pb()(read_time=_now())


def _methods() -> dict[str, Any]:
    get, commit, query = (
        kind.pb().FromString
        for kind in (firestore.BatchGetDocumentsRequest, firestore.CommitRequest, firestore.RunQueryRequest)
    )
    return {
        "BatchGetDocuments": grpc.unary_stream_rpc_method_handler(_batch_get, get, _serialized),
        "Commit": grpc.unary_unary_rpc_method_handler(_commit, commit, _serialized),
        "RunQuery": grpc.unary_stream_rpc_method_handler(_run_query, query, _serialized),
    }


def _serialized(answer: Any) -> bytes:
    return bytes(answer.SerializeToString())


if __name__ == "__main__":
    asyncio.run(serve("google.firestore.v1.Firestore", _methods()))
