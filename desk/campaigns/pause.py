"""`undersign campaign pause` and `resume`: in force within a minute, without a deployment."""

import asyncio

from desk.settings import command
from desk.terminal.output import print_text
from desk.workspace import CampaignId, change_overlay


def pause(campaign: CampaignId) -> None:
    """Take no new signatures for now. Links in the mail go on working, and the counter goes on."""
    place = asyncio.run(set_paused(campaign, to=True))
    print_text(
        "{campaign} is [yellow]paused[/] within a minute, in {place}. "
        "To go on: {command} campaign resume {campaign}",
        campaign=campaign,
        place=place,
        command=command(),
    )


def resume(campaign: CampaignId) -> None:
    """Take signatures again."""
    place = asyncio.run(set_paused(campaign, to=False))
    print_text(
        "{campaign} [green]takes signatures[/] again, within a minute, in {place}.", campaign=campaign, place=place
    )


async def set_paused(campaign: str, *, to: bool) -> str:
    """Pause or resume a campaign, and return in words where."""
    _, place = await change_overlay(campaign, lambda overlay, _: overlay.model_copy(update={"paused": to}))
    return place
