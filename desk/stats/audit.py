"""`undersign audit`: is the number that everybody sees the number of signatures that there are?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from desk.errors import CommandError
from desk.runtime import Desk
from desk.settings import command
from desk.store.maintenance import Difference, Maintenance, Recount, expect_lower_total
from desk.terminal.output import out, print_note, print_text, table
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
        recount = partial(_recount_and_print, desk.maintenance, campaign)
        done = await run_audit(desk, campaign, recount, repair=repair, accept=accept)
    if done.is_repaired:
        print_text("[green]Repaired[/], in {place}; the counter shows it within seconds.", place=desk.place)
    elif done.differences:
        out.print(f"[red]The tally is wrong[/] in {len(done.differences)} places. To repair it, add --repair.")
    if accept:
        print_text("[green]Accepted[/], in {place}; the counter shows it within seconds.", place=desk.place)
    if done.last:
        _print_snapshot(campaign, done, done.last)
    if (done.differences and not done.is_repaired) or done.has_fallen:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit has found, `differences` before the repair. `last`: the last snapshot, None without any.

    `has_fallen`: the total is lower than that by more than withdrawals explain.
    """

    recount: Recount
    differences: Sequence[Difference]
    is_repaired: bool
    total: int
    last: TotalAt | None
    has_fallen: bool


async def run_audit(
    desk: Desk, campaign: str, recount: Callable[[], Awaitable[Recount]], *, repair: bool, accept: bool
) -> Audit:
    """Recount a campaign with `recount`, repair its tally if asked for, and compare it with the last snapshot.

    Raises:
        CommandError: the campaign was purged, or the tally is not right after several repairs.
    """
    maintenance = desk.maintenance
    if purged := (await maintenance.overlay(campaign)).purged:
        raise CommandError(
            f"{campaign} was purged on {purged:%Y-%m-%d}: its count is final, and there is nothing to recount."
        )
    found = await recount()
    differences = found.differences()
    if is_repaired := bool(differences and repair):
        await expect_lower_total(maintenance, campaign, utc_now())
        await _repair(maintenance, campaign, differences, recount)
    if accept:
        await expect_lower_total(maintenance, campaign, utc_now())
    total = (await maintenance.tally(campaign)).total
    last = await _last_snapshot(desk, campaign)
    lowered_at = (await maintenance.overlay(campaign)).lowered_at
    has_fallen = last is not None and fall.is_unexplained(total, last.total, last.at, lowered_at)
    return Audit(found, differences, is_repaired, total, last, has_fallen)


async def _last_snapshot(desk: Desk, campaign: str) -> TotalAt | None:
    days = await desk.maintenance.history(campaign, date.min)
    noted = await desk.totals.last(campaign) if desk.totals else None
    snapshots = [*([noted] if noted else []), *(TotalAt(day.last.at, day.last.total) for day in days[-1:])]
    return max(snapshots, key=lambda each: each.at, default=None)


async def _repair(
    maintenance: Maintenance,
    campaign: str,
    differences: Sequence[Difference],
    recount: Callable[[], Awaitable[Recount]],
) -> None:
    """Repair the tally, and recount until it is right: whether a repair was done may not be known.

    Raises:
        CommandError: it still is not right after several repairs.
    """
    for _ in range(_MAX_REPAIRS):
        try:
            await maintenance.repair(campaign, differences)
        except StoreUnavailable as error:
            print_note(f"The database gave no answer ({error}): counting again.")
        differences = (await recount()).differences()
        if not differences:
            return
    raise CommandError("The tally is still wrong. Something else changes it: look for what, and audit again.")


async def _recount_and_print(maintenance: Maintenance, campaign: str) -> Recount:
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
    return recount


def _print_snapshot(campaign: str, done: Audit, last: TotalAt) -> None:
    print_text(
        "The count is {now}; the last snapshot, of {at} UTC, said {then}.",
        now=f"{done.total:,}",
        at=f"{last.at.astimezone(UTC):%Y-%m-%d %H:%M}",
        then=f"{last.total:,}",
    )
    if done.has_fallen:
        print_text(
            "[red]The total has fallen[/] by more than withdrawals explain: the database came back empty or "
            "older, or signatures were deleted. What to do: infra/RUNBOOK.md, count-fell. Only if they were "
            "removed on purpose: {command} audit {campaign} --accept",
            command=command(),
            campaign=campaign,
        )


def _table(differences: Sequence[Difference]) -> Table:
    shown = table("what", "records", "tally", "too many")
    for each in differences:
        too_many = each.kept - each.counted
        shown.add_row(f"{each.field} {each.key}".strip(), f"{each.counted:,}", f"{each.kept:,}", f"{too_many:+,}")
    return shown
