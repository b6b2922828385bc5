"""`undersign audit`: is the number that everybody sees the number of signatures that there are?"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from desk.errors import CommandError
from desk.store.maintenance import Difference, Recount
from desk.terminal.output import out, table
from desk.terminal.progress import progress_bar
from desk.workspace import CampaignId, open_campaign


def audit(
    campaign: CampaignId,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the tally. Signing may go on meanwhile.")
    ] = False,
) -> None:
    """Recount a campaign from its records, and compare that with its tally: in all, by country, partner and shard.

    Ends with status 1 where they differ and were not repaired.
    """
    recount = asyncio.run(_audit(campaign, repair=repair))
    differences = recount.differences()
    confirmed = recount.tally.total
    out.print(f"{recount.records:,} records read, {confirmed:,} of them confirmed signatures.")
    if not differences:
        out.print("[green]The tally is right[/]: in all, in every country, partner and shard.")
        return
    out.print(_sums(recount), _shards(differences))
    if not repair:
        out.print(f"[red]The tally is wrong[/] in {len(differences)} places. To repair it, add --repair.")
        raise typer.Exit(1)
    out.print(f"[green]Repaired[/] in {len(differences)} places; the counter shows it within seconds.")


async def _audit(campaign: str, *, repair: bool) -> Recount:
    async with open_campaign(campaign) as (_, maintenance):
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
        return recount


def _sums(recount: Recount) -> Table:
    """Return the differences in the published numbers: the sums over all shards."""
    sums = table("what", "records", "tally", "too many", title="In all")
    for name, counted, kept in _values(recount):
        if counted != kept:
            sums.add_row(name, f"{counted:,}", f"{kept:,}", f"{kept - counted:+,}")
    return sums


def _values(recount: Recount) -> list[tuple[str, int, int]]:
    """Return name, number of records and number in the tally of each published number."""
    counted, kept = recount.tally, recount.kept_tally
    values = [("total", counted.total, kept.total)]
    for kind, here, there in (
        ("country", counted.by_country, kept.by_country),
        ("partner", counted.by_partner, kept.by_partner),
    ):
        values += [(f"{kind} {key}", here.get(key, 0), there.get(key, 0)) for key in sorted({*here, *there})]
    return values


def _shards(differences: Sequence[Difference]) -> Table:
    """Return every difference, shard by shard."""
    shards = Table("shard", "what", "records", "tally", "too many", title="By shard")
    for each in differences:
        name = f"{each.field} {each.key}".strip()
        shards.add_row(
            str(each.shard), name, f"{each.counted:,}", f"{each.kept:,}", f"{each.kept - each.counted:+,}"
        )
    return shards
