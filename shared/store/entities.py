"""What the store keeps and what its operations return: frozen values without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple

from pydantic import ConfigDict

from shared.models.labels import Label

PENDING_TTL = timedelta(days=30)
#: Longer than any task lives, so that no task from before a withdrawal can revive the signature.
TOMBSTONE_TTL = timedelta(days=31)
#: deliver drops older tasks; as long as they live, they hold the signer's data, sealed.
TASK_TTL = timedelta(days=30)
#: In one document. The caps let fewer be mailed within `PENDING_TTL`, so that no link that was mailed is dropped.
#: At their largest they take a quarter of a document, which may have 1 MiB
#: (https://firebase.google.com/docs/firestore/quotas).
MAX_SUBMISSIONS = 40

MAILS_PER_HOUR = 2
#: So many within `MAILS_WINDOW`, then one in each `MAIL_INTERVAL`.
FREE_MAILS = 5
MAILS_WINDOW = timedelta(days=30)
#: The first mail in this time that holds nothing but the withdraw link is not held to it.
MAIL_INTERVAL = timedelta(days=1)
#: Of one mailbox; with one mail a day, no more could be mailed before their tasks are too old.
MAX_WAITING = 40
#: Longer than the newest submission that waits takes to come back from the queue.
HEAD_START = timedelta(hours=1)
CLAIM_TTL = timedelta(hours=1)

#: Firestore takes 500 increments for one document in one commit (https://firebase.google.com/docs/firestore/quotas).
MAX_FUNNEL_COUNTS = 400
#: Longer than a process repeats a write, of which it may not know whether it was done.
FUNNEL_WRITE_TTL = timedelta(days=7)


#: How long a drop can be undone; then the database deletes the signature.
DROPPED_TTL = timedelta(days=30)


class Status(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    #: Confirmed, and not counted until the organisers release or drop it.
    HELD = "held"
    #: Rejected by the organisers as automated.
    DROPPED = "dropped"
    WITHDRAWN = "withdrawn"


#: The owner of the mailbox has pressed the button. Signers are answered alike, whichever of these it is.
PRESSED = frozenset({Status.CONFIRMED, Status.HELD, Status.DROPPED})


class MailKind(StrEnum):
    CONFIRM = "confirm"
    REMINDER = "reminder"
    #: "You have already signed": holds the withdraw link only.
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Submission:
    """One form sent with this address.

    `sealed`: a `SealedSignature` as an age file to the campaign's recipients. `partner_sealed`: a `SealedContact`
    to the partner's, for its newsletter. `newsletter` is here too, because the confirm page repeats it.
    `signed_at`: when the form was sent.
    """

    # Read by pydantic when an adapter writes a submission as JSON.
    __pydantic_config__: ClassVar = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    id: str
    sealed: bytes
    partner_sealed: bytes | None
    country: str
    partner: str | None
    source: str | None
    locale: str
    newsletter: bool | None
    consent_version: str
    signed_at: datetime
    #: From `mail_providers.provider_class`.
    mailbox_class: str
    labels: tuple[Label, ...] = ()
    #: The digest of the mail domain, see `Address`; None where there are no labels.
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The document of one address. `expire_at`: None if confirmed or held.

    `screened_at`: when the organisers held, released or dropped it, or undid that; None where they have not.
    `screened_from`: what it was before the last of these, for undoing it; None where there is nothing to undo.
    """

    status: Status
    submissions: tuple[Submission, ...] = ()
    confirmed_at: datetime | None = None
    withdrawn_at: datetime | None = None
    expire_at: datetime | None = None
    screened_at: datetime | None = None
    screened_from: Status | None = None

    def submission(self, submission_id: str) -> Submission | None:
        """Return the submission with this id; None if it was dropped or never there."""
        return next((known for known in self.submissions if known.id == submission_id), None)


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail that was sent (`sent`) or is about to be. `key`: which mail it is."""

    key: str
    at: datetime
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A submission that waits in the queue until the caps have room for its mail. `id`: the submission's."""

    id: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The document of one mailbox: its claims of the last `MAILS_WINDOW`, and what waits, oldest first.

    `suppressed_until`: no mail before, because one has come back or its owner has complained.
    """

    claims: tuple[Claim, ...] = ()
    expire_at: datetime | None = None
    waiting: tuple[Waiting, ...] = ()
    suppressed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """The document of one mail domain, see `domain_caps`: what its addresses were mailed, none of which it holds.

    `mailed_at`: when addresses that were new were mailed, within the last hour. `addresses`: how many in all, and
    `since` when. `has_confirmed`: somebody there was found to have confirmed.
    """

    mailed_at: tuple[datetime, ...] = ()
    addresses: int = 0
    since: datetime | None = None
    has_confirmed: bool = False
    expire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where one address is stored. `digest`, `mailbox`, `domain`: from `digest.Digester`, 52 characters each.

    `domain`: None at a provider of many people who have nothing to do with each other.
    """

    campaign: str
    digest: str
    mailbox: str
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class GrantMail:
    """Send this mail now, then `settle` it. `submissions`: those it links to, oldest first; none for SIGNED.

    `version`: the adapter's, of the mailbox it wrote. `is_new`: the submission was not stored before.
    """

    address: Address
    key: str
    kind: MailKind
    submissions: tuple[Submission, ...]
    mailbox: Mailbox
    version: object = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Defer:
    """Try again at `until`. The submission was not stored.

    `is_domain_burst`: too many others of the mail domain came first. `is_suppressed`: the mailbox gets no mail.
    """

    until: datetime
    is_domain_burst: bool = False
    is_suppressed: bool = False


class Skip(StrEnum):
    """Nothing to send, now or later."""

    SENT = "already_sent"
    STALE = "stale"
    NOT_DUE = "not_due"
    CAPPED = "capped"
    #: Too many newer ones wait for a mail to the same mailbox.
    DROPPED = "dropped"
    #: No reminder, for nobody of this mail domain ever confirms.
    UNCONFIRMED_DOMAIN = "unconfirmed_domain"
    #: The mailbox gets no mail for now, see `Mailbox.suppressed_until`.
    SUPPRESSED = "suppressed"


MailDecision = GrantMail | Defer | Skip


@dataclass(frozen=True, slots=True)
class Confirmed:
    """This press counted the signature, or holds it (`is_held`).

    `submission`: the one kept; `at`: when the button was pressed.
    """

    submission: Submission
    at: datetime
    is_held: bool = False


class Unchanged(StrEnum):
    """This press counted nothing."""

    #: This link or another of the same address has confirmed it before.
    ALREADY = "already"
    #: Expired, withdrawn or never stored.
    GONE = "gone"
    #: Signed again since the press, maybe after a withdrawal that is still in the queue.
    TOO_EARLY = "too early"


Confirmation = Confirmed | Unchanged


class Withdrawal(StrEnum):
    """What a press to withdraw has changed."""

    #: It was confirmed until now, counted or held.
    UNCOUNTED = "uncounted"
    #: It was pending until now.
    CANCELLED = "cancelled"
    #: There was nothing to withdraw.
    ALREADY = "already"


@dataclass(frozen=True, slots=True)
class Tally:
    """Confirmed signatures. The countries add up to the total, in which those that are `held` are not."""

    total: int = 0
    by_country: Mapping[str, int] = field(default_factory=dict)
    by_partner: Mapping[str, int] = field(default_factory=dict)
    held: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """The tally as it was at one moment, for the history. The countries add up to the total."""

    at: datetime
    total: int
    by_country: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TotalAt:
    """The total as it was at one moment."""

    at: datetime
    total: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC) of the history: its last point, and of each hour the last total.

    Countries are kept once a day: by the hour, one could reconstruct when each of a few people of a small country
    signed, once its number is published.
    """

    last: Point
    hours: Mapping[str, TotalAt]


#: What one commit adds to the tally, by field and key: ("total", ""), ("held", ""), ("country", "DE"),
#: ("partner", "digital-rights").
Delta = Mapping[tuple[str, str], int]


class FunnelKey(NamedTuple):
    """What one number of the funnel counts: day of signing, stage, dimension, and the value on it."""

    day: str
    stage: str
    dimension: str
    key: str
