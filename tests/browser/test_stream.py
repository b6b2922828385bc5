"""The number for live streams, in the sizes of sources that streamers make."""

import pytest
from playwright.async_api import Browser, Route, ViewportSize, expect

from tests.browser.conftest import Walk
from tests.browser.page_clock import move_clock, stop_clock
from tests.support.deployment import CAMPAIGN
from tests.support.servers import Server

STREAM = f"/c/{CAMPAIGN}/stream"
SIZES: list[ViewportSize] = [
    {"width": 1920, "height": 1080},
    {"width": 800, "height": 300},
    {"width": 640, "height": 200},
    {"width": 320, "height": 568},
]


class Numbers:
    """Answers the page's requests for the count."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.asked = 0

    async def answer(self, route: Route) -> None:
        self.asked += 1
        as_of = f"2026-11-27T12:00:{self.asked:02}Z"
        content = {"campaign": CAMPAIGN, "total": self.total, "goal": 1_000_000, "next_goal": 1_000_000}
        await route.fulfill(json={**content, "as_of": as_of})


async def opened(
    browser: Browser, running: Server, numbers: Numbers, size: ViewportSize, query: str = "lang=en"
) -> Walk:
    context = await browser.new_context(viewport=size, base_url=running.url, reduced_motion="reduce")
    walk = Walk(await context.new_page(), running.url)
    await walk.page.route("**/count", numbers.answer)
    await stop_clock(walk.page)
    await walk.opens(f"{STREAM}?{query}")
    await move_clock(walk.page, 1)
    return walk


#: Of the text, the bar and the goal, all that stands out of the window; and of page and body, the background.
_OUTSIDE = """
[...document.querySelector("undersign-counter").shadowRoot.querySelectorAll("p, .track")]
  .map((each) => each.getBoundingClientRect())
  .filter((box) => box.top < 0 || box.left < 0 || box.bottom > innerHeight || box.right > innerWidth)
"""
_BACKGROUNDS = "[document.documentElement, document.body].map((each) => getComputedStyle(each).backgroundColor)"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size['width']}x{size['height']}")
@pytest.mark.parametrize("query", ["lang=en", "lang=el&theme=light", "lang=bg&size=compact"])
async def test_the_number_fills_its_window_and_lets_the_picture_through(
    browser: Browser, running: Server, size: ViewportSize, query: str
) -> None:
    """Nothing is cut off, the longest languages included, and nothing is painted behind the number."""
    walk = await opened(browser, running, Numbers(987_654), size, query)

    number = walk.page.locator("undersign-counter .number")

    await expect(number).to_contain_text("987")
    box = await number.bounding_box()
    assert box
    assert box["height"] > size["height"] / 5 or box["width"] > size["width"] / 3
    assert await walk.page.evaluate(_OUTSIDE) == []
    assert await walk.page.evaluate(_BACKGROUNDS) == ["rgba(0, 0, 0, 0)"] * 2
    await walk.ends()


async def test_the_number_keeps_itself_up_to_date(browser: Browser, running: Server) -> None:
    """Nobody reloads the source of a stream. It asks every ten seconds or so, and sends nothing elsewhere."""
    numbers = Numbers(4_999)
    walk = await opened(browser, running, numbers, SIZES[0])
    await expect(walk.page.locator("undersign-counter")).to_contain_text("4,999")

    numbers.total = 5_001
    await move_clock(walk.page, 15)

    await expect(walk.page.locator("undersign-counter")).to_contain_text("5,001")
    asked = numbers.asked
    await move_clock(walk.page, 60)
    assert 4 <= numbers.asked - asked <= 8
    await walk.ends()


@pytest.mark.parametrize(("query", "is_shown"), [("lang=en", True), ("lang=en&size=compact", False)])
async def test_the_compact_number_has_no_bar(
    browser: Browser, running: Server, query: str, *, is_shown: bool
) -> None:
    """For a corner of the picture."""
    walk = await opened(browser, running, Numbers(4_999), SIZES[1], query)

    await expect(walk.page.locator("undersign-counter .track")).to_be_visible(visible=is_shown)
    await expect(walk.page.locator("undersign-counter .goal")).to_be_visible(visible=is_shown)
    await walk.ends()
