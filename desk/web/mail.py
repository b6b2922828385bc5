"""The page on which an organiser sees whether mail arrives, and what to do where it does not."""

from starlette.requests import Request
from starlette.responses import Response

from desk import runtime
from desk.stats import mail_trouble
from desk.terminal.output import pluralize
from desk.web.forms import campaign_id, is_live, title
from desk.web.rendering import render
from shared.clock import utc_now


async def show_mail(request: Request) -> Response:
    """Show by mail provider whose mail is confirmed, what waits, and what nobody could deliver."""
    now = utc_now()
    trouble, campaign = await mail_trouble.gather(campaign_id(request), now)
    return render(
        "mail_trouble.html",
        campaign=campaign,
        title=title(campaign),
        trouble=trouble,
        most=mail_trouble.MOST,
        dashboards=runtime.dashboards(),
        now=now,
        pluralize=pluralize,
        live=is_live(request),
    )
