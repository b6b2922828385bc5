"""Ask the person at the desk, at a terminal or through a pipe."""

import sys

import typer

from desk.errors import CommandError


def at_terminal() -> bool:
    """Return whether standard input is a terminal, so that a question would be answered."""
    return sys.stdin.isatty()


def ask_passphrase(prompt: str) -> str:
    """Ask for a passphrase without showing it; without a terminal, read one line of standard input.

    Raises:
        CommandError: there is neither.
    """
    if at_terminal():
        typed: str = typer.prompt(prompt, hide_input=True, default="", show_default=False, err=True)
        return typed
    return _read_line(f"{prompt}: there is no terminal to ask at, and nothing on standard input.").rstrip("\r\n")


def ask(prompt: str, missing: str) -> str:
    """Ask a question on standard error; without a terminal, read one line of standard input.

    Raises:
        CommandError: there is neither; says `missing`.
    """
    if at_terminal():
        answer: str = typer.prompt(prompt, err=True)
        return answer
    return _read_line(missing)


def _read_line(missing: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise CommandError(missing)
    return line
