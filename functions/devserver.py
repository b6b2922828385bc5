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
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pyrage
import uvicorn
from functions_framework.aio import create_asgi_app
from jinja2 import Template
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from shared.mail.outbox import Outbox
from shared.runtime import utc_now
from shared.tasks.dispatcher import Dispatcher
from shared.tasks.local import LocalQueue

_FUNCTIONS = Path(__file__).parent
_CAMPAIGN = "reclaim-your-face"

#: Which function answers which path; the load balancer's URL map says the same.
URL_MAP = {
    "/v1/campaigns/{campaign}/signatures": "sign",
    "/v1/campaigns/{campaign}/links": "sign",
    "/v1/tasks/deliver": "deliver",
    "/v1/tasks/sweep": "deliver",
    "/v1/confirm/{token}": "confirm",
    "/v1/withdraw/{token}": "confirm",
    "/v1/campaigns/{campaign}/count": "count",
    "/v1/campaigns/{campaign}/count.svg": "count",
    "/c/{rest:path}": "embed",
    "/embed/{rest:path}": "embed",
    "/v1/openapi.json": "embed",
}
FUNCTIONS = ("sign", "deliver", "confirm", "count", "embed")


def main() -> None:
    port = int(os.environ.get("PORT", "8080"))
    folder = Path(os.environ.get("LOCAL_FOLDER", "var"))
    for name, value in _local_environment(folder, port).items():
        os.environ.setdefault(name, value)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as fault:
        raise SystemExit(f"Port {port} is taken. Choose another: make run PORT={port + 1}") from fault
    application = create_app(folder, port)
    _print_addresses(os.environ["PUBLIC_URL"])
    uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listener])


def create_app(folder: Path, port: int) -> Starlette:
    """All functions, the outbox, and the worker of the local queue in `folder`."""
    outbox = Outbox(folder / "outbox", utc_now)

    async def mail_page(_request: Request) -> Response:
        # Links in a mail lead out of its frame, as they would out of a mail program.
        mails = [
            mail.model_copy(update={"html": f'<base target="_top">{mail.html}'}) for mail in outbox.received()
        ]
        template = Template((_FUNCTIONS / "outbox.html").read_text(encoding="utf-8"), autoescape=True)
        return HTMLResponse(template.render(mails=mails))

    async def mail_json(_request: Request) -> Response:
        return JSONResponse([received.model_dump() for received in outbox.received()])

    async def home(_request: Request) -> Response:
        return RedirectResponse(f"/c/{_CAMPAIGN}")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        queue = LocalQueue(folder / "tasks.db")
        async with httpx.AsyncClient(trust_env=False) as client:
            dispatcher = Dispatcher(queue, client, f"http://127.0.0.1:{port}/v1/tasks/deliver")
            worker = asyncio.create_task(dispatcher.run())
            yield
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker
        await queue.aclose()

    local = [Route("/", home), Route("/dev/mail", mail_page), Route("/dev/mail.json", mail_json)]
    return Starlette(routes=[*routes({name: _load(name) for name in FUNCTIONS}), *local], lifespan=lifespan)


def routes(functions: Mapping[str, ASGIApp]) -> list[BaseRoute]:
    """The functions under one origin, each under its own paths."""
    health = {f"/v1/health/{name}": name for name in functions}
    return [_forward(path, functions[name]) for path, name in {**URL_MAP, **health}.items()]


def _load(function: str) -> ASGIApp:
    app: ASGIApp = create_asgi_app(  # type: ignore[no-untyped-call] # the framework left it untyped
        function, str(_FUNCTIONS / function / "main.py")
    )
    return app


def _forward(path: str, function: ASGIApp) -> Route:
    """Everything under `path`, whatever the method, as it came."""
    route = Route(path, endpoint=lambda _request: Response(), methods=None)
    route.methods = None
    route.app = function
    return route


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
    """Made on first start and kept, so that links and digests survive a restart."""
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
        file.touch(mode=0o600)
        file.write_text(json.dumps(made, indent=2))
        identity = file.with_name("throwaway-identity.txt")
        identity.touch(mode=0o600)
        identity.write_text(f"{throwaway}\n")
    kept: dict[str, str] = json.loads(file.read_text())
    return kept


def _print_addresses(url: str) -> None:
    print(
        f"""
  Undersign is running on this machine.

    sign     {url}/c/{_CAMPAIGN}
    outbox   {url}/dev/mail
    counter  {url}/v1/campaigns/{_CAMPAIGN}/count

  Everything is kept under var/. Stop with Ctrl-C.
""",
        flush=True,
    )


if __name__ == "__main__":
    main()
