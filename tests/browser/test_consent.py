"""A consent text that has changed since a page was loaded, or pasted: the new one is shown, to be ticked again."""

import re

import pytest
from playwright.async_api import Locator, Page, expect
from playwright.async_api import Route as Intercepted

from tests.browser.conftest import Walk
from tests.browser.partner import PARTNER, Site
from tests.browser.steps import fill_in, mails_arrive
from tests.browser.test_widget import opens, snippet, strict
from tests.support.deployment import CAMPAIGN, CONSENT_VERSION, SIGNATURES
from tests.support.servers import Server

CHANGED = "This text has changed."
OLD_TEXT = "I sign this petition and what I agreed to was another text."
INBOX = "Check your inbox"


def as_before(body: str) -> str:
    """Return a page or description as a cache, or a partner's page, has it from before the change."""
    return re.sub('I sign this petition and [^<"]*', OLD_TEXT, body).replace(CONSENT_VERSION, "before")


async def serve_as_before(page: Page, pattern: str) -> None:
    """Answer with what was there before the change."""

    async def answer(intercepted: Intercepted) -> None:
        response = await intercepted.fetch()
        await intercepted.fulfill(response=response, body=as_before(await response.text()))

    await page.route(pattern, answer)


async def agrees_anew(page: Page, box: Locator, sent: list[str | None]) -> None:
    """Check that the new text is shown, not ticked, with the reason, and all else kept; tick it and send."""
    await expect(box).not_to_be_checked()
    await expect(page.locator(".faults")).to_contain_text(CHANGED)
    await expect(page.locator("label.consent")).to_contain_text(
        "I am at least 16 and can withdraw my consent at any time"
    )
    await expect(page.get_by_role("textbox", name="Name")).to_have_value("Ann Example")
    await box.check()
    await page.get_by_role("button", name="Sign now").click()
    await expect(page.get_by_role("heading", name=INBOX)).to_be_visible()
    assert [_version_in(each) for each in sent] == ["before", CONSENT_VERSION]


def _version_in(body: str | None) -> str:
    found = re.search(r'consent_version["=: ]+([\w-]+)', body or "")
    assert found
    return found[1]


def posted(page: Page) -> list[str | None]:
    """Collect the bodies of signatures that the page sends."""
    bodies: list[str | None] = []
    page.on("request", lambda each: bodies.append(each.post_data) if each.url.endswith(SIGNATURES) else None)
    return bodies


async def test_in_the_widget(visit: Walk, running: Server, partner: Site, address: str) -> None:
    """The text comes with the answer, so that no cache can bring the old one once more."""
    sent = posted(visit.page)
    await serve_as_before(visit.page, "**/form?*")
    await opens(visit.page, partner.shows(snippet(running, "pinned"), strict(running.url)))
    await fill_in(visit, address)

    await visit.presses("Sign now")

    await agrees_anew(visit.page, visit.field("I sign this petition"), sent)
    await mails_arrive(running, address, 1)


async def test_on_a_page_from_a_cache(visit: Walk, running: Server, address: str) -> None:
    """Its script sends the version of the page's own text, also where the description is newer than the page."""
    sent = posted(visit.page)
    await serve_as_before(visit.page, f"**/c/{CAMPAIGN}?*")
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await fill_in(visit, address)

    await visit.presses("Sign now")

    await agrees_anew(visit.page, visit.field("I sign this petition"), sent)


@pytest.mark.parametrize("path", [f"/c/{CAMPAIGN}?lang=en", f"/c/{CAMPAIGN}?lang=en&partner={PARTNER}&embed=1"])
async def test_on_a_page_without_scripts(walk: Walk, running: Server, address: str, path: str) -> None:
    """Page and frame: the form comes back filled in."""
    sent = posted(walk.page)
    await serve_as_before(walk.page, f"**/c/{CAMPAIGN}?*")
    await walk.opens(path)
    await fill_in(walk, address)

    await walk.presses("Sign now")

    await agrees_anew(walk.page, walk.field("I sign this petition"), sent)


async def test_in_a_pasted_form(walk: Walk, running: Server, partner: Site, address: str) -> None:
    """A partner has pasted it before the change: its signers see the form once more, on our page."""
    sent = posted(walk.page)
    await walk.opens(partner.shows(as_before(snippet(running, "plain")), strict(running.url)))
    await fill_in(walk, address)

    await walk.presses("Sign now")

    await agrees_anew(walk.page, walk.field("I sign this petition"), sent)


async def test_box_is_not_ticked_again_by_a_reload(walk: Walk) -> None:
    """Browsers keep what was entered, and the text beside the box may be another one by then."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    await fill_in(walk, "ann@example.org")

    await walk.opens("/embed/v1.js")
    await walk.page.go_back()

    await expect(walk.field("I sign this petition")).not_to_be_checked()
