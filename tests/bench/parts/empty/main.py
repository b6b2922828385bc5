"""The minimal asynchronous function, with which all others are compared."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http
async def empty(_request: Request) -> Response:
    return Response("ok", media_type="text/plain")
