"""The counter as a picture: an SVG that needs no script and may be put into any page."""

from xml.sax.saxutils import escape

from shared.locales import Locale
from shared.models.responses import Count

_BAR_PIXELS = 176

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="200" height="48" viewBox="0 0 200 48" \
role="img" aria-labelledby="t"><title id="t">{title}</title><style>text{{fill:#fff;font:700 18px \
system-ui,sans-serif}}.l{{font:400 8.5px system-ui,sans-serif;fill:#cfdcea}}.e{{text-anchor:end}}</style>\
<rect width="200" height="48" rx="6" fill="#10263f"/><text x="12" y="23">{total}</text>\
<text class="l" x="12" y="35">{label}</text><text class="l e" x="188" y="35">{next_goal}</text>\
<path d="M12 41h176" stroke="#3b5570" stroke-width="3"/><path d="M12 41h{bar}" stroke="#fff" \
stroke-width="3"/></svg>
"""


def svg(count: Count, title: str, locale: Locale) -> str:
    """Draw 200 x 48 pixels with a bar towards the next goal. `title`: the campaign's, for screen readers."""
    total = locale.number(count.total)
    return _SVG.format(
        title=escape(locale("badge.title", title=title, total=total)),
        total=total,
        label=escape(locale("badge.label")),
        next_goal=escape(locale("badge.next_goal", next_goal=locale.number(count.next_goal))),
        bar=round(_BAR_PIXELS * min(1, count.total / count.next_goal)),
    )
