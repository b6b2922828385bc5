"""deliver: opens what sign accepted, stores it, mails the link. Called by the queue; every task may come twice.

Answers 2xx when a task is done or was deferred; after any other answer the queue retries it with exponential
backoff:

- 409 for what concerns this task alone: its recipient is greylisted, nobody can open it, this revision does not
  know its campaign. A 429 or 503 would make Cloud Tasks slow down the whole queue
  (https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#HttpRequest).
- 403 for a caller that may not call: the queue retries that, too.
- 503 where that is right, because the next task would fare no better: the store is down, every relay is, or Cloud
  Tasks takes no reminder.
"""

import asyncio
import random
import re
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Literal

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import log, runtime
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay, apply_overlay
from shared.crypto.tokens import Purpose
from shared.errors import (
    ExpiredToken,
    InvalidToken,
    MailboxUnreadable,
    MailDeferred,
    MailRefused,
    MailRejected,
    MailUnavailable,
    MailUnresolved,
    RetryTask,
    TryAgain,
    Unopenable,
)
from shared.mail import bounces, links
from shared.mail.bounces import Report, ReportKind
from shared.models.labels import Label
from shared.models.messages import (
    DeferredPress,
    LinksMessage,
    Message,
    ReminderMessage,
    SubmissionMessage,
    parse_message,
    parse_task,
)
from shared.models.sealed import SealedContact, SealedSignature
from shared.queue import HORIZON
from shared.reference import mail_domains, mail_providers
from shared.stats import automatic_work, fall
from shared.stats import count as counter
from shared.store.entities import (
    Confirmed,
    Defer,
    GrantMail,
    MailDecision,
    MailKind,
    Point,
    Skip,
    Submission,
    Tally,
    TotalAt,
    Unchanged,
)
from shared.store.removals import Removal, expiry
from shared.web.app import App, Handler, Route
from shared.web.call import Call
from shared.web.routes import DeliverPath

deps = runtime.deliver()
#: Read while mails to people who have signed go out, and at most so often, however many they are.
snapshots = counter.snapshots(deps.store, max_age=timedelta(minutes=1))

REMIND_AFTER = timedelta(hours=24)
#: Longer than the queues wait between two attempts (infra/queue.tf).
SECOND_AFTER = timedelta(minutes=70)
LINKS_TTL = timedelta(days=1)
JITTER = timedelta(minutes=10)
#: A task that could not be opened, or whose mail was rejected, so often becomes a dead letter: with backoff up to
#: an hour, after about a day.
MAX_ATTEMPTS = 30

MailMessage = SubmissionMessage | LinksMessage | ReminderMessage


def _require_caller(handler: Handler) -> Handler:
    """Answer 403 to those who may not call, see `Callers`."""

    async def answer(call: Call) -> Response:
        if deps.callers and not await deps.callers.admits(call.request.headers.get("authorization", "")):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        return await handler(call)

    return answer


async def post_task(call: Call) -> Response:
    """Process one task of a queue."""
    body = await call.request.body()
    try:
        await _open_and_process(call.request, body)
    except RetryTask:
        return Response(status_code=HTTPStatus.CONFLICT)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _open_and_process(request: Request, body: bytes) -> None:
    try:
        await _process(parse_message(deps.opener.open(parse_task(body).sealed)))
    except (Unopenable, InvalidToken) as error:
        log.exception("unopenable_task", error, function="deliver", attempts=_attempts(request))
        await _retry_or_dead_letter(request, body, error)
    except MailRejected as error:
        await _retry_or_dead_letter(request, body, error)


async def post_sweep(_call: Call) -> Response:
    """Move the tasks of the spool into the queue. Called on a schedule."""
    moved = await deps.sweeper.sweep() if deps.sweeper else 0
    log.event("swept", tasks=moved)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def post_snapshot(_call: Call) -> Response:
    """Add each campaign's tally of this hour to its history. Called on a schedule."""
    now = deps.now()
    running = [campaign.id for campaign in deps.campaigns.values() if campaign.has_opened(now)]
    await asyncio.gather(*(_add_to_history(campaign, now) for campaign in running))
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def post_fold(_call: Call) -> Response:
    """Fold each campaign's tally, look whether it has fallen; ask for work or no longer. Called on a schedule."""
    now = deps.now()
    begun = [campaign for campaign in deps.campaigns.values() if campaign.has_opened(now)]
    await asyncio.gather(*(deps.store.fold_tally(campaign.id, now) for campaign in begun))
    await asyncio.gather(*(_read_tally(campaign.id) for campaign in begun))
    await asyncio.gather(*(automatic_work.update(deps.store, campaign, now) for campaign in begun))
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def post_bounces(_call: Call) -> Response:
    """Read what has come back to the mailbox of bounces, if there is one. Called on a schedule."""
    if deps.bounce_mailbox:
        try:
            log.event("bounces_read", tasks=await deps.bounce_mailbox.process(_apply_report))
        except MailboxUnreadable as error:  # has an alert of its own, and disturbs nothing else
            log.event("bounces_unreadable", "ERROR", stage=error.step, error=error.error)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _add_to_history(campaign: str, now: datetime) -> None:
    tally = await _read_tally(campaign)
    if tally is None:
        return  # a hole in the history is honest, a fall to nothing is not
    await deps.store.add_to_history(campaign, Point(now, tally.total, tally.by_country))
    if deps.totals:
        await deps.totals.note(campaign, TotalAt(now, tally.total))


async def _read_tally(campaign: str) -> Tally | None:
    """Read the tally; None, and a line in the log, if its total has fallen by more than withdrawals explain."""
    tally, last = await deps.store.tally(campaign), await _last_total(campaign)
    if last is None or not fall.is_unexplained(tally.total, last.total, last.at, None):
        return tally
    lowered_at = (await deps.store.overlay(campaign)).lowered_at
    if not fall.is_unexplained(tally.total, last.total, last.at, lowered_at):
        return tally
    log.event("count_fell", "ERROR", campaign=campaign)
    return None


async def _last_total(campaign: str) -> TotalAt | None:
    """Return the total of the last snapshot, where possible as it is noted outside the signatures' database."""
    if deps.totals:
        return await deps.totals.last(campaign)
    days = await deps.store.history(campaign, date.min)
    return TotalAt(days[-1].last.at, days[-1].last.total) if days else None


async def _process(message: Message) -> None:
    match message:
        case SubmissionMessage():
            await _admit_submission(message)
        case LinksMessage():
            await _mail_links(message)
        case ReminderMessage():
            await _mail_reminder(message)
        case DeferredPress():
            await _apply_press(message)


async def _admit_submission(message: SubmissionMessage) -> None:
    """Store as pending, mail the link and schedule the reminder."""
    now = deps.now()
    if not _campaign(message.campaign).takes_confirmations(now):
        _log_decision(message, "campaign_closed")
        return
    address = deps.digester.address(message.campaign, message.email)
    decision = await deps.store.admit(address, _sealed(message, address.domain), now)
    _log_decision(message, decision)
    match decision:
        case GrantMail():
            await _mail_submission(decision, message, now)
        case Defer():
            await _defer(message, decision, now)
        case Skip.SENT:  # by an attempt that may have failed before it scheduled the reminder
            await _schedule_reminder(message, now)
    is_signed = isinstance(decision, GrantMail) and decision.kind is MailKind.SIGNED
    if is_signed or decision in {Skip.SENT, Skip.CAPPED, Skip.SUPPRESSED}:
        await _schedule_second(message, now)


async def _defer(message: SubmissionMessage, decision: Defer, now: datetime) -> None:
    """Bring a submission again when its mail is due.

    Those of one burst of a mail domain are spread over as long as each has waited, or thousands would come every
    hour, of which the cap lets a few through.
    """
    spread = JITTER
    if decision.is_domain_burst:
        message = message.model_copy(update={"labels": _with(message.labels, Label.DOMAIN_BURST)})
        spread = max(JITTER, now - message.signed_at)
    not_before = decision.until + random.uniform(0, 1) * spread  # noqa: S311 - no secret
    await deps.envelopes.send(message, not_before=min(not_before, now + HORIZON))


async def _mail_submission(granted: GrantMail, message: SubmissionMessage, now: datetime) -> None:
    """Mail the links; after the mail to confirm, schedule the reminder. Count both steps in the funnel."""
    if granted.is_new:
        deps.funnel.accepted(message.campaign, granted.submissions[0])
    if await _send(granted, message) and granted.kind is MailKind.CONFIRM:
        deps.funnel.mailed(message.campaign, granted.submissions[0], now)
        await _schedule_reminder(message, now)


async def _schedule_reminder(message: SubmissionMessage, now: datetime) -> None:
    reminder = ReminderMessage(
        submission_id=message.id, campaign=message.campaign, email=message.email, locale=message.locale
    )
    await deps.envelopes.send(reminder, not_before=now + REMIND_AFTER)


async def _schedule_second(message: SubmissionMessage | DeferredPress, now: datetime) -> None:
    """Bring a message once more, when no withdrawal from before it can be in the queue any more.

    That is a submission of a confirmed address, or a press to confirm where there is a newer submission. Without
    this, somebody who withdraws while the database is away, and signs again, is left with nothing.
    """
    if not message.is_second:
        second = message.model_copy(update={"is_second": True})
        await deps.envelopes.send(second, not_before=now + SECOND_AFTER)


async def _mail_links(message: LinksMessage) -> None:
    """Mail the links that are due; drop a request that took a day, for nobody expects its mail by then."""
    now = deps.now()
    if now - message.asked_at > LINKS_TTL:
        return
    kind = None if _campaign(message.campaign).takes_confirmations(now) else MailKind.SIGNED
    await _mail_if_due(message, message.id, kind, now)


async def _mail_reminder(message: ReminderMessage) -> None:
    """Mail the reminder, if the submission is still pending."""
    now = deps.now()
    if _campaign(message.campaign).takes_confirmations(now):
        await _mail_if_due(message, message.submission_id, MailKind.REMINDER, now)


async def _mail_if_due(
    message: LinksMessage | ReminderMessage, key: str, kind: MailKind | None, now: datetime
) -> None:
    address = deps.digester.address(message.campaign, message.email)
    decision = await deps.store.claim(address, key, kind, now)
    _log_decision(message, decision)
    if isinstance(decision, GrantMail):
        await _send(decision, message)


async def _apply_press(message: DeferredPress) -> None:
    """Do what confirm could not while the database was away, as of when the button was pressed.

    Every withdrawal comes here, done already or not, to be noted for a restore.
    """
    purpose = Purpose(message.purpose)
    link = deps.tokens.verify(purpose, message.token, message.pressed_at)
    campaign = _campaign(link.campaign)
    if purpose is Purpose.WITHDRAW:
        await deps.store.withdraw(link.campaign, link.digest, message.pressed_at, deferred=True)
        await _note_withdrawal(campaign, link.digest, message.pressed_at)
        return
    outcome = await deps.store.confirm(
        link.campaign,
        link.digest,
        link.submission,
        message.pressed_at,
        campaign.screening.hold,
        deferred=not message.is_second,
    )
    if isinstance(outcome, Confirmed):
        deps.funnel.confirmed(link.campaign, outcome)
    elif outcome is Unchanged.TOO_EARLY:
        await _schedule_second(message, deps.now())


async def _apply_report(report: Report) -> bool:
    """Send a mailbox no mail for a time if a report about a mail of ours says so. False: it is about none of ours.

    The time begins with the mail, so that copies of a report suppress no longer than the first.
    """
    try:
        link, mailed_at = deps.tokens.verify_time(Purpose.REPORT, report.token, deps.now())
    except InvalidToken as error:
        return isinstance(error, ExpiredToken)
    is_news = report.kind is ReportKind.REJECTED
    if time := bounces.suppressed_for(report.kind, link.submission):
        is_news = await deps.store.suppress(link.campaign, link.digest, mailed_at + time)
    if is_news:
        place = {"campaign": link.campaign, "provider": link.mailbox}
        log.event("mail_bounced", "WARNING", kind=report.kind, status=report.status, **place)
    return True


async def _note_withdrawal(campaign: Campaign, digest: str, at: datetime) -> None:
    """Note that this address has withdrawn, where a restore of the database does not undo it."""
    if deps.removals:
        expire_at = expiry(at, campaign.privacy.backup_days)
        await deps.removals.add(Removal(campaign.id, digest, None, at, expire_at))


def _campaign(campaign_id: str) -> Campaign:
    """Return the campaign of a message.

    Raises:
        RetryTask: during a roll-out, an older revision does not know a new campaign yet.
    """
    if campaign_id not in deps.campaigns:
        raise RetryTask
    return deps.campaigns[campaign_id]


async def _send(granted: GrantMail, message: MailMessage) -> bool:
    """Send a granted mail and settle its claim. False: the address was refused for good.

    Raises:
        RetryTask: the mail was not sent, or may not have been.
        MailRejected: it was not, because the relay refuses its content.
        TryAgain: it was not, and no other can be.
    """
    campaign = _campaign(message.campaign)
    total = None
    if granted.kind is MailKind.SIGNED:
        campaign, total = await _as_last_read(campaign)
    mail = deps.composer.compose(
        granted, campaign, to=message.email, language=message.locale, now=deps.now(), total=total
    )
    provider = mail_providers.provider_class(message.email)
    failure = {"campaign": message.campaign, "kind": granted.kind, "provider": provider}
    is_sent = True
    try:
        await deps.mailer.send(mail)
    except MailRefused:
        # The claim counts as used, so that neither this mail nor a reminder is tried again.
        log.event("mail_refused", "WARNING", **failure)
        link = links.to_report(granted, message.email)
        if time := bounces.suppressed_for(ReportKind.BAD_MAILBOX, link.submission):
            await deps.store.suppress(granted.address.campaign, granted.address.mailbox, deps.now() + time)
        is_sent = False
    except MailUnavailable:
        await deps.store.settle(granted, sent=False)
        raise TryAgain from None
    except MailRejected:
        await deps.store.settle(granted, sent=False)
        raise
    except MailDeferred:
        await deps.store.settle(granted, sent=False)
        raise RetryTask from None
    except MailUnresolved:
        # The claim stays: whether or not the mail went out, none follows within the hour.
        log.event("mail_unresolved", "WARNING", **failure)
        raise RetryTask from None
    await deps.store.settle(granted, sent=True)
    return is_sent


async def _as_last_read(campaign: Campaign) -> tuple[Campaign, int | None]:
    """Return a campaign with what its overlay changes, and how many have signed; None where that is not known.

    A mail waits for a first answer of the database for a moment, and then goes without.
    """
    now = deps.now()
    if not campaign.is_open(now):
        return campaign, None
    await snapshots.wait(campaign.id, now)
    snapshot = snapshots.peek(campaign.id, now)
    if snapshot is None:
        return campaign, None
    return apply_overlay(campaign, snapshot.overlay or Overlay()), snapshot.tally.total


def _log_decision(message: MailMessage, decision: MailDecision | Literal["campaign_closed"]) -> None:
    match decision:
        case GrantMail():
            outcome: str = decision.kind
        case Defer():
            outcome = "suppressed" if decision.is_suppressed else "deferred"
        case _:
            outcome = decision
    log.event("mail_decision", campaign=message.campaign, kind=message.kind, outcome=outcome)


def _sealed(message: SubmissionMessage, domain: str | None) -> Submission:
    """Return the submission as it is stored, with all that identifies the signer sealed.

    `domain`: the digest of the mail domain, which is kept of a submission with labels alone.
    """
    sealer, labels = deps.sealers[message.campaign], _labels(message)
    contact = SealedContact(email=message.email, name=message.name, country=message.country, locale=message.locale)
    signature = SealedSignature(
        **contact.model_dump(),
        campaign=message.campaign,
        signed_at=message.signed_at.isoformat(),
        consent_version=message.consent_version,
        partner=message.partner,
        newsletter=message.newsletter,
        postal_code=message.postal_code,
    )
    return Submission(
        id=message.id,
        sealed=sealer.for_campaign(signature),
        partner_sealed=sealer.for_partner(message.partner, contact) if message.newsletter else None,
        country=message.country,
        partner=message.partner,
        source=message.source,
        locale=message.locale,
        newsletter=message.newsletter,
        consent_version=message.consent_version,
        signed_at=message.signed_at,
        mailbox_class=mail_providers.provider_class(message.email),
        labels=labels,
        domain=domain if labels else None,
    )


def _labels(message: SubmissionMessage) -> tuple[Label, ...]:
    is_disposable = mail_domains.is_disposable(message.email)
    return _with(message.labels, Label.DISPOSABLE_DOMAIN) if is_disposable else message.labels


def _with(labels: tuple[Label, ...], label: Label) -> tuple[Label, ...]:
    return labels if label in labels else (*labels, label)


async def _retry_or_dead_letter(request: Request, body: bytes, error: Exception) -> None:
    """Let the queue retry for a day, until there is a key, a revision or a relay for it; then keep a dead letter.

    Raises:
        RetryTask: the day is not over.
    """
    if _attempts(request) < MAX_ATTEMPTS:
        raise RetryTask
    task = request.headers.get("x-cloudtasks-taskname", "")
    await deps.store.add_dead_letter(task, body, type(error).__name__, deps.now())
    log.event("dead_lettered", "ERROR", function="deliver", error=type(error).__name__)


def _attempts(request: Request) -> int:
    """Return how often this task was answered before, but for 5xx: an outage is not the task's fault.

    https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler
    """
    answered = request.headers.get("x-cloudtasks-taskexecutioncount", "")
    return int(answered) if re.fullmatch("[0-9]{1,9}", answered) else 0


app = App(
    "deliver",
    deps,
    [
        Route(DeliverPath.TASK, {"POST": _require_caller(post_task)}),
        Route(DeliverPath.SWEEP, {"POST": _require_caller(post_sweep)}),
        Route(DeliverPath.SNAPSHOT, {"POST": _require_caller(post_snapshot)}),
        Route(DeliverPath.FOLD, {"POST": _require_caller(post_fold)}),
        Route(DeliverPath.BOUNCES, {"POST": _require_caller(post_bounces)}),
    ],
)
runtime.finish_startup()


@functions_framework.aio.http
async def deliver(request: Request) -> Response:
    """Answer a request, as functions-framework hands it over."""
    response = await app.answer(request)
    await deps.funnel.write_if_due()
    return response
