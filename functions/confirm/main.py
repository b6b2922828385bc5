"""confirm: serves the links in the mail, which confirm and withdraw.

GET shows a page with one button and changes nothing, for mail scanners open links and some run scripts. POST does
what the button says; repeating it changes nothing more.
"""

from datetime import datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import log, runtime
from shared.campaigns.model import Campaign
from shared.crypto.tokens import Link, Purpose
from shared.errors import CampaignClosed, ExpiredToken, InvalidToken, QueueUnavailable, StoreUnavailable
from shared.mail import links
from shared.models.messages import DeferredPress
from shared.models.responses import Pressed
from shared.stats import count as counter
from shared.store.entities import Confirmation, Confirmed, Status, Unchanged
from shared.web import pages
from shared.web.app import App, Route
from shared.web.call import Call, answer_json, hosted_page
from shared.web.routes import ConfirmPath

deps = runtime.confirm()
snapshots = counter.snapshots(deps.store)


async def get_confirm(call: Call) -> Response:
    """Show the confirm page, counting its opening in the funnel."""
    link, campaign = await _verify(call, Purpose.CONFIRM)
    # From the link alone: it may be opened any number of times, and no database has to keep up with that.
    deps.funnel.opened(link.campaign, link.submission, links.cohort(link))
    newsletter = {"1": True, "0": False}.get(link.newsletter)
    return pages.confirm(
        campaign, call.locale(campaign), country=link.country, partner=link.partner, newsletter=newsletter
    )


async def post_confirm(call: Call) -> Response:
    """Confirm the signature, which counts it once, or holds it.

    The answer is the same, so that bots cannot find out what holds them.
    """
    link, campaign = await _verify(call, Purpose.CONFIRM)
    if not campaign.takes_confirmations(deps.now()):
        raise CampaignClosed(campaign=campaign.id)
    try:
        outcome: Confirmation | None = await deps.store.confirm(
            link.campaign, link.digest, link.submission, deps.now(), campaign.screening.hold
        )
    except StoreUnavailable as error:
        await _defer(call, error)
        outcome = None  # deliver counts it, in the funnel too
    log.event("confirm", campaign=campaign.id, country=link.country, outcome=_logged(outcome))
    if outcome is Unchanged.GONE:
        raise ExpiredToken(campaign=campaign.id)
    if isinstance(outcome, Confirmed):
        deps.funnel.confirmed(link.campaign, outcome)
    if not call.wants_page:
        return answer_json(Pressed(status="confirmed"))
    # While the database is away, the page has no number: reading it would only keep the signer waiting.
    total = await _total(campaign, deps.now(), outcome) if outcome else None
    return _confirmed_page(call, campaign, link, total, already=outcome is Unchanged.ALREADY)


def _logged(outcome: Confirmation | None) -> str:
    """Return the outcome for the log, which alone says that a signature is held."""
    if isinstance(outcome, Unchanged):
        return outcome
    return Status.HELD if outcome and outcome.is_held else Status.CONFIRMED


def _confirmed_page(call: Call, campaign: Campaign, link: Link, total: int | None, *, already: bool) -> Response:
    locale = call.locale(campaign)
    return pages.confirmed(
        campaign,
        locale,
        share_url=deps.public_url
        + hosted_page(campaign, lang=locale.language, partner=link.partner, source="share"),
        country=link.country,
        source=link.source or link.partner,
        total=total,
        already=already,
        is_open=campaign.closed_reason(deps.now()) is None,
        withdraw_path=_withdraw_path(link),
    )


async def _total(campaign: Campaign, pressed_at: datetime, outcome: Confirmation) -> int | None:
    """Return how many have signed, this signer included; None if unknown. In a rush several may see the same.

    Somebody whose signature is held sees such a number, too.
    """
    try:
        snapshot = await snapshots.get(campaign.id, pressed_at)
    except StoreUnavailable:
        return None
    is_missing = isinstance(outcome, Confirmed) and snapshot.as_of < pressed_at
    return snapshot.tally.total + is_missing


async def get_withdraw(call: Call) -> Response:
    """Show the withdraw page."""
    _, campaign = await _verify(call, Purpose.WITHDRAW)
    return pages.withdraw(campaign, call.locale(campaign))


async def post_withdraw(call: Call) -> Response:
    """Withdraw the signature: delete its data and uncount it.

    The press goes into the queue as well. deliver notes it where a restore of the database does not undo it, and
    withdraws what was not withdrawn here.
    """
    link, campaign = await _verify(call, Purpose.WITHDRAW)
    press = DeferredPress(purpose="withdraw", token=call.params["token"], pressed_at=deps.now())
    try:
        outcome: str = await deps.store.withdraw(link.campaign, link.digest, press.pressed_at, deferred=False)
    except StoreUnavailable as error:
        log.exception("store_unavailable", error.__cause__ or error, function="confirm")
        outcome = "deferred"
    try:
        await deps.envelopes.send(press)
    except QueueUnavailable as error:
        if outcome == "deferred":
            raise
        log.exception("removal_not_noted", error.__cause__ or error, function="confirm")
    log.event("withdraw", campaign=campaign.id, outcome=outcome)
    if not call.wants_page:
        return answer_json(Pressed(status="withdrawn"))
    return pages.withdrawn(campaign, call.locale(campaign))


async def _verify(call: Call, purpose: Purpose) -> tuple[Link, Campaign]:
    """Verify the token; return its link and campaign.

    Raises:
        InvalidToken, ExpiredToken: see `Tokens.verify`; the token of a removed campaign is invalid.
    """
    token = call.params["token"]
    try:
        link = deps.tokens.verify(purpose, token, deps.now())
    except InvalidToken as error:
        # A token that a mail program cut short still begins with its campaign, whose page offers a new link.
        error.details.setdefault("campaign", token.partition("~")[0])
        raise
    call.wanted_language = link.locale
    if link.campaign not in deps.campaigns:
        raise InvalidToken
    await deps.campaigns.refresh(link.campaign)
    return link, deps.campaigns[link.campaign]


async def _defer(call: Call, error: StoreUnavailable) -> None:
    """Queue a press to confirm while the database is away; deliver applies it later, the signer is thanked now.

    Raises:
        QueueUnavailable: the queue cannot take it either; the signer presses again.
    """
    log.exception("store_unavailable", error.__cause__ or error, function="confirm")
    press = DeferredPress(purpose="confirm", token=call.params["token"], pressed_at=deps.now())
    await deps.envelopes.send(press)


def _withdraw_path(link: Link) -> str:
    token = deps.tokens.issue(Purpose.WITHDRAW, Link(link.campaign, link.digest, link.locale), deps.now())
    return ConfirmPath.WITHDRAW.format(token=token)


app = App(
    "confirm",
    deps,
    [
        Route(ConfirmPath.CONFIRM, {"GET": get_confirm, "POST": post_confirm}, is_page=True),
        Route(ConfirmPath.WITHDRAW, {"GET": get_withdraw, "POST": post_withdraw}, is_page=True),
    ],
)
runtime.finish_startup()


@functions_framework.aio.http
async def confirm(request: Request) -> Response:
    """Answer a request, as functions-framework hands it over."""
    response = await app.answer(request)
    await deps.funnel.write_if_due()
    return response
