"""What the desk asks its user, at a terminal or through a pipe."""

import sys

import typer
from rich.console import Console

from desk.faults import Fault

out = Console(soft_wrap=True, highlight=False)


def at_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def passphrase(prompt: str) -> str:
    """A passphrase, unseen; where no terminal is, one line of standard input.

    Raises:
        Fault: there is neither.
    """
    if at_terminal():
        typed: str = typer.prompt(prompt, hide_input=True, default="", show_default=False, err=True)
        return typed
    line = sys.stdin.readline()
    if not line:
        raise Fault(f"{prompt}: there is no terminal to ask at, and nothing on standard input.")
    return line.rstrip("\r\n")
