"""The public count: what it shows, what it hides, and how it stays available while the database is down."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from datetime import date, datetime, timedelta
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
from shared.models.responses import Count
from shared.reference import countries
from shared.stats import count
from shared.stats.count import MAX_AGE, Snapshot
from shared.store import Store
from shared.store.entities import Day, Tally, TotalAt
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN

Snapshots = StaleWhileRevalidate[Snapshot]


def campaign() -> Campaign:
    return load_all()[CAMPAIGN]


def tally(**by_country: int) -> Tally:
    return Tally(sum(by_country.values()), by_country)


def snapshot(tally: Tally, as_of: datetime = NOW, overlay: Overlay | None = None) -> Snapshot:
    return Snapshot(tally, overlay or Overlay(), as_of)


def public_count(campaign: Campaign, snapshot: Snapshot, hours: Sequence[TotalAt] = ()) -> Count:
    return count.public(campaign, snapshot, hours)


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
        """Countries with fewer than ten signatures are summed up as "other", so that nobody can be singled out."""
        assert public_count(campaign(), snapshot(tally(**by_country), NOW)).by_country == shown

    @given(st.dictionaries(st.sampled_from(sorted(countries.CODES)), st.integers(0, 2_000_000)))
    def test_always_adds_up(self, by_country: Mapping[str, int]) -> None:
        """The sum is the total, and no country shows fewer than ten."""
        public = public_count(campaign(), snapshot(tally(**by_country), NOW))

        assert sum(public.by_country.values()) == public.total == sum(by_country.values())
        assert all(n >= 10 for country, n in public.by_country.items() if country != "other")
        assert all(public.by_country[country] == n for country, n in by_country.items() if n >= 10)

    def test_shows_total_goal_and_next_goal(self) -> None:
        """Beside the total stand the final goal, the next intermediate goal and the time of reading."""
        public = public_count(campaign(), snapshot(tally(DE=1_000), NOW))

        assert (public.total, public.goal, public.next_goal, public.as_of) == (1_000, 1_000_000, 5_000, NOW)

    @pytest.mark.parametrize(
        ("signatures", "met", "share"), [(67_679, False, 0.9999), (67_680, True, 1), (101_520, True, 1.5)]
    )
    def test_meets_a_threshold_with_its_last_signature(self, signatures: int, met: bool, share: float) -> None:
        """Germany's threshold in the example's initiative is 67,680: one fewer does not meet it."""
        thresholds = public_count(campaign(), snapshot(tally(DE=signatures, US=99_999), NOW)).thresholds

        assert thresholds
        assert thresholds.by_country["DE"].model_dump() == {"needed": 67_680, "met": met, "share": share}
        assert (thresholds.met, thresholds.needed, len(thresholds.by_country)) == (int(met), 7, 27)

    @pytest.mark.parametrize(("signatures", "share"), [(9, None), (10, 0.0023)])
    def test_shows_the_share_of_a_minimum_from_ten_signatures_on(
        self, signatures: int, share: float | None
    ) -> None:
        """Malta's minimum is so low that a share would tell the number of a folded country: nine are not shown."""
        thresholds = public_count(campaign(), snapshot(tally(MT=signatures), NOW)).thresholds

        assert thresholds
        assert thresholds.by_country["MT"].share == share

    def test_is_not_presented_as_statements_of_support(self) -> None:
        """The basis of the thresholds says that these signatures are not statements of support."""
        thresholds = public_count(campaign(), snapshot(tally(), NOW)).thresholds

        assert thresholds
        assert "not statements of support" in thresholds.basis

    def test_has_no_thresholds_without_an_initiative(self) -> None:
        """A petition that does not go with a European Citizens' Initiative has no thresholds."""
        without = campaign().model_copy(update={"initiative": None})

        assert public_count(without, snapshot(tally(DE=99), NOW)).thresholds is None

    @pytest.mark.parametrize(("held", "shown"), [(0, 0), (9, 0), (10, 10), (2_319, 2_310)])
    def test_shows_how_many_are_held_in_steps_of_ten(self, held: int, shown: int) -> None:
        """They are in no other number, and nobody learns from one press whether it is held."""
        public = public_count(campaign(), snapshot(Tally(12, {"DE": 12}, held=held), NOW))

        assert (public.held, public.total, public.by_country) == (shown, 12, {"DE": 12})

    def test_names_the_licence_that_the_campaign_has_chosen(self) -> None:
        """Without a choice, the numbers are in the public domain."""
        public = public_count(campaign().model_copy(update={"data_license": "CC-BY-4.0"}), snapshot(tally()))

        assert public.data_license == "CC-BY-4.0"
        assert Campaign.model_fields["data_license"].default == "CC0-1.0"

    def test_shows_partners_that_agree_from_ten_signatures_on(self) -> None:
        """How many signatures a partner brought is for that partner to publish; equal ones go by name."""
        partners = dict(campaign().partners)
        for slug, agrees in {"digital-rights": True, "libertes-ouvertes": True, "cyfrowa-wolnosc": False}.items():
            partners[slug] = partners[slug].model_copy(update={"public_count": agrees})
        agreed = campaign().model_copy(update={"partners": partners})

        def shown(**totals: int) -> list[tuple[str, int]] | None:
            by_partner = {slug.replace("_", "-"): total for slug, total in totals.items()}
            listed = public_count(agreed, snapshot(Tally(99, {"DE": 99}, by_partner), NOW)).by_partner
            return [(each.id, each.total) for each in listed] if listed else None

        assert shown() is None
        assert shown(digital_rights=9, cyfrowa_wolnosc=90) is None
        assert shown(digital_rights=10, cyfrowa_wolnosc=80, libertes_ouvertes=9) == [("digital-rights", 10)]
        assert shown(libertes_ouvertes=20, digital_rights=20) == [
            ("digital-rights", 20),
            ("libertes-ouvertes", 20),
        ]


class TestEtag:
    def test_ignores_when_it_was_read(self) -> None:
        """The same numbers have the same tag at any time, so that a cache need not fetch them again."""
        first, later = (public_count(campaign(), snapshot(tally(DE=12), NOW + n * MAX_AGE)) for n in range(2))

        assert count.etag(first) == count.etag(later)

    def test_changes_with_any_number_and_with_the_language(self) -> None:
        """One more signature, one from another country, or an image in another language changes the tag."""
        one, more, elsewhere = (
            public_count(campaign(), snapshot(tally(**n), NOW)) for n in ({"DE": 12}, {"DE": 13}, {"FR": 12})
        )

        assert len({count.etag(one), count.etag(more), count.etag(elsewhere), count.etag(one, "de")}) == 4

    def test_is_weak(self) -> None:
        """The tag is written as a weak one in the header (RFC 9110, 8.8.3)."""
        tag = count.etag(public_count(campaign(), snapshot(tally(), NOW)))

        assert tag.startswith('W/"')
        assert tag.endswith('"')
        assert tag[3:-1].isalnum()


class FakeStore:
    """A store with one tally: fails while `is_unavailable`, and does not answer while `open` is cleared."""

    def __init__(self) -> None:
        self.held = tally(DE=10)
        self.is_unavailable = False
        self.open = asyncio.Event()
        self.open.set()
        self.reads: list[str] = []
        self.held_overlay = Overlay()
        self.broken_overlay: Exception | None = None

    async def tally(self, campaign: str) -> Tally:
        self.reads.append(campaign)
        await self.open.wait()
        if self.is_unavailable:
            raise StoreUnavailable
        return self.held

    async def history(self, campaign: str, since: date) -> Sequence[Day]:
        return []

    async def overlay(self, campaign: str) -> Overlay:
        if self.broken_overlay:
            raise self.broken_overlay
        return self.held_overlay


async def at_once(getting: Coroutine[None, None, Snapshot]) -> Snapshot:
    """Return the result, and fail if it is not there without waiting."""
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
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up waiting for a slow store at once."""
    monkeypatch.setattr(cache, "TIMEOUT_SECONDS", 0.001)


class TestSnapshots:
    async def test_are_read_once_in_five_seconds(self, store: FakeStore, snapshots: Snapshots) -> None:
        """All requests within five seconds share one read; the first one after that reads again."""
        first = await snapshots.get("a", NOW)
        store.held = tally(DE=11)

        still = await snapshots.get("a", NOW + MAX_AGE - timedelta(microseconds=1))
        then = await snapshots.get("a", NOW + MAX_AGE)

        assert (first, still, first.as_of) == (still, first, NOW)
        assert (then.tally.total, then.as_of) == (11, NOW + MAX_AGE)
        assert len(store.reads) == 2

    async def test_are_read_again_after_the_clock_was_set_back(
        self, store: FakeStore, snapshots: Snapshots
    ) -> None:
        """What was read in a future that never came is not kept until it comes."""
        await snapshots.get("a", NOW)
        store.held = tally(DE=11)
        earlier = NOW - timedelta(hours=1)

        again = await snapshots.get("a", earlier)

        assert (again.tally.total, again.as_of) == (11, earlier)

    async def test_know_the_minute_in_which_the_total_rose(self, store: FakeStore, snapshots: Snapshots) -> None:
        """A withdrawal is no rise, and nobody knows when in a long pause without requests a signature came."""
        risen = []
        for seconds, total in ((0, 10), (5, 11), (10, 11), (15, 10), (80, 12), (85, 13)):
            store.held = tally(DE=total)
            risen.append((await snapshots.get("a", NOW + timedelta(seconds=seconds))).rose_at)

        rose, rose_again = NOW + timedelta(seconds=5), NOW + timedelta(seconds=85)
        assert risen == [None, rose, rose, rose, None, rose_again]

    async def test_are_read_once_for_concurrent_requests(self, store: FakeStore, snapshots: Snapshots) -> None:
        """A thousand concurrent requests to a process that has just started cause one read."""
        store.open.clear()
        requests = [asyncio.create_task(snapshots.get("a", NOW)) for _ in range(1000)]
        await asyncio.sleep(0)
        store.open.set()

        got = await asyncio.gather(*requests)

        assert {each.tally.total for each in got} == {10}
        assert store.reads == ["a"]

    async def test_are_served_from_the_cache_while_one_request_refreshes_them(
        self, store: FakeStore, snapshots: Snapshots
    ) -> None:
        """Other requests get the last snapshot meanwhile, without waiting."""
        first = await snapshots.get("a", NOW)
        store.open.clear()
        reading = asyncio.create_task(snapshots.get("a", NOW + MAX_AGE))
        await asyncio.sleep(0)

        meanwhile = await at_once(snapshots.get("a", NOW + MAX_AGE))
        store.open.set()

        assert meanwhile == first
        assert (await reading).as_of == NOW + MAX_AGE

    async def test_are_not_served_from_the_cache_after_a_freeze(
        self, store: FakeStore, snapshots: Snapshots
    ) -> None:
        """The platform stops a process without requests; all that come when it goes on wait for one read."""
        await snapshots.get("a", NOW)
        store.held = tally(DE=11)

        got = await asyncio.gather(*(snapshots.get("a", NOW + timedelta(hours=1)) for _ in range(10)))

        assert {each.tally.total for each in got} == {11}
        assert store.reads == ["a", "a"]

    async def test_go_on_without_an_overlay_that_cannot_be_read(
        self, store: FakeStore, snapshots: Snapshots
    ) -> None:
        """The last one that could be read stays; at first there is none, rather than an empty one."""
        store.broken_overlay = StoreUnavailable("unavailable")
        first = await snapshots.get("a", NOW)
        store.broken_overlay, store.held_overlay = None, Overlay(paused=True)
        read = await snapshots.get("a", NOW + MAX_AGE)
        store.broken_overlay = StoreUnavailable("unavailable")
        last = await snapshots.get("a", NOW + 2 * MAX_AGE)

        assert [each.overlay for each in (first, read, last)] == [None, Overlay(paused=True), Overlay(paused=True)]

    async def test_of_campaigns_are_kept_apart(self, store: FakeStore, snapshots: Snapshots) -> None:
        """Each campaign is read separately."""
        await snapshots.get("a", NOW)
        await snapshots.get("b", NOW)

        assert store.reads == ["a", "b"]

    async def test_are_served_with_their_age_while_the_store_is_unavailable(
        self, store: FakeStore, snapshots: Snapshots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The last snapshot is served for an hour and longer, and each time the log says that it is stale."""
        first = await snapshots.get("a", NOW)
        store.is_unavailable = True

        later = [await snapshots.get("a", NOW + timedelta(minutes=n)) for n in (1, 30, 60)]

        assert later == [first] * 3
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(each["event"], each["campaign"]) for each in events] == [("count_is_stale", "a")] * 3

    async def test_recover_with_the_store(self, store: FakeStore, snapshots: Snapshots) -> None:
        """When the store is available again, the new tally is served without a restart."""
        await snapshots.get("a", NOW)
        store.is_unavailable = True
        await snapshots.get("a", NOW + MAX_AGE)
        store.is_unavailable, store.held = False, tally(DE=99)

        assert (await snapshots.get("a", NOW + 2 * MAX_AGE)).tally.total == 99

    async def test_ask_an_unavailable_store_no_more_often(self, store: FakeStore, snapshots: Snapshots) -> None:
        """During an outage, too, the store is read once in five seconds, so that requests cannot flood it."""
        await snapshots.get("a", NOW)
        store.is_unavailable = True

        for milliseconds in range(0, 5_000, 100):
            await snapshots.get("a", NOW + MAX_AGE + timedelta(milliseconds=milliseconds))

        assert len(store.reads) == 2

    @pytest.mark.usefixtures("_short_timeout")
    async def test_are_served_while_the_store_is_slow(self, store: FakeStore, snapshots: Snapshots) -> None:
        """After the timeout the old numbers are served; the read goes on, and later requests get the new ones."""
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

    async def test_make_one_request_in_five_seconds_wait_for_a_store_that_hangs(
        self, store: FakeStore, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While a read never ends, all other requests are answered at once."""
        first = await snapshots.get("a", NOW)
        store.open.clear()
        later = NOW + timedelta(minutes=1)
        with monkeypatch.context() as short_timeout:
            short_timeout.setattr(cache, "TIMEOUT_SECONDS", 0.001)
            for n in range(3):
                await snapshots.get("a", later + n * MAX_AGE)

        between = await at_once(snapshots.get("a", later + 2.5 * MAX_AGE))

        assert between == first
        store.open.set()

    async def test_that_were_never_read_are_an_error(self, store: FakeStore, snapshots: Snapshots) -> None:
        """A process that starts during an outage answers with an error rather than with zero."""
        store.is_unavailable = True
        with pytest.raises(StoreUnavailable):
            await snapshots.get("a", NOW)

        store.is_unavailable = False
        assert (await snapshots.get("a", NOW)).tally.total == 10

    async def test_survive_a_cancelled_request(self, store: FakeStore, snapshots: Snapshots) -> None:
        """When the request that started the read is cancelled, the others waiting for it still get the result."""
        store.open.clear()
        gone, waiting = (asyncio.create_task(snapshots.get("a", NOW)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        store.open.set()

        assert (await waiting).tally.total == 10
        assert gone.cancelled()
        assert store.reads == ["a"]
