"""The sheet for signatures on paper as it is printed, and its QR code as a phone reads it."""

import re

import pytest
import zxingcpp
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from shared.locales import LANGUAGES
from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import PARTNER
from tests.browser.steps import fill_in
from tests.support.deployment import CAMPAIGN
from tests.support.servers import Server

pytestmark = pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)

_SHEET = f"/c/{CAMPAIGN}/sheet"
_PIXELS = 400
#: Draws the picture, and returns the brightness of each pixel.
_DRAW = """async (picture) => {
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIZE;
    const drawing = canvas.getContext("2d");
    drawing.drawImage(picture, 0, 0, SIZE, SIZE);
    return [...drawing.getImageData(0, 0, SIZE, SIZE).data].filter((_, index) => index % 4 === 0);
}""".replace("SIZE", str(_PIXELS))


async def scan(page: Page) -> str:
    """Return the address in the QR code that the page shows."""
    brightness = bytes(await page.locator("img").evaluate(_DRAW))
    [found] = zxingcpp.read_barcodes(memoryview(brightness).cast("B", shape=[_PIXELS, _PIXELS]))
    return str(found.text)


async def test_it_is_one_page_of_a4_in_every_language(visit: Walk) -> None:
    """Nobody has to staple sheets, or finds the consent text on another one than the signatures."""
    pages = {}
    for language in sorted(LANGUAGES):
        await visit.opens(f"{_SHEET}?lang={language}&partner={PARTNER}")
        printed = await visit.page.pdf(prefer_css_page_size=True)
        pages[language] = len(re.findall(rb"/Type /Page\b", printed))

    assert pages == dict.fromkeys(sorted(LANGUAGES), 1)


async def test_its_code_leads_a_phone_to_the_form_of_the_partner(
    visit: Walk, running: Server, address: str
) -> None:
    """What is signed there counts for the partner, with the source `qr`, and in the language of the sheet."""
    await visit.opens(f"{_SHEET}?lang=en&partner={PARTNER}")
    scanned = await scan(visit.page)
    assert scanned == f"{running.url}/c/{CAMPAIGN}?lang=en&partner={PARTNER}&source=qr"

    await visit.opens(scanned)
    await fill_in(visit, address)
    async with visit.page.expect_request("**/signatures") as sent:
        await visit.presses("Sign now")
    await expect(visit.page.get_by_role("heading", name="Check your inbox")).to_be_visible()

    fields = (await sent.value).post_data_json or {}
    assert (fields["partner"], fields["source"]) == (PARTNER, "qr")


async def test_it_breaks_no_rule_of_accessibility(visit: Walk) -> None:
    """It is a page like any other until it is printed."""
    await visit.opens(f"{_SHEET}?lang=en&partner={PARTNER}")

    results = await Axe().run(visit.page)

    assert [(each["id"], each["nodes"][0]["html"]) for each in results.response["violations"]] == []
    await expect(visit.page.get_by_text("Print this page on A4 paper.")).to_be_visible()
