"""`undersign campaign list`: every campaign, and how it stands."""

import asyncio
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


def list_campaigns() -> None:
    """Show every campaign: its state, its signatures, and whether it is ready to open.

    Without a store, or while it does not answer, pauses and totals are not known.
    """
    now = utc_now()
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("campaign", overflow="fold")
    for heading in ("state", "total", "goal", "opens", "closes", "ready"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in {"total", "goal"} else "left")
    stored, unknown = dict[str, tuple[Overlay, int]](), ""
    try:
        stored = asyncio.run(_read_store())
    except (ConfigurationError, Unavailable) as error:
        unknown = str(error)
    for file in sorted(runtime.campaigns_folder().glob("*.toml")):
        overlay, total = stored.get(file.stem, (Overlay(), None))
        table.add_row(*_row(file, overlay, total, now))
    out.print(table)
    if unknown:
        out.print(f"No store, so pauses, purges and totals are not known: {unknown}", style="yellow", markup=False)


async def _read_store() -> dict[str, tuple[Overlay, int]]:
    """Return the overlay of each campaign, and its confirmed signatures, those on paper not among them."""
    desk = runtime.desk()
    try:
        return {
            campaign: (await desk.maintenance.overlay(campaign), (await desk.maintenance.tally(campaign)).total)
            for campaign in desk.campaigns
        }
    finally:
        desk.maintenance.close()


def _row(file: Path, overlay: Overlay, total: int | None, now: datetime) -> list[str]:
    try:
        campaign = campaigns.load(file)
    except ConfigurationError:
        return [f"{file.stem}\nundersign campaign check {file.stem}", "[red]does not load[/]"]
    title = campaign.text(campaign.default_language).title
    return [
        f"[bold]{campaign.id}[/]\n{escape(title)}",
        state(campaign, overlay, now),
        "" if total is None else f"{total:,}",
        f"{campaign.goal:,}",
        str(campaign.opens),
        str(campaign.closes),
        "[yellow]no[/]" if campaign.not_ready else "[green]yes[/]",
    ]


def state(campaign: Campaign, overlay: Overlay, now: datetime) -> str:
    """Return how a campaign stands, in a word or two."""
    if overlay.purged:
        return "purged"
    if not campaign.has_opened(now):
        return "not yet open"
    if not campaign.is_open(now):
        return "closed"
    if overlay.paused:
        return "[yellow]paused[/]"
    work = overlay.work_at(campaign, now)
    return f"[green]open[/], [yellow]work since {work.since:%d %b %H:%M} UTC[/]" if work else "[green]open[/]"
