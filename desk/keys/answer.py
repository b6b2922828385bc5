"""`undersign answer`: show that your key opens a test file."""

import re
from pathlib import Path
from typing import Annotated

import typer

from desk.errors import CommandError
from desk.keys.identity_files import IdentityFiles, read_identities
from desk.terminal.output import out
from shared.crypto.sealing import Opener
from shared.errors import Unopenable

#: What a test file holds: a passphrase that `identities.make_passphrase` made. offline_pages/keys.js has the same.
ANSWER = re.compile(rb"[a-z2-9]{4}(-[a-z2-9]{4}){5}")


def answer(
    test: Annotated[Path, typer.Argument(help="The test file that you were sent.")], identity: IdentityFiles = None
) -> None:
    """Open a test file with your key, and print the answer to send back.

    Nothing but such an answer is printed: somebody could send a signature for a test, and have it read to them.
    """
    if not identity:
        raise CommandError("Say which identity is to open it, as in: undersign answer test.age -i ann.age")
    try:
        sealed = test.read_bytes()
    except OSError as error:
        raise CommandError(f"{test} cannot be read: {error.strerror}.") from None
    try:
        opened = Opener(read_identities(identity)).open(sealed).strip()
    except Unopenable:
        raise CommandError(f"{test} was not made for this key, or was damaged on its way to you.") from None
    if not ANSWER.fullmatch(opened):
        raise CommandError(
            f"{test} is no test file that undersign prove makes. Do not answer the person who sent it to you."
        )
    out.print(opened.decode())
