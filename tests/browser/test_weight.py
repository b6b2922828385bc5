"""The size of pages on the wire, for signers with old phones who pay by the megabyte."""

import gzip
from typing import Any

import pytest
from playwright.async_api import expect

from shared.locales import LANGUAGES
from shared.web.widget_versions import MOVING, Scripts
from tests.browser.conftest import NARROW, Walk
from tests.support.deployment import CAMPAIGN, REPOSITORY
from tests.support.polling import until_async

KB = 1000


def test_the_script_is_smaller_than_twelve_kilobytes() -> None:
    """Compressed, it is smaller than a small picture; most petition widgets are twenty times as large."""
    script = Scripts(REPOSITORY / "functions" / "embed" / "static").get(MOVING)

    assert script
    assert len(gzip.compress(script.content)) < 12 * KB


@pytest.mark.parametrize("visit", [NARROW], ids=["narrow"], indirect=True)
@pytest.mark.parametrize("lang", sorted(LANGUAGES & {"bg", "de", "el", "en", "fr"}))
async def test_the_petition_is_smaller_than_thirty_kilobytes_in_all(visit: Walk, lang: str) -> None:
    """Page, script, texts, badge and count with their headers stay below it, even in the longest languages.

    The campaign's own picture and logos come on top, as large as its organisers want them.
    """
    loaded: list[float] = []
    images = set[str]()
    devtools = await visit.page.context.new_cdp_session(visit.page)

    def sent(event: dict[str, Any]) -> None:
        if "/images/" in event["request"]["url"]:
            images.add(event["requestId"])

    def finished(event: dict[str, Any]) -> None:
        if event["requestId"] not in images:
            loaded.append(event["encodedDataLength"])

    devtools.on("Network.requestWillBeSent", sent)
    devtools.on("Network.loadingFinished", finished)
    await devtools.send("Network.enable")
    await visit.opens(f"/c/{CAMPAIGN}?lang={lang}")
    await expect(visit.page.get_by_role("progressbar")).to_be_visible()
    await visit.page.wait_for_load_state("networkidle")

    async def all_are_reported() -> bool:
        return len(loaded) >= 5

    await until_async(all_are_reported)  # the browser reports the last one after the page has it
    assert len(loaded) == 5
    assert sum(loaded) < 30 * KB, loaded
    assert images
