"""Proofs that keys open what is sealed to them: make them, and write them into the campaign file."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import tomlkit
from tomlkit.items import Array

from desk.campaigns.rewrite import Content, rewrite
from desk.errors import CommandError
from desk.keys import identities
from shared.campaigns.model import Proof, Sealing, digest_of
from shared.campaigns.toml_lines import Lines
from shared.crypto.sealing import Opener, parse_recipient, seal


def try_key(identity: str, recipient: str) -> Proof:
    """Prove a key at hand: seal something to `recipient`, and open it with `identity`."""
    secret = identities.make_passphrase()
    opened = Opener([identity]).open(_seal(secret, recipient)).decode().strip()
    return Proof(recipient=recipient, challenge=digest_of(secret), answer=opened)


def make_test(recipient: str) -> tuple[bytes, Proof]:
    """Make a test file that only the holder of the key can read, and the proof that awaits its answer.

    What the file says is kept nowhere else.
    """
    secret = identities.make_passphrase()
    return _seal(secret, recipient), Proof(recipient=recipient, challenge=digest_of(secret))


def current_proofs(sealing: Sealing) -> dict[str, Proof]:
    """Return by public key the proofs of the keys that the campaign has now."""
    return {proof.recipient: proof for proof in sealing.proofs if proof.recipient in sealing.recipients}


def complete_proofs(sealing: Sealing, answers: Sequence[str]) -> dict[str, Proof]:
    """Return by public key the proofs that these answers complete.

    Raises:
        CommandError: an answer completes none.
    """
    completed = {}
    for given in map(str.strip, answers):
        waiting = [proof for proof in sealing.proofs if proof.challenge == digest_of(given)]
        if not waiting:
            raise CommandError(
                "This answers no test that the campaign file waits for. Was a newer test file made since?"
            )
        for proof in waiting:
            completed[proof.recipient] = proof.model_copy(update={"answer": given})
    return completed


def write_proofs(file: Path, proofs: Iterable[Proof]) -> None:
    """Replace the proofs in the campaign file; all else, comments included, stays where it is.

    Raises:
        CommandError: it could not be done so that the file still loads, and was not; says what to write into it.
    """
    given = [proof.model_dump(exclude_none=True) for proof in proofs]

    def change(content: Content) -> None:
        content["sealing"].pop("proofs", None)
        if given:
            content["sealing"]["proofs"] = given

    # As tables of their own if `sealing` is one, else as a list, which may stand wherever a key may.
    if not rewrite(file, change, partial(_as_tables, proofs=given), partial(_as_list, proofs=given)):
        tables = "\n".join(f"[[sealing.proofs]]\n{tomlkit.dumps(proof)}" for proof in given)
        raise CommandError(
            f"{file.name} was left as it is, for what it says of sealing is written in an uncommon way. Write "
            f"[sealing] as a table of its own, and in place of the proofs that it has:\n\n{tables}"
        )


def _seal(secret: str, recipient: str) -> bytes:
    return seal(secret, [parse_recipient(recipient)])


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
    document["sealing"].pop("proofs", None)
    if proofs:
        document["sealing"]["proofs"] = _list(proofs)
    return tomlkit.dumps(document)


def _list(proofs: Sequence[Mapping[str, str]]) -> Array:
    entries = tomlkit.array().multiline(True)
    for proof in proofs:
        entry = tomlkit.inline_table()
        entry.update(proof)
        entries.append(entry)
    return entries
