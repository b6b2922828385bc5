"""Tables for Excel, read again by another library, cell by cell."""

import io
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from desk.signatures import workbook
from desk.signatures.workbook import MAX_CELL_UNITS, Workbook

HOSTILE = [
    *("=1+1", "+49 30 123", "-1", "@SUM(A1)", "＝1", "\t=1", "\r\n=1", "'=1", '=HYPERLINK("https://a.example")'),
    *("00123", "12345678901234567890", "1-2", "2026-11-22", "1e5", "1,5", "1.000", "TRUE", "#N/A", "12:30"),
    *(
        "a;b,c\td",
        'Ann "Annie"',
        "line\nbreak",
        "carriage\rreturn",
        " spaces ",
        "\u00a0",
        "\ufeffmark",
        "x" * 32_767,
    ),
    *("محمد بن سلمان", "יוסף כהן", "\u202eJoe\u202c", "陳大文", "𝒵oë 👩🏽‍💻", "Ångström", "e\u0301"),
    *("\x00", "a\x01b\x1f", "\x7f\x85", "\ufffe\uffff", "_x0041_", "_x005F_", "_X0041_"),
    *("<r><t>markup</t></r>", "<b>&amp;</b>", "]]>", "<![CDATA[x]]>", "</t></is></c>", "&#13;", "<!-- -->"),
]


def written(rows: Sequence[Sequence[str]], headings: Sequence[str] = ("name", "email")) -> bytes:
    """Return the bytes of a workbook with these rows."""
    file = io.BytesIO()
    with TemporaryDirectory() as folder:
        with Workbook(file, Path(folder), "signatures", headings) as made:
            for row in rows:
                made.add(row)
        assert list(Path(folder).iterdir()) == []
    return file.getvalue()


def opened(content: bytes | Path) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content) if isinstance(content, bytes) else content)


def texts(sheet: openpyxl.worksheet.worksheet.Worksheet) -> list[list[str]]:
    """Return what is below the headings. `unescape`: openpyxl shows control characters as Excel writes them."""
    for row in sheet.iter_rows():
        assert {(cell.data_type, cell.number_format) for cell in row if cell.value is not None} <= {("s", "@")}
    return [[unescape(cell or "") for cell in row] for row in sheet.iter_rows(min_row=2, values_only=True)]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_cell_holds_its_text_unchanged(text: str) -> None:
    """Whatever it looks like: a formula, a number, a day, markup, or what XML has no character for."""
    [sheet] = opened(written([[text, "ann@example.org"]])).worksheets

    assert texts(sheet) == [[text, "ann@example.org"]]


_CELL = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(HOSTILE)


@given(st.lists(st.tuples(_CELL, _CELL), max_size=5))
def test_every_text_is_read_again_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    """An empty text is an empty cell."""
    [sheet] = opened(written([*rows, ("end", "")])).worksheets

    assert texts(sheet) == [list(row) for row in [*rows, ("end", "")]]


def test_the_headings_stay_in_sight() -> None:
    """They are the first row, which does not scroll away; the columns are wide enough for an address."""
    [sheet] = opened(written([["Ann", "ann@example.org"]])).worksheets

    assert [cell.value for cell in sheet[1]] == ["name", "email"]
    assert sheet.freeze_panes == "A2"
    assert all(20 < sheet.column_dimensions[column].width < 40 for column in "A")


def test_rows_that_one_sheet_cannot_hold_go_on_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the headings."""
    monkeypatch.setattr(workbook, "MAX_ROWS", 3)

    found = opened(written([[str(number), ""] for number in range(5)]))

    assert found.sheetnames == ["signatures", "signatures 2", "signatures 3"]
    assert [texts(sheet) for sheet in found] == [[["0", ""], ["1", ""]], [["2", ""], ["3", ""]], [["4", ""]]]
    assert [[cell.value for cell in sheet[1]] for sheet in found] == 3 * [["name", "email"]]


@pytest.mark.parametrize("text", ["x" * (MAX_CELL_UNITS + 1), "👩" * MAX_CELL_UNITS], ids=["long", "of pairs"])
def test_a_text_that_no_cell_holds_says_that_it_was_cut(text: str) -> None:
    """Excel would call the whole file damaged."""
    [sheet] = opened(written([[text, ""]])).worksheets

    [[cut, _]] = texts(sheet)
    assert cut.endswith(" … (cut here: --kind ndjson has all of it)")
    assert text.startswith(cut.partition(" ")[0])
    assert len(cut.encode("utf-16-le")) // 2 <= MAX_CELL_UNITS


def test_memory_does_not_grow_with_the_rows() -> None:
    """Ten times as many rows take no more, so that a million fit into a laptop."""
    row = [f"{number} {'x' * 50}" for number in range(10)]
    written([row] * 100, row)
    peaks = list[int]()
    for rows in (200, 2000):
        tracemalloc.start()
        with TemporaryDirectory() as folder, (Path(folder) / "table.xlsx").open("w+b") as file:
            with Workbook(file, Path(folder), "signatures", row) as made:
                for _ in range(rows):
                    made.add(row)
            peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.2 * peaks[0]
