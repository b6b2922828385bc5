"""The widget's script as browsers get it: at one address that moves, and at one for each version that never does.

Browsers get it without comments and needless white space, which would be a fifth of what a signer's phone loads.

A partner who pins a version by its digest (Subresource Integrity, https://www.w3.org/TR/SRI/) must find it for
years: before a script that is in use changes, or the version of rjsmin, a copy of what is served goes to kept/.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import rjsmin

from shared.web import css

MOVING = "v1.js"


@dataclass(frozen=True, slots=True)
class Script:
    content: bytes
    is_pinned: bool


class Scripts:
    """Every version there is, read once.

    `folder`: holds v1.js, the script of the page on which partners build their snippet, and under kept/ earlier
    versions of v1.js, as browsers got them.
    """

    def __init__(self, folder: Path) -> None:
        moving = {file.name: _minified(file.read_text(encoding="utf-8")) for file in folder.glob("*.js")}
        current = moving[MOVING]
        kept = [file.read_bytes() for file in folder.glob("kept/*.js")]
        pinned = {_pinned_name(content): Script(content, is_pinned=True) for content in [current, *kept]}
        self._by_name = {name: Script(content, is_pinned=False) for name, content in moving.items()} | pinned
        self.pinned_path = f"/embed/{_pinned_name(current)}"
        self.integrity = f"sha384-{base64.b64encode(hashlib.sha384(current).digest()).decode()}"

    @property
    def names(self) -> Iterable[str]:
        """Every file name that there is a version at."""
        return self._by_name

    def get(self, name: str) -> Script | None:
        """Return the version at this file name; None if there is none."""
        return self._by_name.get(name)


def _minified(script: str) -> bytes:
    whole = str(rjsmin.jsmin(script))
    return re.sub("(?<=STYLE=`)[^`]*", lambda style: css.minified(style[0]), whole).encode()


def _pinned_name(content: bytes) -> str:
    return f"v1-{hashlib.sha256(content).hexdigest()[:16]}.js"
