"""The fields of a section as its form shows them, each with what is wrong with it, and what is left to do."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from desk.campaigns import edit
from desk.campaigns.fields import LINE, ORIGINAL, PROSE, Entry, fingerprint, languages, native_name
from desk.campaigns.toml_edit import get
from shared.campaigns import accent
from shared.campaigns.problems import Location


@dataclass(frozen=True, slots=True)
class Notes:
    """What is to be said of fields: `faults` of what was written, what is `left` before the campaign can open."""

    faults: Sequence[tuple[Location, str]]
    left: Sequence[tuple[Location, str]]
    to_do: Sequence[edit.ToDo]


@dataclass(frozen=True, slots=True)
class Control:
    """A field with `text` in it, and what is said about it.

    `in_file`: what the file says instead, where a form was not saved; else None. `original`: of a translation, the
    main text.
    `image`: of a picture, the address of a small one.
    """

    entry: Entry
    text: str
    in_file: str | None
    original: str
    faults: Sequence[str]
    left: Sequence[str]
    to_do: Sequence[edit.ToDo]
    image: str

    @property
    def contrast(self) -> float | None:
        """Return the contrast with the page of a colour, None of all else."""
        if self.entry.location != ("accent",) or not re.fullmatch("#[0-9a-fA-F]{6}", self.text):
            return None
        return accent.contrast(self.text, accent.LIGHT_GROUND)


def find(entries: Iterable[Entry], location: Location) -> Entry | None:
    """Return the field that something said of a location is about; None where none is."""
    return next((each for each in entries if each.is_at(location)), None)


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that stand together. `heading`: empty where they need none. `is_folded`: to be opened first.

    `language`: of translations, which stand apart. `one`: what an entry of a list is that can be removed.
    """

    heading: str
    controls: Sequence[Control]
    is_folded: bool
    language: str = ""
    one: str = ""

    def label(self, control: Control) -> str:
        """Return what one of its fields is called where the group is out of sight."""
        return ", ".join(filter(None, (self.heading, control.entry.field.label)))


def make_controls(
    entries: Sequence[Entry],
    content: Mapping[str, Any],
    given: Mapping[str, str] | None,
    notes: Notes,
    images: Mapping[Location, str],
) -> Sequence[Control]:
    """Make the controls of a section.

    `given`: what a form holds that was not saved; None without one. `images`: small pictures by key.
    """
    faults, left = _by_entry(entries, notes.faults), _by_entry(entries, notes.left)
    to_do = _by_entry(entries, [(each.location, each) for each in notes.to_do])
    own = languages(content)[0]
    controls = []
    for entry in entries:
        text = entry.shown if given is None else edit.written(entry, given)
        of_translation = entry.location[0] == "texts" and entry.location[1] != own
        original = get(content, ("texts", own, *entry.location[2:])) if of_translation else None
        controls.append(
            Control(
                entry,
                text,
                in_file=None if text == entry.field.format.clean(entry.shown) else entry.shown,
                original=entry.field.format.show(original),
                faults=faults.get(entry.location, ()),
                left=left.get(entry.location, ()),
                to_do=to_do.get(entry.location, ()),
                image=images.get(entry.location, ""),
            )
        )
    return controls


def without_unchanged(entries: Iterable[Entry], given: Mapping[str, str]) -> Mapping[str, str]:
    """Return a form with what the file says now in those fields that were sent as they had been shown."""
    unchanged = {
        entry.name: entry.shown
        for entry in entries
        if given.get(entry.original_name) == fingerprint(edit.written(entry, given))
    }
    return {**given, **unchanged}


def without_place(entries: Iterable[Entry], given: Mapping[str, str]) -> Sequence[str]:
    """Return what was written into fields that the file has no place for any more."""
    names = {entry.name for entry in entries}
    return [
        text
        for name, text in given.items()
        if (original := given.get(f"{ORIGINAL}{name}")) is not None
        and name not in names
        and original not in {fingerprint(LINE.clean(text)), fingerprint(PROSE.clean(text))}
    ]


def _by_entry(entries: Sequence[Entry], notes: Iterable[tuple[Location, Any]]) -> Mapping[Location, list[Any]]:
    found = dict[Location, list[Any]]()
    for location, note in notes:
        if entry := find(entries, location):
            found.setdefault(entry.location, []).append(note)
    return found


def groups(controls: Sequence[Control]) -> Sequence[Group]:
    """Return the fields in groups: those of an entry of a list together, and at the end each further language."""
    own = [control for control in controls if not control.entry.language]
    found = [
        Group(_heading(together), together, is_new := _is_new(together), one="" if is_new else _one(together))
        for _, grouped in groupby(own, lambda control: control.entry.entry)
        if (together := list(grouped))
    ]
    others = sorted((control for control in controls if control.entry.language), key=_language)
    for language, grouped in groupby(others, _language):
        together = list(grouped)
        is_folded = not any(control.faults for control in together)
        found.append(Group(native_name(language), together, is_folded, language))
    return found


def _language(control: Control) -> str:
    return control.entry.language


def _is_new(controls: Sequence[Control]) -> bool:
    return bool(controls[0].entry.entry) and not any(control.text or control.faults for control in controls)


def _one(controls: Sequence[Control]) -> str:
    return controls[0].entry.field.one


def _heading(controls: Sequence[Control]) -> str:
    field = controls[0].entry.field
    if _is_new(controls):
        return f"Add another {field.one}"
    return controls[0].text or f"New {field.one}" if field.one else ""
