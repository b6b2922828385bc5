"""The command `undersign`: the organiser's desk.

It stands on the same library as the functions, and reaches the same store; no function imports it.
"""

import sys

import typer
from rich.console import Console

from shared.errors import ConfigurationError

app = typer.Typer(
    name="undersign",
    help="The organiser's desk of Undersign: from the first key to delivered signatures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def _desk() -> None:
    """Without this, a command line with one command only would have no name for it."""


def main() -> None:
    """Run one command; a fault is told in a sentence, without a traceback, and ends it with status 2."""
    try:
        app()
    except ConfigurationError as fault:
        Console(stderr=True, soft_wrap=True).print(str(fault), style="red", markup=False, highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
