"""Styles as browsers get them."""

import re


def minified(style: str) -> str:
    """Return the style without comments and needless white space; strings in it must hold no `{};,` or `: `."""
    return re.sub(r"/\*.*?\*/|\s*([{};,])\s*|(:)\s+", r"\1\2", style)
