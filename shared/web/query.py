"""The query parameters that make another answer, and how each may be written.

A CDN in front keeps answers apart by the parameters of all routes of a function, as they are written. If any value
of them were answered, anybody could have the functions make a copy of a page for every made-up one, and by the
parameters of other routes several copies of one answer; if a parameter could be written in two ways, an answer
could be planted under the key of another. So a route admits its own parameters alone, each of them is written in
one way and has few values, and any other query is redirected, uncached, to one that is written so.
"""

from collections.abc import Mapping, Sequence, Set
from urllib.parse import unquote_plus

from shared.models.cleaning import clean_text
from shared.web.call import Call, without_punctuation

#: The values of parameters whose values are always the same ones.
_VALUES: Mapping[str, tuple[str, ...]] = {
    "embed": ("1",),
    "moved": ("1",),
    "theme": ("dark", "light"),
    "size": ("compact",),
}


def canonical_address(
    call: Call, cache_key: Set[str], admitted: Sequence[str], *, in_language: bool
) -> str | None:
    """Return the address to redirect a GET to; None where the query is as it may be.

    `cache_key`: the parameters by which the CDN keeps answers apart. `admitted`: those of them that make another
    answer here. `in_language`: whether the address must name a language. The rest of the query goes along as it
    is, for scripts: the functions never read it.
    """
    asked: dict[str, str] = {}
    rest = []
    is_canonical = True
    for piece in filter(None, call.request.scope["query_string"].decode("latin-1").split("&")):
        name, value = (unquote_plus(part) for part in piece.partition("=")[::2])
        name = name.removeprefix("amp;")  # from the source of a page
        if name not in cache_key:
            rest.append(piece)
            continue
        value = without_punctuation(value)
        is_canonical = is_canonical and piece == f"{name}={value}" and name not in asked
        asked[name] = value
    call.wanted_language = asked.get("lang")
    known = {name: value for name, value in asked.items() if name in admitted}
    wanted = _with_admitted_values(call, known, in_language=in_language)
    if is_canonical and wanted == asked:
        return None
    pieces = [*(f"{name}={value}" for name, value in wanted.items()), *rest]
    path: str = call.request.scope["path"]
    return f"{path}?{'&'.join(pieces)}" if pieces else path


def _with_admitted_values(call: Call, asked: dict[str, str], *, in_language: bool) -> dict[str, str]:
    """Return the parameters whose values they may have, with the language where the address must name it."""
    campaign = call.known_campaign
    wanted = {}
    if in_language or "lang" in asked:
        wanted["lang"] = call.locale(cacheable=not in_language).language
    partner = clean_text(asked.get("partner", ""))
    if campaign and partner in campaign.partners:
        wanted["partner"] = partner
    return wanted | {name: asked[name] for name, values in _VALUES.items() if asked.get(name) in values}
