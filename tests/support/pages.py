"""The project's Markdown pages, as the tests read them."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache

from tests.support.deployment import REPOSITORY

_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `language`: as its fence names it, or empty."""

    language: str
    text: str


def files() -> list[str]:
    """Return the paths of all files in git, and of new ones that it does not ignore, with `/` between folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


@cache
def read(page: str) -> str:
    """Return the text of a page, given by its path in the repository."""
    return (REPOSITORY / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return the text below `heading` (as in "## Errors"), up to the next one of the same level or higher."""
    level = heading.index(" ")
    below = re.split(rf"^{re.escape(heading)}$", read(page), flags=re.MULTILINE)[1]
    return re.split(rf"^#{{1,{level}}} ", below, flags=re.MULTILINE)[0]


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    return [Block(language, text) for language, text in _FENCED.findall(read(page))]


def prose(page: str) -> str:
    """Return the page without its fenced blocks, where a # starts a comment and no heading."""
    return _FENCED.sub("", read(page))


def inline_code(page: str) -> list[str]:
    """Return the texts between single backticks, outside fenced blocks."""
    return re.findall(r"`([^`]+)`", prose(page))


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = sorted(name for name in files() if name.endswith(".md"))
