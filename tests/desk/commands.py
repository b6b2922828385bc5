"""The desk as its user has it: commands and keys."""

from pathlib import Path

import pyrage
from typer.testing import CliRunner, Result

from desk.errors import CommandError
from desk.main import app

PASSPHRASE = "correct horse battery"


def undersign(*command: str | Path, typed: str = "") -> Result:
    """One command, with what is typed at it. A fault of ours comes through as the exception."""
    return CliRunner().invoke(app, [str(part) for part in command], input=typed)


def told(result: Result) -> str:
    """What the person was told when the command refused."""
    assert isinstance(result.exception, CommandError), result.output
    return str(result.exception)


def plain_key(file: Path) -> str:
    """A key without a passphrase, as age-keygen makes them, for tests that make many. Its public part."""
    identity = pyrage.x25519.Identity.generate()
    file.write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    return str(identity.to_public())
