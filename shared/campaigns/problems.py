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
    """Keys that are right alone and wrong together. `told`: of which key, and a sentence."""

    def __init__(self, told: Sequence[tuple[Location, str]]) -> None:
        super().__init__("\n".join(named(location, sentence) for location, sentence in told))
        self.told = told


@dataclass(frozen=True)
class File:
    """One TOML file. `name`: as its writer knows it."""

    name: str
    text: str

    @cached_property
    def content(self) -> dict[str, Any]:
        """
        Raises:
            ConfigurationError: it is no TOML.
        """
        try:
            # With a line break, for tomllib names no line for what it finds at the very end.
            return tomllib.loads(f"{self.text}\n")
        except tomllib.TOMLDecodeError as fault:
            raise ConfigurationError(f"{self.name}{_of_syntax(self.text, str(fault))}") from None

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text)


@dataclass(frozen=True)
class Files:
    """The file of a campaign, and by language those that hold a translation."""

    main: File
    translations: Mapping[str, File] = field(default_factory=dict)

    def tell(self, location: Location, sentence: str) -> str:
        """What is wrong with a key, with the file and the line that it stands in or is missing from."""
        file, key = self._place(location)
        is_file_name = key == ("id",) and "id" not in file.content
        line = "" if is_file_name else f":{file.lines.of(key)}"
        return f"{file.name}{line}: {named(key, sentence)}"

    def _place(self, location: Location) -> tuple[File, Location]:
        match location:
            case ("texts", str(language), *below) if language in self.translations:
                return self.translations[language], tuple(below)
        return self.main, location


_TOML_HINT = "straight quotes; dates 2026-11-01; numbers 1_000; true/false in lower case"


def _of_syntax(text: str, told: str) -> str:
    """What makes `text` no TOML, with the line it is in, unless that could hold a secret."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", told, re.DOTALL)
    number = int(found[2]) if found else unclosed_quote(text)
    if number is None:
        return f": is no TOML: {told}; look for a quote or a bracket that is not closed ({_TOML_HINT})"
    line = text.split("\n")[number - 1].strip()
    quoted = "" if "SECRET" in line.upper() else f": {line[:80]}"
    reason = found[1] if found else "nothing closes this quote"
    return f":{number}: is no TOML{quoted}: {reason} ({_TOML_HINT})"


#: What pydantic finds, by its type of error, and what the writer of the file is told.
_SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "too_short": "needs one entry at least",
    "string_too_short": "is empty",
    "string_type": 'write it in quotes, as in "…"',
    "int_type": "write a whole number, without quotes, as in 1_000",
    "int_parsing": "write a whole number, as in 1_000",
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


def of_keys(root: type[BaseModel], fault: ValidationError) -> Iterator[str]:
    """One sentence for each key that is wrong in what was to become a `root`."""
    return (named(location, sentence) for location, sentence in located(root, fault))


def located(root: type[BaseModel], fault: ValidationError) -> Iterator[tuple[Location, str]]:
    """Each key that is wrong in what was to become a `root`, and the sentence about it."""
    errors = fault.errors(include_url=False)
    told = set[Location]()
    for error in errors:
        location = tuple(part for part in error["loc"] if part != "[key]")
        # A list is "too short" when the faulty entries, which are told anyway, are taken out of it.
        follows = error["type"] == "too_short" and any(
            other["loc"][: len(location)] == location and other is not error for other in errors
        )
        if follows or location in told:
            continue
        told.add(location)
        if isinstance(misfit := error.get("ctx", {}).get("error"), MisfitError):
            yield from misfit.told
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
    else:
        sentence = _SENTENCES.get(kind, error["msg"]).format(key=_dotted(location), **error.get("ctx", {}))
    wanted = _description(root, location)
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


def named(location: Location, sentence: str) -> str:
    """The sentence, with the key that it is about."""
    return ": ".join(filter(None, (_dotted(location), sentence)))


def _dotted(location: Location) -> str:
    """As one writes it in the file, but for the numbers; the first entry of a list is 0."""
    return ".".join(_part(part) for part in location)


def _part(part: int | str) -> str:
    return str(part) if re.fullmatch("[A-Za-z0-9_-]+", str(part)) else f'"{part}"'


def _description(root: type[BaseModel], location: Location) -> str | None:
    """What the field at `location` is for, from the models below `root`."""
    model = _model_at(root, location[:-1])
    field = model.model_fields.get(str(location[-1])) if model and location else None
    return field.description if field else None


def _model_at(root: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The model whose keys stand below `location`; None for a list, or where no model is."""
    annotation: Any = root
    for part in location:
        model = _model_in(annotation)
        if _holds_several(annotation):
            annotation = model  # the part is an index, or a key of one's own
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
