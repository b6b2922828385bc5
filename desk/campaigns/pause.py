"""`undersign campaign pause` and `resume`: in force within a minute, without a deployment."""

import asyncio

from desk.terminal.output import out
from desk.workspace import CampaignId, change_overlay


def pause(campaign: CampaignId) -> None:
    """Take no new signatures for now. Links in the mail go on working, and the counter goes on."""
    asyncio.run(change_overlay(campaign, lambda overlay, _: overlay.model_copy(update={"paused": True})))
    out.print(f"{campaign} is [yellow]paused[/] within a minute. To go on: undersign campaign resume {campaign}")


def resume(campaign: CampaignId) -> None:
    """Take signatures again."""
    asyncio.run(change_overlay(campaign, lambda overlay, _: overlay.model_copy(update={"paused": False})))
    out.print(f"{campaign} [green]takes signatures[/] again, within a minute.")
