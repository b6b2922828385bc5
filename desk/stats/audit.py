"""`undersign audit`: is the number that everybody sees the number of signatures that there are?"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from desk.errors import CommandError
from desk.store.maintenance import Difference, Maintenance
from desk.terminal.output import out, print_text, table
from desk.terminal.progress import progress_bar
from desk.workspace import CampaignId, open_campaign
from shared.errors import StoreUnavailable

_MAX_REPAIRS = 5


def audit(
    campaign: CampaignId,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the tally. Signing may go on meanwhile.")
    ] = False,
) -> None:
    """Recount a campaign from its records, and compare that with its tally: in all, by country and partner.

    Ends with status 1 where they differ and were not repaired.
    """
    asyncio.run(_audit(campaign, repair=repair))


async def _audit(campaign: str, *, repair: bool) -> None:
    async with open_campaign(campaign) as (_, desk):
        maintenance = desk.maintenance
        if purged := (await maintenance.overlay(campaign)).purged:
            raise CommandError(
                f"{campaign} was purged on {purged:%Y-%m-%d}: its count is final, and there is nothing to recount."
            )
        differences = await _compare(maintenance, campaign)
        if not differences:
            return
        if not repair:
            out.print(f"[red]The tally is wrong[/] in {len(differences)} places. To repair it, add --repair.")
            raise typer.Exit(1)
        await _repair(maintenance, campaign, differences)
        print_text("[green]Repaired[/], in {place}; the counter shows it within seconds.", place=desk.place)


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
    with progress_bar() as bar:
        task = bar.add_task("Counting", total=None)
        recount = await maintenance.recount(campaign, lambda number: bar.advance(task, number))
        bar.update(task, total=recount.records)
    confirmed, differences = recount.tally.total, recount.differences()
    out.print(f"{recount.records:,} records read, {confirmed:,} of them confirmed signatures.")
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
