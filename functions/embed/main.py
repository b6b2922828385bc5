"""embed: the widget, the hosted pages and the description of the API. Reads no database and holds no secret."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from shared import runtime
from shared.campaigns import images
from shared.campaigns.listed import listed
from shared.errors import NotFound, UnsupportedMediaType
from shared.web import forms, oembed, pages, qr, widget
from shared.web.app import App, Route
from shared.web.body import read_body
from shared.web.call import NO_STORE, Call, answer_json, hosted_page
from shared.web.pages import Filled
from shared.web.routes import EmbedPath
from shared.web.widget_versions import Scripts

deps = runtime.embed()
scripts = Scripts(Path(__file__).parent / "static")

#: The pages change with a deployment, when a campaign opens or closes, and with its overlay. That is to be in
#: force within a minute, so these ages, those of count's overlay and `live.MAX_AGE` must not be more. While this
#: function does not answer, the CDN serves what it has for an hour: see `serve_while_stale` in infra/balancer.tf.
CACHE = {"Cache-Control": "public, max-age=5, s-maxage=15"}

#: What is carried over from a form with a wrong address.
_BY_FORM = ("name", "email", "country", "postal_code", "partner", "source")


#: A moving address: what is behind it changes with a deployment, and soon reaches every page. It may be stale for
#: a day, so that partners' pages neither wait for it nor lose it in an outage.
SCRIPT_CACHE = {"Cache-Control": "public, max-age=300, stale-while-revalidate=86400"}
#: For the program that asked, not for the CDN, which does not keep answers apart by the address that was pasted.
OEMBED_CACHE = {"Cache-Control": "private, max-age=3600"}
IMMUTABLE_CACHE = {"Cache-Control": "public, max-age=31536000, immutable"}


async def get_home(call: Call) -> Response:
    """List the petitions: there are several, or the reader would have been led to the one."""
    return pages.petitions(listed(call.campaigns, call.now), call.locale())


async def get_petition(call: Call) -> Response:
    """Show the petition and its form; with `embed=1` the form alone, for a frame in the partner's own pages."""
    query = call.request.query_params
    # Not the source, of which there are any number: the page's script carries it into the form.
    values = {"partner": query["partner"]} if "partner" in query else {}
    if "embed" not in query:
        return _petition(call, values, CACHE, moved="moved" in query)
    # Only pages of the partner that the query names may frame it, and our own, for the preview.
    campaign, form = call.campaign, Filled(values)
    return pages.framed(campaign, call.locale(), form, CACHE, closed_reason=campaign.closed_reason(deps.now()))


async def post_petition(call: Call) -> Response:
    """Show the form filled in: "wrong address?" leads here. Never consents or opts in for anybody."""
    body = await read_body(call)
    if not body.is_form:
        raise UnsupportedMediaType
    fields = body.fields()
    return _petition(call, {name: fields[name] for name in _BY_FORM if name in fields}, NO_STORE)


async def get_links(call: Call) -> Response:
    """Show the form that asks for the links of an address."""
    return pages.links(call.campaign, call.locale(), Filled(), CACHE)


async def get_privacy(call: Call) -> Response:
    """Show the privacy notice (GDPR, Article 13), made from the campaign file."""
    return pages.privacy(call.campaign, call.locale(), CACHE)


async def get_embed(call: Call) -> Response:
    """Show what a partner copies to paste into a page."""
    partner = call.request.query_params.get("partner")
    return pages.embed(call.campaign, call.locale(), partner, scripts, CACHE, public_url=deps.public_url)


async def get_sheet(call: Call) -> Response:
    """Show a sheet to print, for signatures on paper."""
    partner = call.request.query_params.get("partner")
    return pages.sheet(call.campaign, call.locale(), partner, CACHE, public_url=deps.public_url)


async def get_qr(call: Call) -> Response:
    """Draw the QR code of the petition's address. What is signed there has the source `qr`."""
    query = call.request.query_params
    path = hosted_page(call.campaign, lang=query.get("lang"), partner=query.get("partner"), source="qr")
    return Response(qr.svg(deps.public_url + path), headers=CACHE, media_type="image/svg+xml")


async def get_share_image(call: Call) -> Response:
    """Send the picture that networks show beside a link to the petition."""
    if call.campaign.share_image is None:
        raise NotFound
    return FileResponse(call.campaign.share_image.file, headers=CACHE, media_type="image/png")


async def get_oembed(call: Call) -> Response:
    """Tell an editor what to show in place of the address of the petition or of its numbers."""
    asked = oembed.parse(call.request.query_params, deps.public_url)
    call.params, call.wanted_language = {"campaign": asked.campaign}, asked.language
    content = oembed.answer(asked, call.campaign, call.locale(cacheable=True), deps.public_url)
    if asked.is_xml:
        return Response(oembed.as_xml(content), headers=OEMBED_CACHE, media_type="text/xml")
    return answer_json(content, headers=OEMBED_CACHE)


async def get_image(call: Call) -> Response:
    """Send a size of the petition's picture or a logo, at an address that changes with its content."""
    name = call.params["file"]
    image = call.campaign.images.get(name)
    if image is None:
        raise NotFound
    # In a thread: where no build has made it, it takes a while.
    content = await asyncio.to_thread(images.content, image, name)
    return Response(content, headers=IMMUTABLE_CACHE, media_type=images.media_type(name))


async def get_form(call: Call) -> Response:
    """Describe the petition's form in one language, the same for the pages of all partners."""
    form = widget.form(
        call.campaign,
        call.locale(),
        embedded="embed" in call.request.query_params,
        public_url=deps.public_url,
        now=deps.now(),
    )
    return answer_json(form, headers=CACHE)


async def get_script(call: Call) -> Response:
    """Send the widget, at its moving address or at one of those that never change."""
    script = scripts.get(call.params["file"])
    if script is None:
        raise NotFound
    headers = IMMUTABLE_CACHE if script.is_pinned else SCRIPT_CACHE
    return Response(script.content, headers=headers, media_type="text/javascript")


async def get_openapi(_call: Call) -> Response:
    """Describe the API."""
    from shared.web import openapi  # here: it is seldom asked for, and describes what only other functions need

    return Response(openapi.document(deps.public_url), headers=CACHE, media_type="application/json")


def _petition(
    call: Call, values: Mapping[str, str], headers: Mapping[str, str], *, moved: bool = False
) -> Response:
    """`values`: what the form starts with; a partner or source that cannot be is left out."""
    campaign = call.campaign
    return pages.petition(
        campaign,
        call.locale(),
        Filled(forms.without_wrong_hints(values, campaign)),
        headers,
        public_url=deps.public_url,
        closed_reason=campaign.closed_reason(deps.now()),
        moved=moved,
    )


app = App(
    "embed",
    deps,
    [
        Route(
            EmbedPath.PETITION,
            {"GET": get_petition, "POST": post_petition},
            is_page=True,
            query=("lang", "partner", "embed", "moved"),
            in_language=True,
        ),
        Route(EmbedPath.LINKS, {"GET": get_links}, is_page=True, query=("lang",), in_language=True),
        Route(EmbedPath.PRIVACY, {"GET": get_privacy}, is_page=True, query=("lang",), in_language=True),
        Route(EmbedPath.SNIPPETS, {"GET": get_embed}, is_page=True, query=("lang", "partner"), in_language=True),
        Route(EmbedPath.SHEET, {"GET": get_sheet}, is_page=True, query=("lang", "partner"), in_language=True),
        Route(EmbedPath.QR, {"GET": get_qr}, cors="any", query=("lang", "partner")),
        Route(EmbedPath.SHARE_IMAGE, {"GET": get_share_image}, cors="any"),
        Route(EmbedPath.OEMBED, {"GET": get_oembed}, cors="any"),
        Route(EmbedPath.IMAGE, {"GET": get_image}, cors="any"),
        Route(EmbedPath.FORM, {"GET": get_form}, cors="any", query=("lang", "embed"), in_language=True),
        Route(EmbedPath.SCRIPT, {"GET": get_script}, cors="any"),
        Route(EmbedPath.OPENAPI, {"GET": get_openapi}, cors="any"),
        Route(EmbedPath.HOME, {"GET": get_home}, is_page=True, query=("lang",)),
    ],
)
runtime.finish_startup()


@functions_framework.aio.http
async def embed(request: Request) -> Response:
    """Answer a request, as functions-framework hands it over."""
    return await app.answer(request)
