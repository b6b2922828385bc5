"""The pages of the desk, and what their buttons do: each calls what the command of the same purpose calls."""

from starlette.requests import Request
from starlette.responses import Response

from desk import runtime
from desk.campaigns import check, partners, pause
from desk.campaigns.list import Standing, standings, state
from desk.campaigns.proof_of_work import Mode, set_mode
from desk.errors import CommandError
from desk.stats import report, summary
from desk.web.forms import campaign_id, done_message, is_live, read_campaign, read_fields, redirect_done, title
from desk.web.rendering import render
from desk.workspace import campaign_file, open_campaign
from shared.campaigns.overlay import apply_overlay
from shared.clock import utc_now
from shared.models.cleaning import clean_text

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
    folder = runtime.campaigns_folder().absolute()
    return render("campaigns.html", rows=rows, unknown=unknown, folder=folder)


def _verdict(standing: Standing) -> check.Verdict:
    return check.examine(campaign_file(standing.id))


async def show_numbers(request: Request) -> Response:
    """Show a campaign's numbers, with those that are not public."""
    found, campaign, line = await summary.gather(campaign_id(request), (None, None), utc_now())
    async with open_campaign(campaign.id) as (_, desk):
        overlay = await desk.maintenance.overlay(campaign.id)
    return render(
        "campaign.html",
        **report.values(found, campaign, line),
        state=state(campaign, overlay, utc_now()),
        is_paused=overlay.paused,
        work=overlay.proof_of_work or campaign.proof_of_work,
        live=is_live(request),
        done=done_message(request),
    )


async def ask_whether_to_pause(request: Request) -> Response:
    """Ask once more before a campaign is paused, or resumed."""
    campaign, overlay = await read_campaign(request)
    return render("pause.html", campaign=campaign, title=title(campaign), is_paused=overlay.paused)


async def set_paused(request: Request) -> Response:
    """Pause a campaign, or resume it."""
    campaign, fields = campaign_id(request), await read_fields(request)
    to = fields.get("to") == "paused"
    await pause.set_paused(campaign, to=to)
    return redirect_done(f"/campaigns/{campaign}", "paused" if to else "resumed")


async def ask_for_proof_of_work(request: Request) -> Response:
    """Ask when browsers are to work, and say what that costs signers."""
    campaign, overlay = await read_campaign(request)
    return render(
        "proof_of_work.html",
        campaign=campaign,
        title=title(campaign),
        mode=overlay.proof_of_work or Mode.FILE,
        modes=Mode,
        is_on=bool(overlay.work_at(campaign, utc_now())),
    )


async def set_proof_of_work(request: Request) -> Response:
    """Set when browsers are to work."""
    campaign, fields = campaign_id(request), await read_fields(request)
    if fields.get("mode") not in set(Mode):
        raise CommandError("Choose when browsers are to work. Nothing was changed.")
    await set_mode(campaign, Mode(fields["mode"]))
    return redirect_done(f"/campaigns/{campaign}", "work")


async def show_partners(request: Request) -> Response:
    """Show a campaign's partners, and ask before one is dismissed, and say which page may show the form."""
    dismissed = request.query_params.get("dismiss", "")
    campaign, overlay = await read_campaign(request)
    if partner := overlay.partners.get(dismissed):
        return render("dismiss.html", campaign=campaign, title=title(campaign), slug=dismissed, partner=partner)
    return await _partners(request, {"origin": request.query_params.get("origin", "")})


async def _partners(request: Request, given: dict[str, str], error: str = "") -> Response:
    campaign, overlay = await read_campaign(request)
    applied = apply_overlay(campaign, overlay)
    origin = clean_text(given.get("origin", "")).rstrip("/") if not error else ""
    faults = [_fault(line) for line in error.splitlines()]
    return render(
        "partners.html",
        400 if faults else 200,
        campaign=campaign,
        title=title(campaign),
        partners=applied.partners,
        admitted=overlay.partners,
        origin=origin,
        owner=applied.partner_by_origin.get(origin),
        public_url=runtime.public_url(),
        given=dict.fromkeys(_LABELS, "") | given,
        labels=_LABELS,
        faults=faults,
        done=done_message(request),
    )


def _fault(line: str) -> tuple[str, str]:
    """Return the field of the form that a sentence is about, empty where it is about none, and the sentence."""
    key, _, sentence = line.partition(": ")
    field = key.partition(".")[0].replace("partners", "partner")
    return (field, sentence) if field in _LABELS else ("", line)


async def change_partners(request: Request) -> Response:
    """Admit a partner, or dismiss one that was admitted so."""
    campaign, fields = campaign_id(request), await read_fields(request)
    try:
        if dismissed := fields.get("dismiss"):
            await partners.dismiss(campaign, dismissed)
            return redirect_done(f"/campaigns/{campaign}/partners", "dismissed")
        origins = fields.get("origins", "").split()
        if not origins:
            raise CommandError("Write at least one origin of the partner's pages, as in https://www.example.org.")
        await partners.admit(
            campaign, fields.get("partner", ""), origins, fields.get("name") or None, fields.get("country") or None
        )
    except CommandError as error:
        return await _partners(request, dict(fields), str(error))
    return redirect_done(f"/campaigns/{campaign}/partners", "admitted")
