"""What the store keeps and what its operations answer: frozen values without behaviour."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple

from pydantic import ConfigDict

PENDING_TTL = timedelta(days=30)
#: Longer than any task lives, so that no task can revive what was withdrawn before it.
TOMBSTONE_TTL = timedelta(days=31)
#: deliver drops older tasks; so long as they live, their envelope holds the signer's data.
TASK_TTL = timedelta(days=30)
MAX_SUBMISSIONS = 5

MAILS_PER_HOUR = 2
MAILS_IN_ALL = 5
#: "In all" forgets a mail after this long: the owner of an address that somebody else has exhausted can sign then.
MAILS_WINDOW = timedelta(days=30)
CLAIM_TTL = timedelta(hours=1)

#: Firestore takes 500 increments for one document in one commit (https://firebase.google.com/docs/firestore/quotas).
MAX_FUNNEL_COUNTS = 400


class Status(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"


class MailKind(StrEnum):
    CONFIRM = "confirm"
    REMINDER = "reminder"
    #: "You have already signed": holds the withdraw link only.
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Submission:
    """One time somebody filled in the form with this address.

    `sealed`: age file to the campaign's recipients. `partner_sealed`: to the partner's own, for its newsletter.
    `newsletter` is here too, because the confirm page says it back. `signed_at`: when the form was sent.
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


@dataclass(frozen=True, slots=True)
class Signature:
    """The document of one address. `expire_at`: None for a confirmed one."""

    status: Status
    submissions: tuple[Submission, ...] = ()
    confirmed_at: datetime | None = None
    withdrawn_at: datetime | None = None
    expire_at: datetime | None = None

    def submission(self, submission_id: str) -> Submission | None:
        return next((known for known in self.submissions if known.id == submission_id), None)


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail that was sent (`sent`), or that somebody is about to send. `key`: which mail it is."""

    key: str
    at: datetime
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The document of one mailbox: its claims of the last `MAILS_WINDOW`."""

    claims: tuple[Claim, ...] = ()
    expire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where one address is stored. `digest` and `mailbox`: from `sealing.Digester`, 52 characters each."""

    campaign: str
    digest: str
    mailbox: str


@dataclass(frozen=True, slots=True)
class GrantMail:
    """Send this mail now, then `settle` it. `submissions`: those it links to, oldest first; none for SIGNED.

    `version`: the adapter's own note of the mailbox it wrote. `is_new`: the submission was not stored before.
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
    """Not now: try again at `until`. Nothing was stored."""

    until: datetime


class Skip(StrEnum):
    """Nothing to send, now or later."""

    SENT = "already_sent"
    STALE = "stale"
    NOT_DUE = "not_due"
    CAPPED = "capped"


MailDecision = GrantMail | Defer | Skip


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Counted by this press. `submission`: the one that is kept; `at`: when the button was pressed."""

    submission: Submission
    at: datetime


class Unchanged(StrEnum):
    """Nothing was counted by this press."""

    #: This link or another of the same address was pressed before.
    ALREADY = "already"
    #: Expired, withdrawn or never there.
    GONE = "gone"


Confirmation = Confirmed | Unchanged


class Withdrawal(StrEnum):
    #: It was counted until now.
    UNCOUNTED = "uncounted"
    #: It was pending until now.
    CANCELLED = "cancelled"
    ALREADY = "already"


@dataclass(frozen=True, slots=True)
class Tally:
    """Confirmed signatures, summed over the shards. The countries add up to the total."""

    total: int = 0
    by_country: Mapping[str, int] = field(default_factory=dict)
    by_partner: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """The tally as it was at one moment, for the history. The countries add up to the total."""

    at: datetime
    total: int
    by_country: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Hour:
    """The total as it was at one moment."""

    at: datetime
    total: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC) of the history: its last point, and of each hour the last total.

    Countries are kept once a day: hour by hour, one could read back when each of a few people of a small country
    signed, once its number is told.
    """

    last: Point
    hours: Mapping[str, Hour]


@dataclass(frozen=True, slots=True)
class Delta:
    """What one commit adds to one shard of the tally."""

    by: int
    country: str
    partner: str | None


class FunnelKey(NamedTuple):
    """What one number of the funnel counts: day of signing, stage, and along which dimension which value."""

    day: str
    stage: str
    dimension: str
    key: str


def shard_of(digest: str, shards: int) -> int:
    """The shard that counts this address: by digest, so that withdraw takes off where confirm put on.

    Every character of the digest decides: the last one of a base32 digest has one bit only.
    """
    return zlib.crc32(digest.encode()) % shards
