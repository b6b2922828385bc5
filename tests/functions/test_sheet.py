"""The sheet for signatures on paper, and the QR code on it."""

import re
from html import unescape

import httpx
import pytest

from tests.support.deployment import CAMPAIGN, World

SHEET, QR = f"/c/{CAMPAIGN}/sheet", f"/c/{CAMPAIGN}/qr.svg"
PARTNER, NAME = "digital-rights", "Digital Rights Watch Berlin"


async def shown(deployed: World, query: str) -> str:
    """Return the text of the sheet, in which spaces and line breaks are single spaces."""
    response = await deployed.client.get(f"{SHEET}?{query}")
    assert response.status_code == 200
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", response.text, flags=re.DOTALL)).split())


async def test_a_sheet_says_what_people_sign_and_who_is_responsible(deployed: World) -> None:
    """It has the consent text, each controller's address, to whom it is sent, and where the privacy notice is."""
    campaign = deployed.functions["embed"].deps.campaigns[CAMPAIGN]

    text = await shown(deployed, "lang=en")

    assert campaign.text("en").title in text
    assert campaign.text("en").consent in text
    assert all(each.postal_address in text and each.email in text for each in campaign.controllers)
    assert f"Write to {campaign.privacy.contact}" in text
    assert f"/c/{CAMPAIGN}/privacy" in text
    assert "handed to: European Commission" in text
    assert "By 28 April 2028, the signatures are erased." in text
    assert "Collected by" not in text


async def test_it_asks_for_what_the_count_on_paper_needs_and_for_no_address(deployed: World) -> None:
    """Signatures on paper are added by country; the postal code is asked where the form asks for it."""
    page = (await deployed.client.get(f"{SHEET}?lang=en")).text

    assert re.findall(r'<th scope="col"[^>]*>([^<]*)', page) == ["Name", "Country", "Date", "Signature"]
    assert "Number of signatures by country" in page


async def test_a_partners_sheet_names_it_and_its_code_signs_for_it(deployed: World) -> None:
    """The code on it is that of the same partner and language."""
    page = await deployed.client.get(f"{SHEET}?lang=de&partner={PARTNER}")

    [picture] = re.findall(r'<img src="([^"]+)"', page.text)
    assert NAME in page.text
    assert httpx.URL(unescape(picture)).params == httpx.QueryParams(lang="de", partner=PARTNER)
    assert (await deployed.client.get(unescape(picture))).headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("path", [SHEET, QR])
async def test_a_partner_that_there_is_not_is_left_out(deployed: World, path: str) -> None:
    """A redirect leads to the address without it, so that a cache keeps no copy for every made-up one."""
    response = await deployed.client.get(f"{path}?lang=en&partner=nobody")

    assert response.status_code == 302
    assert response.headers["location"] == f"{path}?lang=en"


async def test_partners_find_both_where_they_find_the_snippets(deployed: World) -> None:
    """The page with the snippets links to the sheet and to the code, in its language."""
    page = unescape((await deployed.client.get(f"/c/{CAMPAIGN}/embed?lang=de&partner={PARTNER}")).text)

    assert f'href="{SHEET}?lang=de&partner={PARTNER}"' in page
    assert f'href="{QR}?lang=de&partner={PARTNER}" download' in page
