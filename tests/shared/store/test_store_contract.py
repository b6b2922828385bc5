"""What every store does: one suite, run against SQLite and Google's Firestore emulator."""

import asyncio
import itertools
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from google.cloud.firestore_v1 import AsyncClient

from shared.models.labels import Label
from shared.store import Store
from shared.store.entities import (
    MAX_SUBMISSIONS,
    MAX_WAITING,
    PENDING_TTL,
    Address,
    Confirmed,
    Day,
    Defer,
    FunnelKey,
    GrantMail,
    MailDecision,
    MailKind,
    Point,
    Skip,
    Submission,
    Tally,
    TotalAt,
    Unchanged,
    Withdrawal,
)
from shared.store.firestore import FirestoreStore
from shared.store.sqlite import SqliteStore
from tests.support.clock import NOW

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["sqlite", "firestore"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    adapter: SqliteStore | FirestoreStore
    if request.param == "sqlite":
        adapter = SqliteStore(tmp_path / "store.db")
    else:
        request.getfixturevalue("emulator")
        adapter = FirestoreStore("undersign-test", "(default)")
    yield adapter
    adapter.close()


@pytest.fixture
def address(campaign_id: str) -> Address:
    return make_address(campaign_id)


def make_address(campaign: str, domain: str | None = None) -> Address:
    digest = f"{uuid.uuid4().hex}{uuid.uuid4().hex}"[:52]
    return Address(campaign, digest, digest, domain)


_ids = itertools.count()


def submission(signed_at: datetime = NOW, country: str = "DE", partner: str | None = None) -> Submission:
    return Submission(
        id=f"s{next(_ids):06}",
        sealed=b"age-encryption.org/v1\xff\x00",
        partner_sealed=None,
        country=country,
        partner=partner,
        source=None,
        locale="en",
        newsletter=True,
        consent_version="1",
        signed_at=signed_at,
        mailbox_class="google",
    )


def grant(decision: MailDecision) -> GrantMail:
    assert isinstance(decision, GrantMail), decision
    return decision


async def pending(store: Store, address: Address, country: str = "DE", partner: str | None = None) -> Submission:
    """Add a signature whose confirm mail has been sent."""
    signed = submission(country=country, partner=partner)
    await store.settle(grant(await store.admit(address, signed, NOW)), sent=True)
    return signed


def moments(number: int) -> Iterable[datetime]:
    """Return the next moments, all different, as those of requests that come at once are."""
    return [NOW + each * timedelta(microseconds=1) for each in range(number)]


def confirmations(outcomes: Iterable[object]) -> int:
    """Count the outcomes that confirmed something."""
    return sum(isinstance(outcome, Confirmed) for outcome in outcomes)


async def use_up_mails(store: Store, address: Address, number: int = 5) -> datetime:
    """Have mails sent as a stranger can, one an hour; return when the last was sent."""
    for at in (NOW + hours * HOUR for hours in range(number)):
        await store.settle(grant(await store.admit(address, submission(at), at)), sent=True)
    return at


async def confirmed(store: Store, address: Address, country: str = "DE", partner: str | None = None) -> Submission:
    signed = await pending(store, address, country, partner)
    assert await store.confirm(address.campaign, address.digest, signed.id, NOW) == Confirmed(signed, NOW)
    return signed


async def held(store: Store, address: Address) -> Submission:
    """Add a signature that is confirmed and held."""
    signed = replace(submission(), labels=(Label.DISPOSABLE_DOMAIN,))
    await store.settle(grant(await store.admit(address, signed, NOW)), sent=True)
    outcome = await store.confirm(address.campaign, address.digest, signed.id, NOW)
    assert outcome == Confirmed(signed, NOW, is_held=True)
    return signed


class TestConfirm:
    async def test_counts_the_signature_with_its_country_and_partner(self, store: Store, address: Address) -> None:
        """pending → confirmed raises the tally in one commit."""
        signed = await pending(store, address, "FR", "digital-rights")

        outcome = await store.confirm(address.campaign, address.digest, signed.id, NOW + MINUTE)

        assert outcome == Confirmed(signed, NOW + MINUTE)
        assert await store.tally(address.campaign) == Tally(1, {"FR": 1}, {"digital-rights": 1})

    async def test_a_repeat_counts_nothing(self, store: Store, address: Address) -> None:
        """Pressing the button again answers that it is confirmed already, and leaves the tally unchanged."""
        signed = await confirmed(store, address)

        outcome = await store.confirm(address.campaign, address.digest, signed.id, NOW + HOUR)

        assert outcome is Unchanged.ALREADY
        assert (await store.tally(address.campaign)).total == 1

    async def test_holds_a_signature_with_labels_that_the_policy_names(
        self, store: Store, address: Address
    ) -> None:
        """pending → held raises only that number; a repeat is answered like that of a counted signature."""
        signed = replace(submission(), labels=(Label.NO_PAGE, Label.TOO_FAST))
        await store.settle(grant(await store.admit(address, signed, NOW)), sent=True)
        policy = [frozenset({Label.NO_PAGE, Label.TOO_FAST})]

        outcome = await store.confirm(address.campaign, address.digest, signed.id, NOW, policy)
        again = await store.confirm(address.campaign, address.digest, signed.id, NOW, policy)

        assert (outcome, again) == (Confirmed(signed, NOW, is_held=True), Unchanged.ALREADY)
        assert await store.tally(address.campaign) == Tally(held=1)

    @pytest.mark.parametrize("labels", [(), (Label.NO_PAGE,)])
    async def test_counts_a_signature_that_lacks_one_of_the_labels(
        self, store: Store, address: Address, labels: tuple[Label, ...]
    ) -> None:
        """The policy names labels that hold together."""
        signed = replace(submission(), labels=labels)
        await store.admit(address, signed, NOW)
        policy = [frozenset({Label.NO_PAGE, Label.TOO_FAST})]

        outcome = await store.confirm(address.campaign, address.digest, signed.id, NOW, policy)

        assert outcome == Confirmed(signed, NOW)
        assert (await store.tally(address.campaign)).total == 1

    async def test_an_unknown_signature_is_gone(self, store: Store, address: Address) -> None:
        """A link whose document is deleted counts nothing."""
        assert await store.confirm(address.campaign, address.digest, "nothing", NOW) is Unchanged.GONE
        assert (await store.tally(address.campaign)).total == 0

    async def test_an_expired_signature_is_gone_at_once(self, store: Store, address: Address) -> None:
        """It cannot be confirmed even before the database has deleted it."""
        signed = await pending(store, address)

        outcome = await store.confirm(address.campaign, address.digest, signed.id, NOW + PENDING_TTL)

        assert outcome is Unchanged.GONE

    @pytest.mark.parametrize("own_is_first", [True, False])
    async def test_a_link_confirms_exactly_the_submission_that_mailed_it(
        self, store: Store, address: Address, own_is_first: bool
    ) -> None:
        """What somebody else signed with this address is not counted, no matter who signed first."""
        first, second = await pending(store, address, "DE"), await pending(store, address, "RU")
        own = first if own_is_first else second

        outcome = await store.confirm(address.campaign, address.digest, own.id, NOW)

        assert outcome == Confirmed(own, NOW)
        assert (await store.tally(address.campaign)).by_country == {own.country: 1}

    async def test_the_other_link_of_a_confirmed_address_counts_nothing(
        self, store: Store, address: Address
    ) -> None:
        """It answers that the address is confirmed already."""
        own = await pending(store, address, "DE")
        other = await pending(store, address, "RU")
        await store.confirm(address.campaign, address.digest, own.id, NOW)

        outcome = await store.confirm(address.campaign, address.digest, other.id, NOW)

        assert outcome is Unchanged.ALREADY
        assert (await store.tally(address.campaign)).by_country == {"DE": 1}

    async def test_fifty_at_once_count_once(self, store: Store, address: Address) -> None:
        """confirm ‖ confirm, fifty times over, raises the tally once."""
        signed = await pending(store, address)

        outcomes = await asyncio.gather(
            *(store.confirm(address.campaign, address.digest, signed.id, moment) for moment in moments(50))
        )

        assert confirmations(outcomes) == 1
        assert outcomes.count(Unchanged.ALREADY) == 49
        assert (await store.tally(address.campaign)).total == 1

    async def test_two_hundred_signatures_sent_twice_count_two_hundred(
        self, store: Store, campaign_id: str
    ) -> None:
        """Confirming each of them twice at the same time leaves a tally that adds up."""
        addresses = [make_address(campaign_id) for _ in range(200)]
        countries = itertools.cycle(["DE", "FR", "IT", "MT"])
        signed = await asyncio.gather(
            *(pending(store, each, country, "ngo") for each, country in zip(addresses, countries, strict=False))
        )

        outcomes = await asyncio.gather(
            *(
                store.confirm(campaign_id, each.digest, one.id, moment)
                for each, one in zip(addresses, signed, strict=True)
                for moment in moments(2)
            )
        )

        tally = await store.tally(campaign_id)
        assert confirmations(outcomes) == 200
        assert tally == Tally(200, dict.fromkeys(["DE", "FR", "IT", "MT"], 50), {"ngo": 200})


class TestFoldTally:
    async def test_does_not_change_the_tally(self, store: Store, campaign_id: str) -> None:
        """The sums stay right for no signatures, after confirmations, and after a withdrawal."""
        await store.fold_tally(campaign_id, datetime.now(UTC) + HOUR)
        first, second = make_address(campaign_id), make_address(campaign_id)
        await confirmed(store, first, "DE", "us")
        await confirmed(store, second, "FR")

        await store.fold_tally(campaign_id, datetime.now(UTC) + HOUR)
        assert await store.tally(campaign_id) == Tally(2, {"DE": 1, "FR": 1}, {"us": 1})

        await store.withdraw(campaign_id, first.digest, NOW + MINUTE, deferred=False)
        await store.fold_tally(campaign_id, datetime.now(UTC) + HOUR)
        assert await store.tally(campaign_id) == Tally(1, {"FR": 1}, {})


class TestWithdraw:
    async def test_uncounts_a_confirmed_signature(self, store: Store, address: Address) -> None:
        """confirmed → withdrawn lowers total, country and partner."""
        await confirmed(store, address, "FR", "ngo")

        outcome = await store.withdraw(address.campaign, address.digest, NOW, deferred=False)

        assert outcome is Withdrawal.UNCOUNTED
        assert await store.tally(address.campaign) == Tally()

    async def test_takes_a_held_signature_off_those_that_are_held(self, store: Store, address: Address) -> None:
        """held → withdrawn lowers that number alone."""
        await held(store, address)
        await confirmed(store, make_address(address.campaign))

        outcome = await store.withdraw(address.campaign, address.digest, NOW + MINUTE, deferred=False)

        assert outcome is Withdrawal.UNCOUNTED
        assert await store.tally(address.campaign) == Tally(1, {"DE": 1})

    async def test_a_repeat_uncounts_nothing(self, store: Store, campaign_id: str) -> None:
        """Only the first press lowers the tally."""
        first, second = make_address(campaign_id), make_address(campaign_id)
        await confirmed(store, first)
        await confirmed(store, second)
        await store.withdraw(campaign_id, first.digest, NOW, deferred=False)

        outcome = await store.withdraw(campaign_id, first.digest, NOW + HOUR, deferred=False)

        assert outcome is Withdrawal.ALREADY
        assert (await store.tally(campaign_id)).total == 1

    async def test_cancels_a_pending_signature_and_its_link(self, store: Store, address: Address) -> None:
        """ "Not you? Withdraw" cancels whatever was signed with this address."""
        signed = await pending(store, address)

        outcome = await store.withdraw(address.campaign, address.digest, NOW, deferred=False)

        assert outcome is Withdrawal.CANCELLED
        assert await store.confirm(address.campaign, address.digest, signed.id, NOW) is Unchanged.GONE
        assert await store.tally(address.campaign) == Tally()

    async def test_of_an_unknown_signature_is_not_an_error(self, store: Store, address: Address) -> None:
        """After the tombstone of an old withdrawal has expired, the answer is still the same."""
        assert await store.withdraw(address.campaign, address.digest, NOW, deferred=False) is Withdrawal.ALREADY

    async def test_twenty_at_once_uncount_once(self, store: Store, campaign_id: str) -> None:
        """withdraw ‖ withdraw lowers the tally once."""
        stays, leaves = make_address(campaign_id), make_address(campaign_id)
        await confirmed(store, stays)
        await confirmed(store, leaves)

        outcomes = await asyncio.gather(
            *(store.withdraw(campaign_id, leaves.digest, moment, deferred=False) for moment in moments(20))
        )

        assert outcomes.count(Withdrawal.UNCOUNTED) == 1
        assert (await store.tally(campaign_id)).total == 1

    async def test_racing_confirm_keeps_the_tally_consistent(self, store: Store, campaign_id: str) -> None:
        """confirm ‖ withdraw on fifty addresses: whichever comes first, withdrawn addresses are not counted."""
        addresses = [make_address(campaign_id) for _ in range(50)]
        signed = [await pending(store, each) for each in addresses]

        outcomes = await asyncio.gather(
            *(
                work
                for each, one in zip(addresses, signed, strict=True)
                for work in (
                    store.confirm(campaign_id, each.digest, one.id, NOW),
                    store.withdraw(campaign_id, each.digest, NOW, deferred=False),
                )
            )
        )

        assert confirmations(outcomes) == outcomes.count(Withdrawal.UNCOUNTED)
        assert outcomes.count(Withdrawal.CANCELLED) == outcomes.count(Unchanged.GONE)
        assert await store.tally(campaign_id) == Tally()

    async def test_that_arrives_late_keeps_a_later_pending_signature(self, store: Store, address: Address) -> None:
        """It was pressed before the second submission, so only the first is gone."""
        first = await pending(store, address)
        second = submission(NOW + 2 * MINUTE, "FR")
        await store.settle(grant(await store.admit(address, second, NOW + 2 * MINUTE)), sent=True)

        await store.withdraw(address.campaign, address.digest, NOW + MINUTE, deferred=True)

        with_first = await store.confirm(address.campaign, address.digest, first.id, NOW + 3 * MINUTE)
        with_second = await store.confirm(address.campaign, address.digest, second.id, NOW + 3 * MINUTE)
        assert (with_first, with_second) == (Unchanged.GONE, Confirmed(second, NOW + 3 * MINUTE))

    async def test_that_arrives_late_keeps_a_later_confirmed_signature(
        self, store: Store, address: Address
    ) -> None:
        """It was pressed before that signature was made, so nothing is withdrawn."""
        signed = submission(NOW + 2 * MINUTE)
        await store.admit(address, signed, NOW + 2 * MINUTE)
        await store.confirm(address.campaign, address.digest, signed.id, NOW + 3 * MINUTE)

        outcome = await store.withdraw(address.campaign, address.digest, NOW + MINUTE, deferred=True)

        assert outcome is Withdrawal.ALREADY
        assert (await store.tally(address.campaign)).total == 1

    async def test_of_what_a_late_press_confirms_leaves_the_newer_submission(
        self, store: Store, address: Address
    ) -> None:
        """The press to confirm waits while something newer is pending; else the withdrawal would take both."""
        first = await pending(store, address)
        second = submission(NOW + 2 * MINUTE, "FR")
        await store.settle(grant(await store.admit(address, second, NOW + 2 * MINUTE)), sent=True)
        press = partial(store.confirm, address.campaign, address.digest, first.id, NOW)

        pressed = await press(deferred=True)
        await store.withdraw(address.campaign, address.digest, NOW + MINUTE, deferred=True)
        once_more = await press()

        assert (pressed, once_more) == (Unchanged.TOO_EARLY, Unchanged.GONE)
        confirmed_at = NOW + 3 * MINUTE
        outcome = await store.confirm(address.campaign, address.digest, second.id, confirmed_at, deferred=True)
        assert outcome == Confirmed(second, confirmed_at)

    async def test_takes_what_is_stored_whatever_the_clocks_say(self, store: Store, address: Address) -> None:
        """The machine that took the signature was minutes ahead; its task, repeated, revives nothing."""
        signed = submission(NOW + 5 * MINUTE)
        await store.settle(grant(await store.admit(address, signed, NOW)), sent=True)
        await store.confirm(address.campaign, address.digest, signed.id, NOW)

        outcome = await store.withdraw(address.campaign, address.digest, NOW + MINUTE, deferred=False)

        assert outcome is Withdrawal.UNCOUNTED
        assert await store.admit(address, signed, NOW + 2 * MINUTE) is Skip.STALE

    async def test_still_blocks_older_tasks_after_signing_again(self, store: Store, address: Address) -> None:
        """A new submission is accepted; one that was signed before the withdrawal stays stale."""
        await confirmed(store, address)
        await store.withdraw(address.campaign, address.digest, NOW + MINUTE, deferred=False)
        await store.admit(address, submission(NOW + 2 * MINUTE), NOW + 2 * MINUTE)

        assert await store.admit(address, submission(NOW), NOW + 3 * MINUTE) is Skip.STALE

    async def test_then_signing_again_leaves_the_old_link_invalid(self, store: Store, address: Address) -> None:
        """The old link's submission is gone; only the new link confirms."""
        old = await pending(store, address, "DE")
        await store.withdraw(address.campaign, address.digest, NOW, deferred=False)
        new = submission(NOW + MINUTE, "FR")
        await store.settle(grant(await store.admit(address, new, NOW + MINUTE)), sent=True)

        with_old = await store.confirm(address.campaign, address.digest, old.id, NOW + MINUTE)
        with_new = await store.confirm(address.campaign, address.digest, new.id, NOW + MINUTE)

        assert (with_old, with_new) == (Unchanged.GONE, Confirmed(new, NOW + MINUTE))
        assert (await store.tally(address.campaign)).by_country == {"FR": 1}

    async def test_racing_admit_and_confirm_after_a_withdrawal_keeps_the_tally_right(
        self, store: Store, campaign_id: str
    ) -> None:
        """admit ‖ confirm ‖ withdraw after a first withdrawal: the tally matches the outcomes."""
        addresses = [make_address(campaign_id) for _ in range(20)]
        for each in addresses:
            await confirmed(store, each)
            await store.withdraw(campaign_id, each.digest, NOW, deferred=False)
        again = submission(NOW + MINUTE)

        outcomes = await asyncio.gather(
            *(
                work
                for each in addresses
                for work in (
                    store.admit(each, again, NOW + MINUTE),
                    store.confirm(campaign_id, each.digest, again.id, NOW + MINUTE),
                    store.withdraw(campaign_id, each.digest, NOW + MINUTE, deferred=False),
                )
            )
        )

        counted = confirmations(outcomes) - outcomes.count(Withdrawal.UNCOUNTED)
        assert (await store.tally(campaign_id)).total == counted


class TestAdmit:
    async def test_a_new_submission_is_granted_a_mail_with_its_own_link(
        self, store: Store, address: Address
    ) -> None:
        """absent → pending claims the confirm mail."""
        signed = submission()

        decision = grant(await store.admit(address, signed, NOW))

        assert (decision.kind, decision.submissions) == (MailKind.CONFIRM, (signed,))

    async def test_a_repeated_task_is_not_mailed_again(self, store: Store, address: Address) -> None:
        """Its mail has been sent, so it is skipped."""
        signed = await pending(store, address)

        assert await store.admit(address, signed, NOW + MINUTE) is Skip.SENT

    async def test_a_crash_between_claim_and_mark_mails_nothing_within_the_hour(
        self, store: Store, address: Address
    ) -> None:
        """It is unknown whether that mail was sent, so the task is deferred, and mailed after the hour."""
        signed = submission()
        await store.admit(address, signed, NOW)

        soon = await store.admit(address, signed, NOW + MINUTE)
        later = await store.admit(address, signed, NOW + HOUR)

        assert soon == Defer(NOW + HOUR)
        assert grant(later).submissions == (signed,)

    async def test_a_released_claim_is_granted_again_at_once(self, store: Store, address: Address) -> None:
        """That mail was certainly not sent, so it counts towards no cap."""
        signed = submission()

        for _ in range(10):
            await store.settle(grant(await store.admit(address, signed, NOW)), sent=False)

        assert grant(await store.admit(address, signed, NOW)).kind is MailKind.CONFIRM

    async def test_a_third_mail_is_deferred_until_an_hour_after_the_first(
        self, store: Store, address: Address
    ) -> None:
        """Two mails an hour are allowed, and a deferred submission is not stored."""
        await pending(store, address)
        await store.admit(address, submission(), NOW + MINUTE)
        third = submission()

        decision = await store.admit(address, third, NOW + 2 * MINUTE)

        assert decision == Defer(NOW + HOUR)
        assert await store.confirm(address.campaign, address.digest, third.id, NOW) is Unchanged.GONE

    async def test_after_five_mails_one_a_day_is_allowed(self, store: Store, address: Address) -> None:
        """The sixth is deferred until a day after the fifth, and the seventh until a day after the sixth."""
        last = await use_up_mails(store, address)
        sixth, seventh = submission(last), submission(last + MINUTE)

        waiting = await store.admit(address, sixth, last + MINUTE)
        mailed = await store.admit(address, sixth, last + DAY)
        next_waiting = await store.admit(address, seventh, last + DAY)

        assert waiting == Defer(last + DAY)
        assert grant(mailed).submissions == (sixth,)
        assert next_waiting == Defer(last + 2 * DAY)

    async def test_old_mails_leave_the_caps(self, store: Store, address: Address) -> None:
        """Thirty days after five mails, two may go out within an hour again."""
        later = await use_up_mails(store, address) + 30 * DAY

        decisions = [await store.admit(address, submission(later), later) for _ in range(3)]

        assert [isinstance(decision, GrantMail) for decision in decisions] == [True, True, False]

    async def test_the_newest_that_waits_is_mailed_first(self, store: Store, address: Address) -> None:
        """A stranger's submissions come back from the queue before hers, and leave her the slot for an hour."""
        last = await use_up_mails(store, address)
        strangers = [submission(last + number * MINUTE) for number in range(3)]
        hers = submission(last + HOUR)
        for each in (*strangers, hers):
            await store.admit(address, each, each.signed_at)
        slot = last + DAY

        too_early = [await store.admit(address, each, slot) for each in strangers]
        mailed = await store.admit(address, hers, slot + 10 * MINUTE)
        afterwards = await store.admit(address, strangers[-1], slot + HOUR)

        assert too_early == [Defer(slot + HOUR)] * 3
        assert grant(mailed).submissions == (hers,)
        assert afterwards == Defer(slot + 10 * MINUTE + DAY)

    async def test_the_newest_is_mailed_first_among_addresses_of_one_mailbox(
        self, store: Store, address: Address
    ) -> None:
        """A stranger may have signed with any number of tags (name+1@, name+2@ …)."""
        last = await use_up_mails(store, address)
        tagged = [replace(address, digest=make_address(address.campaign).digest) for _ in range(3)]
        for each in tagged:
            await store.admit(each, submission(last), last)
        hers = submission(last + MINUTE)
        await store.admit(address, hers, last + MINUTE)

        too_early = await store.admit(tagged[0], submission(last), last + DAY)

        assert too_early == Defer(last + DAY + HOUR)
        assert grant(await store.admit(address, hers, last + DAY)).submissions == (hers,)

    async def test_an_older_one_takes_a_slot_that_the_newest_leaves_for_an_hour(
        self, store: Store, address: Address
    ) -> None:
        """The newest may never come back: its address may be confirmed or withdrawn by then."""
        last = await use_up_mails(store, address)
        older, newest = submission(last), submission(last + MINUTE)
        for each in (older, newest):
            await store.admit(address, each, last + MINUTE)

        decision = await store.admit(address, older, last + DAY + HOUR)

        assert grant(decision).submissions == (older,)

    async def test_of_too_many_that_wait_the_oldest_are_dropped(self, store: Store, address: Address) -> None:
        """With one mail a day they could not be mailed within their thirty days; the newest is not kept out."""
        last = await use_up_mails(store, address)
        waiting = [submission(last + number * MINUTE) for number in range(MAX_WAITING + 2)]
        decisions = [await store.admit(address, each, each.signed_at) for each in waiting]

        again = [await store.admit(address, each, last + 2 * HOUR) for each in waiting]

        assert decisions == [Defer(last + DAY)] * len(waiting)
        assert again[:2] == [Skip.DROPPED, Skip.DROPPED]
        assert Skip.DROPPED not in again[2:]

    async def test_addresses_of_one_mailbox_share_its_caps(self, store: Store, campaign_id: str) -> None:
        """name+1@ and name+2@ are two addresses of one mailbox, which gets two mails an hour in all."""
        one, two, three = (
            Address(campaign_id, make_address(campaign_id).digest, f"mailbox-of-{campaign_id}") for _ in range(3)
        )
        await store.admit(one, submission(), NOW)
        await store.admit(two, submission(), NOW)

        assert await store.admit(three, submission(), NOW) == Defer(NOW + HOUR)

    async def test_a_hundred_at_once_claim_two_mails(self, store: Store, address: Address) -> None:
        """admit ‖ admit of one address stays within the caps; all others are deferred."""
        decisions = await asyncio.gather(*(store.admit(address, submission(), NOW) for _ in range(100)))

        assert sum(isinstance(decision, GrantMail) for decision in decisions) == 2
        assert decisions.count(Defer(NOW + HOUR)) == 98

    async def test_one_task_delivered_fifty_times_at_once_claims_one_mail(
        self, store: Store, address: Address
    ) -> None:
        """admit ‖ admit of one submission grants its mail once."""
        signed = submission()

        decisions = await asyncio.gather(*(store.admit(address, signed, moment) for moment in moments(50)))

        assert sum(isinstance(decision, GrantMail) for decision in decisions) == 1

    async def test_a_task_older_than_a_withdrawal_is_stale(self, store: Store, address: Address) -> None:
        """It was signed before the owner withdrew, so it is not stored."""
        await confirmed(store, address)
        await store.withdraw(address.campaign, address.digest, NOW + MINUTE, deferred=False)

        assert await store.admit(address, submission(NOW), NOW + 2 * MINUTE) is Skip.STALE

    async def test_a_task_older_than_thirty_days_is_dropped(self, store: Store, address: Address) -> None:
        """Tombstones are kept for a day longer, so that no task can outlive one."""
        assert await store.admit(address, submission(NOW - timedelta(days=30)), NOW) is Skip.STALE

    async def test_a_confirmed_address_gets_its_withdraw_link(self, store: Store, address: Address) -> None:
        """The mail says that it has signed already and holds nothing to confirm; the tally stays unchanged."""
        await confirmed(store, address)

        decision = grant(await store.admit(address, submission(), NOW + MINUTE))

        assert (decision.kind, decision.submissions) == (MailKind.SIGNED, ())
        assert (await store.tally(address.campaign)).total == 1

    async def test_a_held_address_gets_the_mail_of_a_confirmed_one(self, store: Store, address: Address) -> None:
        """Nobody can find out from the mail that a signature is held."""
        await held(store, address)

        decision = grant(await store.admit(address, submission(signed_at=NOW + HOUR), NOW + HOUR))

        assert (decision.kind, decision.submissions) == (MailKind.SIGNED, ())
        assert await store.tally(address.campaign) == Tally(held=1)

    async def test_a_confirmed_address_gets_one_mail_a_day_over_the_caps(
        self, store: Store, address: Address
    ) -> None:
        """Strangers cannot keep a signer from the withdraw link for longer than that; what is more is skipped."""
        await confirmed(store, address)
        tagged = replace(address, digest=make_address(address.campaign).digest)
        now = await use_up_mails(store, tagged, 4) + MINUTE

        decision = await store.admit(address, submission(now), now)
        within_the_day = await store.admit(address, submission(now), now + DAY - MINUTE)
        next_day = await store.admit(address, submission(now), now + DAY)

        assert (grant(decision).kind, within_the_day, grant(next_day).kind) == (
            MailKind.SIGNED,
            Skip.CAPPED,
            MailKind.SIGNED,
        )

    async def test_a_repeated_task_after_confirm_mails_nothing(self, store: Store, address: Address) -> None:
        """Neither the confirmed submission nor one that was dropped then counts as a new attempt to sign."""
        dropped = await pending(store, address)
        kept = await confirmed(store, address)

        again = [await store.admit(address, one, NOW + 2 * HOUR) for one in (kept, dropped)]

        assert again == [Skip.SENT, Skip.SENT]

    async def test_racing_confirm_loses_no_confirmation(self, store: Store, campaign_id: str) -> None:
        """admit ‖ confirm: a late task cannot turn confirmed back into pending."""
        addresses = [make_address(campaign_id) for _ in range(30)]
        signed = [await pending(store, each) for each in addresses]

        await asyncio.gather(
            *(
                work
                for each, one in zip(addresses, signed, strict=True)
                for work in (
                    store.admit(each, submission(), NOW),
                    store.confirm(campaign_id, each.digest, one.id, NOW),
                )
            )
        )

        again = [
            await store.confirm(campaign_id, each.digest, one.id, NOW)
            for each, one in zip(addresses, signed, strict=True)
        ]
        assert again == [Unchanged.ALREADY] * 30
        assert (await store.tally(campaign_id)).total == 30

    async def test_racing_withdraw_leaves_the_address_withdrawn(self, store: Store, campaign_id: str) -> None:
        """admit ‖ withdraw with a task signed before the withdrawal: whichever comes first, no link confirms."""
        addresses = [make_address(campaign_id) for _ in range(30)]
        first = [await pending(store, each) for each in addresses]
        late = [submission(NOW) for _ in addresses]

        await asyncio.gather(
            *(
                work
                for each, one in zip(addresses, late, strict=True)
                for work in (
                    store.admit(each, one, NOW + MINUTE),
                    store.withdraw(campaign_id, each.digest, NOW + MINUTE, deferred=False),
                )
            )
        )

        outcomes = [
            await store.confirm(campaign_id, each.digest, one.id, NOW + MINUTE)
            for each, one in zip(addresses * 2, first + late, strict=True)
        ]
        assert outcomes == [Unchanged.GONE] * 60

    async def test_a_full_document_drops_its_oldest_that_was_not_mailed(
        self, store: Store, address: Address
    ) -> None:
        """While no relay takes mails, a document fills up; links that were mailed before go on working."""
        mailed = await pending(store, address)
        refused = [submission() for _ in range(MAX_SUBMISSIONS)]
        for each in refused:
            await store.settle(grant(await store.admit(address, each, NOW)), sent=False)

        outcome = await store.confirm(address.campaign, address.digest, refused[0].id, NOW)

        assert outcome is Unchanged.GONE
        assert isinstance(await store.confirm(address.campaign, address.digest, mailed.id, NOW), Confirmed)


class TestClaim:
    async def test_a_pending_address_gets_its_confirm_links(self, store: Store, address: Address) -> None:
        """It gets all of them, oldest first, because only the owner knows which is the right one."""
        first, second = await pending(store, address), await pending(store, address)

        decision = grant(await store.claim(address, "request", None, NOW + HOUR))

        assert (decision.kind, decision.submissions) == (MailKind.CONFIRM, (first, second))

    async def test_a_confirmed_address_gets_its_withdraw_link(self, store: Store, address: Address) -> None:
        """Its mail holds nothing to confirm."""
        await confirmed(store, address)

        decision = grant(await store.claim(address, "request", None, NOW))

        assert (decision.kind, decision.submissions) == (MailKind.SIGNED, ())

    async def test_an_unknown_address_gets_no_mail(self, store: Store, address: Address) -> None:
        """Nobody can make us send mail to somebody who never signed."""
        assert await store.claim(address, "request", None, NOW) is Skip.NOT_DUE

    async def test_a_withdrawn_address_gets_no_mail(self, store: Store, address: Address) -> None:
        """Its owner asked to be forgotten."""
        await confirmed(store, address)
        await store.withdraw(address.campaign, address.digest, NOW, deferred=False)

        assert await store.claim(address, "request", None, NOW) is Skip.NOT_DUE

    async def test_a_mail_over_the_caps_is_skipped(self, store: Store, address: Address) -> None:
        """However often links are requested, a mailbox gets two mails an hour, and no others later."""
        await pending(store, address)
        await store.claim(address, "one", None, NOW)

        assert await store.claim(address, "two", None, NOW) is Skip.CAPPED

    async def test_the_withdraw_link_is_mailed_once_a_day_over_the_caps(
        self, store: Store, address: Address
    ) -> None:
        """Withdrawing consent is as easy as giving it (GDPR, Article 7(3)), whatever strangers have asked for."""
        await confirmed(store, address)
        tagged = replace(address, digest=make_address(address.campaign).digest)
        now = await use_up_mails(store, tagged, 4) + MINUTE

        decision = await store.claim(address, "one", None, now)
        within_the_day = await store.claim(address, "two", None, now + DAY - MINUTE)
        next_day = await store.claim(address, "three", None, now + DAY)

        assert (grant(decision).kind, within_the_day) == (MailKind.SIGNED, Skip.CAPPED)
        assert grant(next_day).kind is MailKind.SIGNED

    async def test_a_reminder_leaves_a_slot_to_a_submission_that_waits(
        self, store: Store, address: Address
    ) -> None:
        """Reminders of a stranger's submissions take no slot that somebody waits for."""
        last = await use_up_mails(store, address)
        strangers, hers = submission(last + DAY), submission(last + DAY + MINUTE)
        await store.settle(grant(await store.admit(address, strangers, last + DAY)), sent=True)
        await store.admit(address, hers, last + DAY + MINUTE)
        slot = last + 2 * DAY

        reminder = await store.claim(address, strangers.id, MailKind.REMINDER, slot)

        assert reminder is Skip.CAPPED
        assert grant(await store.admit(address, hers, slot)).submissions == (hers,)

    async def test_a_reminder_links_to_its_own_submission(self, store: Store, address: Address) -> None:
        """It does not link to another pending submission of the same address."""
        signed = await pending(store, address)
        await pending(store, address)

        decision = grant(await store.claim(address, signed.id, MailKind.REMINDER, NOW + 24 * HOUR))

        assert (decision.kind, decision.submissions) == (MailKind.REMINDER, (signed,))

    async def test_a_reminder_after_confirming_is_not_due(self, store: Store, address: Address) -> None:
        """A signer who has confirmed is not reminded."""
        signed = await confirmed(store, address)

        assert await store.claim(address, signed.id, MailKind.REMINDER, NOW + 24 * HOUR) is Skip.NOT_DUE

    async def test_a_reminder_is_sent_once(self, store: Store, address: Address) -> None:
        """However often its task is delivered, later ones are skipped."""
        signed = await pending(store, address)
        later = NOW + 24 * HOUR
        await store.settle(grant(await store.claim(address, signed.id, MailKind.REMINDER, later)), sent=True)

        assert await store.claim(address, signed.id, MailKind.REMINDER, later + HOUR) is Skip.SENT


class TestSettle:
    async def test_marks_a_mail_as_sent_although_another_was_claimed_meanwhile(
        self, store: Store, address: Address
    ) -> None:
        """The mark is not lost, although the mailbox's document has changed since the claim."""
        signed = submission()
        decision = grant(await store.admit(address, signed, NOW))
        await store.admit(address, submission(), NOW)

        await store.settle(decision, sent=True)

        assert await store.admit(address, signed, NOW + 2 * HOUR) is Skip.SENT


class TestSuppress:
    async def test_a_submission_is_deferred_and_mailed_when_it_ends(self, store: Store, address: Address) -> None:
        """Who signs again at a mailbox whose mail came back is mailed later, not lost; the newest comes first."""
        await pending(store, address)
        until = NOW + 7 * DAY
        earlier, last = submission(NOW + HOUR), submission(NOW + 2 * HOUR)

        assert await store.suppress(address.campaign, address.mailbox, until)

        deferred = [await store.admit(address, each, each.signed_at) for each in (earlier, last)]
        assert deferred == [Defer(until, is_suppressed=True)] * 2
        assert await store.admit(address, earlier, until) == Defer(until + HOUR)
        assert grant(await store.admit(address, last, until)).submissions == (last,)

    async def test_a_mail_that_is_a_courtesy_is_skipped(self, store: Store, address: Address) -> None:
        """Neither reminders nor links go out, whoever asks for them."""
        signed = await pending(store, address)
        await store.suppress(address.campaign, address.mailbox, NOW + 7 * DAY)

        reminder = await store.claim(address, signed.id, MailKind.REMINDER, NOW + DAY)
        links = await store.claim(address, "request", None, NOW + DAY)

        assert (reminder, links) == (Skip.SUPPRESSED, Skip.SUPPRESSED)

    async def test_holds_the_withdraw_link_back_as_well(self, store: Store, address: Address) -> None:
        """A complaint concerns every mail; a confirmed signer who signs again hears nothing either."""
        await confirmed(store, address)
        await store.suppress(address.campaign, address.mailbox, NOW + 30 * DAY)

        asked = await store.claim(address, "request", None, NOW + 2 * DAY)
        signed_again = await store.admit(address, submission(NOW + 2 * DAY), NOW + 2 * DAY)
        afterwards = await store.claim(address, "again", None, NOW + 30 * DAY)

        assert (asked, signed_again) == (Skip.SUPPRESSED, Skip.SUPPRESSED)
        assert grant(afterwards).kind is MailKind.SIGNED

    async def test_concerns_every_address_of_the_mailbox(self, store: Store, address: Address) -> None:
        """A tag (`name+tag@`) leads no mail past it."""
        await pending(store, address)
        await store.suppress(address.campaign, address.mailbox, NOW + 7 * DAY)
        tagged = replace(address, digest=make_address(address.campaign).digest)

        assert await store.admit(tagged, submission(NOW), NOW) == Defer(NOW + 7 * DAY, is_suppressed=True)

    async def test_stops_nobody_from_confirming_or_withdrawing(self, store: Store, address: Address) -> None:
        """The links of the mails that did arrive work."""
        signed = await pending(store, address)
        await store.suppress(address.campaign, address.mailbox, NOW + 7 * DAY)

        confirmation = await store.confirm(address.campaign, address.digest, signed.id, NOW + HOUR)
        withdrawal = await store.withdraw(address.campaign, address.digest, NOW + 2 * HOUR, deferred=False)

        assert (confirmation, withdrawal) == (Confirmed(signed, NOW + HOUR), Withdrawal.UNCOUNTED)

    async def test_a_repeat_changes_nothing_and_the_later_of_two_holds(
        self, store: Store, address: Address
    ) -> None:
        """However many copies of a report come, and in whatever order."""
        await pending(store, address)
        complaint, bounce = NOW + 30 * DAY, NOW + 7 * DAY

        changed = [
            await store.suppress(address.campaign, address.mailbox, until)
            for until in (bounce, bounce, complaint, complaint, bounce)
        ]

        assert changed == [True, False, True, False, False]
        assert await store.admit(address, submission(NOW), NOW) == Defer(complaint, is_suppressed=True)

    async def test_racing_copies_change_it_once(self, store: Store, address: Address) -> None:
        """suppress ‖ suppress: twenty processes that read the same report agree."""
        await pending(store, address)
        until = NOW + 7 * DAY

        changed = await asyncio.gather(
            *(store.suppress(address.campaign, address.mailbox, until) for _ in range(20))
        )

        assert sum(changed) >= 1
        assert await store.admit(address, submission(NOW), NOW) == Defer(until, is_suppressed=True)

    async def test_is_not_undone_by_the_mark_that_the_mail_was_sent(self, store: Store, address: Address) -> None:
        """A mail can come back before its sender has marked it as sent."""
        granted = grant(await store.admit(address, submission(NOW), NOW))
        await store.suppress(address.campaign, address.mailbox, NOW + 7 * DAY)

        await store.settle(granted, sent=True)

        again = await store.admit(address, submission(NOW), NOW)
        assert again == Defer(NOW + 7 * DAY, is_suppressed=True)

    async def test_stores_nothing_of_a_mailbox_that_is_not_there(self, store: Store, address: Address) -> None:
        """What was erased stays erased when its mail comes back afterwards."""
        assert not await store.suppress(address.campaign, address.mailbox, NOW + 7 * DAY)

        assert isinstance(await store.admit(address, submission(NOW), NOW), GrantMail)


async def test_campaigns_are_separate(store: Store, campaign_id: str) -> None:
    """The same digest in another campaign is another signature."""
    first = make_address(campaign_id)
    second = Address(f"{campaign_id}-b", first.digest, first.mailbox)
    signed = await confirmed(store, first)

    assert await store.confirm(second.campaign, second.digest, signed.id, NOW) is Unchanged.GONE
    assert await store.tally(second.campaign) == Tally()


async def test_a_dead_letter_is_kept_once_and_sealed(store: Store, tmp_path: Path, campaign_id: str) -> None:
    """Adding the same task twice stores it once, with its sealed body and its reason."""
    for _ in range(2):
        await store.add_dead_letter(campaign_id, b"sealed", "Unopenable", NOW)

    assert await dead_letter(store, campaign_id, tmp_path) == (b"sealed", "Unopenable")


async def dead_letter(store: Store, task_id: str, folder: Path) -> tuple[bytes, str]:
    """Return body and reason, read without the adapter, which only adds dead letters."""
    if isinstance(store, FirestoreStore):
        client = AsyncClient(project="undersign-test")
        kept = (await client.document("dead_letters", task_id).get()).to_dict()
        assert kept
        return bytes(kept["body"]), str(kept["reason"])
    with closing(sqlite3.connect(folder / "store.db")) as database:
        [row] = database.execute("SELECT body, reason FROM dead_letters WHERE task_id = ?", (task_id,)).fetchall()
    return bytes(row[0]), str(row[1])


class TestHistory:
    async def test_returns_days_with_their_hours_oldest_first(self, store: Store, campaign_id: str) -> None:
        """It holds the points of this campaign alone, from the given day on, across days and months."""
        points = [Point(NOW + hours * HOUR, hours, {"DE": hours, "other": 0}) for hours in (0, 1, 2, 30, 24 * 12)]
        for point in points:
            await store.add_to_history(campaign_id, point)
        await store.add_to_history(f"{campaign_id}-2", points[0])

        days = await store.history(campaign_id, date(2026, 11, 22))

        assert [day.last for day in days] == points[2:]
        assert [[hour.total for _, hour in sorted(day.hours.items())] for day in days] == [[0, 1, 2], [30], [288]]
        assert await store.history(campaign_id, date(2026, 11, 23)) == days[1:]
        assert await store.history(campaign_id, date(2027, 1, 1)) == []

    async def test_keeps_the_last_point_of_each_hour(self, store: Store, campaign_id: str) -> None:
        """A second point replaces the first, including countries that are no longer counted."""
        await store.add_to_history(campaign_id, Point(NOW, 3, {"DE": 2, "FR": 1}))
        last = Point(NOW + 59 * MINUTE, 2, {"DE": 2})
        await store.add_to_history(campaign_id, last)

        assert await store.history(campaign_id, NOW.date()) == [Day(last, {"h20": TotalAt(last.at, 2)})]


async def test_one_dimension_of_the_funnel_is_read_by_days_and_stages(store: Store, campaign_id: str) -> None:
    """All else stays where it is: a day's numbers may be a megabyte."""
    days = ("2026-11-20", "2026-11-21", "2026-11-22")
    wanted = {
        FunnelKey(day, stage, "ten_minutes", "2026-11-22T20:00")
        for day in days[1:]
        for stage in ("mailed", "confirmed")
    }
    others = {
        FunnelKey(days[0], "mailed", "ten_minutes", "2026-11-22T20:00"),
        FunnelKey(days[1], "accepted", "ten_minutes", "2026-11-22T20:00"),
        FunnelKey(days[1], "mailed", "source", "radio"),
    }
    for number, key in enumerate([*wanted, *others, *wanted]):
        await store.add_to_funnel(campaign_id, {key: 2}, f"{campaign_id}-{number}", NOW)

    found = await store.funnel_of(campaign_id, days[1:], ["mailed", "confirmed"], "ten_minutes")

    assert dict(found) == dict.fromkeys(wanted, 4)


class TestDomainCaps:
    async def test_let_a_hundred_new_addresses_be_mailed_in_an_hour(self, store: Store, campaign_id: str) -> None:
        """Those that come at once are counted as exactly as those that come in turn; the others wait."""
        people = [(make_address(campaign_id, "d" * 52), submission()) for _ in range(150)]

        at_once = await asyncio.gather(*(store.admit(address, signed, NOW) for address, signed in people))
        in_turn = [
            await store.admit(address, signed, NOW)
            for (address, signed), decision in zip(people, at_once, strict=True)
            if isinstance(decision, Defer)
        ]

        assert sum(isinstance(decision, GrantMail) for decision in [*at_once, *in_turn]) == 100
        assert in_turn[-50:] == [Defer(NOW + HOUR, is_domain_burst=True)] * 50

    async def test_hold_back_nobody_of_another_domain(self, store: Store, campaign_id: str) -> None:
        """One organisation's rush is no other's, nor that of a large provider, nor of another campaign."""
        for _ in range(100):
            await store.admit(make_address(campaign_id, "d" * 52), submission(), NOW)

        for address in (
            make_address(campaign_id, "e" * 52),
            make_address(campaign_id),
            make_address(f"{campaign_id}-b", "d" * 52),
        ):
            assert isinstance(await store.admit(address, submission(), NOW), GrantMail)

    async def test_let_a_deferred_address_in_after_the_hour(self, store: Store, campaign_id: str) -> None:
        """It was not stored, and is now."""
        for _ in range(100):
            await store.admit(make_address(campaign_id, "d" * 52), submission(), NOW)
        late, signed = make_address(campaign_id, "d" * 52), submission()
        assert isinstance(await store.admit(late, signed, NOW), Defer)
        assert await store.confirm(campaign_id, late.digest, signed.id, NOW) is Unchanged.GONE

        assert isinstance(await store.admit(late, signed, NOW + HOUR), GrantMail)

    async def test_count_an_address_once_however_often_its_mail_is_tried(
        self, store: Store, campaign_id: str
    ) -> None:
        """A relay that is down uses up nothing, nor does somebody who asks for another mail."""
        for _ in range(99):
            await store.admit(make_address(campaign_id, "d" * 52), submission(), NOW)
        greylisted, signed = make_address(campaign_id, "d" * 52), submission()
        for _ in range(3):
            await store.settle(grant(await store.admit(greylisted, signed, NOW)), sent=False)

        assert isinstance(await store.admit(greylisted, signed, NOW), GrantMail)
        assert isinstance(await store.admit(make_address(campaign_id, "d" * 52), submission(), NOW), Defer)

    async def test_stop_reminders_where_nobody_confirms(self, store: Store, campaign_id: str) -> None:
        """Of twenty who were mailed, none has confirmed within a day; a stranger has made them up."""
        addresses = [make_address(campaign_id, "d" * 52) for _ in range(20)]
        signed = [await pending(store, address) for address in addresses]

        decision = await store.claim(addresses[0], signed[0].id, MailKind.REMINDER, NOW + 24 * HOUR)

        assert decision is Skip.UNCONFIRMED_DOMAIN

    async def test_keep_reminders_where_somebody_confirms(self, store: Store, campaign_id: str) -> None:
        """The reminder that finds a signature confirmed, and is not sent, is how it becomes known."""
        addresses = [make_address(campaign_id, "d" * 52) for _ in range(20)]
        signed = [await pending(store, address) for address in addresses]
        await store.confirm(campaign_id, addresses[0].digest, signed[0].id, NOW + HOUR)
        reminders = zip(addresses, signed, strict=True)

        first, *others = [
            await store.claim(address, each.id, MailKind.REMINDER, NOW + 24 * HOUR) for address, each in reminders
        ]

        assert first is Skip.NOT_DUE
        assert all(isinstance(other, GrantMail) for other in others)

    async def test_let_ten_in_an_hour_be_mailed_where_nobody_confirms(
        self, store: Store, campaign_id: str
    ) -> None:
        """Until somebody there does, for it may be that only strangers have signed so far."""
        first = make_address(campaign_id, "d" * 52)
        signed = await pending(store, first)
        for _ in range(19):
            await pending(store, make_address(campaign_id, "d" * 52))
        later = NOW + 24 * HOUR
        for _ in range(10):
            await store.admit(make_address(campaign_id, "d" * 52), submission(later), later)
        late = make_address(campaign_id, "d" * 52)

        before = await store.admit(late, submission(later), later)
        await store.confirm(campaign_id, first.digest, signed.id, later)
        await store.claim(first, signed.id, MailKind.REMINDER, later)

        assert before == Defer(later + HOUR, is_domain_burst=True)
        assert isinstance(await store.admit(late, submission(later), later), GrantMail)
