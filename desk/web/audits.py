"""The page of the audit: the count is compared with the records, and its tally repaired."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.progress import Progress
from desk.stats.audit import Audit, run_audit
from desk.store.maintenance import Recount
from desk.web.forms import campaign_id, read_campaign, title
from desk.web.jobs import jobs
from desk.web.rendering import render
from desk.workspace import open_campaign
from shared.clock import utc_now

_KIND = "audit"


@dataclass(frozen=True, slots=True)
class _Finding:
    """What an audit has found, and when."""

    audit: Audit
    at: datetime


async def show_audit(request: Request) -> Response:
    """Show what the last audit has found, and how far one has come that runs."""
    campaign, overlay = await read_campaign(request)
    job = jobs(request).get(campaign.id, _KIND)
    return render("audit.html", campaign=campaign, title=title(campaign), overlay=overlay, job=job)


async def start_audit(request: Request) -> Response:
    """Recount a campaign."""
    return await _start(request, "Recount", repair=False)


async def ask_whether_to_repair(request: Request) -> Response:
    """Ask once more before the tally is repaired."""
    campaign, _ = await read_campaign(request)
    return render("repair.html", campaign=campaign, title=title(campaign))


async def repair(request: Request) -> Response:
    """Recount a campaign, and repair its tally."""
    return await _start(request, "Repair of the count", repair=True)


async def _start(request: Request, name: str, *, repair: bool) -> Response:
    campaign = campaign_id(request)

    async def work(progress: Progress) -> _Finding:
        async with open_campaign(campaign) as (_, desk):

            async def recount() -> Recount:
                progress.begin("Counting")
                return await desk.maintenance.recount(campaign, progress.advance)

            return _Finding(await run_audit(desk, campaign, recount, repair=repair, accept=False), utc_now())

    await jobs(request).start(campaign, _KIND, name, work).wait()
    return RedirectResponse(f"/campaigns/{campaign}/audit", status_code=303)
