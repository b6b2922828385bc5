"""What one mail domain gets: caps for those that are no provider of strangers, such as a company's or a family's.

A stranger who knows a domain can make up addresses in it by the thousand; each is a mail that nobody there has
asked for. So only so many new addresses of a domain are mailed in an hour, and fewer, without reminders, where
nobody ever confirms. A union whose members all sign in an hour is delayed by that, for two days at most.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.models.labels import Label
from shared.store.entities import TOMBSTONE_TTL, Defer, Domain, GrantMail, MailKind, Signature, Skip, Status
from shared.store.transitions import MailTransition

NEW_ADDRESSES_PER_HOUR = 100
#: Where nobody confirms.
UNCONFIRMED_PER_HOUR = 10
#: Nobody confirms: of so many who were mailed, for so long that reminders are due, which find out.
UNCONFIRMED_ADDRESSES = 20
UNCONFIRMED_FOR = timedelta(hours=24)
#: Submissions with these labels get half of it, so that a stranger with a simple program cannot use up what a
#: domain gets, and keep its people from signing.
_SUSPECT = {Label.NETWORK_BURST, Label.NO_PAGE, Label.NO_WORK, Label.TOO_FAST}
_WINDOW = timedelta(hours=1)


def apply(transition: MailTransition, stored: Signature | None, domain: Domain, now: datetime) -> MailTransition:
    """Apply the caps of a domain to what was decided about one of its addresses, of which `stored` was read."""
    if stored and stored.confirmed_at:
        if domain.has_confirmed or stored.status is Status.DROPPED:
            return transition
        return replace(transition, domain=replace(domain, has_confirmed=True, expire_at=now + TOMBSTONE_TTL))
    granted = transition.decision
    if not isinstance(granted, GrantMail):
        return transition
    if granted.kind is MailKind.REMINDER:
        return MailTransition(Skip.UNCONFIRMED_DOMAIN) if _never_confirms(domain, now) else transition
    is_new = stored is None or (stored.expire_at is not None and stored.expire_at <= now)
    return _mail_new_address(transition, _cap(granted, domain, now), domain, now) if is_new else transition


def _mail_new_address(transition: MailTransition, cap: int, domain: Domain, now: datetime) -> MailTransition:
    recent = tuple(at for at in domain.mailed_at if at > now - _WINDOW)
    if len(recent) >= cap:
        return MailTransition(Defer(sorted(recent)[-cap] + _WINDOW, is_domain_burst=True))
    mailed = Domain(
        mailed_at=(*recent, now),
        addresses=domain.addresses + 1,
        since=domain.since or now,
        has_confirmed=domain.has_confirmed,
        expire_at=now + TOMBSTONE_TTL,
    )
    return replace(transition, domain=mailed)


def _cap(granted: GrantMail, domain: Domain, now: datetime) -> int:
    """Return how many new addresses may have been mailed within the hour, this one included."""
    cap = UNCONFIRMED_PER_HOUR if _never_confirms(domain, now) else NEW_ADDRESSES_PER_HOUR
    is_suspect = any(_SUSPECT.intersection(submission.labels) for submission in granted.submissions)
    return cap // 2 if is_suspect else cap


def _never_confirms(domain: Domain, now: datetime) -> bool:
    return (
        not domain.has_confirmed
        and domain.addresses >= UNCONFIRMED_ADDRESSES
        and domain.since is not None
        and domain.since <= now - UNCONFIRMED_FOR
    )
