"""What editors show in place of a pasted address, in any website's page."""

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import PARTNER, Site
from tests.browser.test_partner_pages import LENIENT, screenshot
from tests.support.deployment import CAMPAIGN
from tests.support.servers import Server


@pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)
async def test_the_frame_shows_the_number_and_leads_to_the_petition(
    visit: Walk, running: Server, partner: Site
) -> None:
    """In its sandbox, the button is on screen and opens the petition in the place of the page around it."""
    url = f"{running.url}/c/{CAMPAIGN}?lang=en&partner={PARTNER}"
    content = httpx.get(f"{running.url}/v1/oembed", params={"url": url}, trust_env=False).json()
    await visit.opens(partner.shows(content["html"], LENIENT))

    button = visit.page.frame_locator("iframe").get_by_role("link", name="Read and sign the petition")
    await expect(button).to_be_in_viewport(ratio=1)
    await screenshot(visit.page, "oembed")
    await button.click()

    await expect(visit.page).to_have_url(url)
