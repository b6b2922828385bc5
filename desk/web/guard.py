"""What every request to the desk must be, and what every answer says to the browser.

- Its Host is the address that the desk is at. Another name that leads to this machine is a page that wants to read
  the desk (DNS rebinding).
- It comes from the desk's own pages, or from the address bar, as `Sec-Fetch-Site` says; what changes something
  comes from the desk's own pages, as `Origin` says. Other ports of this machine are other sites.
- It has the session's cookie, but for the link that begins the session.
"""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.web.session import Session

#: The path of the link that begins a session.
LINK = "/open"
_SAFE = {"GET", "HEAD"}
_FROM_HERE = {"same-origin", "none"}
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer, with which browsers send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Middleware that refuses every request which is not the session's own. `host`: the desk's, with its port."""

    def __init__(self, app: ASGIApp, host: str, session: Session) -> None:
        self._app = app
        self._host = host
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)  # pages with a preview have a policy of their own
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        if headers.getlist("host") != [self._host]:
            return PlainTextResponse("This is the desk of an organiser, and not reached by this name.", 421)
        if headers.get("sec-fetch-site", "none") not in _FROM_HERE:
            return PlainTextResponse("Another page has asked for this. Open the desk itself.", 403)
        if request.method not in _SAFE and headers.get("origin") != f"http://{self._host}":
            return PlainTextResponse("Another page has asked for this. Open the desk itself.", 403)
        # The path as the router has it: `request.url` leaves out tabs and line breaks.
        if request.scope["path"] != LINK and not self._session.is_of(request.cookies):
            return PlainTextResponse(
                "The desk knows no session of this browser. Open the link that undersign desk has printed; if it "
                "was used, end the command and start it again.",
                403,
            )
        return None
