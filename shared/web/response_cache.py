"""Answers that everybody gets alike, kept ready for a moment.

A CDN in front keeps them longer; this is for what gets past it, and for those who run without one. Between two
readings of the database nothing about them changes, so that to make them again for each reader would be waste.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

#: Adds to the age that the answer's own source allows, so it must stay small beside it.
FOR = timedelta(seconds=1)
#: Of tens of kilobytes at most; who makes up queries gains nothing but that answers are made anew.
MOST = 200

#: Those that hold their content, and can be sent more than once; a file is read as it is sent.
_WHOLE = (Response, HTMLResponse)

Key = tuple[str, bytes, bool]


class Kept:
    """The last answer for each path, query, and whether gzip is understood: nothing else about a request changes
    an answer that caches may keep.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._until = datetime.min.replace(tzinfo=UTC)
        self._answers: dict[Key, Response] = {}

    def get(self, request: Request) -> Response | None:
        """The answer, if it is there and fresh. Whoever has one already (If-None-Match) asks the handler."""
        key = _key(request)
        return self._answers.get(key) if key and self._now() < self._until else None

    def keep(self, request: Request, response: Response) -> None:
        """Keep it, if any cache may."""
        is_public = "public" in response.headers.get("cache-control", "")
        key = _key(request) if is_public and type(response) in _WHOLE else None
        if key is None or response.status_code != HTTPStatus.OK:
            return
        now = self._now()
        # All of them end with the first: one moment to compare, and nothing old is left behind.
        if now >= self._until or len(self._answers) >= MOST:
            self._answers.clear()
            self._until = now + FOR
        self._answers[key] = response


def _key(request: Request) -> Key | None:
    """None for what is never answered from here. Read from the scope: this is done for every request."""
    scope, takes_gzip = request.scope, False
    if scope["method"] != "GET":
        return None
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            takes_gzip = b"gzip" in value
        elif name == b"if-none-match":
            return None
    return scope["path"], scope["query_string"], takes_gzip
