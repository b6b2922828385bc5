"""Every function under one origin, for one's own machine; never deployed.

    python -m functions.devserver

The functions are those that are deployed, loaded the way the platform loads them. Around them: a queue that calls
deliver as Cloud Tasks does, an outbox to read in the browser, and secrets made on first start, all under var/.
Any setting that the environment holds already wins, so the same program runs on Firestore or a real mail relay.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import httpx
import pyrage
import uvicorn
from functions_framework.aio import create_asgi_app
from jinja2 import Template
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from shared import log, runtime
from shared.clock import utc_now
from shared.errors import ConfigurationError
from shared.mail.outbox import Outbox
from shared.queue.local import LocalQueue
from shared.queue.local_dispatcher import Dispatcher
from shared.web import routes

_FUNCTIONS = Path(__file__).parent
#: The example, which / leads to if it is still there.
_EXAMPLE = "reclaim-your-face"
_HOUR_SECONDS, _MINUTE_SECONDS = 3600, 60


def main() -> None:
    """Serve all functions on this machine until Ctrl-C."""
    os.umask(0o077)  # addresses and live links lie in its folder, for nobody else on this machine
    port = _port(os.environ.get("PORT", "8080"))
    folder = Path(os.environ.get("LOCAL_FOLDER", "var"))
    for name, value in _local_environment(folder, port).items():
        os.environ.setdefault(name, value)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise SystemExit(f"Port {port} is taken. Choose another: make run PORT={port + 1}") from error
    try:
        campaigns = _example_first(runtime.embed().campaigns)
        application = create_app(folder, port, campaigns[0])
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    _print_addresses(os.environ["PUBLIC_URL"], campaigns, folder)
    uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listener])


def create_app(folder: Path, port: int, campaign: str) -> Starlette:
    """Join all functions, the outbox, and the worker of the local queue in `folder`; / leads to `campaign`."""
    outbox = Outbox(folder / "outbox", utc_now)

    async def mail_page(_request: Request) -> Response:
        # Links in a mail lead out of its frame, as they would out of a mail program.
        mails = [
            mail.model_copy(update={"html": f'<base target="_top">{mail.html}'}) for mail in outbox.received()
        ]
        template = Template((_FUNCTIONS / "outbox.html").read_text(encoding="utf-8"), autoescape=True)
        return HTMLResponse(template.render(mails=mails))

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        here = f"http://127.0.0.1:{port}"
        async with delivering(folder / "tasks.db", here + routes.DeliverPath.TASK):
            schedule = asyncio.create_task(_every_hour(here + routes.DeliverPath.SNAPSHOT))
            yield
            schedule.cancel()

    local = [
        Route("/", lambda _: RedirectResponse(f"/c/{campaign}")),
        Route("/dev/mail", mail_page),
        Route("/dev/mail.json", lambda _: JSONResponse([mail.model_dump() for mail in outbox.received()])),
    ]
    functions = {name: _load(name) for name in routes.FUNCTIONS}
    return Starlette(routes=[*local, *one_origin(functions)], lifespan=lifespan)


@contextlib.asynccontextmanager
async def delivering(tasks: Path, deliver_url: str) -> AsyncIterator[None]:
    """Deliver the tasks of the local queue while this is open."""
    queue = LocalQueue(tasks)
    async with httpx.AsyncClient(trust_env=False) as client:
        worker = asyncio.create_task(Dispatcher(queue, client, deliver_url).run())
        worker.add_done_callback(_stop_unless_cancelled)
        yield
        worker.cancel()
        await asyncio.wait([worker])
    await queue.aclose()


async def _every_hour(url: str) -> None:
    """Call `url` now and whenever an hour begins, as Cloud Scheduler does; retry in a minute what fails."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                (await client.post(url)).raise_for_status()
                pause = _HOUR_SECONDS - utc_now().timestamp() % _HOUR_SECONDS
            except httpx.HTTPError as error:
                log.exception("schedule_failed", error)
                pause = _MINUTE_SECONDS
            await asyncio.sleep(pause)


def _stop_unless_cancelled(worker: asyncio.Task[None]) -> None:
    """Stop the server with its queue: it would go on taking signatures and never mail."""
    if not worker.cancelled() and (error := worker.exception()):
        log.exception("queue_stopped", error)
        signal.raise_signal(signal.SIGTERM)


def one_origin(functions: Mapping[str, ASGIApp]) -> list[BaseRoute]:
    """Route every path to its function, and what none of them names to the default.

    What a CDN is in front of is compressed, as the CDN would do it. Nothing else is: how well a page that mixes a
    secret with typed text compresses can give the secret away (BREACH, https://breachattack.com).
    """
    served = {name: GZipMiddleware(app) if name in routes.QUERY else app for name, app in functions.items()}
    by_path = {**routes.function_by_path(), "/{rest:path}": routes.DEFAULT}
    return [_forward(path, served[function]) for path, function in by_path.items()]


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


def _port(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 0 < int(given) < 65536):
        raise SystemExit(f"PORT is {given}, which is no port: write a number, as in make run PORT=8080")
    return int(given)


def _example_first(campaigns: Iterable[str]) -> list[str]:
    return sorted(campaigns, key=lambda campaign: (campaign != _EXAMPLE, campaign))


def _local_environment(folder: Path, port: int) -> Mapping[str, str]:
    return {
        "PUBLIC_URL": f"http://localhost:{port}",
        "STORE": "sqlite",
        "TASKS": "local",
        "MAIL": "outbox",
        "LOCAL_FOLDER": str(folder),
        **_secrets(folder / "secrets.json"),
    }


def _secrets(file: Path) -> dict[str, str]:
    """Make secrets on the first start and keep them, so that links and digests survive a restart."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        deliver, throwaway = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
        made = {
            "TOKEN_KEYS": secrets.token_urlsafe(32),
            "PEPPER": secrets.token_urlsafe(32),
            "DELIVER_IDENTITIES": str(deliver),
            "DELIVER_RECIPIENT": str(deliver.to_public()),
            "THROWAWAY_RECIPIENT": str(throwaway.to_public()),
        }
        _write_private(file.with_name("throwaway-identity.txt"), f"{throwaway}\n")
        _write_private(file, json.dumps(made, indent=2))
    stored: dict[str, str] = json.loads(file.read_text())
    return stored


def _write_private(file: Path, text: str) -> None:
    """For its owner's eyes only, and whole or not at all: half a file of secrets would stop every later start."""
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(text)
    part.rename(file)


def _print_addresses(url: str, campaigns: Iterable[str], folder: Path) -> None:
    addresses = "\n".join(
        f"    sign     {url}/c/{campaign}\n    counter  {url}/v1/campaigns/{campaign}/count\n"
        for campaign in campaigns
    )
    print(
        f"""
  Undersign is running on this machine.

{addresses}
    outbox   {url}/dev/mail

  Everything is kept under {folder}{os.sep}. Stop with Ctrl-C.
""",
        flush=True,
    )


if __name__ == "__main__":
    main()
