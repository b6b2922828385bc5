"""A fake Firestore server over gRPC that stores nothing, for tests of errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from google.cloud.firestore_v1 import types


class FirestoreServer:
    """Answer Commit and BatchGetDocuments: first with the errors in `refusals`, one a call, then with success."""

    host: str

    def __init__(self, *refusals: grpc.StatusCode) -> None:
        self.refusals = list(refusals)
        self.calls = 0

    async def commit(self, _request: types.CommitRequest, context: Any) -> types.CommitResponse:
        await self._refuse(context)
        return types.CommitResponse(write_results=[{"update_time": {"seconds": 7}}])

    async def read(
        self, request: types.BatchGetDocumentsRequest, context: Any
    ) -> AsyncIterator[types.BatchGetDocumentsResponse]:
        for name in reversed(request.documents):
            yield types.BatchGetDocumentsResponse(found={"name": name})
            await self._refuse(context)

    async def _refuse(self, context: Any) -> None:
        self.calls += 1
        if self.refusals:
            await context.abort(self.refusals.pop(0), "refusals")


@asynccontextmanager
async def serving(served: FirestoreServer) -> AsyncIterator[FirestoreServer]:
    """Serve it at `host`, for FIRESTORE_EMULATOR_HOST."""
    server = grpc.aio.server()
    commit, read = types.CommitRequest, types.BatchGetDocumentsRequest
    methods = {
        "Commit": grpc.unary_unary_rpc_method_handler(
            served.commit, commit.deserialize, types.CommitResponse.serialize
        ),
        "BatchGetDocuments": grpc.unary_stream_rpc_method_handler(
            served.read, read.deserialize, types.BatchGetDocumentsResponse.serialize
        ),
    }
    service = "google.firestore.v1.Firestore"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    served.host = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield served
    await server.stop(None)
