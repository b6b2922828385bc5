"""Who may use the desk: the browser that opened the link which the command printed, and nobody else.

The link holds a token that works once and becomes a session, a cookie. Cookies know no ports: another program of
this machine that the same browser visits is sent it as well (RFC 6265, section 8.5). So `guard` looks at where a
request comes from, too.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

#: The link is opened as soon as it is printed.
LINK_TTL = timedelta(minutes=10)


class LinkRefused(Exception):
    """A link that does not open the desk. The message says to its visitor why, and what to do."""


class Session:
    """The one session of a desk, and the link that begins it.

    `port`: the desk's, in the name of its cookie, so that several desks may be open in one browser.
    """

    def __init__(self, port: int, now: datetime) -> None:
        self.cookie_name = f"undersign-desk-{port}"
        self.link_token = secrets.token_urlsafe(32)
        self._link_expires_at = now + LINK_TTL
        self._cookie: str | None = None
        self._is_used = False

    def begin(self, token: str, now: datetime) -> str:
        """Return the cookie of a new session.

        A second use ends the session: one of the two who have the link should not have it.

        Raises:
            LinkRefused: the token is not the link's, has expired or was used.
        """
        if not secrets.compare_digest(token.encode(), self.link_token.encode()):
            raise LinkRefused("This is not the link of this desk. Open the one that undersign desk has printed.")
        if self._is_used:
            self._cookie = None
            raise LinkRefused(
                "This link was used before. If it was not you who used it, somebody else has it; what it opened "
                "is closed now. Start undersign desk again."
            )
        if now >= self._link_expires_at:
            raise LinkRefused("This link is too old, and has opened nothing. Start undersign desk again.")
        self._is_used = True
        self._cookie = secrets.token_urlsafe(32)
        return self._cookie

    def is_of(self, cookies: Mapping[str, str]) -> bool:
        """Return whether the session's cookie is among these."""
        given = cookies.get(self.cookie_name, "")
        return self._cookie is not None and secrets.compare_digest(given.encode(), self._cookie.encode())
