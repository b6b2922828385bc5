"""`undersign offline`: signatures on paper, which the counter shows apart, never mixed with the confirmed ones."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from desk.errors import CommandError, validate
from desk.terminal.output import out
from desk.workspace import CampaignId, change_overlay, open_campaign
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay, Paper
from shared.clock import utc_now
from shared.models.whole_numbers import whole_number

app = typer.Typer(help="Signatures on paper, by country.", no_args_is_help=True)


def _check_number(number: str) -> str:
    """Refuse a number before the note is asked for."""
    try:
        whole_number(number)
    except ValueError as error:
        raise CommandError(f"number: {error}") from None
    return number


# A number below zero is not an option of this command.
@app.command("add", context_settings={"ignore_unknown_options": True})
def add_paper(
    campaign: CampaignId,
    country: Annotated[str, typer.Argument(help="ISO 3166-1, as in DE.")],
    number: Annotated[
        str,
        typer.Argument(
            help="How many, as in 1200; a negative number corrects an earlier one.", callback=_check_number
        ),
    ],
    note: Annotated[str, typer.Option(help="Where they come from and who counted them.", prompt=True)],
) -> None:
    """Add signatures on paper."""
    changed, place = asyncio.run(add(campaign, country, number, note, utc_now()))
    here, total = changed.paper_by_country.get(country.upper(), 0), sum(changed.paper_by_country.values())
    out.print(
        f"{here:,} on paper from {country.upper()} now, {total:,} in all, in {place}; "
        "the counter shows them within a minute.",
        markup=False,
    )


async def add(campaign: str, country: str, number: str, note: str, now: datetime) -> tuple[Overlay, str]:
    """Add signatures on paper, and return the new overlay, and in words where it is.

    What is added twice with the same moment is added once: its form was sent twice, or the answer to it lost.

    Raises:
        CommandError: a value is wrong, or more would be taken off than there are.
    """
    added = validate(Paper, {"country": country.upper(), "number": number, "note": note, "added_at": now})

    def append(overlay: Overlay, _: Campaign) -> Overlay:
        if added in overlay.paper:
            return overlay
        changed = overlay.model_copy(update={"paper": (*overlay.paper, added)})
        if changed.paper_by_country.get(added.country, 0) < 0:
            there = overlay.paper_by_country.get(added.country, 0)
            raise CommandError(f"There are {there:,} for {added.country}: no more than that can be taken off.")
        return changed

    return await change_overlay(campaign, append)


@app.command("list")
def list_paper(campaign: CampaignId) -> None:
    """Show every entry."""
    overlay = asyncio.run(_overlay(campaign))
    table = Table("added", "country", "number", "note")
    for entry in overlay.paper:
        table.add_row(f"{entry.added_at:%Y-%m-%d %H:%M}", entry.country, f"{entry.number:+,}", escape(entry.note))
    out.print(table, f"{sum(overlay.paper_by_country.values()):,} in all.")


async def _overlay(campaign: str) -> Overlay:
    async with open_campaign(campaign) as (_, desk):
        return await desk.maintenance.overlay(campaign)
