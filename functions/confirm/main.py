"""confirm: owns the links in the mail, confirm and withdraw.

GET shows a page with one button and changes nothing, for mail scanners open links and some run scripts. POST does
it, and doing it again changes nothing more.
"""

from datetime import datetime
from typing import TypeVar

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import log, runtime, startup
from shared.campaigns.model import Campaign
from shared.crypto.tokens import Link, Purpose
from shared.errors import CampaignClosed, ExpiredToken, InvalidToken, StoreUnavailable
from shared.mail import links
from shared.models.messages import DeferredPress
from shared.models.responses import Pressed
from shared.stats import count as counter
from shared.store.entities import Confirmation, Confirmed, Status, Unchanged
from shared.web import pages, widget
from shared.web.app import App, Route
from shared.web.call import Call, answer_json
from shared.web.routes import ConfirmPath

deps = runtime.confirm()
snapshots = counter.snapshots(deps.store)

T = TypeVar("T")


async def get_confirm(call: Call) -> Response:
    """ "Not counted yet", and the button."""
    link, campaign = _open(call, Purpose.CONFIRM)
    # From the link alone: anybody may open it as often as they like, and no database has to keep up with that.
    deps.funnel.opened(link.campaign, link.submission, links.counted(link))
    newsletter = {"1": True, "0": False}.get(link.newsletter)
    return pages.confirm(
        campaign, call.locale(campaign), country=link.country, partner=link.partner, newsletter=newsletter
    )


async def post_confirm(call: Call) -> Response:
    """Count the signature, once."""
    link, campaign = _open(call, Purpose.CONFIRM)
    if not campaign.takes_confirmations(deps.now()):
        raise CampaignClosed(campaign=campaign.id)
    try:
        outcome: Confirmation | None = await deps.store.confirm(
            link.campaign, link.digest, link.submission, deps.now()
        )
    except StoreUnavailable as away:
        outcome = await _press_later(call, Purpose.CONFIRM, away, None)  # deliver counts it, in the funnel too
    said = outcome if isinstance(outcome, Unchanged) else Status.CONFIRMED
    log.event("confirm", campaign=campaign.id, country=link.country, outcome=said)
    if outcome is Unchanged.GONE:
        raise ExpiredToken(campaign=campaign.id)
    if isinstance(outcome, Confirmed):
        deps.funnel.confirmed(link.campaign, outcome)
    if not call.wants_page:
        return answer_json(Pressed(status="confirmed"))
    locale = call.locale(campaign)
    already = outcome is Unchanged.ALREADY
    return pages.confirmed(
        campaign,
        locale,
        share=widget.share(campaign, locale, link.partner or None, deps.public_url),
        country=link.country,
        number=None if already else await _number(campaign, deps.now()),
        already=already,
        withdraw_path=_withdraw_path(link),
    )


async def _number(campaign: Campaign, pressed_at: datetime) -> int | None:
    """How many have signed, this signer included; None if nobody knows. Several may be told the same in a rush."""
    try:
        snapshot = await snapshots.get(campaign.id, pressed_at)
    except StoreUnavailable:
        return None
    return snapshot.tally.total if snapshot.as_of >= pressed_at else snapshot.tally.total + 1


async def get_withdraw(call: Call) -> Response:
    """The other button."""
    _, campaign = _open(call, Purpose.WITHDRAW)
    return pages.withdraw(campaign, call.locale(campaign))


async def post_withdraw(call: Call) -> Response:
    """Empty the record and uncount the signature."""
    link, campaign = _open(call, Purpose.WITHDRAW)
    try:
        outcome: str = await deps.store.withdraw(link.campaign, link.digest, deps.now())
    except StoreUnavailable as away:
        outcome = await _press_later(call, Purpose.WITHDRAW, away, "later")
    log.event("withdraw", campaign=campaign.id, outcome=outcome)
    if not call.wants_page:
        return answer_json(Pressed(status="withdrawn"))
    return pages.withdrawn(campaign, call.locale(campaign))


def _open(call: Call, purpose: Purpose) -> tuple[Link, Campaign]:
    """What the token names.

    Raises:
        InvalidToken, ExpiredToken: see `Tokens.verify`; a campaign that is no more counts as invalid.
    """
    token = call.params["token"]
    try:
        link = deps.tokens.verify(purpose, token, deps.now())
    except InvalidToken as invalid:
        # What a mail program cut short still begins with its campaign, where one can ask for a new link.
        invalid.details.setdefault("campaign", token.partition("~")[0])
        raise
    call.wanted_language = link.locale
    if link.campaign not in deps.campaigns:
        raise InvalidToken
    return link, deps.campaigns[link.campaign]


async def _press_later(call: Call, purpose: Purpose, away: StoreUnavailable, outcome: T) -> T:
    """The database is away: queue the press, which the queue keeps until it is done, and thank the signer.

    Raises:
        QueueUnavailable: neither can take it now; the signer presses again.
    """
    log.fault("store_unavailable", away.__cause__ or away, function="confirm")
    press = DeferredPress(purpose=purpose.value, token=call.params["token"], pressed_at=deps.now())
    await deps.envelopes.send(press)
    return outcome


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
startup.freeze()


@functions_framework.aio.http
async def confirm(request: Request) -> Response:
    return await app.answer(request)
