"""Every function in one process, for a petition on one machine.

    python -m functions.server

The functions are those that are deployed, loaded the way the platform loads them. Beside them runs what is Cloud
Tasks and Cloud Scheduler elsewhere: the queue is a file, whose tasks are delivered, and jobs are called regularly.
deliver has no address, it is called within the process. TLS is ended by a proxy in front, as in compose.yaml.
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx
import uvicorn
from functions_framework.aio import create_asgi_app
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import log
from shared.clock import utc_now
from shared.errors import ConfigurationError
from shared.queue.local import LocalQueue
from shared.queue.local_dispatcher import Dispatcher
from shared.settings import ServerSettings, load
from shared.web import routes
from shared.web.routes import DeliverPath

_FUNCTIONS = Path(__file__).parent
#: What is called on deliver, and every how many seconds; elsewhere infra/scheduler.tf has them.
SCHEDULE = {DeliverPath.SNAPSHOT: 3600, DeliverPath.FOLD: 600, DeliverPath.SWEEP: 300, DeliverPath.BOUNCES: 600}
_RETRY_SECONDS = 60
#: Longer than a proxy keeps an idle connection (Caddy: two minutes), or a request could meet its end.
_KEEP_ALIVE_SECONDS = 150
#: RFC 9110, 12.4.2: a weight of zero says "not acceptable".
_REFUSES_GZIP = re.compile(r"\bgzip\s*;\s*q=0(\.0*)?\s*(,|$)", re.IGNORECASE)
#: How long SIGTERM waits for requests before it ends them; deliveries are waited for in any case.
_SHUTDOWN_SECONDS = 10


def main() -> None:
    """Serve until SIGTERM, with the settings of the environment."""
    os.umask(0o077)  # live links and digests lie in its folder, for nobody else on this machine
    try:
        settings = load(ServerSettings)
        _check_folder(settings.queue.local_folder)
        listener = listen(settings.host, settings.port)
        functions = load_functions(listener)
    except ConfigurationError as error:
        raise SystemExit(f"{error}\ndocs/self-hosting.md says how to make what is missing.") from None
    public = one_origin({name: functions[name] for name in routes.PUBLIC})
    run(create_app(functions["deliver"], public, settings.queue.file), listener)


def _check_folder(folder: Path) -> None:
    """Check that the queue can be kept in `folder`, or every signer would be asked to try again.

    Raises:
        ConfigurationError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise ConfigurationError(f"LOCAL_FOLDER: {folder} must be a folder that user {os.geteuid()} may write to")


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that is served.

    Raises:
        ConfigurationError: another program has the port, or this machine has no such address.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        fault = f"{host}:{port} cannot be listened on: {error.strerror}"
        raise ConfigurationError(f"{fault}. Choose another, as in PORT={port + 1}") from None


def load_functions(listener: socket.socket) -> Mapping[str, ASGIApp]:
    """Load all functions; those that read the campaigns' overlays over HTTP will ask `listener` for them.

    Raises:
        ConfigurationError: a setting or a campaign file is wrong.
    """
    host, port = listener.getsockname()
    # Not at PUBLIC_URL: from inside, a machine may not reach its own public address.
    os.environ["OVERLAY_URL"] = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104
    return {name: _load(name) for name in routes.FUNCTIONS}


def create_app(deliver: ASGIApp, served: Sequence[BaseRoute], queue: Path) -> Starlette:
    """Serve some routes, and meanwhile deliver the tasks of the queue in the file `queue`."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with _delivering(deliver, queue):
            yield

    return Starlette(routes=served, lifespan=lifespan)


def run(app: Starlette, listener: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C, then end what is under way."""
    log.capture_libraries()
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # paths hold tokens
        proxy_headers=False,  # sign reads X-Forwarded-For itself, no other function looks at who asks
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


@contextlib.asynccontextmanager
async def _delivering(deliver: ASGIApp, file: Path) -> AsyncIterator[None]:
    """Deliver the queue's tasks and call the scheduled jobs while this is open; then end what is under way.

    A delivery that was cut off between claim and mail would be tried again an hour later.
    """
    queue = LocalQueue(file)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(deliver), base_url="http://deliver") as client:
        dispatcher = Dispatcher(queue, client, DeliverPath.TASK)
        worker = asyncio.create_task(dispatcher.run())
        worker.add_done_callback(_stop_after_error)
        jobs = [asyncio.create_task(_call_regularly(client, path, seconds)) for path, seconds in SCHEDULE.items()]
        yield
        dispatcher.stop()
        for job in jobs:
            job.cancel()
        await asyncio.wait([worker, *jobs])
    await queue.aclose()


async def _call_regularly(client: httpx.AsyncClient, path: str, seconds: int) -> None:
    """Call a job now and whenever the clock shows a multiple of `seconds`; retry in a minute what fails."""
    while True:
        try:
            (await client.post(path)).raise_for_status()
            pause = seconds - utc_now().timestamp() % seconds
        except httpx.HTTPError as error:
            log.exception("schedule_failed", error)
            pause = _RETRY_SECONDS
        await asyncio.sleep(pause)


def _stop_after_error(worker: asyncio.Task[None]) -> None:
    """Stop the server with its queue: it would go on taking signatures and never mail."""
    if not worker.cancelled() and (error := worker.exception()):
        log.exception("queue_stopped", error)
        signal.raise_signal(signal.SIGTERM)


def one_origin(functions: Mapping[str, ASGIApp]) -> list[BaseRoute]:
    """Route the paths of these functions, and what none of them names to the default.

    What a CDN is in front of is compressed, as the CDN would do it. Nothing else is: how well a page that mixes a
    secret with typed text compresses can give the secret away (BREACH, https://breachattack.com).
    """
    served = {name: _compressing(app) if name in routes.CACHED else app for name, app in functions.items()}
    by_path = {path: name for path, name in routes.function_by_path().items() if name in served}
    return [_forward(path, served[name]) for path, name in {**by_path, "/{rest:path}": routes.DEFAULT}.items()]


def _compressing(app: ASGIApp) -> ASGIApp:
    """Compress for clients that accept gzip. Starlette's middleware takes a refusal (`gzip;q=0`) for a wish."""
    compressing = GZipMiddleware(app)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if _REFUSES_GZIP.search(Headers(scope=scope).get("accept-encoding", "")):
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"accept-encoding"]}
        await compressing(scope, receive, send)

    return answer


def _load(function: str) -> ASGIApp:
    app: ASGIApp = create_asgi_app(  # type: ignore[no-untyped-call] # the framework left it untyped
        function, str(_FUNCTIONS / function / "main.py")
    )
    return app


def _forward(path: str, function: ASGIApp) -> Route:
    """Pass on everything under `path`, whatever the method, as it came."""
    route = Route(path, endpoint=lambda _request: Response(), methods=None)
    route.methods = None
    route.app = function
    return route


if __name__ == "__main__":
    main()
