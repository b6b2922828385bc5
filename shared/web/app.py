"""What every function does with HTTP: route, cap, parse, CORS, language, errors, and the outermost catch.

The order in which faults are found is part of the contract (404, 405, 413, 415, 403, 410, 400, 422, 503), so
handlers call these helpers in that order. Whatever a client sends, the answer is one of ours: an exception that
reached the framework would be logged with the request's path, and paths hold tokens.
"""

import gzip
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import compile_path

from shared import locales, log
from shared.campaigns.model import Campaign
from shared.errors import (
    InvalidFields,
    MethodNotAllowed,
    NestedTooDeeply,
    NotFound,
    NotJson,
    NotUtf8,
    OriginNotAllowed,
    PublicError,
    TooLarge,
    TryAgain,
    Unavailable,
    UnknownCampaign,
    UnsupportedMediaType,
)
from shared.locales import Locale
from shared.models.fields import faults_of
from shared.models.responses import FieldProblem, Health, Problem
from shared.settings import VERSION
from shared.web import pages
from shared.web.response_cache import Kept

MAX_BODY_BYTES = 16 * 1024
_MAX_FORM_FIELDS = 100
_PREFLIGHT_SECONDS = 7200

JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"

NO_STORE = {"Cache-Control": "no-store"}

_COMPRESSIBLE = {"text/html", "text/javascript", "text/csv", JSON}
_WORTH_COMPRESSING_BYTES = 1000

M = TypeVar("M", bound=BaseModel)


@dataclass(slots=True)
class Call:
    """One request on its way through a handler.

    `wanted_language`: what the body asked for, once it is read; errors are told in it.
    """

    request: Request
    params: Mapping[str, str]
    campaigns: Mapping[str, Campaign]
    wanted_language: str | None = None
    is_page: bool = False

    @property
    def wants_page(self) -> bool:
        """Whether a person's browser asks, or a script: by Accept, else by what the path is for."""
        accept = self.request.headers.get("accept", "")
        if "text/html" in accept:
            return True
        return "json" not in accept and (self.is_page or _media_type(self.request) == _FORM)

    @property
    def campaign(self) -> Campaign:
        """The campaign in the path.

        Raises:
            UnknownCampaign: there is none of this name.
        """
        known = self.known_campaign
        if known is None:
            raise UnknownCampaign
        return known

    @property
    def known_campaign(self) -> Campaign | None:
        return self.campaigns.get(self.params.get("campaign", ""))

    def say(self, campaign: Campaign | None = None) -> Locale:
        """The texts to answer with: as the query, the body or the browser asks, else the campaign's language."""
        return self._locale(campaign or self.known_campaign, self.request.headers.get("accept-language"))

    def say_cacheably(self, campaign: Campaign) -> Locale:
        """The same without the browser's wish: a CDN caches nothing that varies by Accept-Language."""
        return self._locale(campaign, None)

    def _locale(self, campaign: Campaign | None, accept_language: str | None) -> Locale:
        return locales.locale(
            locales.negotiate(
                self.request.query_params.get("lang") or self.wanted_language,
                accept_language,
                campaign.texts if campaign else locales.LANGUAGES,
                campaign.default_language if campaign else locales.FALLBACK,
                campaign.vouched_languages if campaign else None,
            )
        )


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path, `{names}` in it, and its handlers by method.

    `cors`: whose pages may read the answer. `is_page`: people come here, not programs, unless they ask for JSON.
    """

    path: str
    handlers: Mapping[str, Handler]
    cors: Literal["none", "partners", "any"] = "none"
    is_page: bool = False
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", compile_path(self.path)[0])

    @property
    def allow(self) -> str:
        """The Allow header (RFC 9110, 10.2.1)."""
        methods = {*self.handlers, "OPTIONS"} | ({"HEAD"} if "GET" in self.handlers else set())
        return ", ".join(sorted(methods))

    def handler(self, method: str) -> Handler:
        handler = self.handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowed(self.allow)
        return handler


class App:
    """One function: its routes, and its health."""

    def __init__(
        self,
        function: str,
        campaigns: Mapping[str, Campaign],
        public_url: str,
        routes: Sequence[Route],
        now: Callable[[], datetime],
    ) -> None:
        self._function = function
        self._campaigns = campaigns
        self._public_url = public_url
        self._kept = Kept(now)
        self._routes = [*routes, Route(f"/v1/health/{function}", {"GET": self._health}, cors="any")]

    async def answer(self, request: Request) -> Response:
        """Whatever the request is, an answer; never an exception."""
        if kept := self._kept.get(request):
            return kept
        call = Call(request, {}, self._campaigns)
        try:
            return await self._answer(call)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001 - the outermost catch: the framework would log path and text
            log.fault("unexpected", error, function=self._function)
            return problem(call, PublicError())

    async def _answer(self, call: Call) -> Response:
        try:
            route, call.params = self._find(call.request)
        except NotFound as error:
            return problem(call, error)
        call.is_page = route.is_page
        try:
            response = await self._dispatch(route, call)
        except PublicError as error:
            response = problem(call, error)
        except Unavailable as error:
            log.fault("unavailable", error.__cause__ or error, function=self._function)
            response = problem(call, TryAgain())
        self._add_cors(route, call, response)
        _compress(call, response)
        self._kept.keep(call.request, response)
        return response

    def _find(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        for route in self._routes:
            if found := route.pattern.fullmatch(request.scope["path"]):
                return route, found.groupdict()
        raise NotFound

    async def _dispatch(self, route: Route, call: Call) -> Response:
        if "campaign" in call.params:
            _ = call.campaign  # an unknown campaign is told before a wrong method
        if call.request.method == "OPTIONS":
            return self._preflight(route, call)
        return await route.handler(call.request.method)(call)

    def _preflight(self, route: Route, call: Call) -> Response:
        """RFC 9110, 9.3.7, and what the Fetch standard asks before a partner's page may post JSON."""
        headers = {"Allow": route.allow, **NO_STORE}
        if route.cors == "any" or self._is_partner(call):
            headers |= {
                "Access-Control-Allow-Methods": route.allow,
                "Access-Control-Allow-Headers": "Content-Type",
                "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            }
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)

    def _add_cors(self, route: Route, call: Call, response: Response) -> None:
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
        return campaign is not None and is_admitted(campaign, origin, self._public_url)

    async def _health(self, _call: Call) -> Response:
        return answer_json(Health(function=self._function, version=VERSION), headers=NO_STORE)


def _compress(call: Call, response: Response) -> None:
    """Only what caches may keep: how well a page that mixes a secret with typed text compresses can give it away
    (BREACH, https://breachattack.com).
    """
    headers = response.headers
    if (
        "public" not in headers.get("Cache-Control", "")
        or response.media_type not in _COMPRESSIBLE
        or len(response.body) < _WORTH_COMPRESSING_BYTES
    ):
        return
    headers["Vary"] = "Accept-Encoding"
    if "gzip" in call.request.headers.get("Accept-Encoding", ""):
        response.body = gzip.compress(response.body, mtime=0)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(response.body))


def is_admitted(campaign: Campaign, origin: str | None, public_url: str) -> bool:
    """Whether pages of this origin are our own, or a partner's that the campaign has admitted."""
    return is_ours(origin, public_url) or origin in campaign.partner_by_origin


def is_ours(origin: str | None, public_url: str) -> bool:
    """Whether pages of this origin are our own; one's own machine has two names."""
    scheme, _, rest = public_url.partition("://")
    if scheme == "https":
        return origin == public_url
    port = rest.partition(":")[2]
    return origin in {f"http://{host}:{port}" if port else f"http://{host}" for host in ("localhost", "127.0.0.1")}


@dataclass(frozen=True, slots=True)
class Body:
    """A body under the cap, of a media type we read."""

    content: bytes
    is_form: bool

    def fields(self) -> Any:
        """JSON: whatever it holds. A form: a dictionary of its non-empty fields, the first of each.

        Raises:
            MalformedBody: not UTF-8, not JSON, or nested too deeply.
        """
        try:
            text = self.content.decode("utf-8")
            if self.is_form:
                pairs = parse_qsl(text, errors="strict", max_num_fields=_MAX_FORM_FIELDS)
                return {name: value for name, value in reversed(pairs) if value.strip()}
            return from_json(text, allow_inf_nan=False)
        except UnicodeDecodeError:
            raise NotUtf8 from None
        except ValueError as fault:
            if self.is_form:
                raise TooLarge from None  # more fields than any form has
            raise (NestedTooDeeply if "recursion limit" in str(fault) else NotJson) from None


async def read_body(call: Call) -> Body:
    """
    Raises:
        TooLarge: over 16 KB, found out without keeping more than that.
        UnsupportedMediaType: neither JSON nor a plain form.
    """
    content = bytearray()
    async for chunk in call.request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise TooLarge
    media_type = _media_type(call.request)
    if media_type not in {JSON, _FORM}:
        raise UnsupportedMediaType
    return Body(bytes(content), is_form=media_type == _FORM)


def parse(model: type[M], fields: Any) -> M:
    """
    Raises:
        InvalidFields: names every field at fault.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFields(faults_of(error)) from None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def answer_json(
    content: BaseModel, status: int = HTTPStatus.OK, headers: Mapping[str, str] = NO_STORE
) -> Response:
    return Response(content.model_dump_json(exclude_none=True), status, dict(headers), media_type=JSON)


def problem(call: Call, error: PublicError) -> Response:
    """The one place where errors become answers: a page for people, RFC 9457 for programs."""
    say = call.say()
    text = say(f"errors.{error.code}", **{"hosted_page": "", **error.details})
    if call.wants_page:
        if isinstance(error, OriginNotAllowed):
            return RedirectResponse(f"{error.details['hosted_page']}&moved=1", HTTPStatus.SEE_OTHER, NO_STORE)
        return pages.error(
            say,
            code=error.code,
            text=text,
            status=error.status,
            campaign=_way_on(call, error),
            headers=error.headers,
        )
    document = Problem(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        detail=text,
        errors=_field_problems(error, say),
        hosted_page=error.details.get("hosted_page"),
    )
    return Response(
        document.model_dump_json(exclude_none=True),
        error.status,
        {**NO_STORE, **error.headers},
        media_type="application/problem+json",
    )


def _way_on(call: Call, error: PublicError) -> Campaign | None:
    """The campaign that an error page leads to: the one it is about, else the only one there is."""
    about = call.known_campaign or call.campaigns.get(error.details.get("campaign", ""))
    return about or (next(iter(call.campaigns.values())) if len(call.campaigns) == 1 else None)


def _field_problems(error: PublicError, say: Locale) -> list[FieldProblem] | None:
    if not isinstance(error, InvalidFields):
        return None
    return [
        FieldProblem(field=fault.field, code=fault.code, message=say(f"fields.{fault.code}"))
        for fault in error.faults
    ]


def origin_of(url: str) -> str | None:
    """The origin of an absolute http(s) address, None of anything else."""
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else None


def to_language(call: Call) -> Response | None:
    """An uncached redirect to the address that names a language we speak; None where it does already."""
    query = dict(call.request.query_params)
    language = call.say().language
    if query.get("lang") == language:
        return None
    address = f"{call.request.scope['path']}?{urlencode({**query, 'lang': language})}"
    return RedirectResponse(address, HTTPStatus.FOUND, NO_STORE)


def hosted_page(campaign: Campaign, **query: str | None) -> str:
    """Path and query of a campaign's own page."""
    given = {name: value for name, value in query.items() if value}
    return f"/c/{campaign.id}" + (f"?{urlencode(given)}" if given else "")
