"""The pages of the desk, and what their buttons do: each calls what the command of the same purpose calls."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.campaigns import check, partners, pause
from desk.campaigns.list import Standing, standings, state
from desk.errors import CommandError
from desk.stats import report, summary
from desk.web.rendering import render
from desk.workspace import campaign_file, open_campaign
from shared import campaigns
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay, apply_overlay
from shared.clock import utc_now
from shared.models.cleaning import clean_text

_MAX_FORM_BYTES = 10_000
#: What a page says after its button has done something; `done` in its query.
_DONE = {
    "paused": "Paused. The public pages take no signatures, within a minute.",
    "resumed": "The public pages take signatures again, within a minute.",
    "admitted": "Admitted. Its pages may show the form within a minute. Write it into the campaign file, too.",
    "dismissed": "Dismissed. Its pages may no longer show the form, within a minute.",
}


#: The labels of the form for a partner, by its fields.
_LABELS = {
    "partner": "Short name",
    "name": "What it is called",
    "origins": "Origins of its pages",
    "country": "Country its form starts with",
}


async def show_campaigns(_request: Request) -> Response:
    """Show every campaign: how it stands, and what is left to do before it opens."""
    now = utc_now()
    found, unknown = await standings()
    rows = [
        (each, state(each.campaign, each.overlay, now) if each.campaign else "", _verdict(each)) for each in found
    ]
    return render("campaigns.html", rows=rows, unknown=unknown)


def _verdict(standing: Standing) -> check.Verdict:
    return check.examine(campaign_file(standing.id))


async def show_numbers(request: Request) -> Response:
    """Show a campaign's numbers, with those that are not public."""
    found, campaign, line = await summary.gather(_campaign_id(request), (None, None), utc_now())
    async with open_campaign(campaign.id) as (_, desk):
        overlay = await desk.maintenance.overlay(campaign.id)
    return render(
        "campaign.html",
        **report.values(found, campaign, line),
        state=state(campaign, overlay, utc_now()),
        is_paused=overlay.paused,
        done=_done(request),
    )


async def ask_whether_to_pause(request: Request) -> Response:
    """Ask once more before a campaign is paused, or resumed."""
    campaign, overlay = await _read(request)
    return render("pause.html", campaign=campaign, title=_title(campaign), is_paused=overlay.paused)


async def set_paused(request: Request) -> Response:
    """Pause a campaign, or resume it."""
    campaign, fields = _campaign_id(request), await _fields(request)
    to = fields.get("to") == "paused"
    await pause.set_paused(campaign, to=to)
    return _done_at(f"/campaigns/{campaign}", "paused" if to else "resumed")


async def show_partners(request: Request) -> Response:
    """Show a campaign's partners, and ask before one is dismissed, and say which page may show the form."""
    dismissed = request.query_params.get("dismiss", "")
    campaign, overlay = await _read(request)
    if partner := overlay.partners.get(dismissed):
        return render("dismiss.html", campaign=campaign, title=_title(campaign), slug=dismissed, partner=partner)
    return await _partners(request, {"origin": request.query_params.get("origin", "")})


async def _partners(request: Request, given: Mapping[str, str], error: str = "") -> Response:
    campaign, overlay = await _read(request)
    applied = apply_overlay(campaign, overlay)
    origin = clean_text(given.get("origin", "")).rstrip("/") if not error else ""
    faults = [_fault(line) for line in error.splitlines()]
    return render(
        "partners.html",
        400 if faults else 200,
        campaign=campaign,
        title=_title(campaign),
        partners=applied.partners,
        admitted=overlay.partners,
        origin=origin,
        owner=applied.partner_by_origin.get(origin),
        given=given,
        labels=_LABELS,
        faults=faults,
        wrong={field for field, _ in faults},
        done=_done(request),
    )


def _fault(line: str) -> tuple[str, str]:
    """Return the field of the form that a sentence is about, empty where it is about none, and the sentence."""
    key, _, sentence = line.partition(": ")
    field = key.partition(".")[0].replace("partners", "partner")
    return (field, sentence) if field in _LABELS else ("", line)


async def change_partners(request: Request) -> Response:
    """Admit a partner, or dismiss one that was admitted so."""
    campaign, fields = _campaign_id(request), await _fields(request)
    try:
        if dismissed := fields.get("dismiss"):
            await partners.dismiss(campaign, dismissed)
            return _done_at(f"/campaigns/{campaign}/partners", "dismissed")
        origins = fields.get("origins", "").split()
        if not origins:
            raise CommandError("Write at least one origin of the partner's pages, as in https://www.example.org.")
        await partners.admit(
            campaign, fields.get("partner", ""), origins, fields.get("name") or None, fields.get("country") or None
        )
    except CommandError as error:
        return await _partners(request, fields, str(error))
    return _done_at(f"/campaigns/{campaign}/partners", "admitted")


async def show_keys(request: Request) -> Response:
    """Show to whose keys a campaign's signatures are sealed, and which of them were proven."""
    campaign = campaigns.load(campaign_file(_campaign_id(request)))
    proofs = {proof.recipient: proof for proof in campaign.sealing.proofs}
    keys = [(recipient, proofs.get(recipient)) for recipient in dict.fromkeys(campaign.sealing.recipients)]
    return render("keys.html", campaign=campaign, title=_title(campaign), keys=keys)


def _campaign_id(request: Request) -> str:
    """Return the campaign that the path names.

    Raises:
        CommandError: there is no such campaign; the message lists those that exist.
    """
    return campaign_file(str(request.path_params["campaign"])).stem


async def _read(request: Request) -> tuple[Campaign, Overlay]:
    async with open_campaign(_campaign_id(request)) as (campaign, desk):
        return campaign, await desk.maintenance.overlay(campaign.id)


async def _fields(request: Request) -> Mapping[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_FORM_BYTES:
            raise CommandError("That is more than this form takes. Nothing was changed.")
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: value if name == "origins" else clean_text(value) for name, value in pairs}


def _title(campaign: Campaign) -> str:
    return campaign.text(campaign.default_language).title


def _done(request: Request) -> str:
    return _DONE.get(request.query_params.get("done", ""), "")


def _done_at(path: str, what: str) -> Response:
    return RedirectResponse(f"{path}?done={what}", status_code=303)
