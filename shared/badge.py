"""The counter as a picture: an SVG that needs no script and may be put into any page."""

from xml.sax.saxutils import escape

from shared.locales import Locale
from shared.models import Count

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="200" height="48" viewBox="0 0 200 48" \
role="img" aria-labelledby="t"><title id="t">{title}</title><style>rect{{fill:#10263f}}text{{fill:#fff;\
font:600 20px system-ui,sans-serif;text-anchor:middle}}.l{{font:400 11px system-ui,sans-serif;\
fill:#cfdcea}}</style>\
<rect width="200" height="48" rx="8"/><text x="100" y="24">{total}</text>\
<text class="l" x="100" y="40">{label}</text></svg>
"""


def svg(count: Count, title: str, say: Locale) -> str:
    """200 x 48 pixels. `title`: the campaign's, for those who do not see the picture."""
    total = say.number(count.total)
    return _SVG.format(
        title=escape(say("badge.title", title=title, total=total)), total=total, label=escape(say("badge.label"))
    )
