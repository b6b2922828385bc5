"""The contract of the desk's store adapters, run against SQLite and Google's Firestore emulator."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from pydantic import ValidationError

from desk.store.firestore import FirestoreMaintenance
from desk.store.firestore_tasks import FirestoreTasks
from desk.store.maintenance import PAGE, Difference, Maintenance
from desk.store.sqlite import SqliteMaintenance
from desk.store.sqlite_dead_letters import SqliteDeadLetters
from shared.campaigns.overlay import AdmittedPartner, HandOver, Overlay, Paper, WorkPeriod
from shared.databases import sqlite
from shared.errors import StoreUnavailable
from shared.queue import TaskList
from shared.store import transitions
from shared.store.domain_caps import NEW_ADDRESSES_PER_HOUR
from shared.store.entities import (
    MAX_FUNNEL_COUNTS,
    Address,
    Defer,
    FunnelKey,
    GrantMail,
    MailKind,
    Status,
    Tally,
)
from shared.store.firestore import DEAD_LETTERS
from tests.shared.store.test_store_contract import make_address, submission
from tests.support.clock import NOW
from tests.support.firestore_server import FirestoreServer, serving


@pytest.fixture(params=["sqlite", "firestore"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Maintenance]:
    adapter: SqliteMaintenance | FirestoreMaintenance
    if request.param == "sqlite":
        adapter = SqliteMaintenance(tmp_path / "store.db")
    else:
        request.getfixturevalue("emulator")
        adapter = FirestoreMaintenance("undersign-test", "(default)")
    yield adapter
    adapter.close()


async def pending(store: Maintenance, campaign: str, country: str = "DE", partner: str | None = None) -> Address:
    """An address that has signed."""
    address = make_address(campaign)
    given = submission(country=country, partner=partner)
    assert isinstance(await store.admit(address, given, NOW), GrantMail)
    return address


async def confirmed(store: Maintenance, campaign: str, country: str = "DE", partner: str | None = None) -> Address:
    """An address that has signed and pressed the button."""
    address = make_address(campaign)
    given = submission(country=country, partner=partner)
    await store.admit(address, given, NOW)
    await store.confirm(campaign, address.digest, given.id, NOW)
    return address


async def digests(store: Maintenance, campaign: str, after: str = "") -> list[str]:
    return [record.digest async for page in store.scan(campaign, after) for record in page]


async def test_says_whether_it_may_be_changed(store: Maintenance) -> None:
    """Without a change."""
    before = await store.campaigns()

    assert await store.may_write()
    assert await store.may_write()
    assert await store.campaigns() == before


class TestScan:
    async def test_yields_every_record_once_in_order_of_digests(
        self, store: Maintenance, campaign_id: str
    ) -> None:
        """It reads more than a page of them, and this campaign alone."""
        known = [await pending(store, campaign_id) for _ in range(PAGE + 3)]
        await pending(store, f"{campaign_id}-2")

        assert await digests(store, campaign_id) == sorted(address.digest for address in known)

    async def test_resumes_after_a_digest(self, store: Maintenance, campaign_id: str) -> None:
        """So an export that was killed can resume without repeating anything."""
        known = sorted([(await confirmed(store, campaign_id)).digest for _ in range(5)])

        assert await digests(store, campaign_id, after=known[2]) == known[3:]
        assert await digests(store, campaign_id, after=known[-1]) == []

    async def test_yields_what_was_signed(self, store: Maintenance, campaign_id: str) -> None:
        """The sealed part comes back byte for byte, with its status."""
        await confirmed(store, campaign_id, "FR", "us")

        [[record]] = [page async for page in store.scan(campaign_id)]

        [given] = record.signature.submissions
        assert (given.sealed, given.country, given.partner) == (b"age-encryption.org/v1\xff\x00", "FR", "us")
        assert (record.signature.status, record.signature.confirmed_at) == (Status.CONFIRMED, NOW)

    async def test_yields_nothing_for_a_campaign_without_signatures(
        self, store: Maintenance, campaign_id: str
    ) -> None:
        """There is not even an empty page."""
        assert [page async for page in store.scan(campaign_id)] == []


class TestForget:
    async def test_removes_everything_stored_about_an_address(self, store: Maintenance, campaign_id: str) -> None:
        """It returns what was stored; others' records stay."""
        address, other = await confirmed(store, campaign_id), await confirmed(store, campaign_id)

        found = await store.forget(address)

        assert found.signature
        assert found.signature.status is Status.CONFIRMED
        assert len(found.mailbox.claims) == 1
        assert not await store.find(address)
        assert await digests(store, campaign_id) == [other.digest]

    async def test_takes_it_off_the_tally(self, store: Maintenance, campaign_id: str) -> None:
        """A confirmed signature is subtracted; a pending one was never counted."""
        counted, waiting = await confirmed(store, campaign_id, "FR", "us"), await pending(store, campaign_id)
        await confirmed(store, campaign_id, "DE")

        await store.forget(waiting)
        assert (await store.tally(campaign_id)).total == 2
        await store.forget(counted)

        assert await store.tally(campaign_id) == Tally(1, {"DE": 1}, {})

    async def test_removes_what_is_known_of_its_mail_domain(self, store: Maintenance, campaign_id: str) -> None:
        """Who has a domain of their own is found by it; where others share it, its caps begin again."""
        first, *_ = people = [make_address(campaign_id, "d" * 52) for _ in range(NEW_ADDRESSES_PER_HOUR)]
        for address in people:
            await store.admit(address, submission(), NOW)
        late = make_address(campaign_id, "d" * 52)
        assert isinstance(await store.admit(late, submission(), NOW), Defer)

        await store.forget(first)

        assert isinstance(await store.admit(late, submission(), NOW), GrantMail)

    async def test_finds_nothing_about_a_stranger(self, store: Maintenance, campaign_id: str) -> None:
        """An address that was already forgotten is a stranger, too."""
        address = await confirmed(store, campaign_id)

        assert not await store.forget(make_address(campaign_id))
        assert await store.forget(address)
        assert not await store.forget(address)
        assert (await store.tally(campaign_id)).total == 0

    async def test_may_race_with_confirming(self, store: Maintenance, campaign_id: str) -> None:
        """Whichever comes first, the record is gone and the tally is right."""
        addresses = [make_address(campaign_id) for _ in range(10)]
        given = submission()
        for address in addresses:
            await store.admit(address, given, NOW)

        await asyncio.gather(
            *(store.confirm(campaign_id, address.digest, given.id, NOW) for address in addresses),
            *(store.forget(address) for address in addresses),
        )

        assert (await store.tally(campaign_id)).total == 0
        assert await digests(store, campaign_id) == []

    async def test_lets_the_address_sign_again(self, store: Maintenance, campaign_id: str) -> None:
        """Nothing is left by which it could be refused."""
        address = await confirmed(store, campaign_id)
        await store.forget(address)

        decision = await store.admit(address, submission(), NOW)

        assert isinstance(decision, GrantMail)
        assert decision.kind is MailKind.CONFIRM


async def test_campaigns_lists_those_with_any_record(store: Maintenance, campaign_id: str) -> None:
    """A signature or only a mailbox is enough, and each campaign is listed once."""
    for _ in range(3):
        await pending(store, campaign_id)
    withdrawn = await confirmed(store, f"{campaign_id}-2")
    await store.withdraw(f"{campaign_id}-2", withdrawn.digest, NOW, deferred=False)

    campaigns = await store.campaigns()

    assert [each for each in campaigns if each.startswith(campaign_id)] == [campaign_id, f"{campaign_id}-2"]


class TestOverwrite:
    async def test_keeps_what_is_stored(self, store: Maintenance, campaign_id: str) -> None:
        """Overwriting removed bytes, even twice, keeps every record."""
        address = await confirmed(store, campaign_id)

        await store.overwrite()
        await store.overwrite()

        assert await store.find(address)

    async def test_leaves_no_byte_of_what_was_removed(self, tmp_path: Path, campaign_id: str) -> None:
        """While another connection still reads an older state of the file, it raises StoreUnavailable."""
        with closing(SqliteMaintenance(tmp_path / "store.db")) as store:
            address = await confirmed(store, campaign_id)
            with reading(tmp_path / "store.db"), pytest.MonkeyPatch.context() as patch:
                patch.setattr(sqlite, "BUSY_SECONDS", 0.05)
                with closing(SqliteMaintenance(tmp_path / "store.db")) as hurried:
                    assert await hurried.forget(address)
                    with pytest.raises(StoreUnavailable):
                        await hurried.overwrite()
            left = traces(tmp_path, address.digest)

            await store.overwrite()

            assert left
            assert traces(tmp_path, address.digest) == []


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Hold a read transaction open, which keeps seeing the file as it is now."""
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM signatures").fetchone()
        yield


def traces(folder: Path, text: str) -> list[str]:
    """The names of the files that contain the text."""
    return [file.name for file in sorted(folder.iterdir()) if text.encode() in file.read_bytes()]


class TestDeadLetters:
    """Dead letters, listed like the tasks of a queue."""

    @pytest.fixture
    async def dead_letters(self, store: Maintenance, tmp_path: Path) -> AsyncIterator[TaskList]:
        adapter: SqliteDeadLetters | FirestoreTasks
        if isinstance(store, SqliteMaintenance):
            adapter = SqliteDeadLetters(tmp_path / "store.db")
        else:
            adapter = FirestoreTasks("undersign-test", "(default)", DEAD_LETTERS)
        async with aclosing(adapter):
            yield adapter

    async def test_are_listed_by_name_and_body(
        self, store: Maintenance, dead_letters: TaskList, campaign_id: str
    ) -> None:
        """All of them are listed byte for byte, over several pages."""
        kept = {f"{campaign_id}-{number}": b"\xff\x00%d" % number for number in range(PAGE + 3)}
        for name, body in kept.items():
            await store.add_dead_letter(name, body, "Unopenable", NOW)

        listed = [task async for task in dead_letters.tasks() if task[0].startswith(campaign_id)]

        assert len(listed) == len(kept)
        assert dict(listed) == kept

    async def test_are_removed_by_name(self, store: Maintenance, dead_letters: TaskList, campaign_id: str) -> None:
        """The others stay, and removing one twice is no error."""
        for name in ("one", "two", "three"):
            await store.add_dead_letter(f"{campaign_id}-{name}", b"sealed", "Unopenable", NOW)

        for _ in range(2):
            await dead_letters.delete([f"{campaign_id}-one", f"{campaign_id}-three"])
            await dead_letters.overwrite()

        listed = [name async for name, _ in dead_letters.tasks() if name.startswith(campaign_id)]
        assert listed == [f"{campaign_id}-two"]

    async def test_are_counted_up_to_a_limit(
        self, store: Maintenance, dead_letters: TaskList, campaign_id: str
    ) -> None:
        """So that even a million are counted at once."""
        for name in ("one", "two", "three"):
            await store.add_dead_letter(f"{campaign_id}-{name}", b"sealed", "Unopenable", NOW)

        assert await dead_letters.count(2) == 2
        if isinstance(store, SqliteMaintenance):  # those of other tests are in the same database of Firestore
            assert await dead_letters.count(10) == 3

    async def test_are_empty_in_a_new_store(self, tmp_path: Path) -> None:
        """The list is empty while the store's file does not exist."""
        async with aclosing(SqliteDeadLetters(tmp_path / "new" / "store.db")) as dead_letters:
            assert [task async for task in dead_letters.tasks()] == []


async def corrupt_tally(store: Maintenance, campaign: str, *differences: Difference) -> None:
    """Change each given field of the tally from `counted` to `kept`."""
    await store.repair(campaign, [Difference(d.field, d.key, d.kept, d.counted) for d in differences])


class TestRecount:
    async def test_agrees_with_a_tally_that_is_right(self, store: Maintenance, campaign_id: str) -> None:
        """Pending and withdrawn signatures are read but not counted."""
        await pending(store, campaign_id)
        withdrawn = await confirmed(store, campaign_id)
        await store.withdraw(campaign_id, withdrawn.digest, NOW + timedelta(minutes=1), deferred=False)
        for country, partner in (("DE", "us"), ("DE", None), ("FR", "them")):
            await confirmed(store, campaign_id, country, partner)
        read = list[int]()

        recount = await store.recount(campaign_id, read.append)

        assert recount.differences() == []
        assert recount.tally == recount.kept_tally == Tally(3, {"DE": 2, "FR": 1}, {"us": 1, "them": 1})
        assert recount.records == sum(read) == 5

    @pytest.mark.parametrize(("name", "key"), [("total", ""), ("held", ""), ("country", "DE"), ("partner", "us")])
    async def test_finds_differences_and_repair_removes_them(
        self, store: Maintenance, campaign_id: str, name: str, key: str
    ) -> None:
        """This holds for each field, for a wrong number and for an entry that should not exist."""
        await confirmed(store, campaign_id, "DE", "us")
        planted = [Difference(name, key, counted=0 if name == "held" else 1, kept=4)]
        if key:
            planted.append(Difference(name, "xx", counted=0, kept=-2))
        await corrupt_tally(store, campaign_id, *planted)

        found = (await store.recount(campaign_id, lambda _: None)).differences()
        await store.repair(campaign_id, found)

        assert sorted(found, key=str) == sorted(planted, key=str)
        assert (await store.recount(campaign_id, lambda _: None)).differences() == []
        assert await store.tally(campaign_id) == Tally(1, {"DE": 1}, {"us": 1})

    async def test_never_retries_a_repair(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A commit whose answer was lost may have succeeded, so a person recounts before trying again."""
        async with serving(FirestoreServer(grpc.StatusCode.UNAVAILABLE)) as server:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.host)
            with closing(FirestoreMaintenance("p", "d")) as store, pytest.raises(StoreUnavailable):
                await store.repair("c", [Difference("total", "", counted=2, kept=1)])

        assert server.calls == 1

    async def test_repairs_while_people_sign(self, store: Maintenance, campaign_id: str) -> None:
        """Signatures confirmed during recount or repair, or in between, are counted exactly once."""
        await confirmed(store, campaign_id)
        await corrupt_tally(store, campaign_id, Difference("total", "", counted=1, kept=8))

        during = asyncio.gather(*(confirmed(store, campaign_id) for _ in range(10)))
        recount = await store.recount(campaign_id, lambda _: None)
        await asyncio.gather(
            store.repair(campaign_id, recount.differences()), *(confirmed(store, campaign_id) for _ in range(10))
        )
        await during

        assert recount.differences() == [
            Difference("total", "", each.counted, each.counted + 7) for each in recount.differences()
        ]
        assert (await store.recount(campaign_id, lambda _: None)).differences() == []
        assert (await store.tally(campaign_id)).total == 21


class TestChange:
    async def test_moves_signatures_between_counted_held_and_dropped(
        self, store: Maintenance, campaign_id: str
    ) -> None:
        """The tally changes with them, over several commits; a repeat finds nothing left to do."""
        addresses = [await confirmed(store, campaign_id, "DE", "us") for _ in range(103)]
        others = await confirmed(store, campaign_id, "FR", "them")

        async def screen(to: Status) -> int:
            known = [address.digest for address in addresses]
            return await store.change(campaign_id, known, lambda _, stored: transitions.screen(stored, to, NOW))

        assert (await screen(Status.HELD), await screen(Status.HELD)) == (103, 0)
        assert await store.tally(campaign_id) == Tally(1, {"FR": 1}, {"them": 1}, held=103)
        assert await screen(Status.CONFIRMED) == 103
        assert await store.tally(campaign_id) == Tally(104, {"DE": 103, "FR": 1}, {"us": 103, "them": 1})
        assert (await screen(Status.HELD), await screen(Status.DROPPED)) == (103, 103)
        assert await store.tally(campaign_id) == Tally(1, {"FR": 1}, {"them": 1})
        assert (await store.recount(campaign_id, lambda _: None)).differences() == []
        assert (await store.find(others)).signature
        assert (await store.forget(addresses[0])).signature

    async def test_racing_withdraw_keeps_the_tally_consistent(self, store: Maintenance, campaign_id: str) -> None:
        """withdraw ‖ screen: whichever comes first, each is withdrawn and none is held."""
        addresses = [await confirmed(store, campaign_id) for _ in range(30)]
        known = [address.digest for address in addresses]

        await asyncio.gather(
            store.change(campaign_id, known, lambda _, stored: transitions.screen(stored, Status.HELD, NOW)),
            *(store.withdraw(campaign_id, digest, NOW, deferred=False) for digest in known),
        )

        assert await store.tally(campaign_id) == Tally()
        assert (await store.recount(campaign_id, lambda _: None)).differences() == []


class TestPurge:
    async def test_removes_every_record_and_keeps_the_tally(self, store: Maintenance, campaign_id: str) -> None:
        """More than a page of signatures and mailboxes is removed, mail domains too, and the final count stays."""
        for _ in range(PAGE + 3):
            await pending(store, campaign_id)
        last = await confirmed(store, campaign_id)
        await store.admit(make_address(campaign_id, "d" * 52), submission(), NOW)
        other = await confirmed(store, f"{campaign_id}-2")
        removed = list[int]()

        assert await store.purge(campaign_id, removed.append) == sum(removed) == 2 * (PAGE + 5) + 1

        assert await digests(store, campaign_id) == []
        assert not await store.find(last)
        assert (await store.tally(campaign_id)).total == 1
        assert await digests(store, f"{campaign_id}-2") == [other.digest]

    async def test_removes_nothing_from_an_empty_campaign(self, store: Maintenance, campaign_id: str) -> None:
        """It returns 0 and may be repeated."""
        assert await store.purge(campaign_id, lambda _: None) == 0


class NewerOverlay(Overlay):
    """An overlay as a version to come may have it."""

    closes_early: bool = False


class TestOverlay:
    async def test_is_empty_until_it_is_changed(self, store: Maintenance, campaign_id: str) -> None:
        """A new campaign has the default overlay."""
        assert await store.overlay(campaign_id) == Overlay()

    async def test_returns_what_it_was_changed_to(self, store: Maintenance, campaign_id: str) -> None:
        """Every field is stored, for this campaign alone."""
        whole = Overlay(
            paused=True,
            partners={"new": AdmittedPartner(name="Nové", origins=("https://new.example.org",), country="CZ")},
            paper=(Paper(country="DE", number=-3, note="a note", added_at=NOW),),
            hand_overs=(HandOver(to="Commission", signatures=7, sha256="0" * 64, at=NOW),),
            work=WorkPeriod(since=NOW, until=NOW + timedelta(hours=6)),
            purged=NOW,
        )

        assert await store.change_overlay(campaign_id, lambda _: whole) == whole

        assert await store.overlay(campaign_id) == whole
        assert await store.overlay(f"{campaign_id}-2") == Overlay()

    async def test_an_unused_field_of_a_newer_version_disturbs_no_older_one(
        self, store: Maintenance, campaign_id: str
    ) -> None:
        """What is at its default is not stored."""
        await store.change_overlay(campaign_id, lambda _: NewerOverlay(paused=True))

        assert await store.overlay(campaign_id) == Overlay(paused=True)

    async def test_a_field_of_a_newer_version_is_not_lost_by_a_change(
        self, store: Maintenance, campaign_id: str
    ) -> None:
        """An older desk is to be updated first."""
        await store.change_overlay(campaign_id, lambda _: NewerOverlay(closes_early=True))

        with pytest.raises(ValidationError):
            await store.overlay(campaign_id)
        with pytest.raises(ValidationError):
            await store.change_overlay(campaign_id, lambda overlay: overlay)

    async def test_loses_no_concurrent_change(self, store: Maintenance, campaign_id: str) -> None:
        """Two people may work at two desks on the day of a spike."""

        async def add(number: int) -> None:
            entry = Paper(country="DE", number=number, note="x", added_at=NOW)
            await store.change_overlay(
                campaign_id, lambda known: known.model_copy(update={"paper": (*known.paper, entry)})
            )

        await asyncio.gather(*(add(2**n) for n in range(8)))

        assert (await store.overlay(campaign_id)).paper_by_country == {"DE": 255}

    async def test_is_unchanged_when_a_change_raises(self, store: Maintenance, campaign_id: str) -> None:
        """The exception reaches the caller."""

        def refuse(_: Overlay) -> Overlay:
            raise LookupError("no")

        with pytest.raises(LookupError):
            await store.change_overlay(campaign_id, refuse)
        assert await store.overlay(campaign_id) == Overlay()


async def add(store: Maintenance, campaign: str, counts: Mapping[FunnelKey, int]) -> None:
    """Add to the funnel as a write of its own."""
    await store.add_to_funnel(campaign, counts, secrets.token_hex(16), NOW)


class TestFunnel:
    async def test_adds_up_the_counts_of_all_processes(self, store: Maintenance, campaign_id: str) -> None:
        """Days, stages, dimensions and campaigns are counted separately."""
        first = FunnelKey("2026-11-22", "accepted", "country", "DE")
        source = FunnelKey("2026-11-22", "accepted", "source", "a-b.c `d")
        second = FunnelKey("2026-11-23", "confirmed", "minutes", "10")

        await add(store, campaign_id, {first: 2, source: 1})
        await asyncio.gather(*(add(store, campaign_id, {first: 1}) for _ in range(5)))
        await add(store, campaign_id, {second: 7})
        await add(store, f"{campaign_id}-2", {first: 100})

        assert dict(await store.funnel(campaign_id)) == {first: 7, source: 1, second: 7}

    async def test_adds_a_repeated_write_once(self, store: Maintenance, campaign_id: str) -> None:
        """A process that did not get the answer repeats its write, and cannot know that it was done."""
        key = FunnelKey("2026-11-22", "accepted", "country", "DE")

        for write_id in ("one", "two", "one"):
            await store.add_to_funnel(campaign_id, {key: 3}, f"{campaign_id}-{write_id}", NOW)
        await asyncio.gather(
            *(store.add_to_funnel(campaign_id, {key: 5}, f"{campaign_id}-three", NOW) for _ in range(5))
        )

        assert dict(await store.funnel(campaign_id)) == {key: 11}

    async def test_accepts_as_many_counts_at_once_as_the_limit_says(
        self, store: Maintenance, campaign_id: str
    ) -> None:
        """Callers split larger batches by this limit."""
        counts = {
            FunnelKey("2026-11-22", "accepted", "source", f"s{number}"): number + 1
            for number in range(MAX_FUNNEL_COUNTS)
        }

        await add(store, campaign_id, counts)

        assert dict(await store.funnel(campaign_id)) == counts

    async def test_is_empty_until_somebody_signs(self, store: Maintenance, campaign_id: str) -> None:
        """A new campaign has no counts."""
        assert dict(await store.funnel(campaign_id)) == {}
