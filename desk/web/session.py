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

    def begin(self, token: str, now: datetime) -> str | None:
        """Return the cookie of a new session; None where the token is not the link's, has expired or was used.

        A second use ends the session: one of the two who have the link should not have it.
        """
        if not secrets.compare_digest(token.encode(), self.link_token.encode()):
            return None
        if self._is_used or now >= self._link_expires_at:
            self._cookie = None
            self._is_used = True
            return None
        self._is_used = True
        self._cookie = secrets.token_urlsafe(32)
        return self._cookie

    def is_of(self, cookies: Mapping[str, str]) -> bool:
        """Return whether the session's cookie is among these."""
        given = cookies.get(self.cookie_name, "")
        return self._cookie is not None and secrets.compare_digest(given.encode(), self._cookie.encode())
