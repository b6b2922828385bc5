"""`undersign audit`: is the number that everybody sees the number of signatures that there are?"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from desk.errors import CommandError
from desk.store.maintenance import Difference, Recount
from desk.terminal.output import out, print_text, table
from desk.terminal.progress import progress_bar
from desk.workspace import CampaignId, open_campaign


def audit(
    campaign: CampaignId,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the tally. Signing may go on meanwhile.")
    ] = False,
) -> None:
    """Recount a campaign from its records, and compare that with its tally: in all, by country and partner.

    Ends with status 1 where they differ and were not repaired.
    """
    recount, place = asyncio.run(_audit(campaign, repair=repair))
    differences = recount.differences()
    confirmed = recount.tally.total
    out.print(f"{recount.records:,} records read, {confirmed:,} of them confirmed signatures.")
    if not differences:
        out.print("[green]The tally is right[/]: in all, in every country and partner.")
        return
    out.print(_table(differences))
    if not repair:
        out.print(f"[red]The tally is wrong[/] in {len(differences)} places. To repair it, add --repair.")
        raise typer.Exit(1)
    print_text(
        "[green]Repaired[/] {number} numbers, in {place}; the counter shows it within seconds.",
        number=len(differences),
        place=place,
    )


async def _audit(campaign: str, *, repair: bool) -> tuple[Recount, str]:
    """Recount and repair; return what was counted, and in words where."""
    async with open_campaign(campaign) as (_, desk):
        maintenance = desk.maintenance
        if purged := (await maintenance.overlay(campaign)).purged:
            raise CommandError(
                f"{campaign} was purged on {purged:%Y-%m-%d}: its count is final, and there is nothing to recount."
            )
        with progress_bar() as bar:
            task = bar.add_task("Counting", total=None)
            recount = await maintenance.recount(campaign, lambda number: bar.advance(task, number))
            bar.update(task, total=recount.records)
        if repair:
            await maintenance.repair(campaign, recount.differences())
        return recount, desk.place


def _table(differences: Sequence[Difference]) -> Table:
    shown = table("what", "records", "tally", "too many")
    for each in differences:
        too_many = each.kept - each.counted
        shown.add_row(f"{each.field} {each.key}".strip(), f"{each.counted:,}", f"{each.kept:,}", f"{too_many:+,}")
    return shown
