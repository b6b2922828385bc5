"""sign: accepts signatures. Faces the internet, holds no secret, and needs only the queue."""

import secrets
from http import HTTPStatus
from typing import Any

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shared import log, runtime
from shared.campaigns.model import Campaign
from shared.crypto.proof_of_work import is_solved
from shared.errors import CampaignClosed, CampaignPaused, FieldError, InvalidFields, OriginNotAllowed
from shared.models.labels import Label
from shared.models.messages import LinksMessage, SubmissionMessage
from shared.models.requests import LinksRequest, SignRequest
from shared.models.responses import CheckInbox
from shared.web import forms, pages, signals
from shared.web.app import App, Route
from shared.web.body import parse, read_body
from shared.web.call import JSON, NO_STORE, Call, hosted_page
from shared.web.cors import is_admitted, origin_of
from shared.web.routes import SignPath

deps = runtime.sign()

#: The same for everybody, byte for byte, so that nobody can probe who has signed.
_CHECK_INBOX = CheckInbox().model_dump_json()


async def post_signature(call: Call) -> Response:
    """Accept a signature: validate, seal, enqueue. The answer never depends on who has signed before."""
    campaign = call.campaign
    body = await read_body(call)
    _check_origin(call, campaign)
    if closed_reason := campaign.closed_reason(deps.now()):
        raise (CampaignPaused if closed_reason == "campaign_paused" else CampaignClosed)(campaign=campaign.id)
    typed = _with_partner(body.fields(), campaign, call.request)
    call.wanted_language = _locale_in(typed)
    if body.is_form:
        return await _post_form(call, campaign, typed)
    signature = _parse(typed, campaign)
    if campaign.asks_for_work and not _has_worked(campaign, signature, typed["email"]):
        raise InvalidFields([FieldError("work", "work_required")])
    await _accept(call, signature)
    return _accepted()


async def _post_form(call: Call, campaign: Campaign, typed: dict[str, str]) -> Response:
    """Accept a signature from a plain form; answer with a page, unless a script has sent it."""
    locale, as_page = call.locale(campaign), call.wants_page
    try:
        request = _parse(forms.signature(typed, campaign, locale.language), campaign)
    except InvalidFields as error:
        if not as_page:
            raise
        form = forms.signature_with_errors(typed, error, campaign, locale)
        return pages.petition(campaign, locale, form, NO_STORE, public_url=deps.public_url, closed_reason=None)
    await _accept(call, request)
    if not as_page:
        return _accepted()
    if _may_return_to(campaign, typed.get("return_url", "")):
        return RedirectResponse(typed["return_url"], HTTPStatus.SEE_OTHER, NO_STORE)
    cleaned = request.model_dump(include={"email", "name", "postal_code"}, exclude_none=True)
    return pages.check_inbox(campaign, locale, {**typed, **cleaned})


async def _accept(call: Call, request: SignRequest) -> None:
    """Seal and enqueue the submission; once enqueued, it cannot be lost."""
    await deps.envelopes.send(_submission(call.campaign, request, _labels(call, request)))
    log.event("accepted", campaign=call.campaign.id, partner=request.partner, country=request.country)


async def post_links(call: Call) -> Response:
    """Request an address's links by mail. Always answers the same, so that nobody can probe who has signed."""
    campaign = call.campaign
    body = await read_body(call)
    _check_origin(call, campaign)
    typed = body.fields()
    call.wanted_language = _locale_in(typed)
    locale, as_page = call.locale(campaign), body.is_form and call.wants_page
    try:
        fields = {"email": typed.get("email", ""), "locale": locale.language} if body.is_form else typed
        request = parse(LinksRequest, fields)
    except InvalidFields as error:
        if not as_page:
            raise
        return pages.links(campaign, locale, forms.with_errors(typed, error, locale))
    message = LinksMessage(**request.model_dump(), id=_random_id(), campaign=campaign.id, asked_at=deps.now())
    await deps.envelopes.send(message)
    return pages.links_sent(campaign, locale, request.email) if as_page else _accepted()


def _check_origin(call: Call, campaign: Campaign) -> None:
    """Refuse an unregistered origin. None or `null` passes: plain forms, old browsers, pages without referrer."""
    origin = call.request.headers.get("origin", "")
    if origin not in {"", "null"} and not is_admitted(campaign, origin, deps.public_url):
        page = hosted_page(campaign, lang=call.locale(campaign).language)
        raise OriginNotAllowed(hosted_page=deps.public_url + page)


def _locale_in(fields: Any) -> str | None:
    """Return the language a body asks for, even if the rest of it is invalid."""
    locale = fields.get("locale") if isinstance(fields, dict) else None
    return locale if isinstance(locale, str) else None


def _with_partner(fields: Any, campaign: Campaign, request: Request) -> Any:
    """Set the partner to the one whose page the request comes from, whatever the body says.

    Must come first: an invalid form is shown again on our own page and sent from there, and its newsletter must
    still be the partner's.
    """
    partner = campaign.partner_by_origin.get(request.headers.get("origin", ""))
    return {**fields, "partner": partner} if partner and isinstance(fields, dict) else fields


def _parse(fields: Any, campaign: Campaign) -> SignRequest:
    """Validate a request against the model and its campaign.

    Raises:
        InvalidFields: names every field that is wrong.
    """
    request = parse(SignRequest, fields)
    errors = [FieldError(name, "required") for name in campaign.required_fields if getattr(request, name) is None]
    if request.partner and request.partner not in campaign.partners:
        errors.append(FieldError("partner", "partner_unknown"))
    if campaign.consent(request.consent_version, request.locale) is None:
        errors.append(FieldError("consent", "consent_changed"))
    if errors:
        raise InvalidFields(errors)
    return request


def _has_worked(campaign: Campaign, request: SignRequest, email: str) -> bool:
    """Check the work that a script sends. `email`: as the client wrote it, which need not clean as we do."""
    work = request.work
    return work is not None and is_solved(campaign.id, work.day, email, work.nonces, deps.now())


def _labels(call: Call, request: SignRequest) -> tuple[Label, ...]:
    headers = call.request.headers
    is_burst = deps.network_bursts.count(",".join(headers.getlist("x-forwarded-for")), call.now)
    # Only a form gets here without: it needs no script, and so is not closed to anybody.
    lacks_work = call.campaign.asks_for_work and request.work is None
    return signals.labels(headers, request.page_seconds, is_burst=is_burst, lacks_work=lacks_work)


def _submission(campaign: Campaign, request: SignRequest, labels: tuple[Label, ...]) -> SubmissionMessage:
    return SubmissionMessage(
        **request.model_dump(exclude={"consent", "postal_code", "page_seconds", "work"}),
        id=_random_id(),
        campaign=campaign.id,
        # Data that the campaign does not ask for is not stored.
        postal_code=request.postal_code if campaign.asks_postal_code else None,
        signed_at=deps.now(),
        labels=labels,
    )


def _random_id() -> str:
    """Return 128 random bits as hexadecimal digits, which a link may hold."""
    return secrets.token_hex(16)


def _may_return_to(campaign: Campaign, url: str) -> bool:
    """Allow returning to this campaign's partners only: anything else would make us an open redirect."""
    return is_admitted(campaign, origin_of(url), deps.public_url)


def _accepted() -> Response:
    return Response(_CHECK_INBOX, HTTPStatus.ACCEPTED, NO_STORE, JSON)


app = App(
    "sign",
    deps,
    [
        Route(SignPath.SIGNATURES, {"POST": post_signature}, cors="partners"),
        Route(SignPath.LINKS, {"POST": post_links}, cors="partners"),
    ],
)
runtime.finish_startup()


@functions_framework.aio.http
async def sign(request: Request) -> Response:
    """Answer a request, as functions-framework hands it over."""
    return await app.answer(request)
