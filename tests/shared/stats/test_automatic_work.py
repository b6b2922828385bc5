"""Automatic proof of work: when it turns on, for how long, and that nobody else's change is lost with it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from shared.campaigns.loader import load_all
from shared.campaigns.model import Campaign, ProofOfWork
from shared.campaigns.overlay import Overlay, WorkPeriod
from shared.stats.automatic_work import MIN_CONFIRMED_SHARE, MIN_MAILS, WORK_TIME, is_far_behind, update
from shared.stats.funnel import Stage, ten_minutes
from shared.store.entities import FunnelKey
from shared.store.sqlite import SqliteStore
from tests.bench.spike.traces import step
from tests.functions.test_overlay import NewerOverlay
from tests.infra.test_mails_unconfirmed import RUSHES, Rate, least_and_share, play, quiet
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN

MINUTE = timedelta(minutes=1)
MINUTES_A_DAY = 24 * 60


def counted(stage: Stage, at: datetime, number: float) -> tuple[FunnelKey, int]:
    return FunnelKey(f"{at:%Y-%m-%d}", stage, "ten_minutes", ten_minutes(at)), round(number)


def tripping(genuine: Rate, strangers: Rate, offset: int = 0) -> list[int]:
    """Play a day as the test of the alert does; return the minutes in which confirmations are far behind.

    `offset`: in which minute of an hour the day begins, for mails are counted in tens of minutes.
    """
    mailed, confirmed = play(genuine, strangers)
    numbers, found = dict[FunnelKey, int](), list[int]()
    for minute in range(MINUTES_A_DAY):
        now = NOW + (offset + minute) * MINUTE
        if is_far_behind(numbers, now):
            found.append(minute)
        for stage, in_minute in ((Stage.MAILED, mailed[minute]), (Stage.CONFIRMED, confirmed[minute])):
            key, number = counted(stage, now, in_minute)
            numbers[key] = numbers.get(key, 0) + number
    return found


class TestRule:
    def test_is_that_of_the_alert(self) -> None:
        """Work turns on where somebody is woken, too."""
        assert least_and_share() == (MIN_MAILS, MIN_CONFIRMED_SHARE)

    @pytest.mark.parametrize("offset", [0, 3, 9])
    @pytest.mark.parametrize("rush", RUSHES)
    def test_does_not_hold_in_a_rush(self, rush: Rate, offset: int) -> None:
        """Those who want to sign confirm as they always do, however many they are, and however suddenly."""
        assert tripping(rush, lambda _: 0, offset) == []

    @pytest.mark.parametrize("offset", [0, 3, 9])
    @pytest.mark.parametrize(("genuine", "minutes"), [(quiet, 30), (partial(step, per_second=1), 60)])
    def test_holds_soon_after_mails_to_twice_as_many_strangers_begin(
        self, genuine: Rate, minutes: int, offset: int
    ) -> None:
        """Within half an hour, or an hour where others sign, and until some minutes after the last."""
        noon = 12 * 60
        attack = range(noon, noon + 5 * 60)

        held = tripping(genuine, lambda seconds: 2 if seconds / 60 in attack else 0, offset)

        assert noon < held[0] <= noon + minutes
        assert attack.stop < held[-1] < attack.stop + 80

    @pytest.mark.parametrize(
        ("mails", "confirmed", "holds"),
        [(300, 0, False), (301, 0, True), (1000, 400, True), (1000, 401, False), (0, 0, False)],
    )
    def test_holds_for_many_mails_of_which_few_are_confirmed(
        self, mails: int, confirmed: int, holds: bool
    ) -> None:
        """A few hundred an hour that nobody confirms are never noticed."""
        numbers = dict([counted(Stage.MAILED, NOW - 30 * MINUTE, mails), counted(Stage.CONFIRMED, NOW, confirmed)])

        assert is_far_behind(numbers, NOW) is holds

    @pytest.mark.parametrize(("ago", "counts"), [(0, False), (10, False), (11, True), (70, True), (71, False)])
    def test_is_about_mails_that_people_had_time_to_open(self, ago: int, counts: bool) -> None:
        """And about those of an hour."""
        numbers = dict([counted(Stage.MAILED, NOW - ago * MINUTE, 1000)])

        assert is_far_behind(numbers, NOW + 9 * MINUTE) is counts


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "store.db")
    yield made
    made.close()


@pytest.fixture
def campaign() -> Campaign:
    return load_all()[CAMPAIGN].model_copy(update={"proof_of_work": "automatic"})


async def mail_strangers(store: SqliteStore, at: datetime) -> None:
    """Have more mailed than are confirmed, so that the rule holds between 20 and 80 minutes later."""
    key, number = counted(Stage.MAILED, at, MIN_MAILS + 1)
    await store.add_to_funnel(CAMPAIGN, {key: number}, f"{at}", at)


def events(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]


class TestUpdate:
    async def test_turns_it_on_for_six_hours_and_then_off(
        self, store: SqliteStore, campaign: Campaign, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The log says each once."""
        await mail_strangers(store, NOW)
        asked, logged = [], []
        for minutes in (0, 20, 21, 20 + 6 * 60, 21 + 6 * 60, 22 + 6 * 60):
            now = NOW + minutes * MINUTE
            await update(store, campaign, now)
            asked.append((await store.overlay(CAMPAIGN)).published(campaign, now).proof_of_work)
            logged.append(events(capsys))

        assert asked == [None, "on", "on", "on", None, None]
        assert logged == [[], ["work_turned_on"], [], [], ["work_turned_off"], []]

    async def test_prolongs_it_while_the_mails_go_on(self, store: SqliteStore, campaign: Campaign) -> None:
        """Since when it is on stays."""
        for minutes in range(0, 120, 10):
            await mail_strangers(store, NOW + minutes * MINUTE)
            await update(store, campaign, NOW + minutes * MINUTE)

        work = (await store.overlay(CAMPAIGN)).work

        assert work == WorkPeriod(since=NOW + 20 * MINUTE, until=NOW + 110 * MINUTE + WORK_TIME)

    async def test_notices_mails_across_midnight(self, store: SqliteStore, campaign: Campaign) -> None:
        """The funnel is by day of signing."""
        midnight = NOW.replace(hour=0) + timedelta(days=1)
        await mail_strangers(store, midnight - 10 * MINUTE)

        await update(store, campaign, midnight + 20 * MINUTE)

        assert (await store.overlay(CAMPAIGN)).work

    @pytest.mark.parametrize(
        ("file", "overlaid", "is_on"),
        [
            ("automatic", None, True),
            ("automatic", "off", False),
            ("automatic", "on", False),
            ("off", "automatic", True),
            ("on", None, False),
            ("off", None, False),
        ],
    )
    async def test_leaves_it_alone_where_it_is_not_automatic(
        self, store: SqliteStore, campaign: Campaign, file: ProofOfWork, overlaid: ProofOfWork | None, is_on: bool
    ) -> None:
        """The desk's word holds over the file's."""
        campaign = campaign.model_copy(update={"proof_of_work": file})
        await store.change_overlay(CAMPAIGN, lambda _: Overlay(proof_of_work=overlaid))
        await mail_strangers(store, NOW)

        await update(store, campaign, NOW + 20 * MINUTE)

        overlay = await store.overlay(CAMPAIGN)
        assert bool(overlay.work_at(campaign, NOW + 20 * MINUTE)) is is_on
        assert overlay.published(campaign, NOW + 20 * MINUTE).proof_of_work == ("on" if is_on else overlaid)

    async def test_is_over_when_the_desk_says_off(
        self, store: SqliteStore, campaign: Campaign, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """At once, and for good: automatic again, it waits for the rule."""
        now = NOW + 20 * MINUTE
        await mail_strangers(store, NOW)
        await update(store, campaign, now)
        off = await store.change_overlay(CAMPAIGN, lambda known: known.model_copy(update={"proof_of_work": "off"}))
        await update(store, campaign, now + 60 * MINUTE)

        again = await store.change_overlay(
            CAMPAIGN, lambda known: known.model_copy(update={"proof_of_work": "automatic"})
        )

        assert off.published(campaign, now).proof_of_work == "off"
        assert again.published(campaign, now + 60 * MINUTE).proof_of_work == "automatic"
        assert events(capsys) == ["work_turned_on", "work_turned_off"]

    async def test_loses_no_change_that_the_desk_makes_meanwhile(
        self, store: SqliteStore, campaign: Campaign, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nor do two calls at once turn it on twice."""
        await mail_strangers(store, NOW)
        pause = store.change_overlay(CAMPAIGN, lambda known: known.model_copy(update={"paused": True}))

        await asyncio.gather(*(update(store, campaign, NOW + 20 * MINUTE) for _ in range(5)), pause)

        overlay = await store.overlay(CAMPAIGN)
        assert overlay.paused
        assert overlay.work == WorkPeriod(since=NOW + 20 * MINUTE, until=NOW + 20 * MINUTE + WORK_TIME)
        assert events(capsys) == ["work_turned_on"]

    async def test_leaves_alone_what_only_a_newer_desk_knows(
        self, store: SqliteStore, campaign: Campaign, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Writing the overlay back would lose it; all else that is due then goes on."""
        newer = NewerOverlay(proof_of_work="automatic", closes_early=True)
        await store.change_overlay(CAMPAIGN, lambda _: newer)
        await mail_strangers(store, NOW - 30 * MINUTE)

        await update(store, campaign, NOW)

        assert (await store.overlay(CAMPAIGN)).work is None
        assert "overlay_has_unknown_fields" in capsys.readouterr().out

    async def test_costs_a_quiet_campaign_no_write(
        self, store: SqliteStore, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every ten minutes, for years."""
        monkeypatch.setattr(store, "change_overlay", None)

        await update(store, campaign, NOW)

        assert await store.overlay(CAMPAIGN) == Overlay()
