"""The arguments of `undersign access` and `erase`: whose address, and in which campaign."""

from typing import Annotated

import typer
from pydantic_core import PydanticCustomError

from desk.errors import CommandError
from desk.terminal import prompts
from shared.models.fields import check_email

#: In place of an address.
_ASK = "-"

Email = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS",
        help=f"The email address, as the person writes it. {_ASK} asks for it, or reads it from standard input, "
        "so that it stands neither in the history of the shell nor in the list of processes.",
    ),
]
OnlyCampaign = Annotated[str | None, typer.Option("--campaign", help="In this campaign only; by default in all.")]


def parse_address(given: str) -> str:
    """Return the email address that was given on the command line, or ask for it.

    Raises:
        CommandError: it is not an address, or nothing was given.
    """
    if given == _ASK:
        missing = "There is no terminal to ask for the address at, and none on standard input."
        given = prompts.ask("The email address", missing)
    email = given.strip()
    try:
        return check_email(email)
    except PydanticCustomError:
        raise CommandError(
            f"{email} is no email address: write it as the person does, as in ann@example.org"
        ) from None
