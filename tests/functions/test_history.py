"""The tally over time: folded, recorded every hour, published, and shown on a page."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from desk import runtime
from shared.campaigns.overlay import Paper
from shared.errors import StoreUnavailable
from shared.models.labels import Label
from shared.stats.history import HOURS_KEPT_DAYS
from shared.store.entities import Point
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, World

HISTORY = f"/v1/campaigns/{CAMPAIGN}/history"
PAGE = f"/c/{CAMPAIGN}/progress"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def record_totals(deployed: World, totals: Mapping[timedelta, int]) -> None:
    """Record these totals in the campaign's history, each so long before now."""
    for before, total in totals.items():
        by_country = {"DE": total - 3, "FR": 3}
        point = Point(NOW - before, total, by_country)
        await deployed.functions["deliver"].deps.store.add_to_history(CAMPAIGN, point)


class TestFold:
    async def test_leaves_the_count_unchanged(self, deployed: World) -> None:
        """The public count stays the same when the schedule calls."""
        await deployed.press(await deployed.sign_and_deliver(email="ann@example.org"))

        assert (await deployed.client.post("/v1/tasks/fold")).status_code == 204

        assert (await deployed.count())["total"] == 1

    async def test_is_retried_while_the_database_is_unavailable(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer is 503, so that the schedule calls again."""

        async def unavailable(*_: object) -> None:
            raise StoreUnavailable("unavailable")

        monkeypatch.setattr(deployed.functions["deliver"].deps.store, "fold_tally", unavailable)

        assert (await deployed.client.post("/v1/tasks/fold")).status_code == 503


class TestSnapshot:
    async def test_records_the_count_of_every_campaign(self, deployed: World) -> None:
        """There is one point an hour, even if the schedule calls twice."""
        for number in range(12):
            await deployed.press(await deployed.sign_and_deliver(email=f"n{number}@example.org"))
        await deployed.snapshot()
        await deployed.snapshot()
        await deployed.press(await deployed.sign_and_deliver(email="late@example.org", country="FR"))
        deployed.now += HOUR
        await deployed.snapshot()

        points = (await deployed.client.get(f"{HISTORY}/hours")).json()["points"]

        assert points == [
            {"at": "2026-11-22T20:00:00Z", "total": 12},
            {"at": "2026-11-22T21:00:00Z", "total": 13},
        ]
        days = (await deployed.client.get(HISTORY)).json()["points"]
        assert [(point["total"], point["by_country"]) for point in days] == [(13, {"DE": 12, "other": 1})]

    async def test_is_retried_while_the_database_is_unavailable(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer is 503, so that the schedule calls again."""

        async def unavailable(*_: object) -> None:
            raise StoreUnavailable("unavailable")

        monkeypatch.setattr(deployed.functions["deliver"].deps.store, "tally", unavailable)

        assert (await deployed.client.post("/v1/tasks/snapshot")).status_code == 503

    async def test_skips_a_campaign_that_has_not_opened(self, deployed: World) -> None:
        """A chart that begins with a month of zeros says nothing."""
        deployed.now = NOW - 3650 * DAY
        await deployed.snapshot()
        deployed.now = NOW

        assert (await deployed.client.get(HISTORY)).json()["points"] == []


class TestHistory:
    async def test_holds_the_last_count_of_each_day(self, deployed: World) -> None:
        """Countries under ten are folded, as in the count."""
        await record_totals(deployed, {2 * DAY: 20, DAY + HOUR: 29, DAY: 30, 2 * HOUR: 40, HOUR: 41})

        history = (await deployed.client.get(HISTORY)).json()

        assert (history["campaign"], history["as_of"]) == (CAMPAIGN, "2026-11-22T20:00:00Z")
        assert [point["total"] for point in history["points"]] == [20, 30, 41]
        assert history["points"][2] == {
            "at": "2026-11-22T19:00:00Z",
            "total": 41,
            "by_country": {"DE": 38, "other": 3},
        }

    async def test_holds_each_hour_of_the_last_weeks(self, deployed: World) -> None:
        """Older hours would add thousands of points."""
        long_ago = HOURS_KEPT_DAYS * DAY
        await record_totals(deployed, {long_ago: 20, long_ago - HOUR: 21, 2 * HOUR: 40, HOUR: 41})

        hours = (await deployed.client.get(f"{HISTORY}/hours")).json()["points"]
        days = (await deployed.client.get(HISTORY)).json()["points"]

        assert [point["total"] for point in hours] == [21, 40, 41]
        assert [point["total"] for point in days] == [21, 41]

    async def test_is_available_as_csv(self, deployed: World) -> None:
        """It follows RFC 4180, and the cell of a folded country is empty."""
        await record_totals(deployed, {DAY: 12, HOUR: 40})

        response = await deployed.client.get(f"{HISTORY}.csv")
        hours = await deployed.client.get(f"{HISTORY}/hours.csv")

        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["content-disposition"] == f'attachment; filename="{CAMPAIGN}-days.csv"'
        assert hours.text == "at,total\r\n2026-11-21T20:00:00Z,12\r\n2026-11-22T19:00:00Z,40\r\n"
        assert response.text.startswith("at,total,DE,other\r\n")
        assert list(csv.DictReader(io.StringIO(response.text, newline=""))) == [
            {"at": "2026-11-21T20:00:00Z", "total": "12", "DE": "", "other": "12"},
            {"at": "2026-11-22T19:00:00Z", "total": "40", "DE": "37", "other": "3"},
        ]

    @pytest.mark.parametrize("path", ["", ".csv", "/hours", "/hours.csv"])
    async def test_may_be_read_by_any_page_and_cached(self, deployed: World, path: str) -> None:
        """CORS is open, and unchanged numbers are answered with 304."""
        await record_totals(deployed, {HOUR: 40})
        first = await deployed.client.get(HISTORY + path, headers={"Origin": "https://anybody.example"})
        known = {"If-None-Match": first.headers["etag"]}

        deployed.now += HOUR
        same = await deployed.client.get(HISTORY + path, headers=known)
        await record_totals(deployed, {-HOUR: 41})
        deployed.now += HOUR
        changed = await deployed.client.get(HISTORY + path, headers=known)

        assert first.headers["access-control-allow-origin"] == "*"
        assert first.headers["cache-control"].startswith("public, max-age=60")
        assert "set-cookie" not in first.headers
        assert (same.status_code, same.content) == (304, b"")
        assert changed.status_code == 200

    async def test_reads_past_days_only_once(self, deployed: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A year of days is not read again every minute, yet a point that arrives late is not missed."""
        store = deployed.functions["count"].deps.store
        asked, read = list[str](), store.history

        async def noting(campaign: str, since: object) -> object:
            asked.append(str(since))
            return await read(campaign, since)

        monkeypatch.setattr(store, "history", noting)
        await record_totals(deployed, {3 * DAY: 20, DAY: 30})
        await deployed.client.get(HISTORY)
        await record_totals(deployed, {HOUR: 41, DAY - HOUR: 31})
        deployed.now += timedelta(minutes=1)

        history = (await deployed.client.get(HISTORY)).json()

        assert asked == ["0001-01-01", "2026-11-21"]
        assert [point["total"] for point in history["points"]] == [20, 31, 41]

    async def test_is_served_from_memory_while_the_database_is_unavailable(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer says when it was read."""
        await record_totals(deployed, {HOUR: 41})
        await deployed.client.get(HISTORY)

        async def unavailable(*_: object) -> None:
            raise StoreUnavailable("unavailable")

        monkeypatch.setattr(deployed.functions["count"].deps.store, "history", unavailable)
        deployed.now += DAY
        history = (await deployed.client.get(HISTORY)).json()

        assert history["as_of"] == "2026-11-22T20:00:00Z"
        assert [point["total"] for point in history["points"]] == [41]


class TestRate:
    async def test_comes_with_the_count(self, deployed: World) -> None:
        """It is worked out from the history; the minute of the last signature is not shown of two in an hour."""
        await record_totals(deployed, {48 * HOUR: 3, 24 * HOUR: 5, 2 * HOUR: 6, HOUR: 8})
        for number in range(10):
            await deployed.press(await deployed.sign_and_deliver(email=f"n{number}@example.org"))

        count = await deployed.count()

        assert count["rate"] == {"last_hour": 2, "last_24_hours": 5}
        assert count["forecast"] == {"next_goal": (NOW + 48 * HOUR * 990 / 7).date().isoformat()}
        assert "last_confirmed_at" not in count

    async def test_is_missing_while_the_history_is_unavailable(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The count goes on without it, and so do the badge and the page."""

        async def unavailable(*_: object) -> None:
            raise StoreUnavailable("unavailable")

        await record_totals(deployed, {24 * HOUR: 5, HOUR: 8})
        monkeypatch.setattr(deployed.functions["count"].deps.store, "history", unavailable)

        count = await deployed.count()

        assert count["total"] == 0
        assert "rate" not in count
        assert (await deployed.client.get(f"/v1/campaigns/{CAMPAIGN}/count.svg?lang=en")).status_code == 200


class TestPage:
    async def test_shows_total_chart_and_thresholds(self, deployed: World) -> None:
        """A journalist finds the numbers, and the time that they are from."""
        await record_totals(deployed, {3 * DAY: 20, 2 * DAY: 30, DAY: 40})
        for number in range(12):
            await deployed.press(await deployed.sign_and_deliver(email=f"n{number}@example.org"))
        await deployed.count()

        page = await deployed.client.get(f"{PAGE}?lang=en")

        assert page.status_code == 200
        assert "12 people have signed" in page.text
        assert "As of 22 November 2026, 20:00 UTC" in page.text
        assert re.search(
            r'aria-label="Line chart: 20 on 19 November 2026, 20:00, 12 on 22 November 2026, 20:00\."', page.text
        )
        assert "not statements of support" in page.text
        assert re.search(r">Germany<svg.*?>12</td><td[^>]*>67,680", page.text, re.S)
        assert re.search(r">France<svg.*?>under 10</td><td[^>]*>55,695", page.text, re.S)
        assert page.text.count('<th scope="row">') == 27 + 3

    async def test_shows_the_count_while_its_history_is_unavailable(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the chart is missing."""

        async def unavailable(*_: object) -> None:
            raise StoreUnavailable("unavailable")

        monkeypatch.setattr(deployed.functions["count"].deps.store, "history", unavailable)

        page = await deployed.client.get(f"{PAGE}?lang=en")

        assert page.status_code == 200
        assert "Be the first to sign" in page.text

    async def test_says_on_the_first_day_that_there_is_no_chart_yet(self, deployed: World) -> None:
        """Everything else is shown."""
        page = await deployed.client.get(f"{PAGE}?lang=en")

        assert "The chart appears once" in page.text
        assert "Be the first to sign" in page.text

    async def test_is_cacheable_per_language(self, deployed: World) -> None:
        """Without a language it redirects, uncached, to the reader's."""
        moved = await deployed.client.get(PAGE)
        page = await deployed.client.get(moved.headers["location"])

        assert (moved.status_code, moved.headers["cache-control"]) == (302, "no-store")
        assert moved.headers["location"] == f"{PAGE}?lang=en"
        assert page.headers["cache-control"].startswith("public")
        assert "set-cookie" not in page.headers

    async def test_may_be_framed_by_any_page_in_its_variant_for_frames(self, deployed: World) -> None:
        """The variant for frames has no form and no script, and its link opens outside the frame."""
        page = await deployed.client.get(f"{PAGE}?lang=en")
        framed = await deployed.client.get(f"{PAGE}?lang=en&embed=1")

        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "frame-ancestors *" in framed.headers["content-security-policy"]
        assert "embed=1" in page.text
        assert 'target="_top"' in framed.text
        assert "<script" not in framed.text
        assert "<form" not in page.text + framed.text

    async def test_shows_paper_separately(self, deployed: World) -> None:
        """It is in no other number, and its notes stay private."""
        before = (await deployed.client.get(f"{PAGE}?lang=en")).text
        records = runtime.desk().maintenance
        entry = Paper(country="DE", number=1204, note="a stall in Cologne", added_at=NOW)
        await records.change_overlay(CAMPAIGN, lambda overlay: overlay.model_copy(update={"paper": (entry,)}))
        records.close()
        await deployed.count()

        page = (await deployed.client.get(f"{PAGE}?lang=en")).text

        assert "On paper" not in before
        assert "counted by the organisers: 1,204." in page
        assert "Be the first to sign" in page
        assert "Cologne" not in page

    async def test_says_how_many_are_being_checked(self, deployed: World) -> None:
        """Only where there are ten at least, and they are in no other number."""
        before = (await deployed.client.get(f"{PAGE}?lang=en")).text
        for number in range(12):
            mail = await deployed.sign_with_labels(Label.TOO_FAST, email=f"bot{number}@example.org")
            await deployed.press(mail)
        counted = await deployed.count()

        page = (await deployed.client.get(f"{PAGE}?lang=en")).text

        assert "still checking" not in before
        assert "the organisers are still checking: at least 10. They are not counted yet." in page
        assert "Be the first to sign" in page
        assert (counted["held"], counted["total"], counted["by_country"]) == (10, 0, {})
