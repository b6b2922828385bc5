"""The transitions of the store's state machine: pure functions from what was read to what to write.

Both adapters call these between their read and their commit, so that the rules exist once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.store.entities import (
    CLAIM_TTL,
    MAILS_IN_ALL,
    MAILS_PER_HOUR,
    MAILS_WINDOW,
    MAX_SUBMISSIONS,
    PENDING_TTL,
    TASK_TTL,
    TOMBSTONE_TTL,
    Address,
    Claim,
    Confirmation,
    Confirmed,
    Defer,
    Delta,
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
    Withdrawal,
)


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
    if signature and signature.status is Status.CONFIRMED:
        return _claim_already_signed(address, signature, mailbox, submission, now)
    return _admit_pending(address, signature, mailbox, submission, now)


def _claim_already_signed(
    address: Address, signature: Signature, mailbox: Mailbox, submission: Submission, now: datetime
) -> MailTransition:
    # A repeated task for a submission that was mailed is no new attempt to sign.
    mailed = signature.submission(submission.id) or _claim_of(mailbox, _key(MailKind.CONFIRM, submission.id))
    if mailed:
        return MailTransition(Skip.SENT)
    return _skip_if_capped(_grant(address, mailbox, MailKind.SIGNED, submission.id, (), now))


def _admit_pending(
    address: Address, signature: Signature | None, mailbox: Mailbox, submission: Submission, now: datetime
) -> MailTransition:
    others = tuple(
        known
        for known in (signature.submissions if signature else ())
        if known.id != submission.id and known.signed_at > now - PENDING_TTL
    )
    if len(others) >= MAX_SUBMISSIONS:
        return MailTransition(Defer(min(known.signed_at for known in others) + PENDING_TTL))
    transition = _grant(address, mailbox, MailKind.CONFIRM, submission.id, (submission,), now)
    if not isinstance(transition.decision, GrantMail):
        return transition
    pending = Signature(
        Status.PENDING,
        (*others, submission),
        withdrawn_at=signature.withdrawn_at if signature else None,
        expire_at=now + PENDING_TTL,
    )
    known = signature and signature.submission(submission.id)
    return replace(transition, decision=replace(transition.decision, is_new=not known), signature=pending)


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
            return _skip_if_capped(_grant(address, mailbox, kind, key, links, now))
    elif signature and signature.status is Status.CONFIRMED and kind is not MailKind.REMINDER:
        return _skip_if_capped(_grant(address, mailbox, MailKind.SIGNED, key, (), now))
    return MailTransition(Skip.NOT_DUE)


def _skip_if_capped(transition: MailTransition) -> MailTransition:
    """Skip instead of deferring a mail that is a courtesy: later, nobody expects it any more."""
    return MailTransition(Skip.CAPPED) if isinstance(transition.decision, Defer) else transition


def _grant(
    address: Address,
    mailbox: Mailbox,
    kind: MailKind,
    mail_id: str,
    submissions: tuple[Submission, ...],
    now: datetime,
) -> MailTransition:
    key = _key(kind, mail_id)
    own = _claim_of(mailbox, key)
    if own and own.sent:
        return MailTransition(Skip.SENT)
    if own and now < own.at + CLAIM_TTL:
        return MailTransition(Defer(own.at + CLAIM_TTL))
    recent = tuple(known for known in mailbox.claims if known.at > now - MAILS_WINDOW)
    slot = _next_slot(recent, now)
    if slot > now:
        return MailTransition(Defer(slot))
    claimed = Mailbox((*recent, Claim(key, now)), expire_at=now + TOMBSTONE_TTL)
    return MailTransition(GrantMail(address, key, kind, submissions, claimed), mailbox=claimed)


def _key(kind: MailKind, mail_id: str) -> str:
    return f"{kind}:{mail_id}"


def _claim_of(mailbox: Mailbox, key: str) -> Claim | None:
    """Return the latest claim of one mail; an older one may be of an attempt whose end is unknown."""
    return next((known for known in reversed(mailbox.claims) if known.key == key), None)


def _next_slot(recent: tuple[Claim, ...], now: datetime) -> datetime:
    """Return when both caps have room, counting every claim as a mail."""
    times = sorted(known.at for known in recent)
    slot = now
    for cap, window in ((MAILS_PER_HOUR, timedelta(hours=1)), (MAILS_IN_ALL, MAILS_WINDOW)):
        if len(times) >= cap:
            slot = max(slot, times[-cap] + window)
    return slot


def settle(mailbox: Mailbox, key: str, *, sent: bool) -> Mailbox:
    """Mark a claim as sent, or remove it."""
    own = _claim_of(mailbox, key)
    others = tuple(known for known in mailbox.claims if known is not own)
    if own is None or own.sent:
        return mailbox
    return replace(mailbox, claims=(*others, replace(own, sent=True)) if sent else others)


def confirm(
    stored: Signature | None, submission_id: str, at: datetime
) -> tuple[Confirmation, Signature | None, Delta | None]:
    """Confirm a signature: return the outcome, and if it is Confirmed what to write and to count."""
    signature = _unexpired(stored, at)
    if signature and signature.status is Status.CONFIRMED:
        return Unchanged.ALREADY, None, None
    kept = signature.submission(submission_id) if signature else None
    if kept is None:
        return Unchanged.GONE, None, None
    confirmed = Signature(Status.CONFIRMED, (kept,), confirmed_at=at)
    return Confirmed(kept, at), confirmed, Delta(+1, kept.country, kept.partner)


def withdraw(
    stored: Signature | None, at: datetime, *, deferred: bool
) -> tuple[Withdrawal, Signature | None, Delta | None]:
    """Withdraw a signature: return the outcome, and unless it is ALREADY what to write and to uncount.

    A deferred one leaves what was signed after it, as the times say. Any other takes what is stored, whatever the
    clock said of the machine that took the signature.
    """
    signature = _unexpired(stored, at)
    if signature is None or signature.status is Status.WITHDRAWN:
        return Withdrawal.ALREADY, None, None
    after = tuple(known for known in signature.submissions if deferred and known.signed_at > at)
    # Their tasks may come once more, and must find that they were withdrawn.
    withdrawn_at = max([at, *(known.signed_at for known in signature.submissions if known not in after)])
    if signature.status is Status.PENDING:
        left = replace(signature, submissions=after, withdrawn_at=withdrawn_at) if after else None
        return Withdrawal.CANCELLED, left or _tombstone(withdrawn_at), None
    if after:
        return Withdrawal.ALREADY, None, None
    kept = signature.submissions[0]
    return Withdrawal.UNCOUNTED, _tombstone(withdrawn_at), Delta(-1, kept.country, kept.partner)


def _tombstone(at: datetime) -> Signature:
    return Signature(Status.WITHDRAWN, withdrawn_at=at, expire_at=at + TOMBSTONE_TTL)
