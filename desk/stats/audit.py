"""`undersign audit`: is the number that everybody sees the number of signatures that there are?"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date
from typing import Annotated

import typer
from rich.table import Table

from desk.errors import CommandError
from desk.runtime import Desk
from desk.settings import command
from desk.store.maintenance import Difference, Maintenance, expect_lower_total
from desk.terminal.output import out, print_text, table
from desk.terminal.progress import ProgressBar
from desk.workspace import CampaignId, open_campaign
from shared.clock import utc_now
from shared.errors import StoreUnavailable
from shared.stats import fall
from shared.store.entities import TotalAt

_MAX_REPAIRS = 5


def audit(
    campaign: CampaignId,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the tally. Signing may go on meanwhile.")
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="The total is right, although it is much lower than it was: show it."),
    ] = False,
) -> None:
    """Recount a campaign from its records, and compare that with its tally: in all, by country and partner.

    Compares it with the last hourly snapshot, too. Ends with status 1 where the tally is wrong and was not
    repaired, or has fallen by more than withdrawals explain.
    """
    asyncio.run(_audit(campaign, repair=repair, accept=accept))


async def _audit(campaign: str, *, repair: bool, accept: bool) -> None:
    async with open_campaign(campaign) as (_, desk):
        maintenance = desk.maintenance
        if purged := (await maintenance.overlay(campaign)).purged:
            raise CommandError(
                f"{campaign} was purged on {purged:%Y-%m-%d}: its count is final, and there is nothing to recount."
            )
        differences = await _compare(maintenance, campaign)
        if differences and repair:
            await expect_lower_total(maintenance, campaign, utc_now())
            await _repair(maintenance, campaign, differences)
            print_text("[green]Repaired[/], in {place}; the counter shows it within seconds.", place=desk.place)
        elif differences:
            out.print(f"[red]The tally is wrong[/] in {len(differences)} places. To repair it, add --repair.")
        if accept:
            await expect_lower_total(maintenance, campaign, utc_now())
            print_text("[green]Accepted[/], in {place}; the counter shows it within seconds.", place=desk.place)
        has_fallen = await _compare_with_snapshot(desk, campaign)
        if (differences and not repair) or has_fallen:
            raise typer.Exit(1)


async def _compare_with_snapshot(desk: Desk, campaign: str) -> bool:
    """Compare the total with the last snapshot; return whether it has fallen by more than withdrawals explain."""
    total = (await desk.maintenance.tally(campaign)).total
    days = await desk.maintenance.history(campaign, date.min)
    noted = await desk.totals.last(campaign) if desk.totals else None
    snapshots = [*([noted] if noted else []), *(TotalAt(day.last.at, day.last.total) for day in days[-1:])]
    if not snapshots:
        return False
    last = max(snapshots, key=lambda each: each.at)
    print_text(
        "The count is {now}; the last snapshot, of {at} UTC, said {then}.",
        now=f"{total:,}",
        at=f"{last.at.astimezone(UTC):%Y-%m-%d %H:%M}",
        then=f"{last.total:,}",
    )
    lowered_at = (await desk.maintenance.overlay(campaign)).lowered_at
    if not fall.is_unexplained(total, last.total, last.at, lowered_at):
        return False
    print_text(
        "[red]The total has fallen[/] by more than withdrawals explain: the database came back empty or older, or "
        "signatures were deleted. What to do: infra/RUNBOOK.md, count-fell. Only if they were removed on purpose: "
        "{command} audit {campaign} --accept",
        command=command(),
        campaign=campaign,
    )
    return True


async def _repair(maintenance: Maintenance, campaign: str, differences: Sequence[Difference]) -> None:
    """Repair the tally, and recount until it is right: whether a repair was done may not be known.

    Raises:
        CommandError: it still is not right after several repairs.
    """
    for _ in range(_MAX_REPAIRS):
        try:
            await maintenance.repair(campaign, differences)
        except StoreUnavailable as error:
            print_text("The database gave no answer ({error}): counting again.", error=str(error))
        differences = await _compare(maintenance, campaign)
        if not differences:
            return
    raise CommandError("The tally is still wrong. Something else changes it: look for what, and audit again.")


async def _compare(maintenance: Maintenance, campaign: str) -> Sequence[Difference]:
    """Recount, print what was found, and return what differs."""
    with ProgressBar() as bar:
        bar.begin("Counting")
        recount = await maintenance.recount(campaign, bar.advance)
    counted, differences = recount.tally, recount.differences()
    held = f", and {counted.held:,} held" if counted.held else ""
    out.print(f"{recount.records:,} records read, {counted.total:,} of them confirmed signatures{held}.")
    out.print(
        _table(differences)
        if differences
        else "[green]The tally is right[/]: in all, in every country and partner."
    )
    return differences


def _table(differences: Sequence[Difference]) -> Table:
    shown = table("what", "records", "tally", "too many")
    for each in differences:
        too_many = each.kept - each.counted
        shown.add_row(f"{each.field} {each.key}".strip(), f"{each.counted:,}", f"{each.kept:,}", f"{too_many:+,}")
    return shown
