"""The organisers' report, opened as a local file: checked by axe-core, in the widths of a phone and a desktop."""

from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ViewportSize

from desk.stats import report
from desk.stats.summary import Breakdown, Row, Stats
from shared.campaigns.loader import load_all
from shared.campaigns.overlay import Overlay
from shared.stats import count
from shared.stats.history import Line
from shared.store.entities import Day, Point, Tally
from tests.browser.conftest import NARROW, WIDE
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN


def example_report() -> str:
    """Return the report of a large, running campaign."""
    campaign = load_all()[CAMPAIGN]
    tally = Tally(141_204, {"DE": 70_000, "FR": 50_000, "BR": 21_200, "MT": 4})
    row = Row(key="somewhere-with-a-name-of-forty-characters", accepted=200_000, mailed=190_000, confirmed=141_204)
    stats = Stats(
        title=campaign.text("en").title,
        since=None,
        until=NOW.date(),
        as_of=NOW,
        count=count.public(campaign, count.Snapshot(tally, Overlay(), NOW), []),
        held=1_204,
        work_since=None,
        funnel=row,
        median_minutes_to_confirm=7,
        by={kind: [row, Row(key="DE")] for kind in Breakdown},
    )
    days = [Day(Point(NOW - timedelta(days=n), 140_000 - 6_000 * n, {}), {}) for n in range(20, 0, -1)]
    return report.render(stats, campaign, Line(days, NOW))


@pytest.mark.parametrize("viewport", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_report_is_accessible_and_offline(
    browser: Browser, tmp_path: Path, viewport: ViewportSize, scheme: str
) -> None:
    """It passes axe-core, fits the window, sends no request and logs nothing."""
    (tmp_path / "report.html").write_text(example_report(), encoding="utf-8")
    context = await browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    page = await context.new_page()
    requests, messages = list[str](), list[str]()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))

    await page.goto((tmp_path / "report.html").as_uri())
    results = await Axe().run(page)

    assert [violation["id"] for violation in results.response["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert len(requests) == 1
    assert messages == []
