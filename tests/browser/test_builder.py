"""The page on which partners build their snippet, and what they build on their own page."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import PARTNER, Site
from tests.browser.test_partner_pages import LENIENT, screenshot
from tests.support.deployment import CAMPAIGN
from tests.support.servers import Server

wide = pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)

BUILDER = f"/c/{CAMPAIGN}/embed?lang=en&partner={PARTNER}"
PREVIEW = "iframe[title='On a dark page']"


@wide
async def test_what_is_built_works_on_the_partners_page(visit: Walk, running: Server, partner: Site) -> None:
    """Language and colours are those of the preview, and the form is the partner's."""
    page = visit.page
    await visit.opens(BUILDER)
    await page.get_by_role("combobox", name="Language").select_option("de")
    await page.get_by_label("Colour of buttons and links").fill("#ffcc00")
    await page.get_by_label("Background of the form").fill("#10263f")
    previewed = page.frame_locator(PREVIEW).get_by_role("button", name="Jetzt unterschreiben", include_hidden=True)
    await expect(previewed).to_have_css("background-color", "rgb(255, 204, 0)")
    code = await page.locator("#script").text_content()
    assert code

    await visit.opens(partner.shows(code, LENIENT))

    button = page.get_by_role("button", name="Jetzt unterschreiben")
    await expect(button).to_have_css("background-color", "rgb(255, 204, 0)")
    await expect(button).to_have_css("color", "rgb(0, 0, 0)")
    await expect(page.locator("undersign-form .card")).to_have_css("background-color", "rgb(16, 38, 63)")
    await expect(page.get_by_role("progressbar")).to_be_visible()
    results = await Axe().run(page, context="undersign-form")
    assert [each["id"] for each in results.response["violations"]] == []
    await screenshot(page, "built")


@wide
async def test_the_builder_by_keyboard(visit: Walk) -> None:
    """Arrows choose; a pale colour is warned of, in the page's language; nothing can be signed in the preview."""
    page = visit.page
    await visit.opens(BUILDER)
    submit = page.frame_locator(PREVIEW).locator("button.submit")
    await expect(submit).to_be_visible()
    await page.get_by_label("Colour of buttons and links").fill("#88aaff")
    await expect(page.get_by_role("status")).to_contain_text("(2.2 : 1)")
    results = await Axe().run(page)
    assert [each["id"] for each in results.response["violations"]] == []

    focused = []
    await page.get_by_role("radio", name="Form and counter").focus()
    for _ in range(12):
        await page.keyboard.press("Tab")
        focused.append(await page.evaluate("document.activeElement.localName"))
    box = await submit.bounding_box()
    assert box
    await page.mouse.click(box["x"] + 5, box["y"] + 5)

    assert "iframe" not in focused
    assert await page.evaluate("document.activeElement.localName") != "iframe"
    await expect(page.frame_locator(PREVIEW).locator("[role=alert]")).to_have_count(0)

    await page.get_by_role("radio", name="Form and counter").focus()
    for _ in range(6):
        await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("heading", name="Button")).to_be_visible()
    await expect(page.locator("#button")).to_contain_text("background: #88aaff; color: #000000")
    await expect(page.locator("pre code:visible")).to_have_count(1)


@pytest.mark.parametrize("walk", [WIDE], ids=["wide"], indirect=True)
async def test_without_a_script_every_snippet_is_there(walk: Walk) -> None:
    """With its defaults, and nothing to choose from that would not answer."""
    await walk.opens(BUILDER)

    await expect(walk.page.locator("section > .snippet code")).to_have_count(7)
    await expect(walk.page.locator("section > .snippet code:visible")).to_have_count(7)
    await expect(walk.page.get_by_role("radio")).to_have_count(0)
    await expect(walk.page.locator("#script")).to_contain_text(re.compile(r"<undersign-form [^>]*>\s*<form "))
