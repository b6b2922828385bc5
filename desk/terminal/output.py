"""Print to a terminal, a pipe or a file: text with markup, notes, warnings, errors and tables."""

import sys
from io import TextIOWrapper

from rich.console import Console
from rich.markup import escape
from rich.table import Table

#: Output to a pipe or a file must not depend on how wide a window is.
_PIPE_COLUMNS = 200

out = Console(soft_wrap=True, highlight=False, emoji=False)
if not out.is_terminal:
    out.width = _PIPE_COLUMNS
errors = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def replace_unencodable() -> None:
    """Print a character that the terminal's encoding lacks as its code, rather than end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_text(template: str, **values: object) -> None:
    """Print a template with rich's markup; `values` are escaped, and show as they are, brackets and all."""
    out.print(template.format_map({name: escape(str(value)) for name, value in values.items()}))


def print_note(text: str) -> None:
    """Print plain text to standard error: it is no part of output that a program may read."""
    errors.print(text, style="dim", markup=False)


def print_warning(text: str) -> None:
    """Print plain text to standard error, in yellow."""
    errors.print(text, style="yellow", markup=False)


def print_error(text: str) -> None:
    """Print plain text to standard error, in red."""
    errors.print(text, style="red", markup=False)


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table: its first column holds names, folded where room is scarce, the others numbers."""
    made = Table(title=title)
    for number, heading in enumerate(columns):
        if number:
            made.add_column(heading, justify="right", no_wrap=True)
        else:
            made.add_column(heading, overflow="fold")
    return made


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun: 1 signature, 2,000 signatures."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
