"""The server for one's own machine: with an outbox in place of a mail relay, and secrets made on the first start.

    python -m functions.devserver

It is functions/server.py with what nobody should deploy. Everything is kept under var/. Any setting that the
environment holds already wins, so the same program runs on Firestore or a real mail relay.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pyrage
from jinja2 import Template
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from functions import server
from functions.new_secrets import new_secrets
from shared import runtime
from shared.clock import utc_now
from shared.errors import ConfigurationError
from shared.mail.outbox import Outbox

_OUTBOX_PAGE = Path(__file__).with_name("outbox.html")
#: The example, whose addresses are printed first if it is still there.
_EXAMPLE = "reclaim-your-face"
_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}


def main() -> None:
    """Serve all functions on this machine until Ctrl-C."""
    os.umask(0o077)  # addresses and live links lie in its folder, for nobody else on this machine
    port = _port(os.environ.get("PORT", "8080"))
    folder = Path(os.environ.get("LOCAL_FOLDER", "var"))
    try:
        # First of all: of two servers that are started at once, one alone may make the secrets.
        listener = server.listen("127.0.0.1", port)
        for name, value in _local_environment(folder, port).items():
            os.environ.setdefault(name, value)
        campaigns = _example_first(runtime.embed().campaigns)
        functions = server.load_functions(listener)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    _print_addresses(os.environ["PUBLIC_URL"], campaigns, folder)
    served = [*_local_routes(folder), *server.one_origin(functions)]
    app = server.create_app(functions["deliver"], served, folder / "tasks.db")
    # Another name that leads to this machine is a page that wants to read the outbox (DNS rebinding).
    hosts = ["localhost", "127.0.0.1", urlsplit(os.environ["PUBLIC_URL"]).hostname or ""]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    server.run(app, listener)


def _local_routes(folder: Path) -> list[BaseRoute]:
    """Route the outbox."""
    outbox = Outbox(folder / "outbox", utc_now)

    async def mail_page(_request: Request) -> Response:
        # Links in a mail lead out of its frame, as they would out of a mail program.
        mails = [
            mail.model_copy(update={"html": f'<base target="_top">{mail.html}'}) for mail in outbox.received()
        ]
        template = Template(_OUTBOX_PAGE.read_text(encoding="utf-8"), autoescape=True)
        return HTMLResponse(template.render(mails=mails), headers=_NO_SNIFF)

    return [
        Route("/dev/mail", mail_page),
        Route(
            "/dev/mail.json",
            lambda _: JSONResponse([mail.model_dump() for mail in outbox.received()], headers=_NO_SNIFF),
        ),
    ]


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
        throwaway = pyrage.x25519.Identity.generate()
        made = {**new_secrets(), "THROWAWAY_RECIPIENT": str(throwaway.to_public())}
        _write_private(file.with_name("throwaway-identity.txt"), f"{throwaway}\n")
        _write_private(file, json.dumps(made, indent=2))
    stored: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return stored


def _write_private(file: Path, text: str) -> None:
    """For its owner's eyes only, and whole or not at all: half a file of secrets would stop every later start."""
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
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
