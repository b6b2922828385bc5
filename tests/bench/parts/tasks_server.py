"""A fake Cloud Tasks that answers CreateTask after 20 ms, and stores nothing.

    python -m tests.bench.parts.tasks_server

Prints its port. It neither parses nor builds messages, so that its own cost does not distort the caller's.
"""

import asyncio
from typing import Any

import grpc
import grpc.aio
import uvloop
from google.cloud.tasks_v2 import Task

from tests.bench.parts.serving import serve

_LATENCY_SECONDS = 0.02
_ANSWER: bytes = Task.serialize(Task(name="projects/p/locations/l/queues/q/tasks/1"))


async def _create_task(_request: bytes, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    await asyncio.sleep(_LATENCY_SECONDS)
    return _ANSWER


if __name__ == "__main__":
    # Without serialisers, so that the handler gets and returns raw bytes.
    handler: Any = grpc.unary_unary_rpc_method_handler(_create_task)
    uvloop.run(serve("google.cloud.tasks.v2.CloudTasks", {"CreateTask": handler}))
