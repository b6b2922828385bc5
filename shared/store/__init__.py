"""The store: one document per address, one per mailbox, one per small mail domain, and a tally.

The state of a signature, `campaigns/{campaign}/signatures/{digest}`:

                admit                     confirm
    absent ───────────────▶ pending ───────────────────▶ confirmed ◀─────▶ held ─────▶ dropped
       ▲                    │  ▲  ▲ admit: another          │
       │ expire_at passes   │  │  └─ submission, at most 40  │ withdraw
       │                    │  │                             │ (tally − 1)
       ├────────────────────┘  │ admit, if signed after      │
       │        │ withdraw     │ the withdrawal              │
       │        └──────────▶ withdrawn ◀────────────────────┘
       └────────────────────────┘ expire_at passes

- admit, claim: by deliver. confirm, withdraw: by the owner of the mailbox, through a link.
- Confirming keeps the one submission whose mail held the link and drops the others, so that nobody can plant a
  name or an opt-in which the owner of the address then confirms. The tally + 1 commits together with it.
- A signature with the labels of the campaign's policy becomes held instead (held + 1). The organisers release it
  (tally + 1, held − 1) or drop it (held − 1), hold one that is counted, and undo the last of these. To its
  signer and to deliver, held and dropped are treated as confirmed: the same answers, the same mail, the same way
  to withdraw. What is dropped expires after 30 days.
- Withdrawing leaves a tombstone: status and time. The tally − 1 commits together with it where it was counted, and
  held − 1 where it was held.
- Repeats change nothing: a second confirm, a second withdraw, a task that is retried.
- A link to a submission that is gone (expired, withdrawn, dropped) confirms nothing. If the address is already
  confirmed through another link, the answer is "confirmed", because it is.
- Whatever has passed its `expire_at` is absent at once, whenever the database gets to deleting it.

Interleavings that must come out right, each of them a contract test: confirm ‖ confirm, confirm ‖ withdraw,
withdraw ‖ withdraw, withdraw ‖ screen, admit ‖ admit of one address, admit ‖ confirm, admit ‖ withdraw, withdraw
then a task that is older, withdraw then sign again then the old link, a newer submission then deferred presses in
either order, claim ‖ claim, and any of them repeated.

How: each operation is one read, a pure decision (`transitions.py`) and one commit that holds only if what was
read has not changed; otherwise it reads again. A read-write transaction instead collapses when one link is pressed
many times at once, and a blind commit goes wrong when withdraw and a new signature interleave.

Mail is claimed before it is sent, in `campaigns/{campaign}/mailboxes/{mailbox}` (one per mailbox, so that
name+1@ and name+2@ share their caps), in the same commit that admits the submission. A crash between claim and
mark therefore sends no second mail within the hour, and the task that is retried sends it after. A submission for
whose mail the caps have no room is not stored: it stays in the queue, and the mailbox notes that it waits, so that
the newest is mailed first. A mailbox that does not exist, or whose owner complains, is suppressed there, too: for
a time, it has no room for mail. New addresses of one domain are counted in the same commit, in
`campaigns/{campaign}/domains/{domain}` (`domain_caps.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from shared.campaigns.overlay import Overlay
from shared.campaigns.screening import DEFAULT_POLICY, Policy
from shared.store.entities import (
    Address,
    Confirmation,
    Day,
    FunnelKey,
    GrantMail,
    MailDecision,
    MailKind,
    Point,
    Submission,
    Tally,
    Withdrawal,
)


class Store(Protocol):
    """Implemented by `sqlite.SqliteStore` and `firestore.FirestoreStore`.

    Every method raises `StoreUnavailable` when the database does not answer or contention does not end; what it
    was to do is then not done, or done and harmless to repeat. `now` is always UTC.
    """

    async def admit(self, address: Address, submission: Submission, now: datetime) -> MailDecision:
        """Store a submission as pending and claim its mail, in one commit, or say why not.

        GrantMail CONFIRM for a new submission, and again for one whose mail was not sent; GrantMail SIGNED where
        the address is confirmed already; Defer when the mailbox or the mail domain has had its mails, when the
        mailbox is suppressed, or when this mail may be on its way; Skip for a task that is older than a withdrawal
        or whose mail is out, and for the oldest of more than `MAX_WAITING` that wait.
        """

    async def claim(self, address: Address, key: str, kind: MailKind | None, now: datetime) -> MailDecision:
        """Claim a mail for an address that signed before: REMINDER, SIGNED, or None for whichever links are due.

        `key` for a REMINDER is the submission's id; otherwise an id of the request. Over the caps it is Skip, for
        such a mail is a courtesy and not owed; but the first SIGNED in a `MAIL_INTERVAL` need not wait for it.
        """

    async def settle(self, grant: GrantMail, *, sent: bool) -> None:
        """Mark a claimed mail as sent, or release the claim because it definitely was not."""

    async def suppress(self, campaign: str, mailbox: str, until: datetime) -> bool:
        """Send a mailbox no mail before `until`: a submission is deferred until then, any other mail skipped.

        `mailbox`: its digest. False: nothing has changed, for that was known, or the mailbox has been erased.
        """

    async def confirm(
        self,
        campaign: str,
        digest: str,
        submission_id: str,
        at: datetime,
        policy: Policy = DEFAULT_POLICY,
        *,
        deferred: bool = False,
    ) -> Confirmation:
        """Confirm a pending signature and add 1 to the tally, in one commit. `at`: when the button was pressed.

        A signature with the labels that `policy` names is held instead, and 1 is added to those that are held.
        `deferred`: it comes from the queue, and changes nothing where the address has signed again since.
        """

    async def withdraw(self, campaign: str, digest: str, at: datetime, *, deferred: bool) -> Withdrawal:
        """Withdraw a signature, and take 1 off the tally where it was counted or held, in one commit.

        `at`: when the button was pressed. `deferred`: it comes from the queue, and what was signed after it stays.
        """

    async def tally(self, campaign: str) -> Tally:
        """Read the tally."""

    async def fold_tally(self, campaign: str, now: datetime) -> None:
        """Gather what the tally keeps in many documents, so that it is cheap to read. Changes no number."""

    async def add_to_history(self, campaign: str, point: Point) -> None:
        """Store a point of the history; the last one stored of an hour (UTC), and of a day, holds."""

    async def history(self, campaign: str, since: date) -> Sequence[Day]:
        """Read the history from this day (UTC) on, oldest first; a day without a point is left out."""

    async def add_to_funnel(
        self, campaign: str, counts: Mapping[FunnelKey, int], write_id: str, now: datetime
    ) -> None:
        """Add to the numbers of the funnel, in one commit: those of one day, at most `MAX_FUNNEL_COUNTS`.

        A repeat with the same `write_id`, which is random, adds nothing for `FUNNEL_WRITE_TTL`. Where the database
        is full of made-up sources, those are left out.
        """

    async def funnel_of(
        self, campaign: str, days: Sequence[str], stages: Sequence[str], dimension: str
    ) -> Mapping[FunnelKey, int]:
        """Read one dimension of these stages of the funnel, for these days of signing."""

    async def overlay(self, campaign: str) -> Overlay:
        """Read what has changed about a campaign since the last deployment; an empty overlay where nothing has.

        Fields that only a newer version knows are ignored.

        Raises:
            ValidationError: what is stored is no overlay.
        """

    async def change_overlay(self, campaign: str, change: Callable[[Overlay], Overlay]) -> Overlay:
        """Read the overlay, `change` it and write it, so that of two changes at once neither is lost; return it.

        Fields at their default are not written, so that those a newer version has added disturb no older one
        before they are used. `change` may be called several times, and raises what keeps the change from being
        made.

        Raises:
            ValidationError: what is stored was written by a newer version, of which some would be lost, or is no
                overlay.
        """

    async def add_dead_letter(self, task_id: str, body: bytes, reason: str, now: datetime) -> None:
        """Store the body of a task that nobody can deliver, sealed as it is, for 31 days."""
