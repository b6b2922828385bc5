"""deliver: opens what sign accepted, stores it, mails the link. Called by the queue; every task may come twice.

Answers 2xx when a task is done or has been put off; anything else makes the queue bring it again.
"""

import asyncio
import random
import re
from datetime import datetime, timedelta
from http import HTTPStatus

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import locales, log, mail, runtime, startup
from shared.campaigns.model import Campaign
from shared.crypto.tokens import Link, Purpose
from shared.errors import InvalidToken, MailDeferred, MailRefused, MailUnresolved, TryAgain, Unopenable
from shared.locales import Locale
from shared.mail import links
from shared.models.messages import (
    DeferredPress,
    LinksMessage,
    Message,
    ReminderMessage,
    SubmissionMessage,
    parse_message,
    parse_task,
)
from shared.queue import HORIZON
from shared.reference import countries, mail_providers
from shared.stats.funnel import Stage
from shared.store.entities import (
    Address,
    Confirmed,
    Defer,
    GrantMail,
    MailDecision,
    MailKind,
    Point,
    Skip,
    Submission,
)
from shared.web.app import App, Route
from shared.web.call import Call
from shared.web.pages import MailLink
from shared.web.routes import DeliverPath

deps = runtime.deliver()

REMIND_AFTER = timedelta(hours=24)
LINKS_TTL = timedelta(days=1)
SPREAD = timedelta(minutes=10)
#: A task that could not be opened this often is put aside: with backoff up to an hour, after about a day.
PARK_AFTER_ATTEMPTS = 30


async def post_task(call: Call) -> Response:
    """One task of the queue."""
    body = await call.request.body()
    try:
        await _do(parse_message(deps.opener.open(parse_task(body).sealed)))
    except (Unopenable, InvalidToken) as poison:
        await _keep_or_park(call.request, body, poison)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def post_sweep(_call: Call) -> Response:
    """Called on a schedule: empty the spool into the queue."""
    moved = await deps.sweeper.sweep() if deps.sweeper else 0
    log.event("swept", tasks=moved)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def post_snapshot(_call: Call) -> Response:
    """Called on a schedule: keep each campaign's tally of this hour for its history."""
    now = deps.now()
    running = [campaign.id for campaign in deps.campaigns.values() if campaign.has_opened(now)]
    await asyncio.gather(*(_keep_snapshot(campaign, now) for campaign in running))
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _keep_snapshot(campaign: str, now: datetime) -> None:
    tally = await deps.store.tally(campaign)
    await deps.store.add_to_history(campaign, Point(now, tally.total, tally.by_country))


async def _do(message: Message) -> None:
    match message:
        case DeferredPress():
            await _press(message)
        case SubmissionMessage():
            await _admit(message)
        case LinksMessage():
            await _mail_links(message)
        case ReminderMessage():
            await _remind(message)


def _campaign(campaign_id: str) -> Campaign:
    """
    Raises:
        TryAgain: this may be an older revision during a roll-out, which does not know the campaign yet.
    """
    if campaign_id not in deps.campaigns:
        raise TryAgain
    return deps.campaigns[campaign_id]


async def _admit(message: SubmissionMessage) -> None:
    """Store as pending and mail the link; then see to the reminder."""
    now = deps.now()
    if not _campaign(message.campaign).takes_confirmations(now):
        log.event("order", campaign=message.campaign, kind=message.kind, outcome="campaign_closed")
        return
    address = deps.digester.address(message.campaign, message.email)
    decision = await deps.store.admit(address, _sealed(message), now)
    if isinstance(decision, GrantMail) and decision.is_new:
        deps.funnel.count(message.campaign, Stage.ACCEPTED, decision.submissions[0])
    mailed = await _carry_out(decision, message)
    if isinstance(decision, GrantMail) and mailed is MailKind.CONFIRM:
        deps.funnel.count(message.campaign, Stage.MAILED, decision.submissions[0])
    if isinstance(decision, Defer):
        await deps.envelopes.send(message, not_before=min(_spread(decision.until), now + HORIZON))
    elif mailed is MailKind.CONFIRM or decision is Skip.SENT:
        await deps.envelopes.send(_reminder(message), not_before=now + REMIND_AFTER)


def _spread(until: datetime) -> datetime:
    """A while after `until`: what waits for one mailbox does not all come at once."""
    return until + random.uniform(0, 1) * SPREAD  # noqa: S311 - no secret


async def _mail_links(message: LinksMessage) -> None:
    """What is due now; an order that took a day to get here is forgotten, as is its asker's patience."""
    now = deps.now()
    if now - message.asked_at > LINKS_TTL:
        return
    due = None if _campaign(message.campaign).takes_confirmations(now) else MailKind.SIGNED
    address = deps.digester.address(message.campaign, message.email)
    await _carry_out(await deps.store.claim(address, message.id, due, now), message)


async def _remind(message: ReminderMessage) -> None:
    now = deps.now()
    if _campaign(message.campaign).takes_confirmations(now):
        address = deps.digester.address(message.campaign, message.email)
        decision = await deps.store.claim(address, message.submission_id, MailKind.REMINDER, now)
        await _carry_out(decision, message)


async def _press(message: DeferredPress) -> None:
    """What confirm could not do while the database was away. Good as of when the button was pressed."""
    purpose = Purpose(message.purpose)
    link = deps.tokens.verify(purpose, message.token, message.pressed_at)
    _campaign(link.campaign)
    if purpose is Purpose.CONFIRM:
        outcome = await deps.store.confirm(link.campaign, link.digest, link.submission, message.pressed_at)
        if isinstance(outcome, Confirmed):
            deps.funnel.confirmed(link.campaign, outcome)
    else:
        await deps.store.withdraw(link.campaign, link.digest, message.pressed_at)


async def _carry_out(
    decision: MailDecision, message: SubmissionMessage | LinksMessage | ReminderMessage
) -> MailKind | None:
    """Send a granted mail and settle its claim. What was mailed, if anything."""
    log.event("order", campaign=message.campaign, kind=message.kind, outcome=_outcome(decision))
    if not isinstance(decision, GrantMail):
        return None
    mailed: MailKind | None = decision.kind
    provider = mail_providers.provider_class(message.email)
    try:
        await deps.mailer.send(_mail(decision, message))
    except MailRefused:
        # For good, so the claim counts as used: neither this mail nor a reminder is tried again.
        log.event("mail_refused", "WARNING", campaign=message.campaign, kind=decision.kind, provider=provider)
        mailed = None
    except MailDeferred:
        await deps.store.settle(decision, sent=False)
        raise TryAgain from None
    except MailUnresolved:
        # The claim stays: whether or not the mail went out, none follows within the hour.
        log.event("mail_unresolved", "WARNING", campaign=message.campaign, kind=decision.kind, provider=provider)
        raise TryAgain from None
    await deps.store.settle(decision, sent=True)
    return mailed


def _outcome(decision: MailDecision) -> str:
    match decision:
        case GrantMail():
            return decision.kind
        case Defer():
            return "waits"
    return decision


def _sealed(message: SubmissionMessage) -> Submission:
    """The submission as it is stored: what says who the signer is, sealed to the organisers."""
    sealer = deps.sealers[message.campaign]
    contact = {"email": message.email, "name": message.name, "locale": message.locale, "country": message.country}
    personal = {
        **contact,
        "campaign": message.campaign,
        "postal_code": message.postal_code,
        "newsletter": message.newsletter,
        "partner": message.partner,
        "consent_version": message.consent_version,
        "signed_at": message.signed_at.isoformat(),
    }
    return Submission(
        id=message.id,
        sealed=sealer.for_campaign(personal),
        partner_sealed=sealer.for_partner(message.partner, contact) if message.newsletter else None,
        country=message.country,
        partner=message.partner,
        source=message.source,
        locale=message.locale,
        newsletter=message.newsletter,
        consent_version=message.consent_version,
        signed_at=message.signed_at,
        mailbox_class=mail_providers.provider_class(message.email),
    )


def _reminder(message: SubmissionMessage) -> ReminderMessage:
    return ReminderMessage(
        submission_id=message.id,
        campaign=message.campaign,
        email=message.email,
        locale=message.locale,
    )


def _mail(decision: GrantMail, message: SubmissionMessage | LinksMessage | ReminderMessage) -> mail.Mail:
    campaign = deps.campaigns[message.campaign]
    language = locales.negotiate(message.locale, None, campaign.texts, campaign.default_language)
    locale = locales.load(language)
    several = len(decision.submissions) > 1
    confirm = [
        MailLink(
            _confirm_url(decision.address, submission, language), _label(submission, locale) if several else None
        )
        for submission in decision.submissions
    ]
    withdraw = _url(Purpose.WITHDRAW, Link(campaign.id, decision.address.digest, language))
    privacy = f"{deps.public_url}/c/{campaign.id}/privacy?lang={language}"
    return mail.compose(
        decision.kind, campaign, locale, to=message.email, confirm=confirm, withdraw=withdraw, privacy=privacy
    )


def _label(submission: Submission, locale: Locale) -> str:
    """What tells one submission from another, and quotes nothing that anybody typed."""
    return locale(
        "mail.link_label",
        date=locale.date(submission.signed_at),
        time=f"{submission.signed_at:%H:%M}",
        country=countries.name(submission.country, locale.language),
    )


def _confirm_url(address: Address, submission: Submission, language: str) -> str:
    return _url(Purpose.CONFIRM, links.to_confirm(address, submission, language))


def _url(purpose: Purpose, link: Link) -> str:
    return f"{deps.public_url}/v1/{purpose}/{deps.tokens.issue(purpose, link, deps.now())}"


async def _keep_or_park(request: Request, body: bytes, poison: Unopenable | InvalidToken) -> None:
    """A key or a revision may be about to arrive, so it is tried for a day; then a person has to look at it."""
    retries = request.headers.get("x-cloudtasks-taskretrycount", "")
    attempts = int(retries) if re.fullmatch("[0-9]{1,9}", retries) else 0
    log.fault("poison", poison, function="deliver", attempts=attempts)
    if attempts < PARK_AFTER_ATTEMPTS:
        raise TryAgain
    task = request.headers.get("x-cloudtasks-taskname", "")
    await deps.store.park(task, body, type(poison).__name__, deps.now())


app = App(
    "deliver",
    deps,
    [
        Route(DeliverPath.TASK, {"POST": post_task}),
        Route(DeliverPath.SWEEP, {"POST": post_sweep}),
        Route(DeliverPath.SNAPSHOT, {"POST": post_snapshot}),
    ],
)
startup.freeze()


@functions_framework.aio.http
async def deliver(request: Request) -> Response:
    return await app.answer(request)
