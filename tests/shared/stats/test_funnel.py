"""The funnel of one process: what it adds up, and that nothing waits for it or fails with it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from desk import runtime
from shared.errors import StoreUnavailable
from shared.reference.mail_providers import provider_class
from shared.stats.funnel import MAX_SOURCES, Cohort, Funnel, Stage, bucket, median_minutes
from shared.store.entities import MAX_FUNNEL_COUNTS, Confirmed, FunnelKey
from tests.shared.store.test_store_contract import submission
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, World, world

TODAY = "2026-11-22"


class Store:
    """Adds up, unless it is `away`."""

    def __init__(self) -> None:
        self.away = False
        self.sums = dict[FunnelKey, int]()
        self.sizes = list[int]()

    async def add_to_funnel(self, _campaign: str, counts: Mapping[FunnelKey, int]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        assert len({key.day for key in counts}) == 1
        self.sizes.append(len(counts))
        for key, number in counts.items():
            self.sums[key] = self.sums.get(key, 0) + number

    def of(self, dimension: str) -> dict[str, int]:
        return {key.key: number for key, number in self.sums.items() if key.dimension == dimension}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def funnel(store: Store) -> Funnel:
    made: Any = store
    return Funnel(made, clock=lambda: 0)


class TestFunnel:
    async def test_counts_along_every_dimension(self, funnel: Funnel, store: Store) -> None:
        """Of what was not given, too, so that each dimension adds up to the whole."""
        funnel.count(CAMPAIGN, Stage.ACCEPTED, submission(country="FR", partner="us"))
        funnel.count(CAMPAIGN, Stage.ACCEPTED, replace(submission(), source="radio", locale="de-AT"))
        await funnel.aclose()

        assert store.of("all") == {"all": 2}
        assert store.of("country") == {"FR": 1, "DE": 1}
        assert store.of("partner") == {"us": 1, "(none)": 1}
        assert store.of("source") == {"(none)": 1, "radio": 1}
        assert store.of("language") == {"en": 1, "de": 1}
        assert store.of("mailbox") == {"google": 2}
        assert {key.day for key in store.sums} == {TODAY}

    async def test_tells_the_log_of_the_class_of_the_provider(
        self, funnel: Funnel, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Which is what the alerts on one provider's confirmations live on; of the address, nothing else."""
        funnel.count(CAMPAIGN, Stage.MAILED, submission())
        await funnel.aclose()

        (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert line == {
            "severity": "INFO",
            "event": "funnel",
            "campaign": CAMPAIGN,
            "stage": "mailed",
            "provider": "google",
        }

    async def test_keeps_what_the_database_cannot_take_now(self, funnel: Funnel, store: Store) -> None:
        """It is written the next time, once."""
        store.away = True
        funnel.count(CAMPAIGN, Stage.MAILED, submission())
        await funnel.write()
        store.away = False
        await funnel.aclose()

        assert store.of("all") == {"all": 1}

    async def test_writes_no_more_at_once_than_the_store_takes(self, funnel: Funnel, store: Store) -> None:
        """In the rush of spike day, with submissions of two days among them."""
        for number in range(MAX_FUNNEL_COUNTS + 10):
            signed = submission(signed_at=NOW - timedelta(days=number % 2), partner=f"p{number}")
            funnel.count(CAMPAIGN, Stage.ACCEPTED, signed)
        await funnel.aclose()

        assert max(store.sizes) <= MAX_FUNNEL_COUNTS
        assert sum(store.of("partner").values()) == MAX_FUNNEL_COUNTS + 10

    async def test_counts_a_link_once_however_often_it_is_opened(self, funnel: Funnel, store: Store) -> None:
        """In one process; a page is loaded again by those who come back to it."""
        given = submission(country="FR")
        for link in ("first", "second", "first", "first"):
            funnel.opened(CAMPAIGN, link, Cohort.of(given))
        await funnel.aclose()

        assert {
            (key.stage, key.key): number for key, number in store.sums.items() if key.dimension == "country"
        } == {("opened", "FR"): 2}

    @pytest.mark.parametrize(("took", "minutes"), [(timedelta(seconds=40), "1"), (timedelta(hours=5), "310")])
    async def test_counts_what_was_confirmed_with_the_time_it_took(
        self, funnel: Funnel, store: Store, took: timedelta, minutes: str
    ) -> None:
        """By the day of signing, though it was confirmed on the next."""
        given = submission()
        funnel.confirmed(CAMPAIGN, Confirmed(given, given.signed_at + took))
        await funnel.aclose()

        assert store.of("all") == {"all": 1}
        assert store.of("minutes") == {minutes: 1}
        assert {(key.day, key.stage) for key in store.sums} == {(TODAY, "confirmed")}

    async def test_is_not_flooded_by_made_up_sources(self, funnel: Funnel, store: Store) -> None:
        """Anybody can write anything there."""
        for number in range(MAX_SOURCES + 50):
            funnel.count(CAMPAIGN, Stage.ACCEPTED, replace(submission(), source=f"s{number}"))
        await funnel.aclose()

        assert len(store.of("source")) == MAX_SOURCES + 1
        assert store.of("source")["(other)"] == 50


@pytest.mark.parametrize(
    ("minutes", "kept"), [(-1, "1"), (0, "1"), (59, "60"), (60, "70"), (75, "80"), (1439, "1440"), (1505, "1560")]
)
def test_minutes_are_kept_more_coarsely_the_longer_they_are(minutes: int, kept: str) -> None:
    """A month of minutes would be 43,200 numbers."""
    assert bucket(minutes) == kept


@pytest.mark.parametrize(
    ("minutes", "median"),
    [({}, None), ({"3": 1}, 3), ({"1": 1, "2": 1, "90": 1}, 2), ({"0": 5, "10": 4}, 0), ({"9": 1, "10": 3}, 10)],
)
def test_the_median_is_of_signatures_not_of_buckets(minutes: dict[str, int], median: int | None) -> None:
    """Numbers are sorted as numbers: 9 comes before 10."""
    assert median_minutes(minutes) == median


@pytest.mark.parametrize(
    ("email", "kept"),
    [
        ("ann@gmail.com", "google"),
        ("ann@hotmail.fr", "microsoft"),
        ("ann@live.nl", "microsoft"),
        ("ann@yahoo.co.uk", "yahoo"),
        ("ann@GMX.at", "gmx-webde"),
        ("ann@web.de", "gmx-webde"),
        ("ann@web.example.org", "other"),
        ("ann@ann-smith.example", "other"),
    ],
)
def test_of_an_address_the_class_of_its_provider_is_kept(email: str, kept: str) -> None:
    """Small providers and own domains could tell who it is."""
    assert provider_class(email) == kept


@pytest.fixture(params=["sqlite", "firestore"])
async def here(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, campaign_id: str
) -> Any:
    settings = {}
    if request.param == "firestore":
        request.getfixturevalue("emulator")
        settings = {"STORE": "firestore", "FIRESTORE_PROJECT": campaign_id}
    async with world(tmp_path, monkeypatch, **settings) as made:
        yield made


async def numbers(here: World) -> Mapping[FunnelKey, int]:
    """All that has been counted."""
    await here.funnels()
    records = runtime.desk().maintenance
    kept = await records.funnel(CAMPAIGN)
    records.close()
    return kept


async def reached(here: World) -> dict[str, int]:
    """How many have come to each stage."""
    return {key.stage: number for key, number in (await numbers(here)).items() if key.dimension == "all"}


class TestJourney:
    async def test_is_counted_stage_by_stage(self, here: World) -> None:
        """Three signed, two opened the link, one pressed the button, twice."""
        mails = [await here.sign_and_deliver(email=f"n{number}@example.org") for number in range(3)]
        for mail in (mails[0], mails[1], mails[1]):
            assert (await here.client.get(mail.links["confirm"])).status_code == 200
            await here.funnels()
        for _ in range(2):
            await here.press(mails[0])

        assert await reached(here) == {"accepted": 3, "mailed": 3, "opened": 2, "confirmed": 1}

    async def test_of_somebody_who_has_signed_is_not_counted_again(self, here: World) -> None:
        """Nor is a task that comes twice."""
        await here.press(await here.sign_and_deliver())
        await here.sign_and_deliver()

        assert await reached(here) == {"accepted": 1, "mailed": 1, "confirmed": 1}

    async def test_knows_how_long_it_took(self, here: World) -> None:
        """From sending the form to pressing the button."""
        mail = await here.sign_and_deliver()
        here.now += timedelta(minutes=12)
        await here.press(mail)

        assert (await numbers(here))[FunnelKey(TODAY, "confirmed", "minutes", "13")] == 1

    async def test_counts_each_stage_of_a_signature_by_the_same_words(self, here: World) -> None:
        """Also through the link of a reminder, and in a language that nobody speaks here."""
        await here.sign_and_deliver(
            email="ann@gmx.at", country="MT", partner="digital-rights", source="radio-1", locale="tlh-AQ"
        )
        here.now += timedelta(hours=25)
        await here.deliver()
        reminder = here.outbox.received()[0]
        await here.client.get(reminder.links["confirm"])
        await here.press(reminder)

        by_stage = dict[str, set[tuple[str, str, str]]]()
        for (day, stage, dimension, key), number in (await numbers(here)).items():
            assert number == 1
            if dimension != "minutes":
                by_stage.setdefault(stage, set()).add((day, dimension, key))
        assert by_stage["accepted"] == {
            (TODAY, "all", "all"),
            (TODAY, "country", "MT"),
            (TODAY, "partner", "digital-rights"),
            (TODAY, "source", "radio-1"),
            (TODAY, "language", "tlh"),
            (TODAY, "mailbox", "gmx-webde"),
        }
        assert by_stage["accepted"] == by_stage["mailed"] == by_stage["opened"] == by_stage["confirmed"]

    @pytest.mark.parametrize("purpose", ["confirm", "withdraw"])
    async def test_counts_a_link_that_is_opened_when_all_is_done(self, here: World, purpose: str) -> None:
        """It was opened, whatever has become of the signature."""
        mail = await here.sign_and_deliver()
        await here.press(mail, purpose)
        await here.client.get(mail.links["confirm"])

        assert (await reached(here))["opened"] == 1

    async def test_counts_a_press_that_had_to_wait_for_the_database_once(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By deliver, which carries it out, and with the time until it was made."""

        async def away(*_: object) -> None:
            raise StoreUnavailable("away")

        mail = await here.sign_and_deliver()
        monkeypatch.setattr(here.functions["confirm"].deps.store, "confirm", away)
        here.now += timedelta(minutes=12)
        await here.press(mail)
        here.now += timedelta(hours=2)
        await here.deliver()

        counted = await numbers(here)
        assert counted[FunnelKey(TODAY, "confirmed", "all", "all")] == 1
        assert counted[FunnelKey(TODAY, "confirmed", "minutes", "13")] == 1

    async def test_goes_on_where_it_cannot_be_counted(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Statistics that are away keep nobody from signing."""

        async def away(*_: object) -> None:
            raise StoreUnavailable("away")

        for name in ("deliver", "confirm"):
            monkeypatch.setattr(here.functions[name].deps.funnel._store, "add_to_funnel", away)
        answer = await here.press(await here.sign_and_deliver())
        await here.funnels()

        assert answer.json() == {"status": "confirmed"}
        assert (await here.count())["total"] == 1
