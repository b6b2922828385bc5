"""Styles as browsers get them."""

import re


def minified(style: str) -> str:
    """Return the style without comments, needless spaces and semicolons; no string in it may hold these."""
    return re.sub(r"\s*/\*.*?\*/\s*|\s*;?\s*(})\s*|\s*([{;,])\s*|(:)\s+", r"\1\2\3", style)
