"""The page of a campaign that is over: what is left to do until its signatures are delivered and deleted."""

from starlette.requests import Request
from starlette.responses import Response

from desk.web.exports import finished_exports
from desk.web.forms import campaign_id, title
from desk.web.rendering import render
from desk.workspace import open_campaign
from shared.clock import utc_now


async def show_steps(request: Request) -> Response:
    """Show the steps that follow on a campaign, in their order, and what is done of them."""
    async with open_campaign(campaign_id(request)) as (campaign, desk):
        overlay = await desk.maintenance.overlay(campaign.id)
        tally = await desk.maintenance.tally(campaign.id)
    now = utc_now()
    return render(
        "after.html",
        campaign=campaign,
        title=title(campaign),
        overlay=overlay,
        tally=tally,
        exports=finished_exports(campaign.id),
        is_closed=campaign.has_opened(now) and not campaign.is_open(now),
        may_be_purged=campaign.may_be_purged(now),
    )
