"""The organiser's desk in a browser: by keyboard alone, and against pages that would like to use it."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.page_clock import move_clock, stop_clock
from tests.browser.partner import Site
from tests.support.deployment import CAMPAIGN, PAGE_HEADERS, REPOSITORY, SIGNATURES, signature
from tests.support.desk import run_desk
from tests.support.polling import until
from tests.support.servers import Server

#: As many steps as no page has fields, links and buttons.
_STEPS = 60
EDIT = f"campaigns/{CAMPAIGN}/edit"
_OF_A_CAMPAIGN = ("", "/pause", "/proof-of-work", "/mail", "/held", "/partners", "/keys", "/after", "/hand-over")
_PARTS = ("/edit/consent", "/edit/languages", "/edit/languages/de")
PAGES = ("", "new", "privacy", *(f"campaigns/{CAMPAIGN}{path}" for path in (*_OF_A_CAMPAIGN, *_PARTS)))


def desk_of(running: Server) -> AbstractContextManager[str]:
    """Run the command beside a local run, below which it writes exports; it yields the link that it prints."""
    folder = running.folder.parent
    settings = {"LOCAL_FOLDER": str(running.folder), "CAMPAIGNS_FOLDER": str(folder / "campaigns")}
    return run_desk(folder, {**os.environ, "PYTHONPATH": str(REPOSITORY), **settings})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Browser, running: Server) -> AsyncIterator[Page]:
    """The desk in a browser, opened by its link."""
    with desk_of(running) as link:
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


async def test_an_export_is_opened_in_the_page_that_comes_with_it(
    page: Page, browser: Browser, running: Server, address: str, tmp_path: Path
) -> None:
    """The three files that the desk gives out, and a key, are enough, offline."""
    signed = signature(email=address, name="Zoë Exporté")
    httpx.post(f"{running.url}{SIGNATURES}", json=signed, headers=PAGE_HEADERS, trust_env=False)
    httpx.post(running.mail_to(address).links["confirm"], trust_env=False)
    await page.goto(f"/campaigns/{CAMPAIGN}/after")
    await page.get_by_role("link", name="Export", exact=True).click()
    await page.get_by_role("button", name="Export the signatures on this machine").click()
    await expect(page.get_by_role("status")).to_contain_text("exported")
    for link in ("open.html", "signatures.ndjson", "manifest.json"):
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name=link).click()
        await (await downloading.value).save_as(tmp_path / link)

    context = await browser.new_context(offline=True)
    opened = await context.new_page()
    await opened.goto((tmp_path / "open.html").as_uri())
    await opened.get_by_label("1. The files of the export").set_input_files(
        [tmp_path / "signatures.ndjson", tmp_path / "manifest.json"]
    )
    await opened.get_by_label("2. Your key file").set_input_files(running.folder / "throwaway-identity.txt")
    await opened.get_by_role("button", name="Open the signatures").click()
    await expect(opened.get_by_text("It is what the manifest of the export says")).to_be_visible()
    async with opened.expect_download() as downloading:
        await opened.get_by_role("button", name=re.compile("^Download")).first.click()
    table = await (await downloading.value).path()

    assert f'"Zoë Exporté","{address}"' in Path(table).read_text(encoding="utf-8")
    await context.close()


async def test_numbers_are_read_again_without_moving_the_focus(page: Page, browser: Browser) -> None:
    """Once a minute, where that was asked for."""
    # The clock is that of all pages of a context.
    context = await browser.new_context(storage_state=await page.context.storage_state())
    live = await context.new_page()
    await stop_clock(live)
    await live.goto(f"http://{page.url.split('/')[2]}/campaigns/{CAMPAIGN}?live=on")
    numbers = live.locator("[data-refresh]")
    await numbers.evaluate("(shown) => { shown.textContent = 'of an hour ago'; }")
    await live.get_by_role("link", name="Read it again").focus()
    await move_clock(live, 60)

    await expect(numbers).to_contain_text("From the form to the count")
    assert await live.evaluate("document.activeElement.textContent") == "Read it again"
    await context.close()


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


async def test_the_preview_shows_what_is_written_at_once_and_by_a_button(browser: Browser, page: Page) -> None:
    """On a phone and in a wide window; with scripts the way back still leads to the page before."""
    link, state = page.url, await page.context.storage_state()
    plain = await browser.new_context(java_script_enabled=False, base_url=link, storage_state=state, viewport=WIDE)
    without_scripts = await plain.new_page()
    for opened in (page, without_scripts):
        await opened.goto(f"/{EDIT}/face")
        await opened.goto(f"/{EDIT}/petition")
        await opened.get_by_label("Title", exact=True).fill("Written <b>just</b> now")
        if opened is without_scripts:
            await opened.get_by_role("button", name="Show it in the preview").click()
        await expect(opened.frame_locator(".phone iframe").last.locator("h1")).to_have_text(
            "Written <b>just</b> now"
        )

    await page.get_by_text("in a wide window").click()
    await expect(page.frame_locator(".wide iframe").first.locator("h1")).to_have_text("Written <b>just</b> now")
    await page.go_back()
    await expect(page.get_by_role("heading", name="Picture and colour")).to_be_visible()
    await plain.close()


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
    with desk_of(running) as link:
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
