"""Pages that work in a browser without a network, for people without a terminal.

Each is one file, which works from a stick. Its policy names its one script and its one style by their digests and
allows nothing else, so that it can send nothing to anybody (https://www.w3.org/TR/CSP3/). It is the same for every
campaign and every export.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from string import Template

from shared.campaigns.accent import DEFAULT_ACCENT
from shared.web import pages

#: Lies beside an export, and opens it.
OPEN = "open.html"
#: Makes a key, and shows that it opens.
KEYS = "keys.html"

_SOURCES = Path(__file__).parent
_COMMON = ("age.js", "workers.js", "key_file.js", "page.js")
_SCRIPTS = {OPEN: (*_COMMON, "opening.js", "open.js"), KEYS: (*_COMMON, "words.js", "keys.js")}


@cache
def render(name: str) -> str:
    """Render the HTML of a page, OPEN or KEYS."""
    script = "".join(_read(file) for file in _SCRIPTS[name])
    style = f"{pages.style(DEFAULT_ACCENT)}{_read('style.css')}"
    return Template(_read(name)).substitute(policy=_policy(script, style), style=style, script=script)


def _read(file: str) -> str:
    return (_SOURCES / file).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    """Return the policy. The workers run the same script, from an address that only the page can make (blob:)."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; worker-src blob:; "
        "connect-src 'none'; form-action 'none'; base-uri 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
