"""The texts that a new campaign file begins with, by language; and whether a text is still one of them."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "reference" / "drafted"


def languages() -> Sequence[str]:
    """Return the languages that texts are drafted in."""
    return sorted(file.stem for file in _FOLDER.glob("*.toml"))


def texts(language: str) -> Mapping[str, str]:
    """Return all drafted texts in one of the `languages`; their placeholders are Python format fields."""
    placeholders = dict(_read(language))
    return {**placeholders.pop("complete"), **placeholders}


def is_drafted(text: str) -> bool:
    """Return whether a text holds one that its organiser was to replace, whatever its placeholders became."""
    return any(pattern.search(" ".join(text.split())) for pattern in _patterns())


def _read(language: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


@cache
def _patterns() -> Sequence[re.Pattern[str]]:
    to_replace = (text for language in languages() for text in _read(language).values() if isinstance(text, str))
    return [re.compile(".+".join(map(re.escape, re.split(r"\{\w+\}", text)))) for text in to_replace]
