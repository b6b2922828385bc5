"""`undersign stats`: how far a campaign is and where signatures are lost, as tables, JSON and a report."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.campaigns.overlay import Overlay, WorkPeriod
from shared.store.entities import Point
from tests.desk.commands import refusal, undersign
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, World, world

DAY = timedelta(days=1)


@pytest.fixture
async def here(deployed: World) -> World:
    """Yesterday two signed, one of whom confirmed after five minutes; today one signed and opened the link."""
    deployed.now = NOW - DAY
    await deployed.sign_and_deliver(email="a@example.org", country="FR", source="radio")
    mail = await deployed.sign_and_deliver(email="b@gmail.com", partner="digital-rights", locale="de-AT")
    deployed.now += timedelta(minutes=5)
    await deployed.press(mail)
    deployed.now = NOW
    late = await deployed.sign_and_deliver(email="c@example.org", country="FR")
    await deployed.client.get(late.links["confirm"])
    await deployed.funnels()
    await deployed.functions["deliver"].deps.store.add_to_history(CAMPAIGN, Point(NOW - DAY, 0, {}))
    return deployed


async def stats(*options: str) -> Any:
    """The parsed output of `undersign stats --json`."""
    done = await asyncio.to_thread(undersign, "stats", CAMPAIGN, "--json", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


class TestStats:
    async def test_show_how_many_signers_reached_each_stage(self, here: World) -> None:
        """The JSON holds the funnel, the median time to confirm, and the count."""
        found = await stats()

        assert found["funnel"] == {
            "key": "all",
            "accepted": 3,
            "mailed": 3,
            "opened": 1,
            "confirmed": 1,
            "confirmation_rate": 0.3333,
        }
        assert found["median_minutes_to_confirm"] == 6
        assert (found["count"]["total"], found["count"]["goal"], found["count"]["thresholds"]["met"]) == (
            1,
            1_000_000,
            0,
        )

    async def test_are_broken_down_by_each_dimension(self, here: World) -> None:
        """The largest groups come first, days in order, and every breakdown adds up to the total."""
        by = (await stats())["by"]

        accepted = {kind: {row["key"]: row["accepted"] for row in rows} for kind, rows in by.items()}
        assert accepted == {
            "day": {"2026-11-21": 2, "2026-11-22": 1},
            "country": {"FR": 2, "DE": 1},
            "partner": {"(none)": 2, "digital-rights": 1},
            "source": {"(none)": 2, "radio": 1},
            "language": {"en": 2, "de": 1},
            "mailbox": {"other": 2, "google": 1},
        }
        assert [row["key"] for row in by["country"]] == ["FR", "DE"]

    async def test_can_be_limited_to_a_range_of_days(self, here: World) -> None:
        """The range is by day of signing and includes both ends; a reversed range is refused."""
        assert (await stats("--since", "2026-11-22"))["funnel"]["accepted"] == 1
        assert (await stats("--until", "2026-11-21"))["funnel"]["accepted"] == 2
        none = await stats("--since", "2026-11-23")
        assert (none["funnel"]["accepted"], none["funnel"]["confirmation_rate"]) == (0, None)
        backwards = undersign("stats", CAMPAIGN, "--since", "2026-11-23", "--until", "2026-11-22")
        assert "--until lies before --since" in refusal(backwards)
        assert refusal(undersign("stats", CAMPAIGN, "--since", "22.11.2026")) == (
            "--since: write a day, as in 2026-11-01, and not 22.11.2026"
        )

    async def test_are_shown_as_tables(self, here: World) -> None:
        """Without `--json`, the command prints tables."""
        done = await asyncio.to_thread(undersign, "stats", CAMPAIGN, "--by", "country")

        assert re.search(r"1 signatures, 0\.0% of 1,000,000", done.output)
        assert re.search(r"accepted\s+│\s+3 │\s+100\.0%", done.output)
        assert re.search(r"FR\s+│\s+2 │\s+2 │\s+1 │\s+0 │\s+0\.0%", done.output)
        assert "within 6 minutes" in done.output

    async def test_say_since_when_browsers_are_asked_for_work(self, here: World) -> None:
        """Until then nobody may have noticed that most mails are not confirmed."""
        before, now = await stats(), datetime.now(UTC)
        work = WorkPeriod(since=now - timedelta(minutes=50), until=now + timedelta(hours=5))
        overlay = Overlay(proof_of_work="automatic", work=work)
        await here.functions["deliver"].deps.store.change_overlay(CAMPAIGN, lambda _: overlay)

        shown = await asyncio.to_thread(undersign, "stats", CAMPAIGN)

        assert before["work_since"] is None
        assert datetime.fromisoformat((await stats())["work_since"]) == work.since
        assert f"asked for work since {work.since:%Y-%m-%d %H:%M} UTC" in " ".join(shown.output.split())

    async def test_make_a_self_contained_report(self, here: World) -> None:
        """The HTML file loads nothing, and only its owner may read it."""
        done = await asyncio.to_thread(undersign, "stats", CAMPAIGN, "--html", "report.html")

        page = Path("report.html").read_text(encoding="utf-8")
        assert "report.html" in done.output
        assert Path("report.html").stat().st_mode & 0o077 == 0
        assert re.search(r">Confirmed<svg.*?>1</td><td[^>]*>33\.3%", page, re.S)
        assert 'aria-label="Line chart: 0 on 21 November 2026, 1 on' in page
        assert re.search(r">Germany<svg.*?67,680", page, re.S)
        assert "default-src 'none'" in page
        assert not re.search(r"(src|href)=|<script|url\(", page)


async def test_stats_of_an_unknown_campaign_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the campaign."""
    assert "There is no campaign yours" in refusal(await asyncio.to_thread(undersign, "stats", "yours"))


async def test_stats_of_a_campaign_without_signatures_are_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the tables nor the report divide by zero."""
    async with world(tmp_path / "var", monkeypatch):
        monkeypatch.chdir(tmp_path)
        shown = await asyncio.to_thread(undersign, "stats", CAMPAIGN, "--by", "day")
        written = await asyncio.to_thread(undersign, "stats", CAMPAIGN, "--html", "report.html")

    assert (shown.exit_code, written.exit_code) == (0, 0), (shown.output, written.output)
    assert "0 signatures" in shown.output
