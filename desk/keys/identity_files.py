"""The option `-i`: identity files, and the identities in them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from desk.keys import identities
from desk.terminal import prompts

IdentityFiles = Annotated[
    list[Path] | None, typer.Option("--identity", "-i", help="An identity file; may be given several times.")
]


def read_identities(files: Sequence[Path]) -> list[str]:
    """Read the identities (AGE-SECRET-KEY-1…) in all of these files, and ask for each one's passphrase.

    Raises:
        CommandError: a file cannot be read, holds no identity, or its passphrase is wrong.
    """
    found = []
    for file in files:
        found += identities.read(file, partial(prompts.ask_passphrase, f"Passphrase of {file.name}"))
    return found
