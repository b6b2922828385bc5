"""The line of each key in a TOML file."""

import tomllib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.campaigns.toml_lines import Lines, Path, unclosed_quote

#: Names and values give the line of their key; text in strings and comments only looks like keys and headers.
TEXT = '''\
# [one] = 1, and two = "
one = 1 # with a [comment]
"quoted key" = 3
'q.2' . "\\u00e9" = 4
moments = [
  1979-05-27 07:32:00, # 7 = 7
  1979-05-27T07:32:00.5Z, 1.5e-3,

  9, ]

[table]
long = """
[header]
one = 1 \\"""
'\'''"""""
sixteen = 16
literal = \'\'\'
[[header]]
"""
one = 1\'\'\'\'\'
twentyone = { a.b = 21, "c" = [ {d = 21}, "]}" ], e = '[' }
many = [
  """
  one = 1
""", [26,
  27],
  { eight = 28 }
]

[[list]]
[[ list . list ]]
a = 32
[[list.list]]
a = 34
[list.list.sub]
a = 36
[[list]]
a = 38
[table.sub.sub]
[table.sub]
empty = ""
also_empty = \'\'
'''
PLACES: list[tuple[Path, int]] = [
    (("one",), 2),
    (("quoted key",), 3),
    (("q.2",), 4),
    (("q.2", "é"), 4),
    (("moments",), 5),
    (("moments", 0), 6),
    (("moments", 2), 7),
    (("moments", 3), 9),
    (("table",), 11),
    (("table", "long"), 12),
    (("table", "sixteen"), 16),
    (("table", "literal"), 17),
    (("table", "twentyone", "a", "b"), 21),
    (("table", "twentyone", "c", 0, "d"), 21),
    (("table", "twentyone", "c", 1), 21),
    (("table", "many"), 22),
    (("table", "many", 0), 23),
    (("table", "many", 1), 25),
    (("table", "many", 1, 1), 26),
    (("table", "many", 2, "eight"), 27),
    (("list",), 30),
    (("list", 0), 30),
    (("list", 0, "list"), 31),
    (("list", 0, "list", 0, "a"), 32),
    (("list", 0, "list", 1), 33),
    (("list", 0, "list", 1, "sub", "a"), 36),
    (("list", 1, "a"), 38),
    (("table", "sub"), 40),
    (("table", "sub", "sub"), 39),
    (("table", "sub", "also_empty"), 42),
]


@pytest.mark.parametrize(("path", "line"), PLACES, ids=[str(path) for path, _ in PLACES])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_finds_the_line_of_a_key(path: Path, line: int, line_end: str) -> None:
    """Strings, lists and comments around it make no difference, nor do Windows line ends."""
    text = TEXT.replace("\n", line_end)
    assert _value(tomllib.loads(text), path) is not None

    assert Lines(text).line_of(path) == line


def _value(content: Any, path: Iterable[Any]) -> Any:
    for part in path:
        content = content[part]
    return content


def test_gives_a_missing_key_the_line_of_its_table() -> None:
    """A missing key without a table gets the first line."""
    lines = Lines(TEXT)

    assert lines.line_of(("table", "missing")) == 11
    assert lines.line_of(("list", 1, "missing", "below")) == 37
    assert lines.line_of(("missing", "below")) == 1
    assert lines.line_of(()) == 1


def test_finds_comments_with_their_lines() -> None:
    """A `#` in a string or in a comment does not start one."""
    assert Lines('# a\nx = "# b"\ny = [ # c # d\n]').comments == {1: "a", 3: "c # d"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a = """\n\nb = 1', 1),
        ("a = 1\nb = [\n'''c''', '''\n''\n", 3),
        ('a = """b"""\nc = [', None),
        ("a = = 1", None),
    ],
)
def test_finds_a_quote_that_is_not_closed(text: str, line: int | None) -> None:
    """tomllib alone reports only that the document ends."""
    assert unclosed_quote(text) == line


_KEYS = st.sampled_from(["a", "b-1", "7", '"a b"', "'x.y'", '"#"', '"[z]"'])
_VALUES = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        "1979-05-27 07:32:00",
        '"[a]\\"#"',
        "'''\n[a]\nb = '1'\n'''",
        '"""\na = 1\\"""\n"""""',
    ],
)
_GAPS = st.sampled_from(["", " ", "\n", "\n# [a] = '\n", ' # "\n\n'])
_INLINE = st.sampled_from(["", " ", "  "])


@st.composite
def _lists(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    entries = [draw(_GAPS) + draw(values) + draw(_GAPS) for _ in range(draw(st.integers(0, 3)))]
    return f"[{','.join(entries)}]"


@st.composite
def _inline_tables(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(_KEYS, unique=True, max_size=3))
    pairs = [f"{draw(_INLINE)}{key}{draw(_INLINE)}={draw(_INLINE)}{draw(values)}" for key in keys]
    return f"{{{','.join(pairs)}{draw(_INLINE)}}}"


_ANY_VALUE = st.recursive(_VALUES, lambda values: _lists(values) | _inline_tables(values), max_leaves=5)


@st.composite
def _documents(draw: st.DrawFn) -> tuple[str, list[tuple[list[str], int]]]:
    """Draw a file, and its keys with their lines."""
    text, written = draw(_GAPS), list[tuple[list[str], int]]()
    text += "\n"
    for table in [None, *draw(st.lists(_KEYS, unique=True, max_size=3))]:
        if table:
            written.append(([table], text.count("\n") + 1))
            text += f"[{draw(_INLINE)}{table}{draw(_INLINE)}]\n"
        for key in draw(st.lists(_KEYS, unique=True, max_size=3)):
            text += f"{draw(_GAPS)}\n"
            written.append(([table or "top", key], text.count("\n") + 1))
            text += "" if table else f"top{draw(_INLINE)}."
            text += f"{key}{draw(_INLINE)}={draw(_INLINE)}{draw(_ANY_VALUE)}{draw(_INLINE)}\n"
    return text, written


@given(_documents())
def test_finds_every_key_of_any_file(document: tuple[str, list[tuple[list[str], int]]]) -> None:
    """The line is right for any layout that tomllib can parse."""
    text, written = document
    content = tomllib.loads(text)
    lines = Lines(text)

    for quoted, line in written:
        path = tuple(tomllib.loads(f"x = {part}")["x"] if part[0] in "\"'" else part for part in quoted)
        _value(content, path)
        assert lines.line_of(path) == line
