"""What the desk asks its user and tells them, at a terminal or through a pipe."""

import sys
from io import TextIOWrapper

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from desk.errors import CommandError

#: What a pipe or a file is given does not depend on how wide somebody's window is.
_PIPE_COLUMNS = 200

out = Console(soft_wrap=True, highlight=False, emoji=False)
if not out.is_terminal:
    out.width = _PIPE_COLUMNS


def speak_in_any_terminal() -> None:
    """A letter that a terminal does not know is shown as its code, rather than ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(template: str, **values: object) -> None:
    """Print a template with rich's markup in it. What `values` hold is shown as it is, brackets and all."""
    out.print(template.format_map({name: escape(str(value)) for name, value in values.items()}))


def aside(template: str, **values: object) -> None:
    """The same on standard error, for what is no part of an answer that a program may read."""
    shown = template.format_map({name: escape(str(value)) for name, value in values.items()})
    Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(shown, style="dim")


def table(*columns: str, title: str | None = None) -> Table:
    """The first column names something, and is folded where room is scarce; the others are numbers, whole."""
    made = Table(title=title)
    for number, heading in enumerate(columns):
        if number:
            made.add_column(heading, justify="right", no_wrap=True)
        else:
            made.add_column(heading, overflow="fold")
    return made


def at_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def passphrase(prompt: str) -> str:
    """A passphrase, unseen; where no terminal is, one line of standard input.

    Raises:
        CommandError: there is neither.
    """
    if at_terminal():
        typed: str = typer.prompt(prompt, hide_input=True, default="", show_default=False, err=True)
        return typed
    line = sys.stdin.readline()
    if not line:
        raise CommandError(f"{prompt}: there is no terminal to ask at, and nothing on standard input.")
    return line.rstrip("\r\n")
