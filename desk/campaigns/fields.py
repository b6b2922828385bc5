"""The fields of a campaign file as a form has them: which there are, and how their values are written and read."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any, get_args
from urllib.parse import quote

from desk.campaigns import pictures
from desk.campaigns.toml_edit import Value, as_list, get
from shared import locales
from shared.campaigns.model import Campaign, ProofOfWork
from shared.campaigns.problems import Location, description
from shared.models.cleaning import clean_text
from shared.models.whole_numbers import whole_number
from shared.reference.licenses import DataLicense


@dataclass(frozen=True, slots=True)
class Format:
    """How a value stands in a form. `rows`: of its text area; 0 for a line.

    `parse`: from text that is not empty; raises ValueError, which says what to write.
    """

    parse: Callable[[str], Value]
    separator: str = ""
    rows: int = 0
    choices: Sequence[str] = ()
    is_check: bool = False
    is_file: bool = False

    def show(self, value: Any) -> str:
        """Return a value as the form shows it, whatever somebody has written into the file."""
        if isinstance(value, list):
            return self.separator.join(self.show(each).strip() for each in value)
        if value is None or value is False:
            return ""
        return "on" if value is True else str(value)

    def clean(self, text: str) -> str:
        """Return what was written, without what nobody sees; line breaks stay where a text area has them."""
        if not self.rows:
            return clean_text(text)
        # Indentation makes lists in lists, and joiners and selectors make emoji: they stay.
        lines = _UNWANTED.sub("", re.sub(r"\r\n?", "\n", text)).split("\n")
        return re.sub(r"\n{3,}", "\n\n", "\n".join(map(str.rstrip, lines))).strip()


#: Controls but tab and line feed, and what word processors and web pages leave behind: never meant in a text.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b\ufeff]")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("write a day as in 2026-11-01, or a moment as in 2026-11-01T10:00:00+01:00") from None


LINE = Format(str)
PROSE = Format(str, rows=4)
PARAGRAPHS = Format(lambda text: text.split("\n\n"), separator="\n\n", rows=16)
LINES = Format(lambda text: [line.strip() for line in text.splitlines() if line], separator="\n", rows=5)
NUMBER = Format(whole_number)
NUMBERS = Format(lambda text: [whole_number(part) for part in re.split(r"[\s,;]+", text) if part], separator=", ")
DAY = Format(_day)
CHECK = Format(lambda _: True, is_check=True)
FILE = Format(str, is_file=True)
LICENSE = Format(str, choices=get_args(DataLicense))
WORK = Format(str, choices=get_args(ProofOfWork))


@dataclass(frozen=True, slots=True)
class Field:
    """A key of the campaign file.

    `location`: with `LANGUAGE` where the texts' language stands, and `ENTRY` for the number of an entry of a list
    of tables. `one`: what such an entry is. `describes`: the key that it says something of, and goes with.
    """

    location: Location
    label: str
    format: Format = LINE
    hint: str = ""
    one: str = ""
    describes: Location = ()


LANGUAGE = "{language}"
ENTRY = "{entry}"


@dataclass(frozen=True, slots=True)
class Section:
    """Fields that are saved together.

    `all_languages`: with the texts of translations, or the campaign would not load between two changes.
    `has_preview`: the petition's page shows them.
    """

    name: str
    label: str
    fields: Sequence[Field]
    all_languages: bool = False
    has_preview: bool = False


def _text(key: str, label: str, written_as: Format = LINE, hint: str = "") -> Field:
    return Field(("texts", LANGUAGE, *key.split(".")), label, written_as, hint)


_MARKDOWN = "*emphasis*, **strong**, [a link](https://…) and lists whose lines begin with - are shown as such"
PETITION_TEXTS = (
    _text("title", "Title"),
    _text("addressee", "To whom it is addressed"),
    _text("summary", "Summary", PROSE),
    _text("paragraphs", "The petition", PARAGRAPHS, f"A blank line begins a new paragraph. {_MARKDOWN}"),
    _text("demands_heading", "Line above the demands", hint="As in: We ask the Commission for a law that"),
    _text("demands", "Demands", LINES, "One in each line"),
    _text("closing", "Paragraph below the demands", PROSE, "What shall happen next, in a few sentences"),
    _text("call", "Line above the last button", hint="Optional, as in: Every signature keeps a nest. Add yours."),
)
_PICTURE = "Wider than high, 1440 pixels wide if you can: PNG, JPEG or WebP, 10 MB at most"
_LOGO = "Optional: PNG, JPEG or WebP; a square mark is better than a wide one"
_ALT = replace(
    _text("picture_alt", "What the picture shows", PROSE, "For people who cannot see it; in every language"),
    describes=("picture",),
)
_NEXT_STEP: Location = ("next_step", "url")
_NEXT_STEP_TEXTS = (
    replace(_text("next_step.text", "Why they should take the next step", PROSE), describes=_NEXT_STEP),
    replace(_text("next_step.button", "Words on the button", hint="As in: Donate now"), describes=_NEXT_STEP),
)


_Short = tuple[str, str] | tuple[str, str, Format] | tuple[str, str, Format, str]


def _table(table: str, *fields: _Short) -> list[Field]:
    return [Field((*table.split("."), key), *rest) for key, *rest in fields]


def _list(table: str, one: str, *fields: _Short) -> list[Field]:
    """Return the fields of each entry of a list of tables. `one`: what an entry is, as in organisation."""
    return [replace(each, one=one) for each in _table(f"{table}.{ENTRY}", *fields)]


SECTIONS = (
    Section(
        "petition",
        "Petition",
        (
            *PETITION_TEXTS,
            Field(("goal",), "Goal", NUMBER),
            Field(
                ("goal_steps",), "Goals on the way", NUMBERS, "Rising, with commas between; the last is the goal"
            ),
            Field(("opens",), "Opens", DAY, "The first day, or a moment as in 2026-11-01T10:00:00+01:00"),
            Field(("closes",), "Closes", DAY, "The last day, or a moment"),
            Field(("time_zone",), "Time zone of these days", hint="Optional, as in Europe/Brussels; else UTC"),
        ),
        has_preview=True,
    ),
    Section(
        "face",
        "Picture and colour",
        (
            Field(("picture",), "Picture at the top of the page", FILE, _PICTURE),
            _ALT,
            Field(
                ("accent",), "Colour of buttons and links", hint="As in #2a3fb0; it must be dark enough to be read"
            ),
            Field(pictures.SHARE, "Picture for posts that link to the petition", FILE, "PNG, 1200 × 630 pixels"),
        ),
        all_languages=True,
        has_preview=True,
    ),
    Section(
        "consent",
        "Organisations and consent",
        (
            *_list(
                "controllers",
                "organisation",
                ("name", "Name"),
                ("postal_address", "Postal address", LINE, "In one line"),
                ("email", "Mail address for questions"),
                ("website", "Website", LINE, "With https://"),
                ("logo", "Logo", FILE, _LOGO),
            ),
            Field(("minimum_age",), "Minimum age", NUMBER),
            _text("consent", "Consent text", PROSE, "Names every organisation above, the purpose and the age"),
            _text(
                "arrangement",
                "Who of the organisations does what",
                PROSE,
                "Only where several decide together: the essence of their arrangement (GDPR, Article 26)",
            ),
        ),
        all_languages=True,
        has_preview=True,
    ),
    Section(
        "contact",
        "Contact and supporters",
        (
            *_table("sender", ("name", "Sender of the mail"), ("address", "Mail address of the sender")),
            Field(("abuse_contact",), "Address for reports of misuse"),
            *_list(
                "supporters",
                "supporter",
                ("name", "Name"),
                ("website", "Website", LINE, "Optional, with https://"),
                ("logo", "Logo", FILE, _LOGO),
            ),
        ),
        has_preview=True,
    ),
    Section(
        "after",
        "After signing",
        (
            Field(_NEXT_STEP, "Where the button leads", hint="With https://; empty: there is no button"),
            *_NEXT_STEP_TEXTS,
        ),
        all_languages=True,
    ),
    Section(
        "privacy",
        "Privacy",
        (
            *_table(
                "privacy",
                ("contact", "Mail address for questions about data"),
                ("data_protection_officer", "Data protection officer", LINE, "Optional: a mail address"),
                ("recipients", "Who is given the signatures", LINES, "One in each line"),
                ("retention_days", "Days after the close until signatures are deleted", NUMBER),
                ("backup_days", "Days for which backups keep what was deleted", NUMBER),
                ("supervisory_authority", "Supervisory authority"),
                ("supervisory_authority_website", "Website of the authority", LINE, "With https://"),
            ),
            *_list(
                "privacy.processors",
                "company that handles data",
                ("name", "Name"),
                ("task", "What it does"),
                ("place", "Where", LINE, "A country, or European Union"),
            ),
            Field(("asks_postal_code",), "The form asks for the postal code", CHECK),
            Field(
                ("required_fields",),
                "What nobody can sign without",
                LINES,
                "Optional, one in each line: postal_code, newsletter",
            ),
            Field(
                ("screening", "hold"),
                "Labels that hold a signature until you have looked at it",
                LINES,
                "Optional, one in each line, + for together, as in no_page + domain_burst; empty: those that are "
                "best for most petitions",
            ),
            Field(
                ("proof_of_work",),
                "Work that browsers do before they send the form",
                WORK,
                "A price for programs that send thousands. automatic: while most mails are not confirmed",
            ),
            Field(
                ("data_license",),
                "Licence of the public numbers",
                LICENSE,
                "CC0-1.0: anybody may use them as they like; CC-BY-4.0: who does so names the petition",
            ),
        ),
    ),
)


def translation(language: str, words: Iterable[str]) -> Section:
    """Return the section of the texts in one language; the consent is in a section of its own.

    `words`: those of the privacy notice that may have another name in it.
    """
    fields = (*PETITION_TEXTS, _ALT, *_NEXT_STEP_TEXTS)
    located = [replace(each, location=("texts", language, *each.location[2:])) for each in fields]
    located += [Field(("texts", language, "glossary", word), word, hint=_IN_NOTICE) for word in words]
    return Section(f"languages/{language}", native_name(language), located, has_preview=True)


def native_name(language: str) -> str:
    """Return what a language calls itself; of a file that is named like no language, its name."""
    return locales.native_name(language) if language in locales.LANGUAGES else language


_IN_NOTICE = "As the privacy notice says it in this language"


#: How the name of the hidden field begins that says what a field held when it was shown.
ORIGINAL = "was."


def fingerprint(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Entry:
    """A field of one campaign. `value`: what its file says. `language`: of a translation's text."""

    field: Field
    location: Location
    value: Any
    language: str

    @property
    def shown(self) -> str:
        """Return its value as the form shows it."""
        return self.field.format.show(self.value)

    @property
    def name(self) -> str:
        """Return its name in the form, and in the page."""
        return ".".join(quote(str(part), safe="") for part in self.location)

    @property
    def fingerprint(self) -> str:
        """Return what a form sends as `original_name`, to tell what was changed in it."""
        return fingerprint(self.field.format.clean(self.shown))

    @property
    def original_name(self) -> str:
        """Return the name of the hidden field with its `fingerprint`."""
        return f"{ORIGINAL}{self.name}"

    def is_at(self, location: Location) -> bool:
        """Return whether what is said of a location is said of this field, or of what holds it."""
        shorter = min(len(location), len(self.location))
        return shorter > 0 and location[:shorter] == self.location[:shorter]

    @property
    def hint(self) -> str:
        """Return what to write: the field's own hint, else what the model says of the key."""
        found = self.field.hint or description(Campaign, self.location) or ""
        return found[:1].upper() + found[1:]

    @property
    def entry(self) -> Location:
        """Return the location of the entry of a list that it belongs to, empty where it belongs to none."""
        return self.location[:-1] if self.field.one else ()


def entries(section: Section, content: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield the fields of a section for a campaign's content; of each list, with an empty entry at its end."""
    spoken = languages(content)
    for _, together in groupby(section.fields, lambda field: field.location[:-1] if field.one else field.location):
        yield from _entries(list(together), content, spoken if section.all_languages else spoken[:1])


def _entries(fields: Sequence[Field], content: Mapping[str, Any], spoken: Sequence[str]) -> Iterator[Entry]:
    known = as_list(get(content, fields[0].location[:-2])) if fields[0].one else []
    for index in range(len(known) + 1):
        for field in fields:
            for language in spoken if LANGUAGE in field.location else [""]:
                filled: dict[str, int | str] = {ENTRY: index, LANGUAGE: language}
                location = tuple(filled.get(str(part), part) for part in field.location)
                yield Entry(field, location, get(content, location), "" if language in spoken[:1] else language)


def languages(content: Mapping[str, Any]) -> Sequence[str]:
    """Return the languages that a campaign has texts in, its own first."""
    own, texts = content.get("default_language"), content.get("texts")
    return sorted(texts, key=lambda language: (language != own, language)) if isinstance(texts, dict) else []


def title(content: Mapping[str, Any]) -> str:
    """Return what a campaign is called in its own language, also where its file does not load."""
    return str(get(content, ("texts", *languages(content)[:1], "title")) or "")
