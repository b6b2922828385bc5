"""The page of the purge: until when signatures are kept, and how they are deleted after that."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.progress import Progress
from desk.signatures.purge import check, not_handed_over, remove
from desk.web.forms import campaign_id, read_fields, title
from desk.web.jobs import jobs
from desk.web.rendering import render
from desk.workspace import open_campaign
from shared.clock import utc_now

_KIND = "purge"
_LABELS = {"confirmed": "Campaign"}


async def show_purge(request: Request) -> Response:
    """Show until when signatures are kept; once that is over, also the form that deletes them."""
    return await _purge(request)


async def _purge(request: Request, fault: str = "") -> Response:
    async with open_campaign(campaign_id(request)) as (campaign, desk):
        overlay = await desk.maintenance.overlay(campaign.id)
        tally = await desk.maintenance.tally(campaign.id)
    return render(
        "purge.html",
        400 if fault else 200,
        campaign=campaign,
        title=title(campaign),
        overlay=overlay,
        tally=tally,
        may_be_purged=campaign.may_be_purged(utc_now()),
        missing=not_handed_over(overlay, tally.total),
        job=jobs(request).get(campaign.id, _KIND),
        labels=_LABELS,
        faults=[("confirmed", fault)] if fault else [],
    )


async def purge(request: Request) -> Response:
    """Delete all signatures of a campaign, if its id was written; whether that may be, is looked at once more."""
    campaign, fields = campaign_id(request), await read_fields(request)
    if fields.get("confirmed") != campaign:
        return await _purge(request, f"write {campaign} to delete its signatures")
    unhanded = fields.get("unhanded") == "yes"

    async def work(progress: Progress) -> tuple[int, int]:
        async with open_campaign(campaign) as (known, desk):
            maintenance, now = desk.maintenance, utc_now()
            overlay, tally = await maintenance.overlay(campaign), await maintenance.tally(campaign)
            check(known, overlay, tally, now, unhanded=unhanded)
            return await remove(maintenance, campaign, now, progress)

    await jobs(request).start(campaign, _KIND, "Deletion", work).wait()
    return RedirectResponse(f"/campaigns/{campaign}/purge", status_code=303)
