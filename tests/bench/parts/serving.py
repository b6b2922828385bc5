"""Serve gRPC in a separate process."""

from typing import Any

import grpc
import grpc.aio


async def serve(service: str, methods: dict[str, Any]) -> None:
    """Print the port, and serve until the process ends. `methods`: handlers by name."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()
