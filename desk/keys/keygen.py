"""`undersign keygen`: make a key that opens on the day it is needed."""

from pathlib import Path
from typing import Annotated

import typer

from desk.errors import CommandError
from desk.keys import identities
from desk.keys.proofs import try_key
from desk.terminal import prompts
from desk.terminal.output import print_text
from shared.clock import utc_now

_MADE = """
Made and tried: [bold]{file}[/] opens with its passphrase, and what is sealed to its public key can be opened.

The public key, for the campaign file and for anybody to see; it is in {public}, too:

    [bold]{recipient}[/]

[bold]What you have now.[/] Anyone with both the file and the passphrase can read every signature of the campaign.
Without this file, or without its passphrase, your key opens nothing, and nobody can make it again: not we, not
Google, not the police. When the last key of a campaign is lost, [bold]all its signatures are lost[/].

  1. Copy {file} to a second place that burns down at another time: a stick in a drawer elsewhere.
  2. Write the passphrase on paper and keep it apart from the file.
  3. Never put the file into the cloud, into a mail or into a chat.
  4. Somebody else makes a second key on another machine. With fewer than two, no campaign opens.
"""


def keygen(
    file: Annotated[Path, typer.Argument(help="The file to make, as in ann.age.")] = Path("identity.age"),
) -> None:
    """Make your key: a file under a passphrase, and the public key to paste into the campaign file."""
    if file.exists():
        raise CommandError(f"{file} exists already. Keys are never overwritten: give another name.")
    passphrase = _choose_passphrase()
    recipient = identities.create(file, passphrase, utc_now())
    for identity in identities.read(file, lambda: passphrase):
        try_key(identity, recipient)
    public = file.with_name(f"{file.name}.pub")
    public.write_text(f"{recipient}\n", encoding="ascii", newline="\n")
    print_text(_MADE, file=file, public=public, recipient=recipient)


def _choose_passphrase() -> str:
    chosen = prompts.ask_passphrase("A passphrase of 12 characters or more (press Enter, and one is made for you)")
    if chosen:
        if prompts.ask_passphrase("The same again") != chosen:
            raise CommandError("The two are not the same. Nothing was made.")
        return chosen
    made = identities.make_passphrase()
    print_text("\nYour passphrase; write it down now, it is shown only here:\n\n    [bold]{made}[/]\n", made=made)
    return made
