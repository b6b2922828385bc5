"""Hazardous: the organisers' private keys, on their own machines.

What must never be done with these: show an identity, keep it without its passphrase, or carry it to the cloud.

An identity file is what the stock tools make (`age-keygen | age -p -a`), so that they open it, too: an age file
under a passphrase (https://age-encryption.org/v1, scrypt) around the lines that age-keygen prints.
"""

import re
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyrage

from desk.errors import CommandError

MIN_PASSPHRASE_CHARACTERS = 12
_MAX_FILE_BYTES = 1_000_000
#: pyrage refuses what would take this machine more than about 16 seconds, as it concludes from one measurement of
#: a few milliseconds: https://github.com/str4d/rage/blob/main/age/src/scrypt.rs. While other programs run, a
#: machine then looks many times as slow as it is, so ask more than once.
_MAX_ATTEMPTS = 20
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_BINARY = b"age-encryption.org/v1"
#: As in base32 of RFC 4648, without what one confuses on paper.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def make_passphrase() -> str:
    """Make a passphrase of six groups of four letters and digits, about 118 bits, to write down on paper."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(6))


def create(path: Path, passphrase: str, now: datetime) -> str:
    """Make an identity, write it under `passphrase` to `path` for its owner alone; return its recipient (age1…).

    Raises:
        CommandError: there is a file already, or the passphrase is too short.
    """
    if len(passphrase) < MIN_PASSPHRASE_CHARACTERS:
        raise CommandError(f"The passphrase is too short: {MIN_PASSPHRASE_CHARACTERS} characters at least.")
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    text = f"# created: {now:%Y-%m-%dT%H:%M:%SZ}\n# public key: {recipient}\n{identity}\n"
    locked: bytes = pyrage.passphrase.encrypt(text.encode(), passphrase, armored=True)
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise CommandError(f"{path} exists already. Keys are never overwritten: give another name.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    path.write_bytes(locked)
    return recipient


def read(path: Path, ask_passphrase: Callable[[], str]) -> list[str]:
    """Read the identities (AGE-SECRET-KEY-1…) in the file at `path`; asks for the passphrase only if it has one.

    Raises:
        CommandError: it cannot be read, holds no identity, or the passphrase is wrong.
    """
    content = _content(path)
    if content.startswith((_ARMOR, _BINARY)):
        content = _unlock(path, content, ask_passphrase())
    identities = re.findall(r"^AGE-SECRET-KEY-1[0-9A-Z]+", content.decode("utf-8", "replace"), re.M | re.I)
    if not identities:
        raise CommandError(
            f"{path} holds no age identity: it is the file that `undersign keygen` made, or age-keygen."
        )
    return [identity.upper() for identity in identities]


def recipient_of(identity: str) -> str:
    """Return the public key (age1…) to which an identity belongs.

    Raises:
        CommandError: it is mistyped.
    """
    try:
        return str(pyrage.x25519.Identity.from_str(identity).to_public())
    except pyrage.IdentityError:
        raise CommandError("The identity is damaged: a character of it was changed or is missing.") from None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # Without what editors and mail programs put in front.
            return file.read(_MAX_FILE_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def _unlock(path: Path, locked: bytes, passphrase: str) -> bytes:
    for _ in range(_MAX_ATTEMPTS):
        try:
            return bytes(pyrage.passphrase.decrypt(locked, passphrase))
        except pyrage.DecryptError as error:
            if str(error) == "Decryption failed":
                raise CommandError(f"{path} does not open with this passphrase.") from None
            if not str(error).startswith("Excessive work"):
                raise CommandError(f"{path} is damaged, or is no identity file: {error}.") from None
    raise CommandError(
        f"{path} was made on a much faster computer, or this one is busy. Close other programs and try again, or "
        "use another computer; open.html, which undersign export writes, opens it on this one, too."
    )
