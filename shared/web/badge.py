"""The counter as a picture: an SVG that needs no script and may be put into any page."""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from shared.locales import Locale
from shared.models.responses import Count

_BAR_PIXELS = 176


@dataclass(frozen=True, slots=True)
class _Colours:
    back: str
    edge: str
    ink: str
    soft: str
    track: str
    bar: str


_THEMES: Mapping[str, _Colours] = {
    "dark": _Colours(back="#10263f", edge="#10263f", ink="#fff", soft="#cfdcea", track="#3b5570", bar="#fff"),
    "light": _Colours(back="#fff", edge="#6f768b", ink="#10263f", soft="#4a5064", track="#d3d7e3", bar="#2a3fb0"),
}

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="200" height="{height}" viewBox="0 0 200 {height}" \
role="img" aria-labelledby="t"><title id="t">{title}</title><style>text{{fill:{ink};font:700 18px \
system-ui,sans-serif}}.l{{font:400 8.5px system-ui,sans-serif;fill:{soft}}}.e{{text-anchor:end}}</style>\
<rect x=".5" y=".5" width="199" height="{inner_height}" rx="5.5" fill="{back}" stroke="{edge}"/>{content}</svg>
"""
_COUNTED = '<text x="12" y="23">{total}</text><text class="l" x="12" y="35">{label}</text>'
_COUNTED_COMPACT = """<text x="8" y="16.5" style="font-size:13px">{total}</text>\
<text class="l e" x="192" y="15.5">{label}</text>"""
_FIRST = '<text x="{x}" y="{y}" style="font-size:{size}px">{first}</text>'
_GOAL = """<text class="l e" x="188" y="35">{next_goal}</text><path d="M12 41h176" stroke="{track}" \
stroke-width="3"/><path d="M12 41h{width}" stroke="{bar}" stroke-width="3"/>"""


def svg(count: Count, title: str, locale: Locale, *, theme: str = "dark", is_compact: bool = False) -> str:
    """Draw 200 x 48 pixels with a bar towards the next goal, or 200 x 24 without it.

    `title`: the campaign's, for screen readers. `theme`: dark or light, as the page is. The first signer is
    invited, since nobody likes to follow a zero. A petition that has closed has no next goal.
    """
    colours, height = _THEMES[theme], 24 if is_compact else 48
    if not count.total and not count.closed_reason:
        first = locale("counter.first")
        place = {"x": 8, "y": 15.5, "size": 9} if is_compact else {"x": 12, "y": 22, "size": 11}
        spoken, content = f"{title}. {first}", _FIRST.format(first=escape(first), **place)
    else:
        total = locale.number(count.total)
        spoken = locale("badge.title", title=title, total=total)
        counted = _COUNTED_COMPACT if is_compact else _COUNTED
        content = counted.format(total=total, label=escape(locale("badge.label")))
    if not is_compact and count.closed_reason != "campaign_closed":
        content += _goal(count, locale, colours)
    return _SVG.format(
        title=escape(spoken),
        content=content,
        height=height,
        inner_height=height - 1,
        back=colours.back,
        edge=colours.edge,
        ink=colours.ink,
        soft=colours.soft,
    )


def _goal(count: Count, locale: Locale, colours: _Colours) -> str:
    return _GOAL.format(
        next_goal=escape(locale("badge.next_goal", next_goal=locale.number(count.next_goal))),
        width=round(_BAR_PIXELS * min(1, count.total / count.next_goal)),
        track=colours.track,
        bar=colours.bar,
    )
