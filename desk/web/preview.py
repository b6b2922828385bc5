"""The petition's page of a campaign that nobody has saved yet, to be shown in a frame of the desk."""

import base64
import re

from starlette.responses import HTMLResponse

from shared import locales
from shared.campaigns import images
from shared.campaigns.model import Campaign
from shared.clock import utc_now
from shared.models.responses import Count
from shared.web import badge, pages

#: Nothing in it runs, is sent or is loaded from anywhere, and only the desk may frame it.
_POLICY = "default-src 'none'; {style}; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"


def preview(campaign: Campaign, language: str) -> HTMLResponse:
    """Render the petition's page as signers will see it, before the first of them, with its pictures in it."""
    locale = locales.load(language)
    page = pages.petition(campaign, locale, pages.Filled(), {}, public_url="", closed_reason=None)
    # What needs a script, the counter's frame, and sizes of the picture: its fallback is enough.
    unneeded = "<source [^>]*>|<script .*?</script>|<noscript>.*?</noscript>"
    html = re.sub(unneeded, "", bytes(page.body).decode())
    for name in {*re.findall(rf'src="/c/{campaign.id}/images/([^"]+)"', html)}:
        html = html.replace(f"/c/{campaign.id}/images/{name}", data_uri(campaign.images[name], name))
    count = Count(
        campaign=campaign.id,
        data_license=campaign.data_license,
        total=0,
        held=0,
        goal=campaign.goal,
        next_goal=campaign.next_goal(0),
        as_of=utc_now(),
        by_country={},
    )
    drawn = badge.svg(count, campaign.text(language).title, locale, theme="light")
    html = re.sub(r'src="/v1/[^"]+/count\.svg[^"]*"', f'src="{_data(drawn.encode(), "image/svg+xml")}"', html)
    [style] = re.findall("style-src '[^']+'", page.headers["Content-Security-Policy"])
    return framed(html, _POLICY.format(style=style))


def framed(html: str, policy: str) -> HTMLResponse:
    """Return a page that the desk may show in a frame."""
    return HTMLResponse(html, headers={"Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN"})


def data_uri(image: images.Image, name: str) -> str:
    """Return one of the files that are made of an image as an address that holds it."""
    return _data(images.content(image, name), images.media_type(name))


def _data(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
