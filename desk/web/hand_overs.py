"""The page of hand-overs: to whom signatures were given, as the manifest of what was opened says."""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from desk.errors import CommandError
from desk.signatures.hand_over import record_hand_over
from desk.web.forms import (
    campaign_id,
    done_message,
    faults_of,
    pressed_at,
    read_campaign,
    redirect_done,
    title,
)
from desk.web.rendering import render
from desk.web.uploads import read_form
from shared.models.cleaning import clean_text

#: More than the manifest of a campaign with a thousand partners.
_MAX_BYTES = 1_000_000
_MANIFEST = "This file"
_LABELS = {"manifest": "hand-over.json", "to": "Given to", "file": "Which file"}


async def show_hand_overs(request: Request) -> Response:
    """Show to whom signatures were handed over, and a form for one more."""
    return await _hand_overs(request, dict.fromkeys(_LABELS, ""))


async def record(request: Request) -> Response:
    """Record that signatures were handed over."""
    campaign = campaign_id(request)
    texts, files = await read_form(request, _MAX_BYTES)
    fields, (_, manifest) = dict(texts), files.get("manifest", ("", b""))
    given = {name: clean_text(fields.get(name, "")) for name in ("to", "file")}
    try:
        if not manifest:
            raise CommandError("manifest: choose the file that open.html has made, or undersign open")
        await record_hand_over(
            campaign, manifest, _MANIFEST, given["to"], given["file"] or None, pressed_at(request, fields)
        )
    except CommandError as error:
        return await _hand_overs(request, given, str(error))
    return redirect_done(f"/campaigns/{campaign}/hand-over", "handed-over")


async def _hand_overs(request: Request, given: Mapping[str, str], error: str = "") -> Response:
    campaign, overlay = await read_campaign(request)
    return render(
        "hand_over.html",
        400 if error else 200,
        campaign=campaign,
        title=title(campaign),
        hand_overs=overlay.hand_overs,
        labels=_LABELS,
        given=given,
        form=secrets.token_urlsafe(),
        faults=faults_of(error, _LABELS),
        done=done_message(request),
    )
