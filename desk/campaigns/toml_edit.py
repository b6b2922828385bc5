"""Change values in the text of a TOML file: what is not changed, comments and blank lines too, stays as it is.

tomlkit replaces what is there. What is added or removed is so line by line, because tomlkit counts a comment above
a table to the table before it, and would add below that.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from difflib import SequenceMatcher
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, Item

from desk.errors import CommandError
from shared.campaigns.problems import Location
from shared.campaigns.toml_lines import Lines

#: None: the key, or the table or the entry of a list that stands there, is removed.
Value = str | int | bool | date | list[str] | list[int] | None


def change(text: str, changes: Mapping[Location, Value]) -> str:
    """Return the text with these values, in the order given. A table that holds nothing any more is removed.

    Raises:
        CommandError: it is written in a way that this cannot change.
    """
    wanted = tomllib.loads(text)
    for location, value in changes.items():
        if get(wanted, location) == value and type(get(wanted, location)) is type(value):
            continue
        try:
            removed = _put(wanted, location, value)
            text = _remove(text, removed) if removed else _set(text, location, value)
            is_as_wanted = tomllib.loads(text) == wanted
        except (KeyError, TypeError, ValueError, TOMLKitError):
            is_as_wanted = False
        if not is_as_wanted:
            key = ".".join(map(str, location))
            raise CommandError(
                f"{key} is written in an uncommon way, and was left as it is: change it in a text editor."
            )
    return text


def get(content: Any, location: Location) -> Any:
    """Return the value at a location; None if there is no such value."""
    for part in location:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return None
    return content


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and none where somebody has written anything else."""
    return value if isinstance(value, list) else []


def _put(content: Any, location: Location, value: Value) -> Location:
    """Put a value into parsed TOML. Return the location that is removed for that, empty where none is."""
    *path, key = location
    parents = [content]
    for part, below in zip(path, location[1:], strict=True):
        parent = parents[-1]
        empty: Any = [] if isinstance(below, int) else {}
        if isinstance(part, int) and part == len(parent):
            parent.append(empty)
        elif isinstance(part, str):
            parent.setdefault(part, empty)
        parents.append(parent[part])
    if value is not None:
        parents[-1][key] = value
        return ()
    del parents[-1][key]
    depth = len(path)
    while depth and not parents[depth]:
        depth -= 1
        del parents[depth][location[depth]]
    return location[: depth + 1]


def _set(text: str, location: Location, value: Value) -> str:
    document = tomlkit.parse(text)
    if get(document, location) is None:
        return _insert(text, location, value)
    table: Any = document
    for part in location[:-1]:
        table = table[part]
    if isinstance(value, list) and isinstance(table[location[-1]], Array):
        return _set_entries(text, location, value)
    table[location[-1]] = _item(value)
    return tomlkit.dumps(document)


def _set_entries(text: str, location: Location, value: list[Any]) -> str:
    """Change a list entry by entry: the others stay as they are written, and comments with their entries."""
    before = get(tomllib.loads(text), location)
    matcher = SequenceMatcher(None, list(map(repr, before)), list(map(repr, value)), autojunk=False)
    # From the last one on, for those behind a removed one move up.
    for kind, first, end, new_first, new_end in reversed(matcher.get_opcodes()):
        new = value[new_first:new_end]
        if kind == "equal":
            continue
        kept = min(end, first + len(new))
        for index in reversed(range(kept, end)):
            text = _without_comments_above(text, (*location, index))
        added = new[kept - first :]
        if added and end < len(before):
            text, added = _insert_above_comments(text, (*location, end), added)
        document = tomlkit.parse(text)
        entries: Any = document
        for part in location:
            entries = entries[part]
        for index in range(first, kept):
            entries[index] = _item(new[index - first])
        for index in reversed(range(kept, end)):
            del entries[index]
        for index, entry in enumerate(added, kept):
            entries.insert(index, _item(entry))
        text = tomlkit.dumps(document)
    return text


def _insert_above_comments(text: str, location: Location, added: list[Any]) -> tuple[str, list[Any]]:
    """Add entries above the comments of another one. Return what is not added, because it has none."""
    lines = text.split("\n")
    first, end = _comments_above(text, location)
    if first == end:
        return text, added
    indentation = lines[first].partition("#")[0]
    entries = [f"{indentation}{_item(entry).as_string()}," for entry in added]
    return "\n".join([*lines[:first], *entries, *lines[first:]]), []


def _without_comments_above(text: str, location: Location) -> str:
    lines = text.split("\n")
    first, end = _comments_above(text, location)
    return "\n".join([*lines[:first], *lines[end:]])


def _comments_above(text: str, location: Location) -> tuple[int, int]:
    """Return where in the lines of a text the comments directly above an entry of a list begin and end.

    An entry has none that has no line of its own: what is above a list in one line is about the list.
    """
    *path, index = location
    lines, numbers = text.split("\n"), Lines(text)
    end = first = numbers.line_of(location) - 1
    above = numbers.line_of((*path, int(index) - 1) if index else path) - 1
    while first - 1 > above and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first, end


def _item(value: Any) -> Item:
    if isinstance(value, list):
        entries = tomlkit.array()
        entries.extend(_item(each) for each in value)
        return entries.multiline(len(value) > 0 and isinstance(value[0], str))
    if isinstance(value, str):
        return tomlkit.string(value, multiline="\n" in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return tomlkit.integer(f"{value:_}")
    item: Item = tomlkit.item(value)
    return item


def _insert(text: str, location: Location, value: Value) -> str:
    """Add a key below the last one of its table, or a table of its own for it."""
    *table, key = location
    document = tomlkit.document()
    document.add(str(key), _item(value))
    added = tomlkit.dumps(document).rstrip("\n").split("\n")
    content, located, lines = tomllib.loads(text), Lines(text), text.rstrip("\n").split("\n")
    if (known := get(content, tuple(table))) is not None:
        keys = [name for name, each in known.items() if not _is_table(each)]
        if keys:
            at = max(located.last_line_of((*table, name)) for name in keys)
        else:
            at = located.line_of(table) if table else 0
    else:
        added = ["", _header(table), *added]
        beside = table[:-1]  # of an entry of a list, those before it; of a table, the one that it is in
        at = located.last_line_of(beside) if beside and get(content, tuple(beside)) else len(lines)
    return "\n".join([*lines[:at], *added, *lines[at:]]).lstrip("\n") + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))


def _header(table: list[int | str]) -> str:
    """Return the line that begins a table, or an entry of a list of tables."""
    dotted = ".".join(tomlkit.key(part).as_string() for part in table if isinstance(part, str))
    return f"[[{dotted}]]" if isinstance(table[-1], int) else f"[{dotted}]"


def _remove(text: str, location: Location) -> str:
    """Remove the lines of a key, of a table with all that is in it, or of an entry of a list of tables."""
    located, lines = Lines(text), text.split("\n")
    first, last = located.line_of(location), located.last_line_of(location)
    if first > 1 and not lines[first - 2].strip() and (last == len(lines) or not lines[last].strip()):
        first -= 1  # one blank line where there would be two
    return "\n".join([*lines[: first - 1], *lines[last:]])
