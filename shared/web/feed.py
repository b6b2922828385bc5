"""The milestones of a petition as an Atom feed (RFC 4287)."""

from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from shared.campaigns.model import Campaign
from shared.locales import Locale
from shared.reference import licenses
from shared.stats.milestones import Milestone

_ATOM = "http://www.w3.org/2005/Atom"


def atom(campaign: Campaign, locale: Locale, milestones: Sequence[Milestone], *, url: str, page: str) -> str:
    """Write the feed in one language, the newest milestone first.

    `url`: of this feed. `page`: of the page with the numbers. Both are absolute, name the language, and are ids as
    well (RFC 4287, 4.2.6), so they must stay.
    """
    texts = campaign.text(locale.language)
    feed = Element("feed", {"xmlns": _ATOM, "xml:lang": locale.language})
    _add(feed, "id", url)
    _add(feed, "title", texts.title)
    _add(feed, "updated", _moment(max((each.at for each in milestones), default=campaign.opens_at)))
    _add(SubElement(feed, "author"), "name", campaign.controllers[0].name)
    _add(feed, "rights", licenses.NAMES[campaign.data_license])
    SubElement(feed, "link", {"rel": "self", "type": "application/atom+xml", "href": url})
    SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "href": page})
    SubElement(feed, "link", {"rel": "license", "href": licenses.URLS[campaign.data_license]})
    for milestone in reversed(milestones):
        signed = locale.plural("counter.signed", milestone.goal, number=locale.number(milestone.goal))
        entry = SubElement(feed, "entry")
        _add(entry, "id", f"{page}#{milestone.goal}")
        _add(entry, "title", signed)
        _add(entry, "updated", _moment(milestone.at))
        _add(entry, "summary", f"{signed}: {texts.title}")
        SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": page})
    return ElementTree.tostring(feed, encoding="unicode", xml_declaration=False)


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
