"""`undersign purge`: signatures are kept no longer than promised."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer

from desk.errors import CommandError
from desk.progress import Progress
from desk.settings import command
from desk.store.maintenance import Maintenance
from desk.terminal.output import out, print_text
from desk.terminal.progress import ProgressBar
from desk.workspace import CampaignId, open_campaign
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay
from shared.clock import utc_now
from shared.store.entities import Tally


class SomeAreHeld(CommandError):
    """Signatures wait for a decision; nothing was removed."""


class NotHandedOver(CommandError):
    """Signatures were never recorded as handed over; nothing was removed."""


def purge(
    campaign: CampaignId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    unhanded: Annotated[
        bool, typer.Option("--although-not-handed-over", help="Also what nobody has recorded as handed over.")
    ] = False,
) -> None:
    """Remove all signatures of a campaign whose time is over. Its final count stays, and changes no more."""
    asyncio.run(_purge(campaign, utc_now(), yes=yes, unhanded=unhanded))


async def _purge(campaign: str, now: datetime, *, yes: bool, unhanded: bool) -> None:
    async with open_campaign(campaign) as (known, desk):
        maintenance = desk.maintenance
        overlay = await maintenance.overlay(campaign)
        tally = await maintenance.tally(campaign)
        try:
            check(known, overlay, tally, now, unhanded=unhanded)
        except SomeAreHeld as error:
            raise CommandError(f"{error} To see them: {command()} screen list {campaign}") from None
        except NotHandedOver as error:
            raise CommandError(
                f"{error} Record it with {command()} hand-over {campaign} …, or add --although-not-handed-over."
            ) from None
        for record in overlay.hand_overs:
            given = f"{record.signatures:,} signatures to {record.to} on {record.at:%Y-%m-%d}"
            out.print(f"Handed over: {given}.", markup=False)
        if not yes:
            typer.confirm(
                f"Remove all records of {tally.total:,} signatures for good, in {desk.place}?", abort=True
            )
        with ProgressBar() as bar:
            removed, final = await remove(maintenance, campaign, now, bar)
    print_text(
        "[green]Removed[/] in {place}: {removed} records. The final count stays: {final}.",
        place=desk.place,
        removed=f"{removed:,}",
        final=f"{final:,}",
    )
    if known.privacy.backup_days:
        out.print(f"Backups hold them for {known.privacy.backup_days} days more.")
    out.print("Now destroy the exports, what was opened from them, and the keys.")


def check(campaign: Campaign, overlay: Overlay, tally: Tally, now: datetime, *, unhanded: bool) -> None:
    """Refuse a purge that may not be. `unhanded`: what was never handed over may go, too.

    Raises:
        CommandError: the retention is not over.
        SomeAreHeld: some are.
        NotHandedOver: some never were.
    """
    _check_time(campaign, now)
    if not unhanded:
        _check_hand_over(overlay, tally.total)
    _check_held(tally.held)


async def remove(maintenance: Maintenance, campaign: str, now: datetime, progress: Progress) -> tuple[int, int]:
    """Remove all signatures of a campaign; return how many records that were, and the final count."""
    # Frozen first: what is removed must never be recounted, even if this is interrupted.
    await maintenance.change_overlay(
        campaign, lambda known: known.model_copy(update={"purged": known.purged or now})
    )
    progress.begin("Removing")
    removed = await maintenance.purge(campaign, progress.advance)
    return removed, (await maintenance.tally(campaign)).total


def not_handed_over(overlay: Overlay, total: int) -> int:
    """Return how many signatures no hand-over that was recorded can have held."""
    return max(0, total - max((record.signatures for record in overlay.hand_overs), default=0))


def _check_time(campaign: Campaign, now: datetime) -> None:
    """Refuse a purge before the retention is over.

    Raises:
        CommandError: it is too early.
    """
    if not campaign.may_be_purged(now):
        raise CommandError(
            f"Too early: {campaign.id} keeps its signatures until {campaign.purged_on}, "
            f"{campaign.privacy.retention_days} days after it closes. To purge earlier, change "
            "privacy.retention_days in its file."
        )


def _check_held(held: int) -> None:
    """Refuse a purge while signatures are held, which the final count would show for ever.

    Raises:
        SomeAreHeld: some are.
    """
    if held:
        raise SomeAreHeld(f"{held:,} signatures are held. Release or drop them first.")


def _check_hand_over(overlay: Overlay, total: int) -> None:
    """Refuse a purge of signatures that were handed over to nobody.

    Raises:
        NotHandedOver: no hand-over that was recorded holds as many signatures as there are.
    """
    if missing := not_handed_over(overlay, total):
        raise NotHandedOver(f"{missing:,} of {total:,} signatures were never recorded as handed over.")
