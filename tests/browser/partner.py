"""A partner's website: another origin, with a Content-Security-Policy of its own on each page."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shared.campaigns.loader import FOLDER as CAMPAIGNS
from tests.support.deployment import CAMPAIGN

#: The partner as which the site is registered.
PARTNER = "city-rights"
NAME = "City Rights Foundation"


@dataclass
class Site:
    """A partner's site. `pages`: the Content-Security-Policy and the body of each, by path."""

    origin: str = ""
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)

    def shows(self, body: str, policy: str) -> str:
        """Add a page with this body and Content-Security-Policy, and return its URL."""
        path = f"/page-{len(self.pages)}"
        self.pages[path] = (policy, body)
        return self.origin + path


@contextmanager
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            policy, body = made.pages[self.path.partition("?")[0]]
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(_PAGE.format(body=body).encode())

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.origin = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def register(origin: str, folder: Path) -> Path:
    """Copy the campaign files to `folder`, register the partner with this origin, and return the folder."""
    shutil.copytree(CAMPAIGNS, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    file = folder / f"{CAMPAIGN}.toml"
    entry = f'[partners.{PARTNER}]\nname = "{NAME}"\ncountry = "NL"\norigins = ["{origin}"]\n\n'
    text, times = re.subn(
        r"^\[partners\.libertes", f"{entry}[partners.libertes", file.read_text("utf-8"), flags=re.M
    )
    assert times == 1
    file.write_text(text, encoding="utf-8")
    return folder


#: The icon's link keeps browsers from requesting one.
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>City Rights Foundation</title><link rel="icon" href="data:,"></head>
<body><main><h1>City Rights Foundation</h1>{body}</main></body>
</html>"""
