"""The organiser's desk in a browser: by keyboard alone, and against pages that would like to use it."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.partner import Site
from tests.support.deployment import CAMPAIGN, REPOSITORY
from tests.support.polling import until
from tests.support.servers import Server

#: As many steps as no page has fields, links and buttons.
_STEPS = 60
PAGES = ("", "new", *(f"campaigns/{CAMPAIGN}{path}" for path in ("", "/pause", "/partners", "/keys")))


@contextmanager
def desk(running: Server, campaigns: str) -> Iterator[str]:
    """Run the command beside a local run, and yield the link that it prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "desk.main", "desk", "--no-browser"],
        cwd=REPOSITORY,
        env={**os.environ, "LOCAL_FOLDER": str(running.folder), "CAMPAIGNS_FOLDER": campaigns},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        try:
            yield next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
        finally:
            process.terminate()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Browser, running: Server) -> AsyncIterator[Page]:
    """The desk in a browser, opened by its link."""
    with desk(running, str(running.folder.parent / "campaigns")) as link:
        context = await browser.new_context(viewport=WIDE, base_url=link.partition("open?")[0])
        opened = await context.new_page()
        await opened.goto(link)
        await expect(opened.locator("h1")).to_have_text("Campaigns")
        yield opened
        await context.close()


async def tab_to(page: Page, name: str) -> None:
    """Press the tabulator until the link or button of this name has the focus."""
    for _ in range(_STEPS):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"the keyboard does not reach {name}")


async def test_pause_by_keyboard_alone_is_seen_by_the_public_page(page: Page, running: Server) -> None:
    """Within a minute; and so is its end."""
    public = f"{running.url}/c/{CAMPAIGN}?lang=en"
    await page.goto(f"campaigns/{CAMPAIGN}")
    for link, button, has_form in (
        ("Pause it", "Pause on this machine", False),
        ("Take signatures again", "Take signatures again on this machine", True),
    ):
        await tab_to(page, link)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name=button)).to_be_visible()
        await tab_to(page, button)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_be_visible()

        def shows_the_form(wanted: bool = has_form) -> bool:
            shown = httpx.get(public, trust_env=False).raise_for_status().text
            return ('name="email"' in shown) is wanted

        until(shows_the_form, patience=90)


async def test_every_page_is_accessible(page: Page) -> None:
    """It passes axe-core, in light and dark, and fits the window of a phone and of a desktop."""
    for scheme, viewport in (("light", WIDE), ("dark", NARROW)):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await page.set_viewport_size(viewport)
        for path in PAGES:
            await page.goto(f"/{path}")
            results = await Axe().run(page)
            assert [(path, violation["id"]) for violation in results.response["violations"]] == []
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


async def test_pages_elsewhere_reach_nothing(page: Page, partner: Site) -> None:
    """Another port of this machine is sent the cookie, and still neither frames the desk nor pauses anything."""
    pause = f"http://{page.url.split('/')[2]}/campaigns/{CAMPAIGN}/pause"
    form = f'<form method="post" action="{pause}"><input name="to" value="paused"><button>Win</button></form>'
    elsewhere = await page.context.new_page()
    await elsewhere.goto(partner.shows(f'{form}<iframe src="{pause}"></iframe>', "frame-src *; form-action *"))

    framed = elsewhere.frames[1]
    assert "Pause this campaign?" not in await framed.content()
    async with elsewhere.expect_navigation() as navigation:
        await elsewhere.get_by_role("button", name="Win").click()
    answer = await (await navigation.value).request.response()

    assert answer
    assert answer.status == 403
    await elsewhere.close()
    await page.goto(f"/campaigns/{CAMPAIGN}")
    await expect(page.get_by_text("It is open.")).to_be_visible()


async def test_closing_the_desk_ends_the_command(browser: Browser, running: Server) -> None:
    """The page says how to come back."""
    with desk(running, str(running.folder.parent / "campaigns")) as link:
        context = await browser.new_context()
        opened = await context.new_page()
        await opened.goto(link)
        await opened.get_by_role("button", name="Close the desk").click()
        await expect(opened.locator("h1")).to_have_text("The desk is closed")
        await context.close()
        host = link.split("/")[2]

        def is_gone() -> bool:
            try:
                httpx.get(f"http://{host}/", trust_env=False)
            except httpx.ConnectError:
                return True
            return False

        until(is_gone)
