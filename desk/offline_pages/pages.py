"""The page that lies beside an export and opens it in a browser, for people without a terminal.

It is one file, which works from a stick on a machine that has no network. Its policy names its one script and its
one style by their digests and allows nothing else, so that it can send nothing to anybody
(https://www.w3.org/TR/CSP3/). It is the same for every export.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from string import Template

from shared.campaigns.accent import DEFAULT_ACCENT
from shared.web import pages

NAME = "open.html"

_SOURCES = Path(__file__).parent
_SCRIPTS = tuple(
    _SOURCES / name for name in ("age.js", "workers.js", "key_file.js", "page.js", "opening.js", "open.js")
)


@cache
def page() -> str:
    """Return the HTML of the page."""
    script = "".join(file.read_text(encoding="utf-8") for file in _SCRIPTS)
    style = f"{pages.style(DEFAULT_ACCENT)}{(_SOURCES / 'style.css').read_text(encoding='utf-8')}"
    html = Template((_SOURCES / NAME).read_text(encoding="utf-8"))
    return html.substitute(policy=_policy(script, style), style=style, script=script)


def _policy(script: str, style: str) -> str:
    """Return the policy. The workers run the same script, from an address that only the page can make (blob:)."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; worker-src blob:; "
        "connect-src 'none'; form-action 'none'; base-uri 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
