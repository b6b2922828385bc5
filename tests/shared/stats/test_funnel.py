"""The funnel of one process: what it adds up, and that nothing waits for it or fails because of it."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from desk import runtime
from shared.errors import StoreUnavailable
from shared.reference.mail_providers import provider_class
from shared.stats import funnel as funnels
from shared.stats.funnel import MAX_SOURCES, WRITE_SECONDS, Cohort, Funnel, bucket, median_minutes
from shared.store.entities import MAX_FUNNEL_COUNTS, Confirmed, FunnelKey
from tests.shared.store.test_store_contract import submission
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, World, world
from tests.support.processes import running

TODAY = "2026-11-22"


class Store:
    """Adds up counts unless it is `unavailable`, or hangs because it is not `open`."""

    def __init__(self) -> None:
        self.unavailable = False
        self.loses_answers = False  # adds and then fails
        self.open = asyncio.Event()
        self.open.set()
        self.sums = dict[FunnelKey, int]()
        self.sizes = list[int]()
        self.ids = set[str]()

    async def add_to_funnel(
        self, _campaign: str, counts: Mapping[FunnelKey, int], write_id: str, _now: datetime
    ) -> None:
        if self.unavailable:
            raise StoreUnavailable("unavailable")
        await self.open.wait()
        if write_id not in self.ids:
            self._add(counts)
        self.ids.add(write_id)
        if self.loses_answers:
            raise StoreUnavailable("no answer")

    def _add(self, counts: Mapping[FunnelKey, int]) -> None:
        assert len({key.day for key in counts}) == 1
        self.sizes.append(len(counts))
        for key, number in counts.items():
            self.sums[key] = self.sums.get(key, 0) + number

    def of(self, dimension: str) -> dict[str, int]:
        return {key.key: number for key, number in self.sums.items() if key.dimension == dimension}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Seconds, as a clock counts them that is never set."""
        return (self.now - NOW).total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def funnel(store: Store, clock: Clock) -> Funnel:
    made: Any = store
    return Funnel(made, clock, clock.monotonic)


class TestWriting:
    async def test_is_due_once_in_five_seconds(self, funnel: Funnel, store: Store, clock: Clock) -> None:
        """The request that makes it due writes what those before it have counted, too."""
        written = []
        for seconds in (0, 1, 3, 1):
            clock.now += timedelta(seconds=seconds)
            funnel.mailed(CAMPAIGN, submission(), NOW)
            await funnel.write_if_due()
            written.append(store.of("all")["all"])

        assert written == [1, 1, 1, 4]

    async def test_is_not_done_where_nothing_was_counted(self, funnel: Funnel, store: Store, clock: Clock) -> None:
        """A request that counts nothing costs nothing."""
        await funnel.write_if_due()

        assert store.ids == set()

    async def test_holds_up_a_request_for_a_second_at_most(
        self, funnel: Funnel, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While the database hangs the counts are kept, and written later, once."""
        store.open.clear()
        funnel.mailed(CAMPAIGN, submission(), NOW)
        with monkeypatch.context() as short_timeout:
            short_timeout.setattr(funnels, "_REQUEST_SECONDS", 0.001)
            await funnel.write_if_due()
        store.open.set()
        clock.now += timedelta(seconds=WRITE_SECONDS)
        await funnel.write_if_due()

        assert store.of("all") == {"all": 1}

    async def test_that_may_have_been_done_is_repeated_without_adding_twice(
        self, funnel: Funnel, store: Store
    ) -> None:
        """What is counted after a lost answer is written apart, for the store knows the first part by its id."""
        store.loses_answers = True
        funnel.mailed(CAMPAIGN, submission(), NOW)
        await funnel.write()
        funnel.mailed(CAMPAIGN, submission(), NOW)
        await funnel.write()
        store.loses_answers = False
        await funnel.write()

        assert store.of("all") == {"all": 2}
        assert len(store.ids) == 2

    async def test_follows_sigterm_before_the_server_stops(
        self, funnel: Funnel, store: Store, clock: Clock
    ) -> None:
        """From then on each request writes what it has counted, for no later one will."""
        stopped = asyncio.Event()
        before = signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        try:
            for _ in range(3):
                funnel.mailed(CAMPAIGN, submission(), NOW)
                await funnel.write_if_due()
            signal.raise_signal(signal.SIGTERM)
            await stopped.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
        at_the_stop = store.of("all")
        funnel.mailed(CAMPAIGN, submission(), NOW)
        await funnel.write_if_due()

        assert at_the_stop == {"all": 3}
        assert store.of("all") == {"all": 4}


class TestFunnel:
    async def test_counts_along_every_dimension(self, funnel: Funnel, store: Store) -> None:
        """What was not given is counted as "(none)", so that each dimension adds up to the total."""
        funnel.accepted(CAMPAIGN, submission(country="FR", partner="us"))
        funnel.accepted(CAMPAIGN, replace(submission(), source="radio", locale="de-AT"))
        await funnel.write()

        assert store.of("all") == {"all": 2}
        assert store.of("country") == {"FR": 1, "DE": 1}
        assert store.of("partner") == {"us": 1, "(none)": 1}
        assert store.of("source") == {"(none)": 1, "radio": 1}
        assert store.of("language") == {"en": 1, "de": 1}
        assert store.of("mailbox") == {"google": 2}
        assert {key.day for key in store.sums} == {TODAY}

    async def test_logs_the_class_of_the_mail_provider(
        self, funnel: Funnel, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Alerts on one provider's confirmations need the class; nothing else of the address is logged."""
        funnel.mailed(CAMPAIGN, submission(), NOW)
        await funnel.write()

        (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert line == {
            "severity": "INFO",
            "event": "funnel",
            "campaign": CAMPAIGN,
            "stage": "mailed",
            "provider": "google",
        }

    async def test_keeps_counts_while_the_database_is_unavailable(self, funnel: Funnel, store: Store) -> None:
        """They are written with the next write, once."""
        store.unavailable = True
        funnel.mailed(CAMPAIGN, submission(), NOW)
        await funnel.write()
        store.unavailable = False
        await funnel.write()

        assert store.of("all") == {"all": 1}

    async def test_writes_no_more_at_once_than_the_store_takes(self, funnel: Funnel, store: Store) -> None:
        """Many counts of two days are written in batches, none larger than the store's limit."""
        for number in range(MAX_FUNNEL_COUNTS + 10):
            signed = submission(signed_at=NOW - timedelta(days=number % 2), partner=f"p{number}")
            funnel.accepted(CAMPAIGN, signed)
        await funnel.write()

        assert max(store.sizes) <= MAX_FUNNEL_COUNTS
        assert sum(store.of("partner").values()) == MAX_FUNNEL_COUNTS + 10

    async def test_counts_a_link_once_however_often_it_is_opened(self, funnel: Funnel, store: Store) -> None:
        """Within one process, opening a link again adds nothing."""
        given = submission(country="FR")
        for link in ("first", "second", "first", "first"):
            funnel.opened(CAMPAIGN, link, Cohort.of(given))
        await funnel.write()

        assert {
            (key.stage, key.key): number for key, number in store.sums.items() if key.dimension == "country"
        } == {("opened", "FR"): 2}

    @pytest.mark.parametrize(("took", "minutes"), [(timedelta(seconds=40), "1"), (timedelta(hours=5), "310")])
    async def test_counts_what_was_confirmed_with_the_time_it_took(
        self, funnel: Funnel, store: Store, took: timedelta, minutes: str
    ) -> None:
        """It counts for the day of signing, even if it was confirmed on the next."""
        given = submission()
        funnel.confirmed(CAMPAIGN, Confirmed(given, given.signed_at + took))
        await funnel.write()

        assert store.of("all") == {"all": 1}
        assert store.of("minutes") == {minutes: 1}
        assert {(key.day, key.stage) for key in store.sums} == {(TODAY, "confirmed")}

    async def test_counts_in_which_ten_minutes_it_mailed_and_confirmed(self, funnel: Funnel, store: Store) -> None:
        """A confirmation that waited in the queue counts where the button was pressed, and not where it came."""
        at = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
        given = submission(signed_at=at)
        funnel.mailed(CAMPAIGN, given, at)
        funnel.confirmed(CAMPAIGN, Confirmed(given, at + timedelta(seconds=1)))
        await funnel.write()

        begins = {key for key in store.sums if key.dimension == "ten_minutes"}
        assert begins == {
            FunnelKey(TODAY, "mailed", "ten_minutes", "2026-11-22T23:50"),
            FunnelKey(TODAY, "confirmed", "ten_minutes", "2026-11-23T00:00"),
        }

    async def test_is_not_flooded_by_made_up_sources(self, funnel: Funnel, store: Store) -> None:
        """Anybody can send any source, so only the first ones are kept apart; the rest is "(other)"."""
        for number in range(MAX_SOURCES + 50):
            funnel.accepted(CAMPAIGN, replace(submission(), source=f"s{number}"))
        await funnel.write()

        assert len(store.of("source")) == MAX_SOURCES + 1
        assert store.of("source")["(other)"] == 50


@pytest.mark.parametrize(
    ("minutes", "kept"), [(-1, "1"), (0, "1"), (59, "60"), (60, "70"), (75, "80"), (1439, "1440"), (1505, "1560")]
)
def test_minutes_are_rounded_up_more_coarsely_the_longer_they_are(minutes: int, kept: str) -> None:
    """Single minutes in the first hour, tens in the first day, hours after that: a month has 43,200 minutes."""
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
def test_only_the_class_of_the_mail_provider_is_kept(email: str, kept: str) -> None:
    """Small providers and personal domains are "other", since they could reveal who somebody is."""
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
    """Write what is counted, and return all counts."""
    await here.funnels()
    records = runtime.desk().maintenance
    kept = await records.funnel(CAMPAIGN)
    records.close()
    return kept


async def reached(here: World) -> dict[str, int]:
    """Return how many signatures have reached each stage."""
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

    async def test_of_a_repeated_signature_is_counted_once(self, here: World) -> None:
        """When somebody who has confirmed signs again, no stage goes up."""
        await here.press(await here.sign_and_deliver())
        await here.sign_and_deliver()

        assert await reached(here) == {"accepted": 1, "mailed": 1, "confirmed": 1}

    async def test_records_how_long_confirming_took(self, here: World) -> None:
        """The time from sending the form to pressing the button is counted in minutes."""
        mail = await here.sign_and_deliver()
        here.now += timedelta(minutes=12)
        await here.press(mail)

        assert (await numbers(here))[FunnelKey(TODAY, "confirmed", "minutes", "13")] == 1

    async def test_counts_every_stage_under_the_same_keys(self, here: World) -> None:
        """Even through a reminder's link, and in an unsupported language, all stages have the same keys."""
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
            if dimension not in {"minutes", "ten_minutes"}:
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
    async def test_counts_a_link_that_is_opened_after_confirming_or_withdrawing(
        self, here: World, purpose: str
    ) -> None:
        """Opening a link counts, whatever the state of the signature."""
        mail = await here.sign_and_deliver()
        await here.press(mail, purpose)
        await here.client.get(mail.links["confirm"])

        assert (await reached(here))["opened"] == 1

    async def test_counts_a_deferred_confirmation_once(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A button pressed during an outage is counted by deliver, with the minutes until it was pressed."""

        async def unavailable(*_: object) -> None:
            raise StoreUnavailable("unavailable")

        mail = await here.sign_and_deliver()
        monkeypatch.setattr(here.functions["confirm"].deps.store, "confirm", unavailable)
        here.now += timedelta(minutes=12)
        await here.press(mail)
        here.now += timedelta(hours=2)
        await here.deliver()

        counted = await numbers(here)
        assert counted[FunnelKey(TODAY, "confirmed", "all", "all")] == 1
        assert counted[FunnelKey(TODAY, "confirmed", "minutes", "13")] == 1

    @pytest.mark.parametrize("error", [StoreUnavailable("unavailable"), RuntimeError("anything else")])
    async def test_goes_on_when_statistics_fail(
        self, here: World, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """While counts cannot be written, people can still sign and confirm."""

        async def fail(*_: object) -> None:
            raise error

        for name in ("deliver", "confirm"):
            monkeypatch.setattr(here.functions[name].deps.funnel._store, "add_to_funnel", fail)
        answer = await here.press(await here.sign_and_deliver())
        await here.funnels()

        assert answer.json() == {"status": "confirmed"}
        assert (await here.count())["total"] == 1


async def test_a_process_that_is_asked_to_stop_writes_all_that_it_has_counted(
    deployed: World, tmp_path: Path
) -> None:
    """Links opened just before SIGTERM are counted, and so are those whose requests are under way."""
    for number in range(40):
        await deployed.sign(email=f"n{number}@example.org")
    await deployed.deliver()
    links = [urlsplit(mail.links["confirm"]).path for mail in deployed.outbox.received()]
    settings = {
        "PUBLIC_URL": PUBLIC_URL,
        "STORE": "sqlite",
        "TASKS": "local",
        "LOCAL_FOLDER": str(deployed.folder),
        **{name: os.environ[name] for name in ("TOKEN_KEYS", "DELIVER_RECIPIENT")},
    }

    with running("confirm", settings, tmp_path / "confirm.log") as (process, url):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            before = [await client.get(link) for link in links[:5]]
            under_way = [asyncio.create_task(client.get(link)) for link in links[5:]]
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            process.terminate()
            answers = await asyncio.gather(*under_way, return_exceptions=True)
        process.wait()

    answered = [each for each in [*before, *answers] if isinstance(each, httpx.Response)]
    assert {each.status_code for each in answered} == {200}
    assert (await reached(deployed))["opened"] == len(answered) > 5
