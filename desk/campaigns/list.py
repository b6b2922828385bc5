"""`undersign campaign list`: every campaign, and how it stands."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from desk import runtime
from desk.terminal.output import out
from shared import campaigns
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay
from shared.clock import utc_now
from shared.errors import ConfigurationError, Unavailable


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows of a campaign. `total`: confirmed signatures, those on paper not among them."""

    overlay: Overlay
    total: int


def list_campaigns() -> None:
    """Show every campaign: its state, its signatures, and whether it is ready to open.

    Without a store, or while it does not answer, pauses and totals are not known.
    """
    now = utc_now()
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("campaign", overflow="fold")
    for heading in ("state", "total", "goal", "opens", "closes", "ready"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in {"total", "goal"} else "left")
    stored, unknown = _stored()
    for file in sorted(runtime.campaigns_folder().glob("*.toml")):
        table.add_row(*_row(file, stored.get(file.stem), now))
    out.print(table)
    if unknown:
        out.print(f"No store, so pauses, purges and totals are not known: {unknown}", style="yellow", markup=False)


def _stored() -> tuple[Mapping[str, Stored], str]:
    """Return what the store knows, by campaign; else why it is not known."""
    try:
        return asyncio.run(_read_store()), ""
    except (ConfigurationError, Unavailable) as error:
        return {}, str(error)


async def _read_store() -> Mapping[str, Stored]:
    desk = runtime.desk()
    try:
        return {
            campaign: Stored(
                await desk.maintenance.overlay(campaign), (await desk.maintenance.tally(campaign)).total
            )
            for campaign in desk.campaigns
        }
    finally:
        desk.maintenance.close()


def _row(file: Path, stored: Stored | None, now: datetime) -> list[str]:
    try:
        campaign = campaigns.load(file)
    except ConfigurationError:
        return [f"{file.stem}\nundersign campaign check {file.stem}", "[red]does not load[/]"]
    title = campaign.text(campaign.default_language).title
    return [
        f"[bold]{campaign.id}[/]\n{escape(title)}",
        state(campaign, stored.overlay if stored else Overlay(), now),
        f"{stored.total:,}" if stored else "",
        f"{campaign.goal:,}",
        str(campaign.opens),
        str(campaign.closes),
        "[yellow]no[/]" if campaign.not_ready else "[green]yes[/]",
    ]


def state(campaign: Campaign, overlay: Overlay, now: datetime) -> str:
    """Return how a campaign stands, in a word or two."""
    if overlay.purged:
        return "purged"
    if now.date() < campaign.opens:
        return "not yet open"
    if not campaign.is_open(now):
        return "closed"
    return "[yellow]paused[/]" if overlay.paused else "[green]open[/]"
