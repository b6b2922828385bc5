"""The option `-i`: identity files, and the identities in them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from desk.keys import identities
from desk.terminal import prompts

IdentityFiles = Annotated[
    list[Path] | None,
    typer.Option("--identity", "-i", help="An identity file; may be given several times.", show_default=False),
]


def read_identities(files: Sequence[Path]) -> list[str]:
    """Read the identities (AGE-SECRET-KEY-1…) in all of these files, and ask for each one's passphrase.

    Raises:
        CommandError: a file cannot be read, holds no identity, or its passphrase is wrong.
    """
    return [identity for file in files for identity in identities.read(file, partial(_ask_for, file))]


def _ask_for(file: Path) -> str:
    return prompts.ask_passphrase(f"Passphrase of {file.name}")
