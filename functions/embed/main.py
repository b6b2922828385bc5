"""embed: the hosted pages and the description of the API. Reads no database and holds no secret."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shared import forms, http, openapi, pages, runtime
from shared.errors import UnsupportedMediaType
from shared.http import Call
from shared.pages import Filled

service = runtime.embed()

#: The pages change with a deployment, and when a campaign opens or closes.
CACHE = {"Cache-Control": "public, max-age=60, s-maxage=300, stale-while-revalidate=600, stale-if-error=86400"}

#: What may be carried over into the form by a link, or from a form with a wrong address.
_BY_LINK = ("partner", "source")
_BY_FORM = ("name", "email", "country", "postal_code", "partner", "source")


async def get_petition(call: Call) -> Response:
    """The petition and its form."""
    query = call.request.query_params
    values = {name: query[name] for name in _BY_LINK if name in query}
    return _to_language(call) or _petition(call, values, CACHE, moved=query.get("moved") == "1")


async def post_petition(call: Call) -> Response:
    """The form again, filled in: "wrong address?" leads here. Never consents or opts in for anybody."""
    body = await http.read_body(call)
    if not body.is_form:
        raise UnsupportedMediaType
    fields = body.fields()
    return _petition(call, {name: fields[name] for name in _BY_FORM if name in fields}, pages.PRIVATE)


async def get_links(call: Call) -> Response:
    """Where one asks for the links of an address."""
    return _to_language(call) or pages.links(call.campaign, call.say(), Filled())


async def get_privacy(call: Call) -> Response:
    """The privacy notice (GDPR, Article 13), made from the campaign file."""
    return _to_language(call) or pages.privacy(call.campaign, call.say(), CACHE)


async def get_openapi(_call: Call) -> Response:
    return Response(openapi.document(service.public_url), headers=CACHE, media_type="application/json")


def _petition(
    call: Call, values: Mapping[str, str], headers: Mapping[str, str], *, moved: bool = False
) -> Response:
    """`values`: what the form starts with; a partner or source that cannot be is left out."""
    campaign = call.campaign
    form = Filled(forms.without_wrong_hints(values, campaign))
    is_open = campaign.takes_signatures(service.now())
    return pages.petition(campaign, call.say(), form, headers, is_open=is_open, moved=moved)


def _to_language(call: Call) -> Response | None:
    """An uncached redirect to the address that names a language we speak; None where it does already."""
    query = dict(call.request.query_params)
    language = call.say().language
    if query.get("lang") == language:
        return None
    address = f"{call.request.scope['path']}?{urlencode({**query, 'lang': language})}"
    return RedirectResponse(address, HTTPStatus.FOUND, http.NO_STORE)


app = http.App(
    "embed",
    service.campaigns,
    service.public_url,
    [
        http.Route("/c/{campaign}", {"GET": get_petition, "POST": post_petition}, is_page=True),
        http.Route("/c/{campaign}/links", {"GET": get_links}, is_page=True),
        http.Route("/c/{campaign}/privacy", {"GET": get_privacy}, is_page=True),
        http.Route("/v1/openapi.json", {"GET": get_openapi}, cors="any"),
    ],
)
runtime.freeze_startup_objects()


@functions_framework.aio.http
async def embed(request: Request) -> Response:
    return await app.answer(request)
