"""`undersign campaign list`: every campaign, and how it stands."""

import asyncio
from collections.abc import Sequence
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
class Standing:
    """How one campaign stands, by its file and the store.

    `campaign`: None where its file does not load. `total`: confirmed signatures, those on paper not among them;
    None where no store says.
    """

    id: str
    campaign: Campaign | None
    overlay: Overlay
    total: int | None


async def standings() -> tuple[Sequence[Standing], str]:
    """Return how every campaign stands, and why the store does not say; empty where it does."""
    stored, unknown = dict[str, tuple[Overlay, int]](), ""
    try:
        stored = await _read_store()
    except (ConfigurationError, Unavailable) as error:
        unknown = str(error)
    files = sorted(runtime.campaigns_folder().glob("*.toml"))
    return [
        Standing(file.stem, _loaded(file), *stored.get(file.stem, (Overlay(), None))) for file in files
    ], unknown


def list_campaigns() -> None:
    """Show every campaign: its state, its signatures, and whether it is ready to open.

    Without a store, or while it does not answer, pauses and totals are not known.
    """
    now = utc_now()
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("campaign", overflow="fold")
    for heading in ("state", "total", "goal", "opens", "closes", "ready"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in {"total", "goal"} else "left")
    found, unknown = asyncio.run(standings())
    for standing in found:
        table.add_row(*_row(standing, now))
    out.print(table)
    if unknown:
        out.print(f"No store, so pauses, purges and totals are not known: {unknown}", style="yellow", markup=False)


async def _read_store() -> dict[str, tuple[Overlay, int]]:
    desk = runtime.desk()
    try:
        return {
            campaign: (await desk.maintenance.overlay(campaign), (await desk.maintenance.tally(campaign)).total)
            for campaign in desk.campaigns
        }
    finally:
        desk.maintenance.close()


def _loaded(file: Path) -> Campaign | None:
    try:
        return campaigns.load(file)
    except ConfigurationError:
        return None


def _row(standing: Standing, now: datetime) -> list[str]:
    campaign, total = standing.campaign, standing.total
    if campaign is None:
        return [f"{standing.id}\nundersign campaign check {standing.id}", "[red]does not load[/]"]
    title = campaign.text(campaign.default_language).title
    return [
        f"[bold]{campaign.id}[/]\n{escape(title)}",
        _marked(state(campaign, standing.overlay, now)),
        "" if total is None else f"{total:,}",
        f"{campaign.goal:,}",
        str(campaign.opens),
        str(campaign.closes),
        "[yellow]no[/]" if campaign.not_ready else "[green]yes[/]",
    ]


def _marked(words: str) -> str:
    state, comma, rest = words.partition(", ")
    marked = {"paused": "[yellow]paused[/]", "open": "[green]open[/]"}.get(state, state)
    return f"{marked}{comma}[yellow]{rest}[/]" if rest else marked


def state(campaign: Campaign, overlay: Overlay, now: datetime) -> str:
    """Return how a campaign stands, in a word or two."""
    if overlay.purged:
        return "purged"
    if not campaign.has_opened(now):
        return "not yet open"
    if not campaign.is_open(now):
        return "closed"
    if overlay.paused:
        return "paused"
    work = overlay.work_at(campaign, now)
    return f"open, work since {work.since:%d %b %H:%M} UTC" if work else "open"
