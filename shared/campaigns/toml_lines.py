"""Find the line of each key in a TOML file, which tomllib does not report.

For a file that tomllib has read: all that it accepts is found here, and nothing is checked twice. A key is a path
from the top of the file, with a number for an entry of a list: ("partners", "digital-rights", "origins", 0).
"""

import contextlib
import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence

Path = tuple[int | str, ...]

#: White space, or a comment.
_BLANK = re.compile(r"\s+|#([^\n]*)")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"""(?:"{0,2})'  # up to two quotes more belong to what is quoted
    r"|'''(?:[^']|'(?!''))*'''(?:'{0,2})"
    r'|"(?!"")(?:[^"\\\n]|\\.)*"'
    r"|'(?!'')[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: A number, a boolean or a moment, whose day and time a space may part.
_PLAIN_VALUE = re.compile(r"[^\s,\]}#\"'\[{]+(?: [0-9][^\s,\]}#]*)?")


class Lines:
    """The lines of one file, counted from 1. `comments`: what each one says, by its line."""

    def __init__(self, text: str) -> None:
        scanner = _Scanner(text)
        scanner.scan()
        self._lines: Mapping[Path, int] = scanner.lines
        self._last_lines: Mapping[Path, int] = scanner.last_lines
        self.comments: Mapping[int, str] = scanner.comments

    def line_of(self, path: Sequence[int | str]) -> int:
        """Return the line of a key; of a missing one, that of the table it belongs to, or the first line."""
        for length in range(len(path), 0, -1):
            if line := self._lines.get(tuple(path[:length])):
                return line
        return 1

    def last_line_of(self, path: Sequence[int | str]) -> int:
        """Return the line in which the value of a key ends, or the last value of a table.

        Raises:
            KeyError: there is neither.
        """
        below = (line for key, line in self._last_lines.items() if key[: len(path)] == tuple(path))
        if last := max(below, default=None):
            return last
        raise KeyError(path)

    def key_below(self, line: int) -> Path:
        """Return the key, or the table, that a comment in this line stands above or beside; empty at the end."""
        below = [(at, len(path), path) for path, at in self._lines.items() if at >= line]
        return min(below)[2] if below else ()


def unclosed_quote(text: str) -> int | None:
    """Return the line of the opening quotes that are never closed; None where there are none."""
    scanner = _Scanner(text)
    with contextlib.suppress(ValueError):
        scanner.scan()
    return scanner.unclosed


class _Scanner:
    """Scans token by token; each takes the blanks and comments after it along."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self._end = 0  # of the last token, before the blanks and comments that follow it
        self.lines = dict[Path, int]()
        self.last_lines = dict[Path, int]()
        self.comments = dict[int, str]()
        self.unclosed: int | None = None
        self._entries = dict[Path, int]()  # how many each [[list of tables]] has so far
        self._line_ends = [found.start() for found in re.finditer("\n", self.text)]

    def scan(self) -> None:
        """Scan the whole text.

        Raises:
            ValueError: this is no TOML.
        """
        table: Path = ()
        self._skip_blank()
        while self.at < len(self.text):
            if self._takes("["):
                table = self._header()
            else:
                self._pair(table)

    @property
    def _line(self) -> int:
        return bisect_left(self._line_ends, self.at) + 1

    @property
    def _last_line(self) -> int:
        return bisect_left(self._line_ends, self._end) + 1

    def _header(self) -> Path:
        """Scan [a.b] or [[a.b]] after its first bracket; return the table that the following keys belong to."""
        line = self._line
        is_entry = self._takes("[")
        table = self._tables(self._key(), line)
        if is_entry:
            self.lines.setdefault(table, line)
            self._entries[table] = self._entries.get(table, 0) + 1
            table = (*table, self._entries[table] - 1)
            self._expect("]")
        self._expect("]")
        self.lines[table] = line
        return table

    def _tables(self, key: Sequence[str], line: int) -> Path:
        """Return the path of a header's key: [a.b] below [[a]] belongs to the last entry of a."""
        table: Path = ()
        for part in key[:-1]:
            table = (*table, part)
            self.lines.setdefault(table, line)
            if table in self._entries:
                table = (*table, self._entries[table] - 1)
        return (*table, key[-1])

    def _pair(self, table: Path) -> None:
        line = self._line
        for part in self._key():
            table = (*table, part)
            self.lines.setdefault(table, line)
        self._expect("=")
        self._value(table)
        self.last_lines[table] = self._last_line

    def _value(self, path: Path) -> None:
        if self._takes("["):
            self._list(path)
        elif self._takes("{"):
            self._inline_table(path)
        elif not self._match(_STRING):
            if self.text.startswith(('"', "'"), self.at):
                self.unclosed = self._line
            if not self._match(_PLAIN_VALUE):
                raise ValueError

    def _list(self, path: Path) -> None:
        index = 0
        while not self._takes("]"):
            self.lines[(*path, index)] = self._line
            self._value((*path, index))
            self._takes(",")
            index += 1

    def _inline_table(self, path: Path) -> None:
        while not self._takes("}"):
            self._pair(path)
            self._takes(",")

    def _key(self) -> list[str]:
        """Scan a dotted key, up to what follows it."""
        parts = [self._key_part()]
        while self._takes("."):
            parts.append(self._key_part())
        return parts

    def _key_part(self) -> str:
        if bare := self._match(_BARE_KEY):
            return bare
        if quoted := self._match(_STRING):
            return str(tomllib.loads(f"x = {quoted}")["x"])
        raise ValueError

    def _skip_blank(self) -> None:
        while blank := _BLANK.match(self.text, self.at):
            if blank[1] is not None:
                self.comments[self._line] = blank[1].strip()
            self.at = blank.end()

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            return ""
        self.at = self._end = found.end()
        self._skip_blank()
        return found[0]

    def _takes(self, mark: str) -> bool:
        if self.text.startswith(mark, self.at):
            self.at += 1
            self._end = self.at
            self._skip_blank()
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._takes(mark):
            raise ValueError
