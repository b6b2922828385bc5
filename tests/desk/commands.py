"""Run the desk's commands as a person does, and make keys."""

import asyncio
from contextvars import copy_context
from pathlib import Path

import pyrage
from typer.testing import CliRunner, Result

from desk.errors import CommandError
from desk.main import app

PASSPHRASE = "correct horse battery"


def undersign(*command: str | Path, typed: str = "") -> Result:
    """Run one command with `typed` as its input; a CommandError becomes the result's exception."""
    # In a context of its own, as a process has: which deployment is in use is not for the next command.
    return copy_context().run(CliRunner().invoke, app, [str(part) for part in command], input=typed)


async def run(*command: str | Path, typed: str = "") -> Result:
    """Run one command in a thread, because the test's event loop is running already."""
    return await asyncio.to_thread(undersign, *command, typed=typed)


def refusal(result: Result) -> str:
    """Return the message of the CommandError that ended the command."""
    assert isinstance(result.exception, CommandError), result.output
    return str(result.exception)


def plain_key(file: Path) -> str:
    """Make a key without a passphrase, as age-keygen does, and return its public part."""
    identity = pyrage.x25519.Identity.generate()
    file.write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    return str(identity.to_public())
