"""One function as a web application: its routes, CORS, and the outermost `except`.

The order in which errors are found is part of the contract (404, 405, 413, 415, 403, 410, 400, 422, 503), so
handlers call the helpers of this package in that order. Every request gets an answer of ours: an exception that
reached the framework would be logged with the request's path, and paths hold tokens.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import compile_path

from shared import log
from shared.campaigns.listed import listed
from shared.campaigns.live import LiveCampaigns
from shared.campaigns.model import CANARY
from shared.errors import MethodNotAllowed, NotFound, PublicError, TryAgain, Unavailable, UnknownCampaign
from shared.models.responses import Health
from shared.runtime import Dependencies
from shared.settings import VERSION
from shared.web import paths, routes
from shared.web.call import NO_STORE, Call, answer_json, hosted_page
from shared.web.cors import is_admitted
from shared.web.problem import problem
from shared.web.query import canonical_address
from shared.web.routes import EmbedPath

_PREFLIGHT_SECONDS = 7200
#: Browsers take every answer for what its Content-Type says, and nothing else.
_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}
#: RFC 6797: for a year, browsers come over TLS alone. Of this host, not of its subdomains.
_TLS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path, `{names}` in it, and its handlers by method.

    `cors`: whose pages may read the answer. `is_page`: people come here, not programs, unless they ask for JSON.
    `query`: the parameters that make another answer; its handler may read no other, see `shared/web/query.py`.
    `in_language`: the address names the language of the answer; one that does not is redirected to one that does.
    """

    path: str
    handlers: Mapping[str, Handler]
    cors: Literal["none", "partners", "any"] = "none"
    is_page: bool = False
    query: tuple[str, ...] = ()
    in_language: bool = False

    @property
    def allow(self) -> str:
        """Return the Allow header (RFC 9110, 10.2.1)."""
        methods = {*self.handlers, "OPTIONS"} | ({"HEAD"} if "GET" in self.handlers else set())
        return ", ".join(sorted(methods))

    def handler(self, method: str) -> Handler:
        """Return the handler of a method; that of GET answers HEAD, too."""
        handler = self.handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowed(self.allow)
        return handler


class App:
    """One function: its routes, and its health."""

    def __init__(self, function: str, deps: Dependencies, handled: Sequence[Route]) -> None:
        self._function = function
        self._deps = deps
        self._headers = _NO_SNIFF | (_TLS_ONLY if deps.public_url.startswith("https:") else {})
        self.routes = [*handled, Route(routes.health(function), {"GET": self._health}, cors="any")]
        self._patterns = [(compile_path(route.path)[0], route) for route in self.routes]
        self._cache_key = frozenset(name for route in self.routes for name in route.query)

    async def answer(self, request: Request) -> Response:
        """Answer any request; never raise."""
        response = await self._answer_any(request)
        response.headers.update(self._headers)
        return response

    async def _answer_any(self, request: Request) -> Response:
        call = Call(request, {}, self._deps.campaigns, self._deps.now())
        try:
            return await self._answer(call)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001 - the outermost catch: the framework would log path and text
            log.exception("unexpected", error, function=self._function)
            return problem(call, PublicError())

    async def _answer(self, call: Call) -> Response:
        if call.request.scope["path"] == EmbedPath.HOME and (response := self._page_meant(call)):
            return response
        try:
            route, call.params = self._find(call.request)
        except NotFound as error:
            return self._page_meant(call) or problem(call, error)
        call.is_page = route.is_page
        try:
            response = await self._dispatch(route, call)
        except UnknownCampaign as error:
            response = self._page_meant(call) or problem(call, error)
        except PublicError as error:
            response = problem(call, error)
        except Unavailable as error:
            log.exception("unavailable", error.__cause__ or error, function=self._function)
            response = problem(call, TryAgain())
        self._add_cors(route, call, response)
        return response

    def _page_meant(self, call: Call) -> Response | None:
        """Redirect to the page that an address means, although it is not written so."""
        request = call.request
        if request.method not in {"GET", "HEAD"} or self._function not in routes.CACHED:
            return None
        petitions = listed(call.campaigns, call.now)
        home = hosted_page(petitions[0]) if len(petitions) == 1 else EmbedPath.HOME
        query = request.scope["query_string"].decode("latin-1")
        meant = paths.page_meant(request.scope["path"], query, call.campaigns.keys() - {CANARY}, home)
        return RedirectResponse(meant, HTTPStatus.FOUND, NO_STORE) if meant else None

    def _find(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        # Not Starlette's Router: test_a_path_with_a_line_break_is_another_path,
        # test_an_unknown_campaign_comes_before_any_other_fault.
        for pattern, route in self._patterns:
            if found := pattern.fullmatch(request.scope["path"]):
                return route, found.groupdict()
        raise NotFound

    async def _dispatch(self, route: Route, call: Call) -> Response:
        if "campaign" not in call.params:
            return await self._handle(route, call)
        campaign = call.campaign  # an unknown campaign comes before a wrong method
        live = call.campaigns
        has_overlay = not isinstance(live, LiveCampaigns) or await live.refresh(campaign.id)
        response = await self._handle(route, call)
        if not has_overlay:
            response.headers.update(NO_STORE)  # the campaign may be paused, or have more partners than its file
        return response

    async def _handle(self, route: Route, call: Call) -> Response:
        if call.request.method == "OPTIONS":
            return self._preflight(route, call)
        handler = route.handler(call.request.method)
        # What no CDN keeps apart (the links in the mail) may be asked for in any language, however it is written.
        if call.request.method in {"GET", "HEAD"} and self._function in routes.CACHED:
            address = canonical_address(call, self._cache_key, route.query, in_language=route.in_language)
            if address:
                return RedirectResponse(address, HTTPStatus.FOUND, NO_STORE)
        return await handler(call)

    def _preflight(self, route: Route, call: Call) -> Response:
        """RFC 9110, 9.3.7, and what the Fetch standard asks before a partner's page may post JSON."""
        headers = {"Allow": route.allow, **NO_STORE}
        if route.cors == "any" or self._is_partner(call):
            headers |= {
                "Access-Control-Allow-Methods": route.allow,
                # Tracing libraries add headers to every request of a page. `*` covers all but Authorization, and
                # older browsers do not know it.
                "Access-Control-Allow-Headers": "*, Authorization, Content-Type",
                "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            }
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)

    def _add_cors(self, route: Route, call: Call, response: Response) -> None:
        # Not Starlette's CORSMiddleware: test_preflight_grants_partners_only,
        # test_any_page_may_read_it_and_a_cdn_keep_it.
        if route.cors == "any":
            response.headers["Access-Control-Allow-Origin"] = "*"
        elif route.cors == "partners":
            response.headers["Vary"] = "Origin"
            if self._is_partner(call):
                response.headers["Access-Control-Allow-Origin"] = call.request.headers["origin"]
                response.headers["Access-Control-Expose-Headers"] = "Retry-After"

    def _is_partner(self, call: Call) -> bool:
        campaign = call.known_campaign
        origin = call.request.headers.get("origin")
        return campaign is not None and is_admitted(campaign, origin, self._deps.public_url)

    async def _health(self, _call: Call) -> Response:
        return answer_json(Health(function=self._function, version=VERSION))
