"""Cloud Tasks as sign sees it: CreateTask is answered after 20 ms, and nothing is kept.

    python -m tests.bench.parts.tasks_server

Prints its port. It neither reads nor writes messages: the less it does, the more is measured of whoever calls it.
"""

import asyncio
from typing import Any

import grpc
import grpc.aio
from google.cloud.tasks_v2 import Task

_LATENCY_SECONDS = 0.02
_ANSWER: bytes = Task.serialize(Task(name="projects/p/locations/l/queues/q/tasks/1"))


async def _create_task(_request: bytes, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    await asyncio.sleep(_LATENCY_SECONDS)
    return _ANSWER


async def main() -> None:
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(_create_task)
    service = grpc.method_handlers_generic_handler("google.cloud.tasks.v2.CloudTasks", {"CreateTask": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
