"""`undersign hand-over` and `purge`: signatures reach whom they are for, and are kept no longer than promised."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from desk import workspace
from desk.campaigns import partners
from desk.errors import CommandError
from desk.signatures.open import Opened
from desk.terminal import progress
from desk.terminal.output import out, say
from shared.campaigns import problems
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import HandOver, Overlay
from shared.clock import utc_now


def hand_over(
    campaign: partners.CampaignId,
    manifest: Annotated[Path, typer.Argument(help="manifest.json of the folder that `undersign open` made.")],
    to: Annotated[str, typer.Option(help="Whom they were given to.", prompt="Given to whom")],
    file: Annotated[str, typer.Option(help="Which file of that folder was given.")] = "signatures.csv",
) -> None:
    """Record that signatures were handed over: to whom, how many, and the sum of the very file."""
    opened = _opened(manifest)
    if opened.campaign != campaign:
        raise CommandError(f"{manifest} is of {opened.campaign or 'no campaign'}, not of {campaign}.")
    if file not in opened.files:
        raise CommandError(f"{manifest} names no {file}. It names: {', '.join(opened.files)}.")
    given = opened.files[file]
    if opened.damaged or not given.signatures:
        raise CommandError(
            f"{file} holds {given.signatures:,} signatures, and {len(opened.damaged):,} were not opened."
        )
    try:
        record = HandOver(to=to, signatures=given.signatures, sha256=given.sha256, at=utc_now())
    except ValidationError as fault:
        raise CommandError("\n".join(problems.of_keys(HandOver, fault))) from None
    asyncio.run(
        partners.change(
            campaign, lambda overlay, _: overlay.model_copy(update={"hand_overs": (*overlay.hand_overs, record)})
        )
    )
    say(
        "Recorded: {number} signatures to {to}, SHA-256 {sha256}.",
        number=f"{record.signatures:,}",
        to=record.to,
        sha256=record.sha256,
    )


def purge(
    campaign: partners.CampaignId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    unhanded: Annotated[
        bool,
        typer.Option("--although-not-handed-over", help="Also what nobody has recorded as handed over."),
    ] = False,
) -> None:
    """Remove all signatures of a campaign whose time is over. Its final count stays, and changes no more."""
    asyncio.run(_purge(campaign, utc_now(), yes=yes, unhanded=unhanded))


async def _purge(campaign: str, now: datetime, *, yes: bool, unhanded: bool) -> None:
    async with workspace.opened(campaign) as (known, records):
        overlay = await records.overlay(campaign)
        total = (await records.tally(campaign)).total
        _check_time(known, now)
        if not unhanded:
            _check_hand_over(known, overlay, total)
        for record in overlay.hand_overs:
            say(
                "Handed over: {number} signatures to {to} on {at}.",
                number=f"{record.signatures:,}",
                to=record.to,
                at=f"{record.at:%Y-%m-%d}",
            )
        if not yes:
            typer.confirm(f"Remove all records of {total:,} signatures for good?", abort=True)
        # Frozen first: what is removed must never be recounted, even if this is interrupted.
        await records.change_overlay(
            campaign, lambda known: known.model_copy(update={"purged": known.purged or now})
        )
        with progress.bar() as bar:
            task = bar.add_task("Removing", total=None)
            removed = await records.purge(campaign, lambda number: bar.advance(task, number))
            bar.update(task, total=removed)
        final = (await records.tally(campaign)).total
    out.print(f"[green]Removed[/]: {removed:,} records. The final count stays: {final:,}.")
    if known.privacy.backup_days:
        out.print(f"Backups hold them for {known.privacy.backup_days} days more.")
    out.print("Now destroy the exports, what was opened from them, and the keys.")


def _check_time(campaign: Campaign, now: datetime) -> None:
    """
    Raises:
        CommandError: it is too early.
    """
    if now.date() < campaign.purged_on:
        raise CommandError(
            f"Too early: {campaign.id} keeps its signatures until {campaign.purged_on}, "
            f"{campaign.privacy.retention_days} days after it closes. To purge earlier, change "
            "privacy.retention_days in its file."
        )


def _check_hand_over(campaign: Campaign, overlay: Overlay, total: int) -> None:
    """
    Raises:
        CommandError: no hand-over that was recorded holds as many signatures as there are.
    """
    handed = max((record.signatures for record in overlay.hand_overs), default=0)
    if handed < total:
        raise CommandError(
            f"{total - handed:,} of {total:,} signatures were never recorded as handed over: "
            f"undersign hand-over {campaign.id} …, or add --although-not-handed-over."
        )


def _opened(manifest: Path) -> Opened:
    try:
        return Opened.model_validate_json(manifest.read_bytes())
    except FileNotFoundError:
        raise CommandError(
            f"There is no {manifest}: name manifest.json in the folder that undersign open made."
        ) from None
    except ValidationError:
        raise CommandError(
            f"{manifest} is no manifest of opened signatures, which undersign open makes."
        ) from None
