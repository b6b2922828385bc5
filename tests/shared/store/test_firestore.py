"""What is special about Firestore: how the tally is spread and folded, and commits whose answer gets lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyrage
import pytest
from google.api_core.exceptions import Aborted, ServiceUnavailable
from google.cloud.firestore import AsyncWriteBatch
from google.cloud.firestore_v1._helpers import encode_dict
from google.cloud.firestore_v1.types import Document

from shared.crypto.sealing import Sealer
from shared.databases import firestore
from shared.models.labels import Label
from shared.models.sealed import SealedContact, SealedSignature
from shared.store.documents import SIGNATURE
from shared.store.entities import MAX_SUBMISSIONS, Confirmed, Defer, Signature, Status, Tally, Withdrawal
from shared.store.firestore import FirestoreStore
from tests.shared.store.test_store_contract import confirmed, grant, make_address, pending, submission
from tests.support.clock import NOW

QUIET = timedelta(minutes=1)


@pytest.fixture
async def store(emulator: str) -> AsyncIterator[FirestoreStore]:
    adapter = FirestoreStore("undersign-test", "(default)")
    yield adapter
    adapter.close()


async def documents(store: FirestoreStore, campaign: str) -> set[str]:
    return {each.id for each in await store.database.query(f"campaigns/{campaign}/tally")}


async def sign(store: FirestoreStore, campaign: str, number: int) -> None:
    signers = [make_address(campaign) for _ in range(number)]
    await asyncio.gather(*(confirmed(store, each, "DE", "us") for each in signers))


async def spread(store: FirestoreStore, campaign: str, numbers: range, country: str) -> None:
    """Write what a rush leaves behind: one signature in each of these documents."""
    one = {"total": 1, "by_country": {country: 1}, "by_partner": {"us": 1}}
    await store.database.commit(*(firestore.put(f"campaigns/{campaign}/tally/{n}", one) for n in numbers))


def soon() -> datetime:
    """Return a time at which the tally has been quiet for as long as folding waits."""
    return datetime.now(UTC) + 2 * QUIET


async def test_a_rush_is_spread_over_many_documents(store: FirestoreStore, campaign_id: str) -> None:
    """One signature needs one document; forty at once use many, as each takes about one write a second."""
    await sign(store, campaign_id, 1)
    first = await documents(store, campaign_id)

    await sign(store, campaign_id, 40)

    assert len(first) == 1
    assert len(await documents(store, campaign_id)) > 20
    assert (await store.tally(campaign_id)).total == 41


async def test_folding_leaves_one_document_and_every_number(store: FirestoreStore, campaign_id: str) -> None:
    """The sums stay the same over several commits' worth of documents, and when folding again after new ones."""
    await spread(store, campaign_id, range(140), "DE")
    await spread(store, campaign_id, range(140, 260), "FR")

    await store.fold_tally(campaign_id, soon())

    assert await documents(store, campaign_id) == {"folded"}
    assert await store.tally(campaign_id) == Tally(260, {"DE": 140, "FR": 120}, {"us": 260})

    await spread(store, campaign_id, range(2), "FR")
    await store.fold_tally(campaign_id, soon())

    assert await documents(store, campaign_id) == {"folded"}
    assert await store.tally(campaign_id) == Tally(262, {"DE": 140, "FR": 122}, {"us": 262})


async def test_folding_includes_the_documents_of_earlier_versions(store: FirestoreStore, campaign_id: str) -> None:
    """Those were numbered, too, as many as the campaign file said; they are added up and deleted."""
    old = {"total": 5, "by_country": {"DE": 4, "FR": 1}}
    await store.database.commit(
        firestore.put(f"campaigns/{campaign_id}/tally/0", old),
        firestore.put(f"campaigns/{campaign_id}/tally/31", {**old, "by_partner": {"us": 2}}),
    )

    await store.fold_tally(campaign_id, soon())

    assert await documents(store, campaign_id) == {"folded"}
    assert await store.tally(campaign_id) == Tally(10, {"DE": 8, "FR": 2}, {"us": 2})


async def test_folding_skips_a_busy_tally(store: FirestoreStore, campaign_id: str) -> None:
    """While people confirm, nothing is folded, so that nobody waits for it."""
    await spread(store, campaign_id, range(20), "DE")
    before = await documents(store, campaign_id)

    await store.fold_tally(campaign_id, datetime.now(UTC))

    assert await documents(store, campaign_id) == before


async def test_folding_while_people_confirm_keeps_the_total_right(store: FirestoreStore, campaign_id: str) -> None:
    """Concurrent folds, as after a retry, and confirmations meanwhile lose nothing and count nothing twice."""
    await spread(store, campaign_id, range(500), "DE")

    await asyncio.gather(
        store.fold_tally(campaign_id, soon()),
        sign(store, campaign_id, 40),
        store.fold_tally(campaign_id, soon()),
        store.fold_tally(campaign_id, soon()),
    )
    assert (await store.tally(campaign_id)).total == 540

    await store.fold_tally(campaign_id, soon())

    assert await documents(store, campaign_id) == {"folded"}
    assert await store.tally(campaign_id) == Tally(540, {"DE": 540}, {"us": 540})


async def test_contention_of_one_mailbox_does_not_hold_up_the_queue(
    store: FirestoreStore, campaign_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has to wait is deferred, although others write faster than it can be noted."""
    address = make_address(campaign_id)
    await pending(store, address)
    await pending(store, address)

    async def lose(*_: Any, **__: Any) -> None:
        raise Aborted("contention")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(AsyncWriteBatch, "commit", lose)

    assert await store.admit(address, submission(), NOW) == Defer(NOW + timedelta(hours=1))


def test_a_full_document_is_smaller_than_firestore_allows() -> None:
    """Of the longest names and addresses, with a partner's copy and thirty recipients, it takes less than half."""
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    sealer = Sealer([recipient] * 30, {"p" * 40: recipient})
    contact = SealedContact(email="é" * 254, name="𝒜" * 100, country="DE", locale="en")
    signature = SealedSignature(**contact.model_dump(), campaign="c" * 40, partner="p" * 40, postal_code="1" * 20)
    largest = replace(
        submission(),
        sealed=sealer.for_campaign(signature),
        partner_sealed=sealer.for_partner("p" * 40, contact),
        labels=tuple(Label),
    )
    full = Signature(Status.PENDING, (largest,) * MAX_SUBMISSIONS, expire_at=NOW)

    fields = encode_dict(SIGNATURE.dump_python(full))

    assert len(Document.serialize(Document(fields=fields))) < 512 * 1024


class TestLostAnswers:
    """Google's client repeats a commit that got no answer; the repeat finds that somebody was faster."""

    @pytest.fixture
    def lose_answer(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Return what makes the next commit lose its answer, though it is done."""
        commit = AsyncWriteBatch.commit

        async def commit_unanswered(batch: AsyncWriteBatch, **options: Any) -> Any:
            monkeypatch.setattr(AsyncWriteBatch, "commit", commit)
            await batch.commit(**options)
            raise ServiceUnavailable("the answer was lost")  # type: ignore[no-untyped-call]

        return lambda: monkeypatch.setattr(AsyncWriteBatch, "commit", commit_unanswered)

    async def test_a_submission_is_mailed_at_once(
        self, store: FirestoreStore, campaign_id: str, lose_answer: Callable[[], None]
    ) -> None:
        """Its claim is its own, so that it need not wait for an hour; the grant can be settled."""
        address, signed = make_address(campaign_id), submission()
        lose_answer()

        decision = grant(await store.admit(address, signed, NOW))
        await store.settle(decision, sent=False)

        assert (decision.submissions, decision.is_new) == ((signed,), True)
        assert grant(await store.admit(address, signed, NOW)).submissions == (signed,)

    async def test_a_confirmation_counts_once_and_says_so(
        self, store: FirestoreStore, campaign_id: str, lose_answer: Callable[[], None]
    ) -> None:
        """The signer is not told that they had confirmed before."""
        address = make_address(campaign_id)
        signed = await pending(store, address)
        lose_answer()

        outcome = await store.confirm(campaign_id, address.digest, signed.id, NOW)

        assert outcome == Confirmed(signed, NOW)
        assert (await store.tally(campaign_id)).total == 1

    async def test_a_withdrawal_uncounts_once_and_says_so(
        self, store: FirestoreStore, campaign_id: str, lose_answer: Callable[[], None]
    ) -> None:
        """The outcome is that of the commit that was done."""
        address = make_address(campaign_id)
        await confirmed(store, address)
        lose_answer()

        outcome = await store.withdraw(campaign_id, address.digest, NOW, deferred=False)

        assert outcome is Withdrawal.UNCOUNTED
        assert (await store.tally(campaign_id)).total == 0
