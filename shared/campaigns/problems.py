"""What is wrong with a campaign file: sentences that name file, line, key and fix.

Their reader need not know Python.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from shared.campaigns.toml_lines import Lines, unclosed_quote
from shared.errors import ConfigurationError

#: A key, from the top of the file, with a number for an entry of a list.
Location = tuple[int | str, ...]


class MisfitError(ValueError):
    """Keys that are right alone and wrong together. `errors`: which key, and a sentence about it."""

    def __init__(self, errors: Sequence[tuple[Location, str]]) -> None:
        super().__init__("\n".join(with_key(*error) for error in errors))
        self.errors = errors


@dataclass(frozen=True)
class TomlFile:
    """One TOML file. `name`: as its writer knows it."""

    name: str
    text: str

    @cached_property
    def content(self) -> dict[str, Any]:
        """Parse the file.

        Raises:
            ConfigurationError: it is no TOML.
        """
        try:
            # With a line break, for tomllib names no line for what it finds at the very end.
            return tomllib.loads(f"{self.text}\n")
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{self.name}{_syntax_message(self.text, str(error))}") from None

    @cached_property
    def lines(self) -> Lines:
        """Find the line of each key."""
        return Lines(self.text)


@dataclass(frozen=True)
class CampaignFiles:
    """The file of a campaign, and by language those that hold a translation."""

    main: TomlFile
    translations: Mapping[str, TomlFile] = field(default_factory=dict)

    def describe(self, location: Location, sentence: str) -> str:
        """Return a sentence about a key, with the file and the line that it stands in or is missing from."""
        file, key = self._place(location)
        is_file_name = key == ("id",) and "id" not in file.content
        line = "" if is_file_name else f":{file.lines.line_of(key)}"
        return f"{file.name}{line}: {with_key(key, sentence)}"

    def _place(self, location: Location) -> tuple[TomlFile, Location]:
        match location:
            case ("texts", str(language), *below) if language in self.translations:
                return self.translations[language], tuple(below)
        return self.main, location


class InvalidCampaign(ConfigurationError):
    """A campaign that does not load. `errors`: each key that is wrong, and a sentence about it."""

    def __init__(self, files: CampaignFiles, errors: Sequence[tuple[Location, str]]) -> None:
        super().__init__("\n".join(files.describe(*error) for error in errors))
        self.errors = errors


_TOML_HINT = "straight quotes; dates 2026-11-01; numbers 1_000; true/false in lower case"


def _syntax_message(text: str, error: str) -> str:
    """Say what makes `text` no TOML, and quote the line, unless that could hold a secret."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", error, re.DOTALL)
    number = int(found[2]) if found else unclosed_quote(text)
    if number is None:
        return f": is no TOML: {error}; look for a quote or a bracket that is not closed ({_TOML_HINT})"
    line = text.split("\n")[number - 1].strip()
    quoted = "" if "SECRET" in line.upper() else f": {line[:80]}"
    reason = found[1] if found else "nothing closes this quote"
    return f":{number}: is no TOML{quoted}: {reason} ({_TOML_HINT})"


#: By pydantic's type of error, the message for the writer of the file.
_SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "too_short": "needs one entry at least",
    "string_too_short": "is empty",
    "string_type": 'write it in quotes, as in "…"',
    "int_type": "write a whole number, without quotes, dot or comma, as in 12000 or 12_000",
    "bool_type": "write true or false, without quotes",
    "date_type": "write 2026-11-01, without quotes",
    "greater_than_equal": "must be {ge} at least",
    "less_than_equal": "must be {le} at most",
    "literal_error": "must be {expected}",
    "tuple_type": 'write a list in square brackets, as in ["…"]',
    "frozen_set_type": 'write a list in square brackets, as in ["…"]',
    "model_type": "write it as a table: [{key}] in a line of its own, and what belongs to it below",
    "dict_type": "write it as tables: [{key}.…] in a line of its own, and what belongs to it below",
}
_DOUBLE_BRACKETS = "write [[{key}]], with double brackets: there may be several"
_SINGLE_BRACKETS = "write [{key}], with single brackets: there is one"


def messages(root: type[BaseModel], invalid: ValidationError) -> Iterator[str]:
    """Yield a sentence for each key that kept a `root` from being made."""
    return (with_key(*error) for error in located_errors(root, invalid))


def located_errors(root: type[BaseModel], invalid: ValidationError) -> Iterator[tuple[Location, str]]:
    """Yield each key that kept a `root` from being made, and a sentence about it."""
    errors = invalid.errors(include_url=False)
    seen = set[Location]()
    for error in errors:
        location = tuple(part for part in error["loc"] if part != "[key]")
        # A list is "too short" once its invalid entries, which are named anyway, are taken out of it.
        follows = error["type"] == "too_short" and any(
            other["loc"][: len(location)] == location and other is not error for other in errors
        )
        if follows or location in seen:
            continue
        seen.add(location)
        if isinstance(misfit := error.get("ctx", {}).get("error"), MisfitError):
            yield from misfit.errors
        else:
            yield location, _sentence(root, error, location)


def _sentence(root: type[BaseModel], error: Any, location: Location) -> str:
    kind, given = error["type"], error["input"]
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "extra_forbidden":
        return _unknown_key(root, location, is_table=isinstance(given, dict))
    if kind == "tuple_type" and isinstance(given, dict):
        sentence = _DOUBLE_BRACKETS.format(key=_dotted(location))
    elif kind == "model_type" and isinstance(given, list):
        sentence = _SINGLE_BRACKETS.format(key=_dotted(location))
    elif kind in _SENTENCES:
        sentence = _SENTENCES[kind].format(key=_dotted(location), **error.get("ctx", {}))
    else:
        sentence = error["msg"]
    wanted = description(root, location)
    return f"{sentence} ({wanted})" if wanted else sentence


def _unknown_key(root: type[BaseModel], location: Location, *, is_table: bool) -> str:
    *table, key = location
    if table and key in root.model_fields:
        above = "belongs above the first [table] of the campaign's file"
        return f"is a table of its own: [{key}]" if is_table else above
    model = _model_at(root, tuple(table))
    names = [name for name in model.model_fields if name not in {"id", "share_image", "paused"}] if model else []
    if alike := difflib.get_close_matches(str(key), names, n=1):
        return f"is not a key here; did you mean {alike[0]}?"
    return f"is not a key here; the keys here are {', '.join(names)}"


def with_key(location: Location, sentence: str) -> str:
    """Return a sentence with the key that it is about in front of it."""
    return ": ".join(filter(None, (_dotted(location), sentence)))


def _dotted(location: Location) -> str:
    """Return a key as it is written in the file, except for numbers: the first entry of a list is 0."""
    return ".".join(_part(part) for part in location)


def _part(part: int | str) -> str:
    return str(part) if re.fullmatch("[A-Za-z0-9_-]+", str(part)) else f'"{part}"'


def description(root: type[BaseModel], location: Location) -> str | None:
    """Return what the field at `location` is for, from the models below `root`."""
    model = _model_at(root, location[:-1])
    field = model.model_fields.get(str(location[-1])) if model and location else None
    return field.description if field else None


def _model_at(root: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """Return the model whose keys stand below `location`; None for a list, or where there is no model."""
    annotation: Any = root
    for part in location:
        model = _model_in(annotation)
        if _holds_several(annotation):
            annotation = model  # the part is an index, or a key that the writer chose
        else:
            field = model.model_fields.get(str(part)) if model else None
            annotation = field.annotation if field else None
    return None if _holds_several(annotation) else _model_in(annotation)


def _holds_several(annotation: Any) -> bool:
    return get_origin(annotation) in {tuple, Mapping, frozenset}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
