"""Find what a command works on: a campaign's file, and the store that holds its signatures."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from desk import runtime
from desk.errors import CommandError
from desk.runtime import Desk
from desk.terminal.output import print_note
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay

CampaignId = Annotated[str, typer.Argument(help="The campaign's id.")]


def campaign_file(campaign: str, folder: Path | None = None) -> Path:
    """Return the path of a campaign's file. `folder`: where the campaign files are, unless in the usual one.

    Raises:
        CommandError: it does not exist; the message lists those that do.
    """
    folder = folder or runtime.campaigns_folder()
    path = folder / f"{campaign}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.toml"))) or "none"
        raise CommandError(f"There is no campaign {campaign} in {folder}. There are: {known}.")
    return path


@asynccontextmanager
async def open_campaign(campaign: str) -> AsyncIterator[tuple[Campaign, Desk]]:
    """Open a campaign and the store that holds its signatures, and say where that is; closes it at the end.

    Raises:
        CommandError: there is no such campaign.
        ConfigurationError: no store is named, or a campaign file does not load.
    """
    campaign_file(campaign)
    desk = runtime.desk()
    print_note(f"Working on {desk.place}.")
    try:
        yield desk.campaigns[campaign], desk
    finally:
        desk.maintenance.close()
        if desk.totals:
            desk.totals.close()


async def change_overlay(campaign: str, change: Callable[[Overlay, Campaign], Overlay]) -> tuple[Overlay, str]:
    """Change what differs from a campaign's file, and return the new overlay, and in words where it is.

    `change`: from the overlay as it is, and the campaign of the file. It may be called several times.
    """
    async with open_campaign(campaign) as (known, desk):
        changed = await desk.maintenance.change_overlay(campaign, lambda overlay: change(overlay, known))
        return changed, desk.place
