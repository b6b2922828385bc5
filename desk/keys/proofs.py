"""Proofs that keys open what is sealed to them: make them, and write them into the campaign file."""

import shutil
import stat
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from desk import private_files
from desk.errors import CommandError
from desk.keys import identities
from shared import campaigns
from shared.campaigns.model import Proof, digest_of
from shared.campaigns.toml_lines import Lines
from shared.crypto.sealing import Opener, parse_recipient, seal
from shared.errors import ConfigurationError


def try_key(identity: str, recipient: str) -> Proof:
    """Prove a key at hand: seal something to `recipient`, and open it with `identity`."""
    secret = identities.make_passphrase()
    opened = Opener([identity]).open(_seal(secret, recipient)).decode().strip()
    return Proof(recipient=recipient, challenge=digest_of(secret), answer=opened)


def write_test(file: Path, recipient: str) -> Proof:
    """Write a test file that only the holder of the key can read, and return the proof that awaits its answer.

    What the file says is kept nowhere else.
    """
    secret = identities.make_passphrase()
    file.write_bytes(_seal(secret, recipient))
    return Proof(recipient=recipient, challenge=digest_of(secret))


def write_proofs(file: Path, proofs: Iterable[Proof]) -> None:
    """Replace the proofs in the campaign file; all else, comments included, stays where it is.

    Raises:
        CommandError: it could not be done so that the file still loads, and was not; says what to write into it.
    """
    given = [proof.model_dump(exclude_none=True) for proof in proofs]
    old = file.read_bytes().decode()
    new = _with_proofs(old, given)
    if new is None or not _loads(file, new):
        tables = "\n".join(f"[[sealing.proofs]]\n{tomlkit.dumps(proof)}" for proof in given)
        raise CommandError(
            f"{file.name} was left as it is, for what it says of sealing is written in an uncommon way. Write "
            f"[sealing] as a table of its own, and in place of the proofs that it has:\n\n{tables}"
        )
    # What a link leads to is replaced, not the link.
    private_files.replace(file.resolve(), new, mode=stat.S_IMODE(file.stat().st_mode))


def _seal(secret: str, recipient: str) -> bytes:
    return seal(secret, [parse_recipient(recipient)])


def _with_proofs(text: str, proofs: Sequence[Mapping[str, str]]) -> str | None:
    """Return the text with these proofs and all else as it was; None where that cannot be written.

    As tables of their own if `sealing` is one, else as a list, which may stand wherever a key may.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    only_crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    for write in (_as_tables, _as_list):
        written = _written(text.removeprefix(mark), proofs, write)
        if written is not None:
            return mark + (written.replace("\r\n", "\n").replace("\n", "\r\n") if only_crlf else written)
    return None


def _written(
    text: str, proofs: Sequence[Mapping[str, str]], write: Callable[[str, Sequence[Mapping[str, str]]], str]
) -> str | None:
    """Return the text with these proofs; None if it would then say anything else than it should."""
    try:
        wanted: dict[str, Any] = tomllib.loads(text)
        wanted["sealing"]["proofs"] = proofs
        written = write(text, proofs)
        return written if tomllib.loads(written) == wanted else None
    except (KeyError, TOMLKitError, tomllib.TOMLDecodeError):
        return None


def _as_tables(text: str, proofs: Sequence[Mapping[str, str]]) -> str:
    """Change the lines of each proof, and add those of new ones below the last.

    Line by line, because tomlkit counts a comment above a table to the table before it, and would add below that.
    """
    kept, new = (
        list(tomllib.loads(text)["sealing"].get("proofs", ())),
        {each["recipient"]: each for each in proofs},
    )
    located, lines = Lines(text), text.split("\n")
    end = located.last_line_of(("sealing",))
    for index, old in enumerate(kept):
        _change_proof(lines, located, index, old, new.pop(old["recipient"], None))
    added = (f"\n[[sealing.proofs]]\n{tomlkit.dumps(proof)}" for proof in new.values())
    lines[end - 1] = "\n".join([lines[end - 1], *(table.rstrip("\n") for table in added)])
    return "\n".join(line for line in lines if line != _REMOVED)


#: Stands for a line that is left out: no line of a text holds a line break.
_REMOVED = "\n"


def _change_proof(
    lines: list[str], located: Lines, index: int, old: Mapping[str, str], new: Mapping[str, str] | None
) -> None:
    """Change the lines of one proof in place; without a new one, remove them."""
    path = ("sealing", "proofs", index)
    for key, value in old.items():
        line = located.line_of((*path, key)) - 1
        lines[line] = lines[line].replace(value, new[key]) if new and key in new else _REMOVED
    if new is None:
        header = located.line_of(path) - 1
        lines[header] = _REMOVED
        if not lines[header - 1]:
            lines[header - 1] = _REMOVED
    elif added := {key: value for key, value in new.items() if key not in old}:
        lines[located.last_line_of(path) - 1] += f"\n{tomlkit.dumps(added)}".rstrip("\n")


def _as_list(text: str, proofs: Sequence[Mapping[str, str]]) -> str:
    document = tomlkit.parse(text)
    document["sealing"]["proofs"] = _list(proofs)
    return tomlkit.dumps(document)


def _list(proofs: Sequence[Mapping[str, str]]) -> Array:
    entries = tomlkit.array().multiline(True)
    for proof in proofs:
        entry = tomlkit.inline_table()
        entry.update(proof)
        entries.append(entry)
    return entries


def _loads(file: Path, text: str) -> bool:
    """Return whether a campaign file would load with this text, beside the translations that it has."""
    with tempfile.TemporaryDirectory() as folder:
        tried = Path(folder) / file.name
        tried.write_text(text, encoding="utf-8", newline="")
        beside = file.with_suffix("")
        if beside.is_dir():
            shutil.copytree(beside, tried.with_suffix(""))
        try:
            campaigns.load(tried)
        except ConfigurationError:
            return False
    return True
