"""Whatever happens to a few addresses, in whatever order: what must hold of the store always holds."""

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

from shared.store.documents import SIGNATURE
from shared.store.entities import (
    CLAIM_TTL,
    MAX_SUBMISSIONS,
    PENDING_TTL,
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
from shared.store.sqlite import SqliteStore

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
CAMPAIGN = "reclaim-your-face"
#: Two addresses of one mailbox, as name@ and name+tag@ are, and one of another.
ADDRESSES = [Address(CAMPAIGN, "a" * 52, "m" * 52), Address(CAMPAIGN, "b" * 52, "m" * 52)]
ADDRESSES.append(Address(CAMPAIGN, "c" * 52, "n" * 52))

#: What docs/architecture.md promises: mails to one mailbox, and in what time.
CAPS = ((2, timedelta(hours=1)), (5, timedelta(days=30)))
_MINUTES = [0, 1, 20, 60, 60, 60, 24 * 60, 24 * 60, 8 * 24 * 60, 30 * 24 * 60]
WHOSE = st.sampled_from([*ADDRESSES[:1] * 3, *ADDRESSES[1:]])
JUMPS = st.sampled_from([timedelta(minutes=minutes) for minutes in _MINUTES])


class StoreMachine(RuleBasedStateMachine):
    """Plays sign, the queue, deliver and the signers at once.

    A task is kept when it is done, too, so that the queue may bring it again at any time.
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
        self.store = SqliteStore(self.file)
        self.reader: sqlite3.Connection | None = None
        self.loop = asyncio.new_event_loop()
        self.run = self.loop.run_until_complete
        #: By digest, what the signers have reason to believe.
        self.confirmed: dict[str, Submission] = {}
        self.withdrawn_at: dict[str, datetime] = {}
        #: By mailbox, when mails may have gone out.
        self.mailed: dict[str, list[datetime]] = {address.mailbox: [] for address in ADDRESSES}
        #: Keys of mails that certainly went out, and when those were claimed of which nobody knows yet.
        self.sent: set[str] = set()
        self.claimed: dict[str, datetime] = {}

    def teardown(self) -> None:
        if self.reader:
            self.reader.close()
        self.store.close()
        self.loop.close()
        self.folder.cleanup()

    def document(self, address: Address) -> Signature | None:
        """The signature as it is stored, unless it has expired."""
        self.reader = self.reader or sqlite3.connect(self.file)
        query = "SELECT document FROM signatures WHERE digest = ?"
        row = self.reader.execute(query, (address.digest,)).fetchone()
        stored = SIGNATURE.validate_json(row[0]) if row else None
        return None if stored and stored.expire_at and stored.expire_at <= self.now else stored

    def take(self, decision: MailDecision) -> GrantMail | None:
        """Note a mail that was granted."""
        if not isinstance(decision, GrantMail):
            return None
        assert decision.key not in self.sent
        assert self.now >= self.claimed.get(decision.key, START) + CLAIM_TTL or decision.key not in self.claimed
        self.mailed[decision.address.mailbox].append(self.now)
        self.claimed[decision.key] = self.now
        return decision

    def has_room(self, address: Address) -> bool:
        """Whether the mailbox may get one more mail now."""
        times = self.mailed[address.mailbox]
        return all(sum(self.now - time < window for time in times) < cap for cap, window in CAPS)

    def must_wait(self, address: Address, submission: Submission, before: Signature | None) -> bool:
        """The three reasons: no room, a mail that may be under way, a document that is full."""
        claimed_at = self.claimed.get(f"confirm:{submission.id}")
        under_way = claimed_at is not None and self.now < claimed_at + CLAIM_TTL
        others = [known for known in before.submissions if known.id != submission.id] if before else []
        live = [known for known in others if known.signed_at > self.now - PENDING_TTL]
        return under_way or len(live) >= MAX_SUBMISSIONS or not self.has_room(address)

    @initialize()
    def _open_the_file(self) -> None:
        assert self.run(self.store.tally(CAMPAIGN)) == Tally()

    @rule(jump=JUMPS)
    def time_passes(self, jump: timedelta) -> None:
        self.now += jump

    @rule(
        target=tasks,
        address=WHOSE,
        country=st.sampled_from(["DE", "FR"]),
        partner=st.sampled_from([None, "digital-rights"]),
    )
    def sign(self, address: Address, country: str, partner: str | None) -> tuple[Address, Submission]:
        """Somebody fills in the form; the task waits in the queue."""
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
        )
        return address, submission

    @rule(target=grants, task=tasks)
    def deliver(self, task: tuple[Address, Submission]) -> Any:
        """The queue brings a task, for the first time or again; no submission is dropped without its reason."""
        address, submission = task
        before = self.document(address)
        decision = self.run(self.store.admit(address, submission, self.now))
        after = self.document(address)

        is_old = submission.signed_at <= self.now - TASK_TTL
        if address.digest not in self.confirmed:  # to those it only says so
            withdrawn_at = self.withdrawn_at.get(address.digest)
            is_old = is_old or (withdrawn_at is not None and submission.signed_at <= withdrawn_at)
        assert (decision is Skip.STALE) == is_old
        if decision is Skip.SENT:
            assert f"confirm:{submission.id}" in self.sent or address.digest in self.confirmed
        elif decision is Skip.CAPPED:
            assert address.digest in self.confirmed
        elif isinstance(decision, Defer):
            assert decision.until > self.now
            assert self.must_wait(address, submission, before)
        if not isinstance(decision, GrantMail) or decision.kind is MailKind.SIGNED:
            assert after == before
        else:
            assert address.digest not in self.confirmed
            self.check_pending(before, after, submission)
        grant = self.take(decision)
        return (grant, self.now) if grant else multiple()

    def check_pending(self, before: Signature | None, after: Signature | None, submission: Submission) -> None:
        """The submission stands beside those that wait already."""
        assert after
        assert after.status is Status.PENDING
        known = before.submissions if before and before.status is Status.PENDING else ()
        live = [known for known in known if known.signed_at > self.now - PENDING_TTL]
        assert list(after.submissions) == [*(known for known in live if known.id != submission.id), submission]

    @rule(target=grants, address=WHOSE)
    def ask_for_links(self, address: Address) -> Any:
        """Strangers and the withdrawn get no mail."""
        self.made += 1
        decision = self.run(self.store.claim(address, f"{self.made:032x}", None, self.now))
        stored = self.document(address)
        if not stored or stored.status is Status.WITHDRAWN:
            assert decision is Skip.NOT_DUE
        grant = self.take(decision)
        return (grant, self.now) if grant else multiple()

    @rule(target=grants, task=tasks)
    def remind(self, task: tuple[Address, Submission]) -> Any:
        """Only of what still waits."""
        address, submission = task
        decision = self.run(self.store.claim(address, submission.id, MailKind.REMINDER, self.now))
        if isinstance(decision, GrantMail):
            assert decision.submissions == (submission,)
            assert address.digest not in self.confirmed
        grant = self.take(decision)
        return (grant, self.now) if grant else multiple()

    @rule(target=links, task=tasks)
    def deliver_and_mail(self, task: tuple[Address, Submission]) -> Any:
        """As it goes most of the time."""
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
    def mail_is_put_off(self, claimed: tuple[GrantMail, datetime]) -> None:
        """The relay has said that it did not take it, so it counts for no cap."""
        grant, at = claimed
        if self.now < at + CLAIM_TTL:
            self.run(self.store.settle(grant, sent=False))
            self.mailed[grant.address.mailbox].remove(at)
            del self.claimed[grant.key]

    @rule(target=links, claimed=consumes(grants))
    def nobody_knows_whether_the_mail_went_out(self, claimed: tuple[GrantMail, datetime]) -> Any:
        """deliver was killed; the mail may have arrived."""
        grant, _ = claimed
        return multiple(*[(grant.address, submission.id) for submission in grant.submissions])

    @rule(link=links)
    def confirm(self, link: tuple[Address, str]) -> None:
        """A link confirms its own submission, or nothing."""
        address, submission_id = link
        before = self.document(address)
        outcome = self.run(self.store.confirm(CAMPAIGN, address.digest, submission_id, self.now))
        after = self.document(address)

        waits = before.submission(submission_id) if before and before.status is Status.PENDING else None
        if address.digest in self.confirmed:
            assert outcome is Unchanged.ALREADY
        elif waits:
            assert outcome == Confirmed(waits, self.now)
            assert after
            assert (after.status, after.submissions, after.expire_at) == (Status.CONFIRMED, (waits,), None)
            self.confirmed[address.digest] = waits
        else:
            assert outcome is Unchanged.GONE
            assert after == before

    @rule(address=WHOSE)
    def withdraw(self, address: Address) -> None:
        """Nothing of the signer is left, and nothing is counted twice off."""
        before = self.document(address)
        outcome = self.run(self.store.withdraw(CAMPAIGN, address.digest, self.now))
        after = self.document(address)

        if self.confirmed.pop(address.digest, None):
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

    @invariant()
    def the_tally_is_the_number_of_confirmed(self) -> None:
        kept = self.confirmed.values()
        assert self.run(self.store.tally(CAMPAIGN)) == Tally(
            len(kept),
            Counter(submission.country for submission in kept),
            Counter(submission.partner for submission in kept if submission.partner),
        )

    @invariant()
    def what_is_confirmed_stays_confirmed(self) -> None:
        for address in ADDRESSES:
            stored = self.document(address)
            is_confirmed = stored is not None and stored.status is Status.CONFIRMED
            assert is_confirmed == (address.digest in self.confirmed)

    @invariant()
    def no_mailbox_gets_more_than_its_mails(self) -> None:
        for times in self.mailed.values():
            for cap, window in CAPS:
                for first, one_too_many in zip(times, times[cap:], strict=False):
                    assert one_too_many - first >= window

    @invariant()
    def what_waits_is_not_kept_for_longer_than_it_says(self) -> None:
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
