"""`undersign keygen`, `prove` and `answer`: keys that are there on the day they are needed."""

import re
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tomlkit
import typer
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array

from desk import private_files, workspace
from desk.errors import CommandError
from desk.keys import identities
from desk.terminal import output
from desk.terminal.output import out, say
from shared import campaigns
from shared.campaigns.fields import THROWAWAY
from shared.campaigns.model import Proof, Sealing, digest_of
from shared.clock import utc_now
from shared.crypto.sealing import Opener, parse_recipient, seal
from shared.errors import ConfigurationError, Unopenable

IdentityFiles = Annotated[
    list[Path] | None,
    typer.Option("--identity", "-i", help="An identity file; may be given several times.", show_default=False),
]

#: What a test file holds.
_ANSWER = re.compile(rb"[a-z2-9]{4}(-[a-z2-9]{4}){5}")

_KEYGEN_SAYS = """
Made and tried: [bold]{file}[/] opens with its passphrase, and what is sealed to its public key can be opened.

The public key, for the campaign file and for anybody to see; it is in {public}, too:

    [bold]{recipient}[/]

[bold]What you have now.[/] Whoever has both the file and the passphrase can read every signature of the campaign.
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
    chosen = output.passphrase("A passphrase of 12 characters or more (press Enter, and one is made for you)")
    if chosen:
        if output.passphrase("The same again") != chosen:
            raise CommandError("The two are not the same. Nothing was made.")
    else:
        chosen = identities.make_passphrase()
        say(
            "\nYour passphrase; write it down now, it is shown only here:\n\n    [bold]{chosen}[/]\n",
            chosen=chosen,
        )
    recipient = identities.create(file, chosen, utc_now())
    for identity in identities.read(file, lambda: chosen):
        try_out(identity, recipient)
    public = file.with_name(f"{file.name}.pub")
    public.write_text(f"{recipient}\n")
    say(_KEYGEN_SAYS, file=file, public=public, recipient=recipient)


def prove(
    campaign: Annotated[str, typer.Argument(help="The campaign's id.")],
    identity: IdentityFiles = None,
    answers: Annotated[
        list[str] | None,
        typer.Option("--answer", help="What a holder's `undersign answer` printed.", show_default=False),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the test files are written.")] = Path(),
) -> None:
    """Show that each of a campaign's keys opens what is sealed to it, and write that into the campaign file.

    Keys at hand are tried at once (-i). For each other one a test file is written: its holder runs `undersign
    answer` on it, and what that prints is given here (--answer).
    """
    file = workspace.campaign_file(campaign)
    sealing = campaigns.load(file).sealing
    if THROWAWAY in sealing.recipients:
        raise CommandError(
            f'{file.name}: sealing.recipients: put the public keys of your people in place of "throwaway".'
        )
    proofs = {proof.recipient: proof for proof in sealing.proofs if proof.recipient in sealing.recipients}
    proofs |= _answered(sealing, answers or [])
    proofs |= _tried(sealing, identity or [])
    for recipient in sealing.recipients:
        test = folder / _test_name(campaign, recipient)
        if not _holds(proofs.get(recipient)) and not answers and not (recipient in proofs and test.exists()):
            proofs[recipient] = _write_test(test, recipient)
    _write_proofs(file, proofs.values())
    for recipient in dict.fromkeys(sealing.recipients):
        _say(campaign, recipient, proofs.get(recipient), folder)


def answer(
    test: Annotated[Path, typer.Argument(help="The test file that you were sent.")],
    identity: IdentityFiles = None,
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
        told = Opener(read_all(identity)).open(sealed).strip()
    except Unopenable:
        raise CommandError(f"{test} was not made for this key, or was damaged on its way to you.") from None
    if not _ANSWER.fullmatch(told):
        raise CommandError(
            f"{test} is no test file that undersign prove makes. Do not answer whoever sent it to you."
        )
    out.print(told.decode())


def read_all(paths: Sequence[Path]) -> list[str]:
    """The identities in all of these files; each passphrase is asked for."""
    return [identity for file in paths for identity in identities.read(file, partial(_ask_for, file))]


def _ask_for(file: Path) -> str:
    return output.passphrase(f"Passphrase of {file.name}")


def _answered(sealing: Sealing, answers: Sequence[str]) -> dict[str, Proof]:
    """The proofs that these answers complete."""
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


def _tried(sealing: Sealing, paths: Sequence[Path]) -> dict[str, Proof]:
    """The proofs of the keys at hand."""
    proofs = {}
    for identity in read_all(paths):
        [recipient] = identities.recipients_of([identity])
        if recipient not in sealing.recipients:
            raise CommandError(f"The key of {recipient[:12]}… is none of this campaign's sealing.recipients.")
        proofs[recipient] = try_out(identity, recipient)
    return proofs


def try_out(identity: str, recipient: str) -> Proof:
    """Seal something to `recipient`, and open it with `identity`."""
    told = identities.make_passphrase()
    opened = Opener([identity]).open(_sealed(told, recipient)).decode().strip()
    return Proof(recipient=recipient, challenge=digest_of(told), answer=opened)


def _write_test(file: Path, recipient: str) -> Proof:
    """A file that only the holder of the key can read, and what it will prove; what it says is not kept."""
    told = identities.make_passphrase()
    file.write_bytes(_sealed(told, recipient))
    return Proof(recipient=recipient, challenge=digest_of(told))


def _test_name(campaign: str, recipient: str) -> str:
    return f"{campaign}-test-{recipient[:12]}.age"


def _sealed(told: str, recipient: str) -> bytes:
    return seal(told, [parse_recipient(recipient)])


def _holds(proof: Proof | None) -> bool:
    return proof is not None and proof.holds


def _write_proofs(file: Path, proofs: Iterable[Proof]) -> None:
    """Put these into the campaign file in place of those that are there; the rest of it stays as it is.

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


def _with_proofs(text: str, proofs: Sequence[Mapping[str, str]]) -> str | None:
    """The text of a campaign file with these proofs and all else as it was; None where that cannot be written.

    As tables of their own if `sealing` is one, else as a list, which may stand wherever a key may.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    only_crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    for as_tables in (True, False):
        written = _written(text.removeprefix(mark), proofs, as_tables=as_tables)
        if written is not None:
            return mark + (written.replace("\r\n", "\n").replace("\n", "\r\n") if only_crlf else written)
    return None


def _written(text: str, proofs: Sequence[Mapping[str, str]], *, as_tables: bool) -> str | None:
    """None if it says something else then than it should."""
    try:
        wanted: dict[str, Any] = tomllib.loads(text)
        wanted["sealing"]["proofs"] = proofs
        document = tomlkit.parse(text)
        document["sealing"]["proofs"] = _tables(proofs) if as_tables else _list(proofs)
        written = tomlkit.dumps(document)
        return written if tomllib.loads(written) == wanted else None
    except (TOMLKitError, tomllib.TOMLDecodeError):
        return None


def _tables(proofs: Sequence[Mapping[str, str]]) -> AoT:
    tables = tomlkit.aot()
    for proof in proofs:
        table = tomlkit.table()
        table.update(proof)
        tables.append(table)
    return tables


def _list(proofs: Sequence[Mapping[str, str]]) -> Array:
    entries = tomlkit.array().multiline(True)
    for proof in proofs:
        entry = tomlkit.inline_table()
        entry.update(proof)
        entries.append(entry)
    return entries


def _loads(file: Path, text: str) -> bool:
    """Whether a campaign file would load with this text, beside the translations that it has."""
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


def _say(campaign: str, recipient: str, proof: Proof | None, folder: Path) -> None:
    if _holds(proof):
        out.print(f"[green]proven[/]   {recipient}")
        return
    name = _test_name(campaign, recipient)
    say(
        "[yellow]waiting[/]  {recipient}\n"
        "         Send {test} to whoever has this key. They run: undersign answer {name} -i THEIR-KEY\n"
        "         Then you run: undersign prove {campaign} --answer WHAT-IT-PRINTED",
        recipient=recipient,
        test=folder / name,
        name=name,
        campaign=campaign,
    )
