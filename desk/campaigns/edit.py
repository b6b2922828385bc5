"""Edit a campaign's files: its fields change, and all else in them stays, comments and line endings too.

What does not load is not written, unless the campaign did not load before. What somebody else has changed in the
meantime, in an editor or by git, is not overwritten.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from desk import private_files
from desk.campaigns.fields import Entry, languages
from desk.campaigns.rewrite import replace_text
from desk.campaigns.toml_edit import Value, as_list, change, get
from desk.errors import CommandError
from shared.campaigns import drafted, loader, markdown
from shared.campaigns.model import Campaign
from shared.campaigns.problems import CampaignFiles, InvalidCampaign, Location, TomlFile
from shared.errors import ConfigurationError

#: How a comment begins that marks what was only drafted.
TO_DO = "TO DO: "
#: Keys, and what is wrong with each.
Errors = list[tuple[Location, str]]


@dataclass(frozen=True, slots=True)
class ToDo:
    """A comment that marks what is still to be done. `name`: file and line. `location`: the key below it."""

    name: str
    text: str
    location: Location

    @property
    def line(self) -> int:
        """Return its line in its file, counted from 1."""
        return int(self.name.rpartition(":")[2])


def digest(files: CampaignFiles) -> str:
    """Return the SHA-256 of all that a campaign's files say, in hexadecimal."""
    texts = [(file.name, file.text) for file in _all(files)]
    return hashlib.sha256(repr(texts).encode()).hexdigest()


def content(files: CampaignFiles) -> dict[str, Any]:
    """Return what a campaign's files say, with the texts of all languages in one place.

    Raises:
        ConfigurationError: one is no TOML.
    """
    own = files.main.content.get("texts")
    translations = {language: file.content for language, file in files.translations.items()}
    return {**files.main.content, "texts": {**(own if isinstance(own, dict) else {}), **translations}}


def read_entries(
    fields: Sequence[Entry], given: Mapping[str, str]
) -> tuple[dict[Location, Value], list[tuple[Location, str]]]:
    """Return what a form changes, and what is wrong in it. What it does not send stays as it is.

    An entry of a list whose fields are all empty is removed, and so is what describes another field of the form
    that is emptied.
    """
    changes, errors = dict[Location, Value](), list[tuple[Location, str]]()
    texts = {each.location: written(each, given) for each in fields}
    emptied = {each.entry for each in fields if each.entry}
    emptied -= {each.entry for each in fields if each.entry and _keeps_entry(each, texts[each.location])}
    removed = {each.location for each in fields if each.shown and not texts[each.location]}
    for each in fields:
        text = "" if each.field.describes in removed else texts[each.location]
        if text == each.field.format.clean(each.shown) or each.entry in emptied:
            continue
        try:
            changes[each.location] = _as_written(each, each.field.format.parse(text)) if text else None
        except ValueError as error:
            errors.append((each.location, str(error)))
    # From the last one on, for those behind a removed one move up.
    gone = {each.entry for each in fields if each.entry in emptied and each.shown}
    return changes | dict.fromkeys(sorted(gone, key=lambda entry: int(entry[-1]), reverse=True)), errors


def _keeps_entry(field: Entry, text: str) -> bool:
    """Return whether an entry of a list is kept for this field: not for the logo alone that it has already."""
    return bool(text) and not (field.field.format.is_file and text == field.shown)


def _as_written(entry: Entry, value: Value) -> Value:
    """Return a value with those entries of a list that did not change as they are written in the file.

    One that holds what parts entries in the form, as a paragraph with a blank line does, stays one.
    """
    if not isinstance(value, list) or not isinstance(entry.value, list):
        return value
    written_as = entry.field.format
    known = {
        tuple(written_as.clean(written_as.show(each)).split(written_as.separator)): each for each in entry.value
    }
    parts = [written_as.clean(written_as.show(each)) for each in value]
    entries, at = list[Any](), 0
    while at < len(parts):
        same = [each for each in known if each == tuple(parts[at : at + len(each)])]
        longest = max(same, key=len, default=())
        entries.append(known[longest] if longest else value[at])
        at += len(longest) or 1
    return entries


def written(entry: Entry, given: Mapping[str, str]) -> str:
    """Return what a form says of a field, cleaned; what it does not send stays as it is."""
    if entry.field.format.is_check:
        return "on" if given.get(entry.name) else ""
    return entry.field.format.clean(given.get(entry.name, entry.shown))


def apply(files: CampaignFiles, changes: Mapping[Location, Value]) -> CampaignFiles:
    """Return the files with these values.

    Raises:
        CommandError: a file is written in a way that this cannot change.
        ConfigurationError: a file is no TOML.
    """
    content(files)
    by_file = dict[str, dict[Location, Value]]()
    for location, value in changes.items():
        language = str(location[1]) if location[0] == "texts" and location[1] in files.translations else ""
        by_file.setdefault(language, {})[location[2:] if language else location] = value
    main = TomlFile(files.main.name, change(files.main.text, by_file.pop("", {})))
    changed = {
        language: TomlFile(files.translations[language].name, change(files.translations[language].text, values))
        for language, values in by_file.items()
    }
    return CampaignFiles(main, {**files.translations, **changed})


@dataclass(frozen=True, slots=True)
class Words:
    """What an edit does to the translations of the privacy notice's words.

    `renamed`: each former word whose translations stay, with its new wording. `removed`: words whose do not.
    """

    renamed: Mapping[str, str]
    removed: Sequence[str]


def changed_words(files: CampaignFiles, changes: Mapping[Location, Value]) -> Words:
    """Return which translated words of the privacy notice change. `changes`: of these files, before they are made.

    A word that is only made longer or shorter keeps its translations; those of any other would say what it was.
    """
    known = content(files)
    before, now = privacy_words(known), privacy_words(content(apply(files, changes)))
    glossaries = [get(known, ("texts", language, "glossary")) for language in languages(known)]
    translated = {word for glossary in glossaries if isinstance(glossary, dict) for word in glossary}
    gone = [word for word in before if word not in now and word in translated]
    pairs = [
        (old, new)
        for location, value in changes.items()
        if location[0] == "privacy"
        for old, new in zip(_as_words(get(known, location)), _as_words(value), strict=False)
    ]
    renamed = {
        old: new
        for old, new in pairs
        if old in gone and new not in {*before, *translated} and _is_longer_or_shorter(old, new)
    }
    return Words(renamed, [word for word in gone if word not in renamed])


def _as_words(value: Any) -> Sequence[str]:
    return [word for word in (value if isinstance(value, list) else [value]) if isinstance(word, str)]


def _is_longer_or_shorter(old: str, new: str) -> bool:
    words = set(old.split()), set(new.split())
    return words[0] <= words[1] or words[1] <= words[0]


def with_changed_words(files: CampaignFiles, words: Words) -> CampaignFiles:
    """Return the files with the translations of `words` under their new wording, and without those removed."""
    known = content(files)
    changes = dict[Location, Value]()
    for language in languages(known):
        glossary: Location = ("texts", language, "glossary")
        for old in [*words.renamed, *words.removed]:
            if (translation := get(known, (*glossary, old))) is not None:
                if new := words.renamed.get(old):
                    changes[*glossary, new] = translation
                changes[*glossary, old] = None
    return apply(files, changes)


def privacy_words(known: Mapping[str, Any]) -> Sequence[str]:
    """Return what of a campaign's privacy notice may have another name in another language."""
    processors = as_list(get(known, ("privacy", "processors")))
    found = [
        *as_list(get(known, ("privacy", "recipients"))),
        *(get(each, (key,)) for each in processors for key in ("task", "place")),
        get(known, ("privacy", "supervisory_authority")),
    ]
    return list(dict.fromkeys(word for word in found if isinstance(word, str)))


def with_new_consent(
    files: CampaignFiles, changes: Mapping[Location, Value], today: date, shown: tuple[date, date] | None
) -> dict[Location, Value]:
    """Return changes that raise the version where they change a consent text.

    `shown`: the first and the last day on which the text was shown to signers that is in force until now, which is
    then kept in every language that has one; None where nobody has seen it.
    """
    if not any(location[0] == "texts" and location[2:] == ("consent",) for location in changes):
        return dict(changes)
    known = content(files)
    earlier = as_list(get(known, ("earlier_consents",)))
    old = known.get("consent_version")
    taken = {str(old), *(str(get(each, ("version",))) for each in earlier)}
    more: dict[Location, Value] = {("consent_version",): _free_version(today, taken)}
    if shown and isinstance(old, str):
        entry: Location = ("earlier_consents", len(earlier))
        more |= {(*entry, "version"): old, (*entry, "shown_from"): shown[0], (*entry, "shown_until"): shown[1]}
        for language in languages(known):
            if isinstance(consent := get(known, ("texts", language, "consent")), str):
                more["texts", language, "earlier_consents", old] = consent
    return {**changes, **more}


def _free_version(today: date, taken: Collection[str]) -> str:
    names = (f"{today}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    return next(name for name in names if name not in taken)


def with_translation(files: CampaignFiles, language: str) -> CampaignFiles:
    """Return the files of a campaign that loads with a further language: its own texts, still to be translated.

    The consent text is the drafted one of that language, where there is one.
    """
    known = content(files)
    own = languages(known)[0]
    texts = {
        key: value for key, value in known["texts"][own].items() if key not in {"earlier_consents", "glossary"}
    }
    if language in drafted.languages():
        words = drafted.texts(language)
        controllers = [str(each["name"]) for each in known["controllers"]]
        consent = words["consent"].format(
            title=texts["title"],
            organisation=", ".join(controllers),
            addressee=texts["addressee"],
            minimum_age=known["minimum_age"],
        )
        texts |= {"demands_heading": words["demands_heading"], "consent": consent}
    changes = dict[Location, Value]()
    for key, value in texts.items():
        below = value if isinstance(value, dict) else {"": value}
        changes |= {tuple(filter(None, (key, name))): each for name, each in below.items()}
    marked = (
        f"# {TO_DO}translate these texts, and have the consent read by somebody who knows data protection law.\n"
    )
    text = marked + change("", changes)  # above the first key, or the comment would stand above a later table
    added = TomlFile(f"{files.main.name.removesuffix('.toml')}/{language}.toml", text)
    return CampaignFiles(files.main, {**files.translations, language: added})


def to_do(files: CampaignFiles) -> Iterator[ToDo]:
    """Yield what comments in the files mark as still to be done."""
    for language, file in (("", files.main), *files.translations.items()):
        above: Location = ("texts", language) if language else ()
        for line, comment in sorted(file.lines.comments.items()):
            if comment.startswith(TO_DO):
                location = (*above, *file.lines.key_below(line))
                yield ToDo(f"{file.name}:{line}", comment.removeprefix(TO_DO), location)


def without_to_do(files: CampaignFiles, done: Collection[str]) -> CampaignFiles:
    """Return the files without the comments of these names, before anything else in them is changed."""
    lines_by_file = {file.name: file.text.split("\n") for file in _all(files)}
    for each in sorted(to_do(files), key=lambda each: each.line, reverse=True):
        if each.name in done:
            lines = lines_by_file[each.name.rpartition(":")[0]]
            before = lines[each.line - 1].rstrip().removesuffix(each.text).rpartition("#")[0].rstrip()
            lines[each.line - 1 : each.line] = [before] if before else []
    texts = {name: "\n".join(lines) for name, lines in lines_by_file.items()}
    translations = {
        language: TomlFile(file.name, texts[file.name]) for language, file in files.translations.items()
    }
    return CampaignFiles(TomlFile(files.main.name, texts[files.main.name]), translations)


def errors(files: CampaignFiles, folder: Path) -> tuple[Campaign | None, Errors]:
    """Load a campaign from its files; return it, or what keeps it from loading. `folder`: of its pictures."""
    try:
        return loader.parse(files, folder), []
    except InvalidCampaign as invalid:
        return None, list(invalid.errors)
    except ConfigurationError as error:
        return None, [((), sentence) for sentence in str(error).splitlines()]


def new_errors(before: CampaignFiles, after: CampaignFiles, folder: Path, fields: Sequence[Entry]) -> Errors:
    """Return what keeps an edit from being saved: all that is wrong with it where the campaign has loaded before.

    Where it has not, only what is wrong with the edited `fields`: errors are removed one by one.
    """
    _, found = errors(after, folder)
    _, known = errors(before, folder) if found else (None, [])
    return [error for error in found if not known or any(each.is_at(error[0]) for each in fields)]


def unready(campaign: Campaign) -> Errors:
    """Return what keeps a campaign that loads from opening: each key, and a sentence about it."""
    return [*campaign.unready_keys(), *markdown.errors(campaign)]


def save(file: Path, began_with: str, files: CampaignFiles) -> None:
    """Write a campaign's files, each as a whole, with the line endings and permissions that it has.

    `file`: of the campaign. `began_with`: the `digest` of what was edited.

    Raises:
        CommandError: they have changed since then, or one cannot be written; then all are as they were.
    """
    before = loader.read(file)
    if digest(before) != began_with:
        raise CommandError(f"{file.name} or a translation has changed meanwhile. Nothing was saved.")
    known = {each.name: each.text for each in _all(before)}
    written = dict[Path, str | None]()
    try:
        for each in _all(files):
            if each.text != known.get(each.name):
                path = file.parent / each.name
                written[path] = _replace(path, each.text)
    except CommandError:
        for path, old in written.items():
            path.unlink() if old is None else _replace(path, old)
        raise


def save_if_it_loads(file: Path, began_with: str, files: CampaignFiles) -> None:
    """Save like `save`, but not what would keep a campaign from loading that has loaded before.

    Raises:
        ConfigurationError: it would not load.
    """
    folder = file.with_suffix("")
    if new_errors(loader.read(file), files, folder, ()):
        loader.parse(files, folder)
    save(file, began_with, files)


def _all(files: CampaignFiles) -> Sequence[TomlFile]:
    return [files.main, *(files.translations[language] for language in sorted(files.translations))]


def _replace(path: Path, text: str) -> str | None:
    """Replace a file of a campaign, and return what it said; None where it is new."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        private_files.replace(path, text, mode=0o644)
        return None
    old = path.read_bytes().decode()
    replace_text(path, text)
    return old
