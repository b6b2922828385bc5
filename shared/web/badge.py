"""The counter as a picture: an SVG that needs no script and may be put into any page."""

from xml.sax.saxutils import escape

from shared.locales import Locale
from shared.models.responses import Count

_BAR_PIXELS = 176

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="200" height="48" viewBox="0 0 200 48" \
role="img" aria-labelledby="t"><title id="t">{title}</title><style>text{{fill:#fff;font:700 18px \
system-ui,sans-serif}}.l{{font:400 8.5px system-ui,sans-serif;fill:#cfdcea}}.e{{text-anchor:end}}</style>\
<rect width="200" height="48" rx="6" fill="#10263f"/>{counted}{goal}</svg>
"""
_COUNTED = '<text x="12" y="23">{total}</text><text class="l" x="12" y="35">{label}</text>'
_FIRST = '<text x="12" y="22" style="font-size:11px">{first}</text>'
_GOAL = """<text class="l e" x="188" y="35">{next_goal}</text><path d="M12 41h176" stroke="#3b5570" \
stroke-width="3"/><path d="M12 41h{bar}" stroke="#fff" stroke-width="3"/>"""


def svg(count: Count, title: str, locale: Locale) -> str:
    """Draw 200 x 48 pixels with a bar towards the next goal. `title`: the campaign's, for screen readers.

    The first signer is invited, since nobody likes to follow a zero. A petition that has closed has no next goal.
    """
    if not count.total and not count.closed_reason:
        first = locale("counter.first")
        spoken, counted = f"{title}. {first}", _FIRST.format(first=escape(first))
    else:
        total = locale.number(count.total)
        spoken = locale("badge.title", title=title, total=total)
        counted = _COUNTED.format(total=total, label=escape(locale("badge.label")))
    goal = "" if count.closed_reason == "campaign_closed" else _goal(count, locale)
    return _SVG.format(title=escape(spoken), counted=counted, goal=goal)


def _goal(count: Count, locale: Locale) -> str:
    return _GOAL.format(
        next_goal=escape(locale("badge.next_goal", next_goal=locale.number(count.next_goal))),
        bar=round(_BAR_PIXELS * min(1, count.total / count.next_goal)),
    )
