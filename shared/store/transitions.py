"""The transitions of the store's state machine: pure functions from what was read to what to write.

Both adapters call these between their read and their commit, so that the rules exist once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.campaigns.screening import Policy, is_held
from shared.store.entities import (
    CLAIM_TTL,
    DROPPED_TTL,
    FREE_MAILS,
    HEAD_START,
    MAIL_INTERVAL,
    MAILS_PER_HOUR,
    MAILS_WINDOW,
    MAX_SUBMISSIONS,
    MAX_WAITING,
    PENDING_TTL,
    PRESSED,
    TASK_TTL,
    TOMBSTONE_TTL,
    Address,
    Claim,
    Confirmation,
    Confirmed,
    Defer,
    Domain,
    GrantMail,
    Mailbox,
    MailDecision,
    MailKind,
    Signature,
    Skip,
    Status,
    Submission,
    Unchanged,
    Waiting,
    Withdrawal,
)

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MailTransition:
    """A decision and what to write with it. `signature`, `mailbox`, `domain`: None where nothing changes."""

    decision: MailDecision
    signature: Signature | None = None
    mailbox: Mailbox | None = None
    domain: Domain | None = None


def _unexpired(signature: Signature | None, now: datetime) -> Signature | None:
    """Return the signature unless it has expired, whether or not the database has deleted it yet."""
    if signature and signature.expire_at and signature.expire_at <= now:
        return None
    return signature


def admit(
    address: Address, submission: Submission, now: datetime, stored: Signature | None, mailbox: Mailbox
) -> MailTransition:
    """Store a submission as pending and claim its mail, see `Store.admit`."""
    signature = _unexpired(stored, now)
    if submission.signed_at <= now - TASK_TTL:
        return MailTransition(Skip.STALE)
    # Also while a newer submission is pending, which must not let in those from before the withdrawal.
    if signature and signature.withdrawn_at and submission.signed_at <= signature.withdrawn_at:
        return MailTransition(Skip.STALE)
    if signature and signature.status in PRESSED:
        return _claim_already_signed(address, signature, mailbox, submission, now)
    return _admit_pending(address, signature, mailbox, submission, now)


def _claim_already_signed(
    address: Address, signature: Signature, mailbox: Mailbox, submission: Submission, now: datetime
) -> MailTransition:
    # A repeated task for a submission that was mailed is no new attempt to sign.
    mailed = signature.submission(submission.id) or _claim_of(mailbox, _key(MailKind.CONFIRM, submission.id))
    if mailed:
        return MailTransition(Skip.SENT)
    return _grant_courtesy(address, mailbox, MailKind.SIGNED, submission.id, (), now)


def _admit_pending(
    address: Address, signature: Signature | None, mailbox: Mailbox, submission: Submission, now: datetime
) -> MailTransition:
    key = _key(MailKind.CONFIRM, submission.id)
    if decision := _decided(mailbox, key, now):
        return MailTransition(decision)
    slot = _slot(mailbox, submission.signed_at, now)
    if slot > now:
        return _wait(mailbox, submission, slot, now)
    granted = _claim_mail(address, mailbox, key, MailKind.CONFIRM, (submission,), now)
    known = signature and signature.submission(submission.id)
    pending = Signature(
        Status.PENDING,
        (*_others(signature, mailbox, submission, now), submission),
        withdrawn_at=signature.withdrawn_at if signature else None,
        expire_at=now + PENDING_TTL,
    )
    return MailTransition(replace(granted, is_new=not known), pending, granted.mailbox)


def _others(
    signature: Signature | None, mailbox: Mailbox, submission: Submission, now: datetime
) -> Sequence[Submission]:
    """Return the submissions that stay beside this one: where the document is full, all but the oldest.

    What was mailed stays, since somebody may hold its link. Of that, the caps allow less than `MAX_SUBMISSIONS`:
    what fills the document are submissions whose mails no relay took.
    """
    others = [
        known
        for known in (signature.submissions if signature else ())
        if known.id != submission.id and known.signed_at > now - PENDING_TTL
    ]
    if len(others) >= MAX_SUBMISSIONS:
        unmailed = (known for known in others if not _claim_of(mailbox, _key(MailKind.CONFIRM, known.id)))
        others.remove(next(unmailed, others[0]))
    return others


def _wait(mailbox: Mailbox, submission: Submission, slot: datetime, now: datetime) -> MailTransition:
    """Defer a submission until `slot` and note that it waits; of too many, drop the oldest."""
    own = Waiting(submission.id, submission.signed_at)
    others = {known for known in mailbox.waiting if known.signed_at > now - TASK_TTL}
    waiting = tuple(sorted({*others, own}, key=lambda known: (known.signed_at, known.id))[-MAX_WAITING:])
    if own not in waiting:
        return MailTransition(Skip.DROPPED)
    changed = replace(mailbox, waiting=waiting) if waiting != mailbox.waiting else None
    return MailTransition(Defer(slot, is_suppressed=_is_suppressed(mailbox, now)), mailbox=changed)


def claim(
    address: Address, key: str, kind: MailKind | None, now: datetime, stored: Signature | None, mailbox: Mailbox
) -> MailTransition:
    """Claim a mail for an address that signed before, see `Store.claim`."""
    signature = _unexpired(stored, now)
    if signature and signature.status is Status.PENDING and kind is not MailKind.SIGNED:
        if kind is MailKind.REMINDER:
            reminded = signature.submission(key)
            links: tuple[Submission, ...] = (reminded,) if reminded else ()
        else:
            kind, links = MailKind.CONFIRM, signature.submissions
        if links:
            return _grant_courtesy(address, mailbox, kind, key, links, now)
    elif signature and signature.status in PRESSED and kind is not MailKind.REMINDER:
        return _grant_courtesy(address, mailbox, MailKind.SIGNED, key, (), now)
    return MailTransition(Skip.NOT_DUE)


def _grant_courtesy(
    address: Address,
    mailbox: Mailbox,
    kind: MailKind,
    mail_id: str,
    submissions: tuple[Submission, ...],
    now: datetime,
) -> MailTransition:
    """Claim a mail that is a courtesy; over the caps, skip it: later, nobody expects it any more."""
    key = _key(kind, mail_id)
    decision = _decided(mailbox, key, now)
    if decision is Skip.SENT:
        return MailTransition(decision)
    if _is_suppressed(mailbox, now):
        return MailTransition(Skip.SUPPRESSED)
    is_exempt = kind is MailKind.SIGNED and _is_first_withdraw_link_of_day(mailbox, now)
    slot = _hourly_slot(mailbox) if is_exempt else _slot(mailbox, _NEVER, now)
    if decision or slot > now:
        return MailTransition(Skip.CAPPED)
    granted = _claim_mail(address, mailbox, key, kind, submissions, now)
    return MailTransition(granted, mailbox=granted.mailbox)


def _is_first_withdraw_link_of_day(mailbox: Mailbox, now: datetime) -> bool:
    """Return whether the daily cap does not hold, so that strangers keep no signer from withdrawing."""
    signed = _key(MailKind.SIGNED, "")
    return not any(known.at > now - MAIL_INTERVAL for known in mailbox.claims if known.key.startswith(signed))


def _decided(mailbox: Mailbox, key: str, now: datetime) -> Skip | Defer | None:
    """Return what an earlier claim of this mail decides: it is out, or may be on its way."""
    own = _claim_of(mailbox, key)
    if own and own.sent:
        return Skip.SENT
    return Defer(own.at + CLAIM_TTL) if own and now < own.at + CLAIM_TTL else None


def _claim_mail(
    address: Address,
    mailbox: Mailbox,
    key: str,
    kind: MailKind,
    submissions: tuple[Submission, ...],
    now: datetime,
) -> GrantMail:
    ids = {submission.id for submission in submissions}
    claimed = Mailbox(
        (*_recent(mailbox, now), Claim(key, now)),
        expire_at=now + TOMBSTONE_TTL,
        waiting=tuple(known for known in mailbox.waiting if known.id not in ids),
    )
    return GrantMail(address, key, kind, submissions, claimed)


def _key(kind: MailKind, mail_id: str) -> str:
    return f"{kind}:{mail_id}"


def _claim_of(mailbox: Mailbox, key: str) -> Claim | None:
    """Return the latest claim of one mail; an older one may be of an attempt whose end is unknown."""
    return next((known for known in reversed(mailbox.claims) if known.key == key), None)


def _recent(mailbox: Mailbox, now: datetime) -> Sequence[Claim]:
    return [known for known in mailbox.claims if known.at > now - MAILS_WINDOW]


def _slot(mailbox: Mailbox, signed_at: datetime, now: datetime) -> datetime:
    """Return from when on the caps have room for the mail of a submission, counting every claim as a mail.

    A newer one that waits has a head start. So strangers who have used up the caps cannot keep out somebody who
    signs after them, however many of theirs wait. While the mailbox is suppressed, there is no room.
    """
    slot = max(_hourly_slot(mailbox), mailbox.suppressed_until or _NEVER)
    times = [known.at for known in _recent(mailbox, now)]
    if len(times) >= FREE_MAILS:
        slot = max(slot, max(times) + MAIL_INTERVAL)
    is_newest = all(known.signed_at <= signed_at for known in mailbox.waiting)
    return slot if is_newest else slot + HEAD_START


def _hourly_slot(mailbox: Mailbox) -> datetime:
    times = sorted(known.at for known in mailbox.claims)
    return times[-MAILS_PER_HOUR] + timedelta(hours=1) if len(times) >= MAILS_PER_HOUR else _NEVER


def _is_suppressed(mailbox: Mailbox, now: datetime) -> bool:
    return mailbox.suppressed_until is not None and mailbox.suppressed_until > now


def suppress(mailbox: Mailbox, until: datetime) -> Mailbox:
    """Send no mail before `until`, see `Store.suppress`. The later of two holds: a repeat changes nothing."""
    if mailbox.suppressed_until and mailbox.suppressed_until >= until:
        return mailbox
    return replace(mailbox, suppressed_until=until, expire_at=max(mailbox.expire_at or until, until))


def settle(mailbox: Mailbox, key: str, *, sent: bool) -> Mailbox:
    """Mark a claim as sent, or remove it."""
    own = _claim_of(mailbox, key)
    others = tuple(known for known in mailbox.claims if known is not own)
    if own is None or own.sent:
        return mailbox
    return replace(mailbox, claims=(*others, replace(own, sent=True)) if sent else others)


def confirm(
    stored: Signature | None, submission_id: str, at: datetime, policy: Policy, *, deferred: bool
) -> tuple[Confirmation, Signature | None]:
    """Confirm a signature, or hold it: return the outcome, and if it is Confirmed what to write.

    A deferred one waits while there is a submission that was signed after it. Its signer may have withdrawn in
    between: the withdrawal, still in the queue, would then take what was confirmed, and the new one be gone.
    """
    signature = _unexpired(stored, at)
    if signature and signature.status in PRESSED:
        return Unchanged.ALREADY, None
    kept = signature.submission(submission_id) if signature else None
    if kept is None:
        return Unchanged.GONE, None
    if deferred and signature and any(known.signed_at > at for known in signature.submissions):
        return Unchanged.TOO_EARLY, None
    held = is_held(kept.labels, policy)
    status = Status.HELD if held else Status.CONFIRMED
    return Confirmed(kept, at, held), Signature(status, (kept,), confirmed_at=at)


def withdraw(stored: Signature | None, at: datetime, *, deferred: bool) -> tuple[Withdrawal, Signature | None]:
    """Withdraw a signature: return the outcome, and unless it is ALREADY what to write.

    A deferred one leaves what was signed after it, as the times say. Any other takes what is stored, whatever the
    clock said of the machine that took the signature.
    """
    signature = _unexpired(stored, at)
    if signature is None or signature.status is Status.WITHDRAWN:
        return Withdrawal.ALREADY, None
    after = tuple(known for known in signature.submissions if deferred and known.signed_at > at)
    # Their tasks may come once more, and must find that they were withdrawn.
    withdrawn_at = max([at, *(known.signed_at for known in signature.submissions if known not in after)])
    if signature.status is Status.PENDING:
        left = replace(signature, submissions=after, withdrawn_at=withdrawn_at) if after else None
        return Withdrawal.CANCELLED, left or _tombstone(withdrawn_at)
    if after:
        return Withdrawal.ALREADY, None
    return Withdrawal.UNCOUNTED, _tombstone(withdrawn_at)


def _tombstone(at: datetime) -> Signature:
    return Signature(Status.WITHDRAWN, withdrawn_at=at, expire_at=at + TOMBSTONE_TTL)


#: What can become of a confirmed signature by the organisers' doing, and what it must be before.
_SCREENED_FROM = {Status.HELD: Status.CONFIRMED, Status.CONFIRMED: Status.HELD, Status.DROPPED: Status.HELD}


def screen(stored: Signature | None, to: Status, now: datetime) -> Signature | None:
    """Hold a counted signature, release (count) or drop a held one: return what to write; None: nothing.

    `to`: HELD, CONFIRMED or DROPPED. What is dropped expires, for nobody needs its data any more.
    """
    signature = _unexpired(stored, now)
    if signature is None or signature.status is not _SCREENED_FROM[to]:
        return None
    expire_at = now + DROPPED_TTL if to is Status.DROPPED else None
    return replace(signature, status=to, expire_at=expire_at, screened_at=now, screened_from=signature.status)


def undo_screening(stored: Signature | None, since: datetime, now: datetime) -> Signature | None:
    """Undo the last `screen` of a signature if it was at `since` or later: return what to write; None: nothing."""
    signature = _unexpired(stored, now)
    if signature is None or signature.screened_at is None or signature.screened_at < since:
        return None
    before = signature.screened_from
    if before is None:
        return None
    return replace(signature, status=before, expire_at=None, screened_at=now, screened_from=None)
