"""The page of signatures on paper: what was recorded, and a form for more."""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from desk.errors import CommandError
from desk.signatures import paper
from desk.web.forms import (
    campaign_id,
    done_message,
    faults_of,
    pressed_at,
    read_campaign,
    read_fields,
    redirect_done,
    title,
)
from desk.web.rendering import render

#: The labels of the form, by its fields.
_LABELS = {"country": "Country", "number": "How many", "note": "Note"}


async def show_paper(request: Request) -> Response:
    """Show the signatures on paper that were recorded, and by whom they were counted."""
    return await _paper(request, dict.fromkeys(_LABELS, ""))


async def add_paper(request: Request) -> Response:
    """Record signatures on paper."""
    campaign, fields = campaign_id(request), await read_fields(request)
    given = {name: fields.get(name, "") for name in _LABELS}
    try:
        await paper.add(campaign, given["country"], given["number"], given["note"], pressed_at(request, fields))
    except CommandError as error:
        return await _paper(request, given, str(error))
    return redirect_done(f"/campaigns/{campaign}/paper", "added")


async def _paper(request: Request, given: Mapping[str, str], error: str = "") -> Response:
    campaign, overlay = await read_campaign(request)
    return render(
        "paper.html",
        400 if error else 200,
        campaign=campaign,
        title=title(campaign),
        entries=overlay.paper,
        by_country=overlay.paper_by_country,
        labels=_LABELS,
        given=given,
        form=secrets.token_urlsafe(),
        faults=faults_of(error, _LABELS),
        done=done_message(request),
    )
