"""Random sequences of events for a few addresses: the store's invariants hold after each of them."""

import asyncio
import sqlite3
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from desk.store.sqlite import SqliteMaintenance
from shared.models.labels import Label
from shared.store import transitions
from shared.store.documents import SIGNATURE
from shared.store.entities import (
    CLAIM_TTL,
    DROPPED_TTL,
    PENDING_TTL,
    PRESSED,
    TASK_TTL,
    Address,
    Confirmed,
    Defer,
    GrantMail,
    MailDecision,
    MailKind,
    Signature,
    Skip,
    Status,
    Submission,
    Tally,
    Unchanged,
    Withdrawal,
)

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
CAMPAIGN = "reclaim-your-face"
#: Two addresses of one mailbox, such as name@ and name+tag@, and one of another.
ADDRESSES = [Address(CAMPAIGN, "a" * 52, "m" * 52), Address(CAMPAIGN, "b" * 52, "m" * 52)]
ADDRESSES.append(Address(CAMPAIGN, "c" * 52, "n" * 52))

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
#: That of the caps that docs/architecture.md promises: after so many mails, one a day.
FREE, WINDOW = 5, timedelta(days=30)
_MINUTES = [0, 1, 20, 60, 60, 60, 24 * 60, 24 * 60, 8 * 24 * 60, 30 * 24 * 60]
WHOSE = st.sampled_from([*ADDRESSES[:1] * 3, *ADDRESSES[1:]])
JUMPS = st.sampled_from([timedelta(minutes=minutes) for minutes in _MINUTES])


class StoreMachine(RuleBasedStateMachine):
    """Act as sign, the queue, deliver and the signers in turn.

    Tasks are kept after they are done, so that the queue may deliver them again at any time.
    """

    tasks: Bundle[tuple[Address, Submission]] = Bundle("tasks")
    grants: Bundle[tuple[GrantMail, datetime]] = Bundle("grants")
    links: Bundle[tuple[Address, str]] = Bundle("links")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.made = 0
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "store.db"
        self.store = SqliteMaintenance(self.file)
        self.reader: sqlite3.Connection | None = None
        self.loop = asyncio.new_event_loop()
        self.run = self.loop.run_until_complete
        #: By digest, what signers know about their signatures.
        self.confirmed: dict[str, Submission] = {}
        #: Of those, what the organisers know: counted, held or dropped; and by digest, what undoing leads back to.
        self.status: dict[str, Status] = {}
        self.screened: dict[str, tuple[Status, datetime]] = {}
        self.withdrawn_at: dict[str, datetime] = {}
        #: By mailbox, when mails may have been sent; and when those with the withdraw link alone.
        self.mailed: dict[str, list[datetime]] = {address.mailbox: [] for address in ADDRESSES}
        self.withdraw_links: dict[str, list[datetime]] = {address.mailbox: [] for address in ADDRESSES}
        #: By mailbox, until when it gets no mail.
        self.suppressed_until: dict[str, datetime] = {address.mailbox: START for address in ADDRESSES}
        #: By mailbox, what waits: when it was signed, by its id.
        self.waiting: dict[str, dict[str, datetime]] = {address.mailbox: {} for address in ADDRESSES}
        #: Keys of mails that were certainly sent, and times of claims whose outcome is not known yet.
        self.sent: set[str] = set()
        self.claimed: dict[str, datetime] = {}

    def teardown(self) -> None:
        if self.reader:
            self.reader.close()
        self.store.close()
        self.loop.close()
        self.folder.cleanup()

    def document(self, address: Address) -> Signature | None:
        """Return the stored signature, or None if it has expired."""
        self.reader = self.reader or sqlite3.connect(self.file)
        query = "SELECT document FROM signatures WHERE digest = ?"
        row = self.reader.execute(query, (address.digest,)).fetchone()
        stored = SIGNATURE.validate_json(row[0]) if row else None
        return None if stored and stored.expire_at and stored.expire_at <= self.now else stored

    def take(self, decision: MailDecision) -> GrantMail | None:
        """Record a granted mail, and check that it could be granted."""
        if not isinstance(decision, GrantMail):
            return None
        assert decision.key not in self.sent
        assert self.now >= self.claimed.get(decision.key, START) + CLAIM_TTL or decision.key not in self.claimed
        mailbox = decision.address.mailbox
        assert self.now >= self.suppressed_until[mailbox]
        if decision.kind is MailKind.SIGNED:
            is_first_of_day = not self.number_within(DAY, self.withdraw_links[mailbox])
            assert self.has_room(mailbox, self.now) or is_first_of_day
            self.withdraw_links[mailbox].append(self.now)
        else:
            assert self.has_room(mailbox, self.now)
        self.mailed[mailbox].append(self.now)
        self.claimed[decision.key] = self.now
        for submission in decision.submissions:
            self.waiting[mailbox].pop(submission.id, None)
        return decision

    def number_within(self, window: timedelta, times: list[datetime]) -> int:
        return sum(self.now - time < window for time in times)

    def has_room(self, mailbox: str, at: datetime) -> bool:
        """Return whether at this time the mailbox might have got one more mail besides those of today."""
        times = [time for time in self.mailed[mailbox] if self.now - time < WINDOW]
        in_the_hour = sum(at - time < HOUR for time in times)
        is_capped = in_the_hour >= 2 or (len(times) >= FREE and at - times[-1] < DAY)
        return not is_capped and at >= self.suppressed_until[mailbox]

    def is_under_way(self, submission: Submission) -> bool:
        claimed_at = self.claimed.get(f"confirm:{submission.id}")
        return claimed_at is not None and self.now < claimed_at + CLAIM_TTL

    def must_wait(self, address: Address, submission: Submission) -> bool:
        """Return whether a submission has to wait: there is no room, or it is a newer one's turn."""
        mailbox = address.mailbox
        a_newer_waits = any(signed_at > submission.signed_at for signed_at in self.waiting[mailbox].values())
        turn_began = self.now - HOUR if a_newer_waits else self.now
        return not self.has_room(mailbox, turn_began)

    @initialize()
    def _open_the_file(self) -> None:
        assert self.run(self.store.tally(CAMPAIGN)) == Tally()

    @rule(jump=JUMPS)
    def time_passes(self, jump: timedelta) -> None:
        self.now += jump
        for digest, (_, at) in list(self.screened.items()):
            if self.status[digest] is Status.DROPPED and self.now >= at + DROPPED_TTL:
                self.forget(digest)

    def forget(self, digest: str) -> Submission | None:
        """Forget that an address is confirmed."""
        self.status.pop(digest, None)
        self.screened.pop(digest, None)
        return self.confirmed.pop(digest, None)

    @rule(
        target=tasks,
        address=WHOSE,
        labels=st.sampled_from([(), (), (Label.NETWORK_BURST,), (Label.TOO_FAST, Label.NO_PAGE)]),
        country=st.sampled_from(["DE", "FR"]),
        partner=st.sampled_from([None, "digital-rights"]),
    )
    def sign(
        self, address: Address, labels: tuple[Label, ...], country: str, partner: str | None
    ) -> tuple[Address, Submission]:
        """Submit the form; the task waits in the queue."""
        self.made += 1
        submission = Submission(
            id=f"{self.made:032x}",
            sealed=b"sealed",
            partner_sealed=None,
            country=country,
            partner=partner,
            source=None,
            locale="en",
            newsletter=None,
            consent_version="1",
            signed_at=self.now,
            mailbox_class="other",
            labels=labels,
        )
        return address, submission

    @rule(target=grants, task=tasks)
    def deliver(self, task: tuple[Address, Submission]) -> Any:
        """Deliver a task, for the first time or again; no submission is dropped without a reason."""
        address, submission = task
        before = self.document(address)
        decision = self.run(self.store.admit(address, submission, self.now))
        after = self.document(address)

        is_old = submission.signed_at <= self.now - TASK_TTL
        if address.digest not in self.confirmed:  # a confirmed address is only sent its withdraw link
            withdrawn_at = self.withdrawn_at.get(address.digest)
            is_old = is_old or (withdrawn_at is not None and submission.signed_at <= withdrawn_at)
        assert (decision is Skip.STALE) == is_old
        if decision is Skip.SENT:
            assert f"confirm:{submission.id}" in self.sent or address.digest in self.confirmed
        elif decision in {Skip.CAPPED, Skip.SUPPRESSED}:
            assert address.digest in self.confirmed
        elif isinstance(decision, Defer):
            assert decision.until > self.now
            if not self.is_under_way(submission):
                assert self.must_wait(address, submission)
                self.waiting[address.mailbox][submission.id] = submission.signed_at
        if not isinstance(decision, GrantMail) or decision.kind is MailKind.SIGNED:
            assert after == before
        else:
            assert address.digest not in self.confirmed
            self.check_pending(before, after, submission)
        grant = self.take(decision)
        return (grant, self.now) if grant else multiple()

    def check_pending(self, before: Signature | None, after: Signature | None, submission: Submission) -> None:
        """Check that the submission was added to those that are pending already."""
        assert after
        assert after.status is Status.PENDING
        known = before.submissions if before and before.status is Status.PENDING else ()
        live = [known for known in known if known.signed_at > self.now - PENDING_TTL]
        assert list(after.submissions) == [*(known for known in live if known.id != submission.id), submission]

    @rule(target=grants, address=WHOSE)
    def ask_for_links(self, address: Address) -> Any:
        """Request links; an address that never signed or has withdrawn gets no mail."""
        self.made += 1
        decision = self.run(self.store.claim(address, f"{self.made:032x}", None, self.now))
        stored = self.document(address)
        if not stored or stored.status is Status.WITHDRAWN:
            assert decision is Skip.NOT_DUE
        grant = self.take(decision)
        return (grant, self.now) if grant else multiple()

    @rule(target=grants, task=tasks)
    def remind(self, task: tuple[Address, Submission]) -> Any:
        """Send a reminder, which is granted only for a pending submission."""
        address, submission = task
        decision = self.run(self.store.claim(address, submission.id, MailKind.REMINDER, self.now))
        if isinstance(decision, GrantMail):
            assert decision.submissions == (submission,)
            assert address.digest not in self.confirmed
        grant = self.take(decision)
        return (grant, self.now) if grant else multiple()

    @rule(address=WHOSE, days=st.sampled_from([7, 30]))
    def mail_comes_back(self, address: Address, days: int) -> None:
        """Suppress a mailbox; only what has been mailed can come back."""
        until = self.now + days * DAY
        if self.run(self.store.suppress(CAMPAIGN, address.mailbox, until)):
            assert self.mailed[address.mailbox] or self.waiting[address.mailbox]
            self.suppressed_until[address.mailbox] = until

    @rule(target=links, task=tasks)
    def deliver_and_mail(self, task: tuple[Address, Submission]) -> Any:
        """Deliver a task and send its mail, which is the usual course."""
        grant = self.deliver(task)
        return self.mail_goes_out(claimed=grant) if isinstance(grant, tuple) else multiple()

    @rule(target=links, claimed=consumes(grants))
    def mail_goes_out(self, claimed: tuple[GrantMail, datetime]) -> Any:
        grant, at = claimed
        if self.now < at + CLAIM_TTL:  # deliver is cut off long before
            self.run(self.store.settle(grant, sent=True))
            self.sent.add(grant.key)
            del self.claimed[grant.key]
        return multiple(*[(grant.address, submission.id) for submission in grant.submissions])

    @rule(claimed=consumes(grants))
    def mail_is_refused(self, claimed: tuple[GrantMail, datetime]) -> None:
        """The relay did not accept the mail, so it counts towards no cap."""
        grant, at = claimed
        if self.now < at + CLAIM_TTL:
            self.run(self.store.settle(grant, sent=False))
            self.mailed[grant.address.mailbox].remove(at)
            if grant.kind is MailKind.SIGNED:
                self.withdraw_links[grant.address.mailbox].remove(at)
            del self.claimed[grant.key]

    @rule(target=links, claimed=consumes(grants))
    def deliver_is_killed_before_it_knows_the_outcome(self, claimed: tuple[GrantMail, datetime]) -> Any:
        """The mail may have arrived, so its links may be used."""
        grant, _ = claimed
        return multiple(*[(grant.address, submission.id) for submission in grant.submissions])

    @rule(link=links)
    def confirm(self, link: tuple[Address, str]) -> None:
        """Use a link, which confirms its own submission or nothing; or holds it, if it was too fast."""
        address, submission_id = link
        before = self.document(address)
        outcome = self.run(self.store.confirm(CAMPAIGN, address.digest, submission_id, self.now))
        after = self.document(address)

        waits = before.submission(submission_id) if before and before.status is Status.PENDING else None
        if address.digest in self.confirmed:
            assert outcome is Unchanged.ALREADY
        elif waits:
            is_held = Label.TOO_FAST in waits.labels
            assert outcome == Confirmed(waits, self.now, is_held)
            status = Status.HELD if is_held else Status.CONFIRMED
            assert after
            assert (after.status, after.submissions, after.expire_at) == (status, (waits,), None)
            self.confirmed[address.digest] = waits
            self.status[address.digest] = status
        else:
            assert outcome is Unchanged.GONE
            assert after == before

    @rule(address=WHOSE)
    def withdraw(self, address: Address) -> None:
        """Withdraw, which deletes the signer's data and lowers the tally at most once."""
        before = self.document(address)
        outcome = self.run(self.store.withdraw(CAMPAIGN, address.digest, self.now, deferred=False))
        after = self.document(address)

        if self.forget(address.digest):
            assert outcome is Withdrawal.UNCOUNTED
        elif before and before.status is Status.PENDING:
            assert outcome is Withdrawal.CANCELLED
        else:
            assert outcome is Withdrawal.ALREADY
            assert after == before
            return
        assert after
        assert (after.status, after.submissions) == (Status.WITHDRAWN, ())
        self.withdrawn_at[address.digest] = self.now

    @rule(address=WHOSE, to=st.sampled_from([Status.HELD, Status.HELD, Status.CONFIRMED, Status.DROPPED]))
    def hold_release_or_drop(self, address: Address, to: Status) -> None:
        """The organisers hold what is counted, and release or drop what is held; nothing else."""
        before = self.status.get(address.digest)
        changed = self.run(
            self.store.change(
                CAMPAIGN, [address.digest], lambda _, stored: transitions.screen(stored, to, self.now)
            )
        )

        possible = {Status.CONFIRMED: {Status.HELD}, Status.HELD: {Status.CONFIRMED, Status.DROPPED}}
        assert changed == (before is not None and to in possible.get(before, ()))
        if changed and before:
            self.status[address.digest] = to
            self.screened[address.digest] = before, self.now

    @rule(address=WHOSE, back=JUMPS)
    def undo(self, address: Address, back: timedelta) -> None:
        """The organisers undo what they have done since a moment, once."""
        since = self.now - back
        changed = self.run(
            self.store.change(
                CAMPAIGN, [address.digest], lambda _, stored: transitions.undo_screening(stored, since, self.now)
            )
        )

        before, at = self.screened.get(address.digest, (None, START))
        assert changed == (before is not None and at >= since)
        if changed and before:
            self.status[address.digest] = before
            del self.screened[address.digest]

    @invariant()
    def the_tally_is_the_number_of_confirmed_and_of_held(self) -> None:
        counted = [each for digest, each in self.confirmed.items() if self.status[digest] is Status.CONFIRMED]
        tally = self.run(self.store.tally(CAMPAIGN))
        assert tally == Tally(
            len(counted),
            Counter(submission.country for submission in counted),
            Counter(submission.partner for submission in counted if submission.partner),
            list(self.status.values()).count(Status.HELD),
        )
        assert self.run(self.store.recount(CAMPAIGN, lambda _: None)).tally == tally

    @invariant()
    def what_is_confirmed_stays_confirmed(self) -> None:
        for address in ADDRESSES:
            stored = self.document(address)
            status = stored.status if stored and stored.status in PRESSED else None
            assert status == self.status.get(address.digest)

    @invariant()
    def no_mailbox_gets_more_mails_than_its_caps_allow(self) -> None:
        """Two an hour; after five, one a day, and one a day with the withdraw link alone."""
        for mailbox, mailed in self.mailed.items():
            assert all(third - first >= HOUR for first, third in zip(mailed, mailed[2:], strict=False))
            withdraw_links = self.withdraw_links[mailbox]
            for times in (withdraw_links, sorted((Counter(mailed) - Counter(withdraw_links)).elements())):
                for first, fifth, sixth in zip(times, times[FREE - 1 :], times[FREE:], strict=False):
                    assert sixth - fifth >= DAY or sixth - first >= WINDOW

    @invariant()
    def pending_signatures_expire_in_time(self) -> None:
        for address in ADDRESSES:
            stored = self.document(address)
            if stored and stored.status is Status.PENDING:
                assert stored.expire_at
                assert stored.expire_at <= self.now + PENDING_TTL


StoreMachine.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestStore = StoreMachine.TestCase
