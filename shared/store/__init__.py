"""The store: one document per address, one per mailbox, and a sharded tally.

The state of a signature, `campaigns/{campaign}/signatures/{digest}`:

                admit                     confirm
    absent ───────────────▶ pending ───────────────────▶ confirmed
       ▲                    │  ▲  ▲ admit: another          │
       │ expire_at passes   │  │  └─ submission, at most 5   │ withdraw
       │                    │  │                             │ (tally − 1)
       ├────────────────────┘  │ admit, if signed after      │
       │        │ withdraw     │ the withdrawal              │
       │        └──────────▶ withdrawn ◀────────────────────┘
       └────────────────────────┘ expire_at passes

- admit, claim: by deliver. confirm, withdraw: by the owner of the mailbox, through a link.
- Confirming keeps the one submission whose mail held the link and drops the others, so that nobody can plant a
  name or an opt-in which the owner of the address then confirms. The tally + 1 commits together with it.
- Withdrawing leaves a tombstone: status and time. The tally − 1 commits together with it where it was counted.
- Repeats change nothing: a second confirm, a second withdraw, a task that comes again.
- A link to a submission that is gone (expired, withdrawn, dropped) confirms nothing. If the address is already
  confirmed through another link, the answer is "confirmed", for it is.
- Whatever has passed its `expire_at` is absent at once, whenever the database gets to deleting it.

Interleavings that must come out right, each of them a contract test: confirm ‖ confirm, confirm ‖ withdraw,
withdraw ‖ withdraw, admit ‖ admit of one address, admit ‖ confirm, admit ‖ withdraw, withdraw then a task that is
older, withdraw then sign again then the old link, claim ‖ claim, and any of them repeated.

How: each operation is one read, a pure decision (`transitions.py`) and one commit that holds only if what was
read has not changed; otherwise it reads again. A read-write transaction instead collapses when one link is pressed
many times at once, and a blind commit goes wrong when withdraw and a new signature interleave.

Mail is claimed before it is sent, in `campaigns/{campaign}/mailboxes/{mailbox}` (one per mailbox, so that
name+1@ and name+2@ share their caps), in the same commit that admits the submission. A crash between claim and
mark therefore sends no second mail within the hour, and the task that comes again sends it after.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol

from pydantic import ConfigDict

from shared.campaigns.overlay import Overlay

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
    #: Of the provider of the mailbox, see `mailboxes.provider_class`.
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
class Granted:
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
class Wait:
    """Not now: come again at `until`. Nothing was stored."""

    until: datetime


class Done(StrEnum):
    """Nothing to send, now or later."""

    SENT = "already_sent"
    STALE = "stale"
    NOT_DUE = "not_due"
    CAPPED = "capped"


Order = Granted | Wait | Done


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


class Store(Protocol):
    """Implemented by `sqlite.SqliteStore` and `firestore.FirestoreStore`.

    Every method raises `StoreUnavailable` when the database does not answer or contention does not end; what it
    was to do is then not done, or done and harmless to repeat. `now` is always UTC.
    """

    async def admit(self, address: Address, submission: Submission, now: datetime) -> Order:
        """Store a submission as pending and claim its mail, in one commit, or say why not.

        Granted CONFIRM for a new submission, and again for one whose mail was not sent; Granted SIGNED where the
        address is confirmed already; Wait when the mailbox has had its mails, or somebody else may be sending this
        one; Done for a task that is older than a withdrawal or whose mail is out.
        """

    async def claim(self, address: Address, key: str, kind: MailKind | None, now: datetime) -> Order:
        """Claim a mail for an address that signed before: REMINDER, SIGNED, or None for whichever links are due.

        `key` for a REMINDER is the submission's id; otherwise an id of the request. Over the caps it is Done, for
        such a mail is a courtesy and not owed.
        """

    async def settle(self, granted: Granted, *, sent: bool) -> None:
        """Mark a claimed mail as sent, or release the claim because it definitely was not."""

    async def confirm(self, campaign: str, digest: str, submission_id: str, at: datetime) -> Confirmation:
        """pending → confirmed and the tally + 1, together or not at all. `at`: when the button was pressed."""

    async def withdraw(self, campaign: str, digest: str, at: datetime) -> Withdrawal:
        """pending or confirmed → withdrawn, and the tally − 1 where it was counted, together or not at all.

        `at`: when the button was pressed. What was signed after it stays.
        """

    async def tally(self, campaign: str) -> Tally:
        """The sum over all shards."""

    async def add_to_history(self, campaign: str, point: Point) -> None:
        """Keep a point. Of one hour (UTC), and of one day, that which is kept last holds."""

    async def history(self, campaign: str, since: date) -> Sequence[Day]:
        """This day (UTC) and those after it, oldest first; a day without a point is left out."""

    async def add_to_funnel(self, campaign: str, counts: Mapping[FunnelKey, int]) -> None:
        """Add to the numbers of the funnel, in one commit: those of one day, at most `MAX_FUNNEL_COUNTS`.

        Where the database is full of made-up sources, those are left out.
        """

    async def overlay(self, campaign: str) -> Overlay:
        """What has changed about a campaign since the last deployment; an empty one where nobody changed anything.

        Raises:
            ValidationError: what is stored is no overlay of this version.
        """

    async def park(self, task_id: str, body: bytes, reason: str, now: datetime) -> None:
        """Keep the body of a task that nobody can deliver, sealed as it is: 31 days for a person to look at it."""
