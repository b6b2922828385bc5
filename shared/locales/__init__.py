"""What Undersign itself says, one TOML file per language in this folder: forms, pages, mail, errors.

A campaign's own words are in its campaign file. Placeholders are Python format fields: "{total} signatures". A
text that depends on a number is a table of the language's plural forms (CLDR): one, two, few, many, other.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
FALLBACK = "en"

LANGUAGES = frozenset(path.stem for path in FOLDER.glob("*.toml"))

_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(0(?:\.\d{1,3})?|1(?:\.0{1,3})?)\s*)?"
)


@dataclass(frozen=True)
class Locale:
    """One language's texts by dotted key, and the native speakers who have read them."""

    language: str
    texts: Mapping[str, str]
    reviewed_by: tuple[str, ...] = ()

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text at `key` (dotted) with its placeholders filled in."""
        text = self.texts[key]
        return text.format_map(values) if values else text

    def plural(self, key: str, count: int, /, **values: object) -> str:
        """Return the text at `key` in the plural form that goes with `count` (CLDR)."""
        from babel import Locale as Cldr  # here, because only pages that count something pay for it

        return self(f"{key}.{Cldr.parse(self.language).plural_form(count)}", **values)

    def number(self, value: int) -> str:
        """Format a number with this language's grouping (CLDR)."""
        from babel.numbers import format_decimal  # here, because only pages and the badge pay for it

        return format_decimal(value, locale=self._cldr)

    def percent(self, share: float) -> str:
        """Format a share of 1 as a percentage with up to two decimals (CLDR)."""
        from babel.numbers import format_percent

        return format_percent(round(share, 4), locale=self._cldr, decimal_quantization=False)

    def date(self, value: Any) -> str:
        """Format a day, written out in this language (CLDR)."""
        from babel.dates import format_date

        return format_date(value, format="long", locale=self._cldr)

    def moment(self, value: datetime) -> str:
        """Format a day and the time, in the time zone of `value`, which is not named."""
        return f"{self.date(value)}, {value:%H:%M}"

    def deadline(self, value: Any) -> str:
        """Format when something begins or ends: a day, or a moment with its offset: "…, 18:00 UTC+01:00"."""
        return f"{self.moment(value)} {value:%Z}" if isinstance(value, datetime) else self.date(value)

    def mark(self, moment: datetime, span: timedelta) -> str:
        """Format a moment as the label of an axis that is `span` long: the hour, or day and month (CLDR)."""
        from babel.dates import format_skeleton

        if span < timedelta(days=2):
            return f"{moment:%H:%M}"
        return str(format_skeleton("MMMd", moment, locale=self._cldr))

    @property
    def _cldr(self) -> str:
        # Readers of English in Europe expect 31 October, not October 31.
        return "en_150" if self.language == "en" else self.language


@cache
def load(language: str) -> Locale:
    """Load the texts of one of `LANGUAGES`, once in a process."""
    with (FOLDER / f"{language}.toml").open("rb") as file:
        content = tomllib.load(file)
    reviewed_by = tuple(content.pop("reviewed_by"))
    return Locale(language, dict(_flatten("", content)), reviewed_by)


def negotiate(
    wanted: str | None,
    accept_language: str | None,
    offered: Iterable[str],
    default: str,
    vouched: Iterable[str] | None = None,
) -> str:
    """Choose the language: `wanted` (BCP 47), else by Accept-Language (RFC 9110, 12.5.4), else `default`.

    `offered`: the languages there are texts in. `vouched`: those of them that may be chosen unasked; all, if None.
    """
    languages = LANGUAGES.intersection(offered)
    if _primary(wanted or "") in languages:
        return _primary(wanted or "")
    unasked = languages if vouched is None else languages.intersection(vouched)
    for tag in _by_preference(accept_language or ""):
        if _primary(tag) in unasked:
            return _primary(tag)
    return default if default in languages else FALLBACK


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].strip().lower()  # de_DE is how PHP and Java write it


#: As CLDR has them. A menu names them all, and CLDR reads a whole language to find its name: together a hundred
#: milliseconds of the first page that a process shows.
_NATIVE_NAMES = {
    "bg": "Български", "cs": "Čeština", "da": "Dansk", "de": "Deutsch", "el": "Ελληνικά", "en": "English",
    "es": "Español", "et": "Eesti", "fi": "Suomi", "fr": "Français", "ga": "Gaeilge", "hr": "Hrvatski",
    "hu": "Magyar", "it": "Italiano", "lt": "Lietuvių", "lv": "Latviešu", "mt": "Malti", "nl": "Nederlands",
    "pl": "Polski", "pt": "Português", "ro": "Română", "sk": "Slovenčina", "sl": "Slovenščina",
    "sv": "Svenska",
}  # fmt: skip


#: What a reader of another language is shown where a page is there in theirs. Here for the same reason.
OFFERS = {
    "bg": "Прочетете на български",
    "cs": "Číst česky",
    "da": "Læs på dansk",
    "de": "Auf Deutsch lesen",
    "el": "Διαβάστε στα ελληνικά",
    "en": "Read in English",
    "es": "Leer en español",
    "et": "Loe eesti keeles",
    "fi": "Lue suomeksi",
    "fr": "Lire en français",
    "ga": "Léigh as Gaeilge",
    "hr": "Čitajte na hrvatskom",
    "hu": "Olvassa magyarul",
    "it": "Leggi in italiano",
    "lt": "Skaityti lietuviškai",
    "lv": "Lasīt latviski",
    "mt": "Aqra bil-Malti",
    "nl": "Lees in het Nederlands",
    "pl": "Czytaj po polsku",
    "pt": "Ler em português",
    "ro": "Citiți în română",
    "sk": "Čítať po slovensky",
    "sl": "Berite v slovenščini",
    "sv": "Läs på svenska",
}


def native_name(language: str) -> str:
    """Return what a language calls itself, as a menu of languages shows it: "Français"."""
    return _NATIVE_NAMES.get(language) or cldr_name(language)


def cldr_name(language: str) -> str:
    """Return the same for any language, from CLDR."""
    from babel import Locale as Cldr  # here, because a language that is new to us alone pays for it

    name = str(Cldr.parse(language).get_display_name())
    return name[:1].upper() + name[1:]


def _by_preference(accept_language: str) -> list[str]:
    ranges = (_RANGE.fullmatch(part) for part in accept_language[:500].split(","))
    weighed = [(float(found[2] or 1), found[1]) for found in ranges if found]
    return [tag for quality, tag in sorted(weighed, key=lambda pair: -pair[0]) if quality > 0]


def _flatten(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value
