"""Addresses of pages as people pass them on: with a slash or a full stop behind, in capitals, or cut off.

They lead to the page that is meant by an uncached redirect. It leads to pages of our own alone, because it is made
from the names of campaigns and pages, never from what the address holds.
"""

import re
import unicodedata
from collections.abc import Collection
from urllib.parse import quote, unquote

from shared.web import routes

_PETITION = "/c/{campaign}"
_PAGES = {
    path.removeprefix(_PETITION).strip("/")
    for path in routes.function_by_path()
    if path.startswith(_PETITION) and "." not in path
}
#: As campaigns and pages are named; what stands before and after it was not meant.
_NAME = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*")
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}


def page_meant(path: str, query: str, campaigns: Collection[str], home: str) -> str | None:
    """Return the address of the page that `path` and `query` mean; None where they mean no other.

    `campaigns`: those that readers may be led to. `home`: where an address that names none leads to.
    """
    address, *more = re.split(r"[?&#]", unquote(path), maxsplit=1)
    meant = _page(_names(address), campaigns, home)
    if meant is None or meant == path:
        return None
    queries = "&".join(filter(None, [*(quote(each, safe="=&;") for each in more), query]))
    return f"{meant}?{queries}" if queries else meant


def _page(names: list[str], campaigns: Collection[str], home: str) -> str | None:
    if names[:1] == ["c"]:
        names = names[1:]
    match names:
        case []:
            return home
        case [campaign, *pages] if campaign in campaigns and len(pages) < 2 and _PAGES.issuperset(pages):
            return "/".join([_PETITION.format(campaign=campaign), *pages])
    return None


def _names(address: str) -> list[str]:
    """Return the parts of a path without what surrounds their names: invisible characters, spaces, punctuation."""
    plain = "".join(map(_plain, unicodedata.normalize("NFKC", address).lower().replace("\\", "/")))
    return [found[0] for part in plain.split("/") if (found := _NAME.search(part))]


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    return "-" if category == "Pd" else "" if category in _INVISIBLE else character
