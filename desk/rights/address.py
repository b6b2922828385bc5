"""The arguments of `undersign access` and `erase`: whose address, and in which campaign."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import PydanticCustomError

from desk.errors import CommandError
from desk.terminal import prompts
from shared.models.fields import check_email

#: In place of an address.
_ASK = "-"

_ARGUMENT = typer.Argument(
    metavar="ADDRESS",
    help=f"The email address, as the person writes it. {_ASK} asks for it, or reads it from standard input, "
    "so that it stands neither in the history of the shell nor in the list of processes.",
)
Email = Annotated[str, _ARGUMENT]
EmailOrNone = Annotated[str | None, _ARGUMENT]
OnlyCampaign = Annotated[str | None, typer.Option("--campaign", help="In this campaign only; by default in all.")]


def parse_address(given: str) -> str:
    """Return the email address that was given on the command line, or ask for it.

    Raises:
        CommandError: it is not an address, or nothing was given.
    """
    if given == _ASK:
        missing = "There is no terminal to ask for the address at, and none on standard input."
        given = prompts.ask("The email address", missing)
    return _check(given)


def read_addresses(file: Path) -> Mapping[str, int]:
    """Read a file with one email address on each line; return the number of the line by address.

    Raises:
        CommandError: a line holds something else, none holds an address, or it is not UTF-8.
    """
    lines = dict[str, int]()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8: save it as UTF-8, or as plain text without accents.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                lines.setdefault(_check(line), number)
            except CommandError as error:
                raise CommandError(f"{file}:{number}: {error}") from None
    if not lines:
        raise CommandError(f"{file} holds no address.")
    return lines


def _check(given: str) -> str:
    try:
        return check_email(given.strip())
    except PydanticCustomError:
        raise CommandError(
            f"{given.strip()} is no email address: write it as the person does, as in ann@example.org"
        ) from None
