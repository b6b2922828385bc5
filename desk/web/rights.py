"""What may be changed: in the database with the rights of the account that the desk works with, and of the files.

A page says so, and offers no button that would fail. Whatever is pressed all the same is decided by the database.
"""

import asyncio
import os
import time
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

from desk import runtime
from shared.errors import ConfigurationError, Unavailable

#: Rights that were granted meanwhile are found after so long.
_TTL_SECONDS = 60.0
#: For an answer; without one, nothing is known, and every button is offered.
_PATIENCE_SECONDS = 3.0
_ACCOUNT = (
    "Your account may read the database, and may not change it: ask who runs this deployment for the rights."
)
_MACHINE = "The file of the signatures cannot be written on this machine."

#: Paths of what is no page.
ASSETS = {"/style.css", "/refresh.js", "/editor.js"}

#: Why the database cannot be changed, for the page that is shown; empty where it can.
_read_only: ContextVar[str] = ContextVar("read_only", default="")


def read_only() -> str:
    """Return why the database cannot be changed, in a sentence; empty where it can, as far as is known."""
    return _read_only.get()


def files_read_only() -> str:
    """Return why campaign files cannot be written, in a sentence; empty where they can, as far as is known."""
    folder = runtime.campaigns_folder()
    return "" if os.access(folder, os.W_OK) else f"Campaign files cannot be written in {folder}."


class ReadOnly:
    """Middleware that finds out for each page what `read_only` returns, at most once a minute."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known = ""
        self._until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in ASSETS:
            _read_only.set(await self._reason())
        await self._app(scope, receive, send)

    async def _reason(self) -> str:
        if time.monotonic() >= self._until:
            self._known = await _find_out()
            self._until = time.monotonic() + _TTL_SECONDS
        return self._known


async def _find_out() -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            if await runtime.may_write():
                return ""
    except (TimeoutError, Unavailable, ConfigurationError):
        return ""
    return _MACHINE if runtime.is_local() else _ACCOUNT
