"""oEmbed: what editors show in place of the pasted address of one of our pages (https://oembed.com)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree

from markupsafe import Markup

from shared.campaigns.model import Campaign
from shared.errors import FieldError, InvalidFields, NotFound
from shared.locales import Locale
from shared.models.responses import OEmbed
from shared.models.whole_numbers import whole_number
from shared.web.cors import is_ours, origin_of
from shared.web.routes import CountPath

#: Pixels. Narrower or lower than the least, numbers and button would not be seen.
_WIDTH, _MIN_WIDTH = 600, 240
_HEIGHTS = {"": 340, "/progress": 1250}
_MIN_HEIGHT = 280
_PAGE = re.compile(r"/c/([a-z0-9-]{1,40})(/progress)?/?")

#: The framed page has no script. Its button opens the petition in the place of the page around it, or in a new tab
#: where the visitor asks for one.
_FRAME = Markup(
    '<iframe src="{src}" title="{title}" width="{width}" height="{height}" frameborder="0" loading="lazy" '
    'referrerpolicy="no-referrer" sandbox="allow-popups allow-popups-to-escape-sandbox '
    'allow-top-navigation-by-user-activation"></iframe>'
)


@dataclass(frozen=True, slots=True)
class OEmbedRequest:
    """What is asked for. `page`: "" for the petition, "/progress" for the numbers. Limits are in pixels."""

    campaign: str
    page: str
    language: str
    partner: str
    max_width: int
    max_height: int
    is_xml: bool


def parse(query: Mapping[str, str], public_url: str) -> OEmbedRequest:
    """Read the query of a request.

    Raises:
        NotFound: `url` is no address of a petition or of its numbers at `public_url`.
        InvalidFields: a limit is no number of pixels, or the format is neither json nor xml.
    """
    url = query.get("url", "")
    if not is_ours(origin_of(url), public_url) or not (page := _PAGE.fullmatch(urlsplit(url).path)):
        raise NotFound
    named = parse_qs(urlsplit(url).query)
    width, height = (_pixels(query, name) for name in ("maxwidth", "maxheight"))
    if (format_ := query.get("format", "json")) not in {"json", "xml"}:
        raise InvalidFields([FieldError("format", "wrong_type")])
    return OEmbedRequest(
        campaign=page[1],
        page=page[2] or "",
        language=named.get("lang", [""])[0],
        partner=named.get("partner", [""])[0],
        max_width=min(width or _WIDTH, _WIDTH),
        max_height=min(height or _HEIGHTS[page[2] or ""], _HEIGHTS[page[2] or ""]),
        is_xml=format_ == "xml",
    )


def _pixels(query: Mapping[str, str], name: str) -> int | None:
    try:
        pixels = whole_number(query[name]) if name in query else None
    except ValueError:
        pixels = 0
    if pixels is not None and pixels < 1:
        raise InvalidFields([FieldError(name, "wrong_type")])
    return pixels


def answer(asked: OEmbedRequest, campaign: Campaign, locale: Locale, public_url: str) -> OEmbed:
    """Return the frame with the numbers, or, where too little room is asked for, a link."""
    title = campaign.text(locale.language).title
    about = {
        "title": title,
        "author_name": campaign.controllers[0].name,
        "author_url": campaign.controllers[0].website,
        "provider_name": campaign.sender.name,
        "provider_url": public_url,
    }
    if asked.max_width < _MIN_WIDTH or asked.max_height < _MIN_HEIGHT:
        return OEmbed(type="link", **about)
    # Not the form, which only pages of its partner may frame.
    query = {"lang": locale.language, "embed": "1"}
    if asked.partner in campaign.partners:
        query["partner"] = asked.partner
    src = f"{public_url}{CountPath.PROGRESS.format(campaign=campaign.id)}?{urlencode(query)}"
    frame = _FRAME.format(src=src, title=title, width=asked.max_width, height=asked.max_height)
    return OEmbed(type="rich", html=frame, width=asked.max_width, height=asked.max_height, **about)


def as_xml(content: OEmbed) -> bytes:
    """Write an answer in oEmbed's other format."""
    root = ElementTree.Element("oembed")
    for name, value in content.model_dump(exclude_none=True).items():
        ElementTree.SubElement(root, name).text = str(value)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
