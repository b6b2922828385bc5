"""Which signature stands where two databases hold one of the same address."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.store.entities import MAX_SUBMISSIONS, Signature, Status

_NEVER = datetime.min.replace(tzinfo=UTC)


def merge_signatures(
    here: Signature | None, there: Signature, removed_at: datetime | None, now: datetime
) -> Signature | None:
    """Return what to store `here`, given what the other database holds `there`; None: leave it as it is.

    The later press of a button stands, to confirm or to withdraw, and of one press the later screening. Of two
    that are pending, all submissions stand, so that every link that was mailed goes on working. What was signed
    before `removed_at`, when the address was last removed, does not come back.
    """
    if removed_at:
        there = replace(
            there, submissions=tuple(each for each in there.submissions if each.signed_at > removed_at)
        )
    if (there.status is not Status.WITHDRAWN and not there.submissions) or _has_expired(there, now):
        return None
    if here is None or _has_expired(here, now) or _pressed_at(there) > _pressed_at(here):
        return there
    if here.status is there.status is Status.PENDING and _pressed_at(there) == _pressed_at(here):
        submissions = sorted({*here.submissions, *there.submissions}, key=lambda each: each.signed_at)
        last = max(here, there, key=lambda each: each.expire_at or _NEVER)
        both = replace(last, submissions=tuple(submissions[-MAX_SUBMISSIONS:]))
        return both if both != here else None
    return None


def _has_expired(signature: Signature, now: datetime) -> bool:
    return signature.expire_at is not None and signature.expire_at <= now


def _pressed_at(signature: Signature) -> tuple[datetime, datetime]:
    return signature.confirmed_at or signature.withdrawn_at or _NEVER, signature.screened_at or _NEVER
