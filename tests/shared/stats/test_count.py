"""The public counter: what it shows, what it hides, and how it outlives the database."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from datetime import datetime, timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import cache
from shared.cache import StaleWhileRevalidate
from shared.campaigns.loader import load_all
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay
from shared.errors import StoreUnavailable
from shared.reference import countries
from shared.stats import count
from shared.stats.count import MAX_AGE, Snapshot
from shared.store import Store
from shared.store.entities import Tally
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN

Snapshots = StaleWhileRevalidate[Snapshot]


def campaign() -> Campaign:
    return load_all()[CAMPAIGN]


def tally(**by_country: int) -> Tally:
    return Tally(sum(by_country.values()), by_country)


def snapshot(tally: Tally, as_of: datetime = NOW, overlay: Overlay | None = None) -> Snapshot:
    return Snapshot(tally, overlay or Overlay(), as_of)


class TestPublic:
    @pytest.mark.parametrize(
        ("by_country", "shown"),
        [
            ({}, {}),
            ({"DE": 10}, {"DE": 10}),
            ({"DE": 9}, {"other": 9}),
            ({"DE": 10, "FR": 9}, {"DE": 10, "other": 9}),
            ({"FR": 3, "DE": 12, "MT": 4}, {"DE": 12, "other": 7}),
            ({"FR": 0, "DE": 12}, {"DE": 12}),
        ],
    )
    def test_folds_countries_under_ten(self, by_country: dict[str, int], shown: dict[str, int]) -> None:
        """Nobody is singled out as the one who signed from a small country."""
        assert count.public(campaign(), snapshot(tally(**by_country), NOW)).by_country == shown

    @given(st.dictionaries(st.sampled_from(sorted(countries.CODES)), st.integers(0, 2_000_000)))
    def test_always_adds_up(self, by_country: Mapping[str, int]) -> None:
        """The sum is the total, and no country shows fewer than ten."""
        public = count.public(campaign(), snapshot(tally(**by_country), NOW))

        assert sum(public.by_country.values()) == public.total == sum(by_country.values())
        assert all(n >= 10 for country, n in public.by_country.items() if country != "other")
        assert all(public.by_country[country] == n for country, n in by_country.items() if n >= 10)

    def test_says_how_far_it_is(self) -> None:
        """Total, goal and the goal that comes next."""
        public = count.public(campaign(), snapshot(tally(DE=1_000), NOW))

        assert (public.total, public.goal, public.next_goal, public.as_of) == (1_000, 1_000_000, 5_000, NOW)

    @pytest.mark.parametrize(("signatures", "met"), [(67_679, False), (67_680, True), (67_681, True)])
    def test_meets_a_threshold_with_its_last_signature(self, signatures: int, met: bool) -> None:
        """Germany's under the rules of the example's initiative."""
        thresholds = count.public(campaign(), snapshot(tally(DE=signatures, US=99_999), NOW)).thresholds

        assert thresholds
        assert thresholds.by_country["DE"].model_dump() == {"needed": 67_680, "met": met}
        assert (thresholds.met, thresholds.needed, len(thresholds.by_country)) == (int(met), 7, 27)

    def test_does_not_pass_for_statements_of_support(self) -> None:
        """The basis says what is counted."""
        thresholds = count.public(campaign(), snapshot(tally(), NOW)).thresholds

        assert thresholds
        assert "not statements of support" in thresholds.basis

    def test_names_no_thresholds_without_an_initiative(self) -> None:
        """A petition of its own has none."""
        without = campaign().model_copy(update={"initiative": None})

        assert count.public(without, snapshot(tally(DE=99), NOW)).thresholds is None

    def test_tells_nothing_of_partners(self) -> None:
        """Which organisation brought how many is theirs to say."""
        public = count.public(campaign(), snapshot(Tally(12, {"DE": 12}, {"digital-rights": 12}), NOW))

        assert "digital-rights" not in public.model_dump_json()


class TestEtag:
    def test_ignores_when_it_was_read(self) -> None:
        """The same numbers are the same answer, and a cache need not fetch it again."""
        first, later = (count.public(campaign(), snapshot(tally(DE=12), NOW + n * MAX_AGE)) for n in range(2))

        assert count.etag(first) == count.etag(later)

    def test_changes_with_any_number_and_with_the_language(self) -> None:
        """One signature more, from elsewhere, or another picture of it."""
        one, more, elsewhere = (
            count.public(campaign(), snapshot(tally(**n), NOW)) for n in ({"DE": 12}, {"DE": 13}, {"FR": 12})
        )

        assert len({count.etag(one), count.etag(more), count.etag(elsewhere), count.etag(one, "de")}) == 4

    def test_is_weak(self) -> None:
        """As it stands in the header (RFC 9110, 8.8.3)."""
        tag = count.etag(count.public(campaign(), snapshot(tally(), NOW)))

        assert tag.startswith('W/"')
        assert tag.endswith('"')
        assert tag[3:-1].isalnum()


class FakeStore:
    """Holds one tally; can be away, and answers only when it is open."""

    def __init__(self) -> None:
        self.held = tally(DE=10)
        self.is_away = False
        self.open = asyncio.Event()
        self.open.set()
        self.reads: list[str] = []
        self.held_overlay = Overlay()
        self.broken_overlay: Exception | None = None

    async def tally(self, campaign: str) -> Tally:
        self.reads.append(campaign)
        await self.open.wait()
        if self.is_away:
            raise StoreUnavailable
        return self.held

    async def overlay(self, campaign: str) -> Overlay:
        if self.broken_overlay:
            raise self.broken_overlay
        return self.held_overlay


async def at_once(getting: Coroutine[None, None, Snapshot]) -> Snapshot:
    """What a reader gets who has to wait for nothing."""
    task = asyncio.create_task(getting)
    await asyncio.sleep(0)
    assert task.done()
    return task.result()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def snapshots(store: FakeStore) -> Snapshots:
    return count.snapshots(cast("Store", store))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody who waits for a slow store gives up at once."""
    monkeypatch.setattr(cache, "TIMEOUT_SECONDS", 0.001)


class TestSnapshots:
    async def test_are_read_once_for_all_who_ask_within_five_seconds(
        self, store: FakeStore, snapshots: Snapshots
    ) -> None:
        """And a moment later once again."""
        first = await snapshots.get("a", NOW)
        store.held = tally(DE=11)

        still = await snapshots.get("a", NOW + MAX_AGE - timedelta(microseconds=1))
        then = await snapshots.get("a", NOW + MAX_AGE)

        assert (first, still, first.as_of) == (still, first, NOW)
        assert (then.tally.total, then.as_of) == (11, NOW + MAX_AGE)
        assert len(store.reads) == 2

    async def test_are_read_once_for_all_who_ask_at_once(self, store: FakeStore, snapshots: Snapshots) -> None:
        """A thousand readers of a process that has just started are one read."""
        store.open.clear()
        asking = [asyncio.create_task(snapshots.get("a", NOW)) for _ in range(1000)]
        await asyncio.sleep(0)
        store.open.set()

        got = await asyncio.gather(*asking)

        assert {each.tally.total for each in got} == {10}
        assert store.reads == ["a"]

    async def test_do_not_make_others_wait_while_one_reads_again(
        self, store: FakeStore, snapshots: Snapshots
    ) -> None:
        """They get the last copy meanwhile."""
        first = await snapshots.get("a", NOW)
        store.open.clear()
        reading = asyncio.create_task(snapshots.get("a", NOW + MAX_AGE))
        await asyncio.sleep(0)

        meanwhile = await at_once(snapshots.get("a", NOW + MAX_AGE))
        store.open.set()

        assert meanwhile == first
        assert (await reading).as_of == NOW + MAX_AGE

    async def test_of_campaigns_are_kept_apart(self, store: FakeStore, snapshots: Snapshots) -> None:
        """Each has a tally of its own."""
        await snapshots.get("a", NOW)
        await snapshots.get("b", NOW)

        assert store.reads == ["a", "b"]

    async def test_are_served_while_the_store_is_away_and_say_how_old_they_are(
        self, store: FakeStore, snapshots: Snapshots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An hour later still, and an operator is told."""
        first = await snapshots.get("a", NOW)
        store.is_away = True

        later = [await snapshots.get("a", NOW + timedelta(minutes=n)) for n in (1, 30, 60)]

        assert later == [first] * 3
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(each["event"], each["campaign"]) for each in events] == [("count_is_stale", "a")] * 3

    async def test_recover_with_the_store(self, store: FakeStore, snapshots: Snapshots) -> None:
        """No restart is needed."""
        await snapshots.get("a", NOW)
        store.is_away = True
        await snapshots.get("a", NOW + MAX_AGE)
        store.is_away, store.held = False, tally(DE=99)

        assert (await snapshots.get("a", NOW + 2 * MAX_AGE)).tally.total == 99

    async def test_ask_a_store_that_is_away_no_more_than_one_that_is_there(
        self, store: FakeStore, snapshots: Snapshots
    ) -> None:
        """Once in five seconds: an outage must not become a storm."""
        await snapshots.get("a", NOW)
        store.is_away = True

        for milliseconds in range(0, 5_000, 100):
            await snapshots.get("a", NOW + MAX_AGE + timedelta(milliseconds=milliseconds))

        assert len(store.reads) == 2

    @pytest.mark.usefixtures("_impatient")
    async def test_are_served_while_the_store_is_slow(self, store: FakeStore, snapshots: Snapshots) -> None:
        """The reading goes on, and anybody who comes after it has the new numbers."""
        first = await snapshots.get("a", NOW)
        store.open.clear()
        store.held = tally(DE=11)

        slow = await snapshots.get("a", NOW + MAX_AGE)
        store.open.set()
        await snapshots.settled()
        after = await snapshots.get("a", NOW + MAX_AGE)

        assert slow == first
        assert after.tally.total == 11
        assert len(store.reads) == 2

    async def test_make_one_in_five_seconds_wait_for_a_store_that_hangs(
        self, store: FakeStore, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reading that never ends must not cost everybody their patience."""
        first = await snapshots.get("a", NOW)
        store.open.clear()
        later = NOW + timedelta(minutes=1)
        with monkeypatch.context() as patience:
            patience.setattr(cache, "TIMEOUT_SECONDS", 0.001)
            for n in range(3):
                await snapshots.get("a", later + n * MAX_AGE)

        between = await at_once(snapshots.get("a", later + 2.5 * MAX_AGE))

        assert between == first
        store.open.set()

    async def test_that_were_never_read_are_missed(self, store: FakeStore, snapshots: Snapshots) -> None:
        """A process that starts during an outage has nothing to show, and says so rather than zero."""
        store.is_away = True
        with pytest.raises(StoreUnavailable):
            await snapshots.get("a", NOW)

        store.is_away = False
        assert (await snapshots.get("a", NOW)).tally.total == 10

    async def test_survive_a_reader_who_goes_away(self, store: FakeStore, snapshots: Snapshots) -> None:
        """Anybody who started the reading closes the tab; the others still get theirs."""
        store.open.clear()
        gone, waiting = (asyncio.create_task(snapshots.get("a", NOW)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        store.open.set()

        assert (await waiting).tally.total == 10
        assert gone.cancelled()
        assert store.reads == ["a"]
