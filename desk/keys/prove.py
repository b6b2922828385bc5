"""`undersign prove`: show that each of a campaign's keys opens what is sealed to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from desk import workspace
from desk.errors import CommandError
from desk.keys import identities
from desk.keys.identity_files import IdentityFiles, read_identities
from desk.keys.proofs import complete_proofs, current_proofs, make_test, try_key, write_proofs
from desk.terminal.output import out, print_text
from shared import campaigns
from shared.campaigns.model import Proof, Sealing
from shared.campaigns.types import THROWAWAY


def prove(
    campaign: workspace.CampaignId,
    identity: IdentityFiles = None,
    answers: Annotated[
        list[str] | None, typer.Option("--answer", help="What a holder's `undersign answer` printed.")
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
    proofs = current_proofs(sealing) | complete_proofs(sealing, answers or [])
    proofs |= _tried(sealing, identity or [])
    for recipient in sealing.recipients:
        test = folder / name_test(campaign, recipient)
        if not _holds(proofs.get(recipient)) and not answers and not (recipient in proofs and test.exists()):
            sealed, proofs[recipient] = make_test(recipient)
            test.write_bytes(sealed)
    write_proofs(file, proofs.values())
    for recipient in dict.fromkeys(sealing.recipients):
        _print_state(campaign, recipient, proofs.get(recipient), folder)


def _tried(sealing: Sealing, paths: Sequence[Path]) -> dict[str, Proof]:
    """Prove the keys at hand."""
    proofs = {}
    for identity in read_identities(paths):
        recipient = identities.recipient_of(identity)
        if recipient not in sealing.recipients:
            raise CommandError(f"The key of {recipient[:12]}… is not one of this campaign's sealing.recipients.")
        proofs[recipient] = try_key(identity, recipient)
    return proofs


def name_test(campaign: str, recipient: str) -> str:
    """Return what the test file for a key is called."""
    return f"{campaign}-test-{recipient[:12]}.age"


def _holds(proof: Proof | None) -> bool:
    return proof is not None and proof.holds


def _print_state(campaign: str, recipient: str, proof: Proof | None, folder: Path) -> None:
    if _holds(proof):
        out.print(f"[green]proven[/]   {recipient}")
        return
    name = name_test(campaign, recipient)
    print_text(
        "[yellow]waiting[/]  {recipient}\n"
        "         Send {test} to the person who has this key. They run: undersign answer {name} -i THEIR-KEY\n"
        "         or choose it in keys.html, which undersign keys-page writes.\n"
        "         Then you run: undersign prove {campaign} --answer THE-ANSWER",
        recipient=recipient,
        test=folder / name,
        name=name,
        campaign=campaign,
    )
