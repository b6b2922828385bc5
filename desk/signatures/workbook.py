"""A table for Excel (.xlsx) whose cells are all text, so that Excel changes none of them.

From a CSV file Excel guesses what a cell is: 00123 loses its zeros, 1-2 becomes a day, and in much of Europe
commas separate nothing. Rows go to the disk as they come, so memory does not grow with them
(https://xlsxwriter.readthedocs.io/working_with_memory.html).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

#: Excel's limits (https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3), the rows with the
#: headings, and the units those of UTF-16. What exceeds them XlsxWriter would leave out.
MAX_ROWS = 1_048_576
MAX_CELL_UNITS = 32_767
_CUT = " … (cut here: --kind ndjson has all of it)"
_WIDTH_CHARACTERS = 24


class _TextSheet(Worksheet):  # type: ignore[misc]
    """A sheet that writes no text as markup: XlsxWriter takes <r>…</r> for formatted text that it made itself."""

    def _xml_rich_inline_string(self, string: str, attributes: Any) -> None:
        self._xml_inline_string(string, True, attributes)


class Workbook(AbstractContextManager["Workbook"]):
    """Writes a workbook into `file`, at the end; a context manager.

    `folder`: where rows wait until then. After `MAX_ROWS` there is another sheet with the same headings. `name`:
    of the first sheet; Excel allows 31 characters.
    """

    def __init__(self, file: IO[bytes], folder: Path, name: str, headings: Sequence[str]) -> None:
        self._workbook = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": str(folder)})
        self._workbook.use_zip64()  # only if it takes more than 4 GiB
        self._name = name
        self._headings = headings
        # A cell that somebody edits stays text, too.
        self._text = self._workbook.add_format({"num_format": "@"})
        self._bold = self._workbook.add_format({"num_format": "@", "bold": True})
        self._begin_sheet()

    def __exit__(self, *_: object) -> None:
        try:
            self._workbook.close()
        except FileCreateError as error:  # which hides the OSError that says what is wrong
            raise error.args[0] from None

    def add(self, cells: Sequence[str]) -> None:
        """Write the next row; an empty text leaves its cell empty."""
        if self._row == MAX_ROWS:
            self._begin_sheet()
        for column, cell in enumerate(cells):
            if cell:
                self._sheet.write_string(self._row, column, _fitting(cell), self._text)
        self._row += 1

    def _begin_sheet(self) -> None:
        number = len(self._workbook.worksheets()) + 1
        name = self._name if number == 1 else f"{self._name} {number}"
        self._sheet = self._workbook.add_worksheet(name, _TextSheet)
        self._sheet.set_column(0, len(self._headings) - 1, _WIDTH_CHARACTERS, self._text)
        self._sheet.freeze_panes(1, 0)
        self._sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        for column, heading in enumerate(self._headings):
            self._sheet.write_string(0, column, heading, self._bold)
        self._row = 1


def _fitting(text: str) -> str:
    """Cut a text that no cell holds, which only somebody makes who wants to do harm, and say so in the cell."""
    if len(text.encode("utf-16-le")) // 2 <= MAX_CELL_UNITS:
        return text
    return text[: (MAX_CELL_UNITS - len(_CUT)) // 2] + _CUT
