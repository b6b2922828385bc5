"""The public keys in a campaign file, and whose they are: a comment behind each key.

Removing one is safe as long as it has not been proven: no function of a deployment starts with such a key, so
nothing that the public signed was sealed to it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import tomlkit
from tomlkit.items import Array

from desk.campaigns.rewrite import Content, rewrite
from desk.errors import CommandError
from desk.keys.proofs import current_proofs, write_proofs
from shared import campaigns
from shared.campaigns import loader
from shared.campaigns.types import THROWAWAY
from shared.crypto.sealing import parse_recipient
from shared.errors import ConfigurationError

MAX_HOLDER_CHARACTERS = 80


def holders(file: Path) -> Mapping[str, str]:
    """Return who holds a key, by public key, for those that have a line and a comment of their own."""
    main = loader.read(file).main
    recipients = campaigns.load(file).sealing.recipients
    lines = [main.lines.line_of(("sealing", "recipients", index)) for index in range(len(recipients))]
    noted = ((key, main.lines.comments.get(line, "")) for key, line in zip(recipients, lines, strict=True))
    return {key: note for (key, note), line in zip(noted, lines, strict=True) if note and lines.count(line) == 1}


def add_recipient(file: Path, recipient: str, holder: str = "") -> None:
    """Add a public key to a campaign file, in place of the one that stands for local runs.

    Raises:
        CommandError: it is no public key, or is there already, or the file cannot be changed.
    """
    if recipient.upper().startswith("AGE-SECRET-KEY-"):
        raise CommandError(
            "This is the SECRET key, which nobody else must see, and not the public one. Make a new key, and use "
            "this one no more."
        )
    try:
        parse_recipient(recipient)
    except ConfigurationError:
        raise CommandError(
            "This is no public key: it begins with age1, and 58 letters and digits follow."
        ) from None
    if len(holder) > MAX_HOLDER_CHARACTERS:
        raise CommandError(f"The name is too long: {MAX_HOLDER_CHARACTERS} characters at most.")
    if recipient in campaigns.load(file).sealing.recipients:
        raise CommandError("The campaign has this key already.")

    def change(content: Content) -> None:
        keys = content["sealing"]["recipients"]
        content["sealing"]["recipients"] = [*(key for key in keys if key != THROWAWAY), recipient]

    _rewrite(file, change, partial(_with_line, recipient=recipient, holder=holder))


def remove_recipient(file: Path, recipient: str) -> None:
    """Remove a public key that nobody has proven, and the test that waits for its holder.

    Raises:
        CommandError: signatures may be sealed to it, it is the only one or is not there, or the file cannot be
            changed.
    """
    sealing = campaigns.load(file).sealing
    if recipient not in sealing.recipients:
        raise CommandError("The campaign has no such key.")
    if recipient not in sealing.unproven:
        raise CommandError(
            "This key was proven, so signatures may be sealed to it. It stays for as long as they are kept."
        )
    if len(set(sealing.recipients)) == 1:
        raise CommandError("This is the only key. Add another one first: without a key, nothing can be sealed.")

    def change(content: Content) -> None:
        keys = content["sealing"]["recipients"]
        content["sealing"]["recipients"] = [key for key in keys if key != recipient]

    _rewrite(file, change, partial(_without, recipient=recipient))
    if any(proof.recipient == recipient for proof in sealing.proofs):
        write_proofs(file, current_proofs(campaigns.load(file).sealing).values())


def _rewrite(file: Path, change: Callable[[Content], None], write: Callable[[str], str]) -> None:
    if not rewrite(file, change, write):
        raise CommandError(
            f"{file.name} was left as it is, for its list of keys is written in an uncommon way. Change the list "
            "in an editor: recipients, in [sealing]."
        )


def _recipients(document: tomlkit.TOMLDocument) -> Array:
    keys: Array = document["sealing"]["recipients"]
    return keys


def _with_line(text: str, recipient: str, holder: str) -> str:
    """Give the key a line of its own, and all others, too, if they share one."""
    document = tomlkit.parse(text)
    keys = _recipients(document)
    if "\n" in keys.as_string():
        if THROWAWAY in keys:
            keys.remove(THROWAWAY)
        keys.add_line(recipient, comment=holder or None)
    else:
        lines = tomlkit.array()
        for key in keys:
            if key != THROWAWAY:
                lines.add_line(key)
        lines.add_line(recipient, comment=holder or None)
        lines.add_line(indent="")
        document["sealing"]["recipients"] = lines
    return tomlkit.dumps(document)


def _without(text: str, recipient: str) -> str:
    document = tomlkit.parse(text)
    keys = _recipients(document)
    while recipient in keys:
        keys.remove(recipient)
    return tomlkit.dumps(document)
