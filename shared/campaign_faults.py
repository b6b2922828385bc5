"""What is wrong with a campaign file, in sentences that name key and fix, for who need not know Python."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

_TOML_HINT = "straight quotes; dates 2026-11-01; numbers 1_000; true/false in lower case"


def of_syntax(text: str, fault: tomllib.TOMLDecodeError) -> str:
    """What makes `text` no TOML, with the line it is in, unless that could hold a secret."""
    return f"{_place(text, str(fault))} ({_TOML_HINT})"


def _place(text: str, told: str) -> str:
    found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", told, re.S)
    if not found:
        return f"is no TOML: {told}; look for a quote or a bracket that is not closed"
    line = text.split("\n")[int(found[2]) - 1].strip()
    quoted = "" if "SECRET" in line.upper() else f": {line[:80]}"
    return f"line {found[2]} is no TOML{quoted}: {found[1]}"


#: What pydantic finds, by its type of error, and what the writer of the file is told.
_SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "too_short": "needs one entry at least",
    "string_too_short": "is empty",
    "string_type": 'write it in quotes, as in "…"',
    "int_type": "write a whole number, without quotes, as in 1_000",
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

_Location = tuple[int | str, ...]


def of_keys(root: type[BaseModel], fault: ValidationError) -> Iterator[str]:
    """One sentence for each key that is wrong in what was to become a `root`."""
    errors = fault.errors(include_url=False)
    told = set[_Location]()
    for error in errors:
        location = tuple(part for part in error["loc"] if part != "[key]")
        # A list is "too short" when the faulty entries, which are told anyway, are taken out of it.
        follows = error["type"] == "too_short" and any(
            other["loc"][: len(location)] == location and other is not error for other in errors
        )
        if follows or location in told:
            continue
        told.add(location)
        for sentence in _sentence(root, error, location).splitlines():
            yield ": ".join(filter(None, (_dotted(location), sentence)))


def _sentence(root: type[BaseModel], error: Any, location: _Location) -> str:
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


def _unknown_key(root: type[BaseModel], location: _Location, *, is_table: bool) -> str:
    *table, key = location
    if table and key in root.model_fields:
        return f"is a table of its own: [{key}]" if is_table else "belongs above the first [table]"
    model = _model_at(root, tuple(table))
    names = [name for name in model.model_fields if name not in {"id", "share_image", "paused"}] if model else []
    if alike := difflib.get_close_matches(str(key), names, n=1):
        return f"is not a key here; did you mean {alike[0]}?"
    return f"is not a key here; the keys here are {', '.join(names)}"


def _dotted(location: _Location) -> str:
    return ".".join(str(part) for part in location)


def _description(root: type[BaseModel], location: _Location) -> str | None:
    """What the field at `location` is for, from the models below `root`."""
    model = _model_at(root, location[:-1])
    field = model.model_fields.get(str(location[-1])) if model and location else None
    return field.description if field else None


def _model_at(root: type[BaseModel], location: _Location) -> type[BaseModel] | None:
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
