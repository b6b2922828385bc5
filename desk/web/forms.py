"""What the pages of the desk read of a request, and where they lead after a button was pressed."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.errors import CommandError
from desk.workspace import campaign_file, open_campaign
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay
from shared.clock import utc_now
from shared.models.cleaning import clean_text

_MAX_FORM_BYTES = 10_000
#: What a page says after its button has done something; `done` in its query.
_DONE = {
    "begun": "Begun. Write the petition in your own words now; under Keys, two people add a key each.",
    "key_added": "Added to the campaign file. Its holder has to show now that it opens.",
    "key_removed": "Removed from the campaign file.",
    "test_made": "The test file is made. Download it, and send it to the person who holds the key.",
    "proven": "Proven: that key opens what is sealed to it.",
    "paused": "Paused. The public pages take no signatures, within a minute.",
    "resumed": "The public pages take signatures again, within a minute.",
    "work": "Set. Browsers learn of it within a minute.",
    "admitted": "Admitted. Its pages may show the form within a minute. Write it into the campaign file, too.",
    "saved": "Saved in the campaign file.",
    "language_added": "Added, with the texts in the campaign's own language. Now they are to be translated.",
    "added": "Added. The counter shows them within a minute, apart from those that were confirmed.",
    "handed-over": "Recorded.",
    "dismissed": "Dismissed. Its pages may no longer show the form, within a minute.",
}


def campaign_id(request: Request) -> str:
    """Return the campaign that the path names.

    Raises:
        CommandError: there is no such campaign; the message lists those that exist.
    """
    return campaign_file(str(request.path_params["campaign"])).stem


async def read_campaign(request: Request) -> tuple[Campaign, Overlay]:
    """Read the campaign that the path names, and what was changed without a deployment."""
    async with open_campaign(campaign_id(request)) as (campaign, desk):
        return campaign, await desk.maintenance.overlay(campaign.id)


async def read_fields(request: Request) -> Mapping[str, str]:
    """Read the fields of a form, cleaned.

    Raises:
        CommandError: there is more of it than a form of the desk sends.
    """
    pairs = await read_pairs(request, _MAX_FORM_BYTES)
    return {name: value if name == "origins" else clean_text(value) for name, value in pairs}


async def read_pairs(request: Request, max_bytes: int) -> Sequence[tuple[str, str]]:
    """Read names and values of a form as they were sent. Raises like `read_fields`."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise CommandError("That is more than this form takes. Nothing was changed.")
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def pressed_at(request: Request, fields: Mapping[str, str]) -> datetime:
    """Return when the form was sent for the first time: what has the same moment is recorded once."""
    first: dict[str, datetime] = request.app.state.pressed
    return first.setdefault(fields.get("form", secrets.token_urlsafe()), utc_now())


def hide_secret(value: str) -> str:
    """Return what a form gave, to show it again; empty where it holds a secret key, which belongs on no page."""
    return "" if "AGE-SECRET-KEY" in value.upper() else value


async def limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the body of a request piece by piece.

    Raises:
        CommandError: there is more of it.
    """
    read = 0
    async for piece in request.stream():
        read += len(piece)
        if read > max_bytes:
            raise CommandError("That is larger than anything that this form takes. Nothing was changed.")
        yield piece


def faults_of(error: str, labels: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return the sentences of an error, each after the field of the form that it is about, empty where of none."""
    parts = [(line.partition(": "), line) for line in error.splitlines()]
    return [(key, sentence) if key in labels else ("", line) for (key, _, sentence), line in parts]


def title(campaign: Campaign) -> str:
    """Return what a campaign is called, in its own language."""
    return campaign.text(campaign.default_language).title


def is_live(request: Request) -> bool:
    """Return whether the page is to be read again every minute, which is asked for: it may disturb who reads."""
    return request.query_params.get("live") == "on"


def done_message(request: Request) -> str:
    """Return what to say of the button that led here, empty where none did."""
    return _DONE.get(request.query_params.get("done", ""), "")


def redirect_done(path: str, what: str) -> Response:
    """Lead to a page that says what was done. `what`: a key of `_DONE`."""
    return RedirectResponse(f"{path}?done={what}", status_code=303)
