"""The hosted page on a phone: wherever a reader is, the next tap leads to the form."""

import pytest
from playwright.async_api import Locator, ViewportSize, expect

from tests.browser.conftest import Walk
from tests.support.deployment import CAMPAIGN

PHONE: ViewportSize = {"width": 360, "height": 740}
#: Whether the middle of a button, a field or the consent can be tapped right now: it is in the window, and on top.
_IN_REACH = """selector => [...document.querySelectorAll(selector)].some(each => {
    const { left, right, top, bottom } = each.getBoundingClientRect();
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    return y > 0 && y < innerHeight && each.contains(document.elementFromPoint(x, y));
})"""
_WAYS = ".stick a, undersign-form :is(input, select, button, label)"
_LENGTH = "document.documentElement.scrollHeight - innerHeight"


def links(walk: Walk) -> Locator:
    return walk.page.get_by_role("link", name="Sign the petition", exact=True)


@pytest.mark.parametrize("walk", [PHONE], ids=["phone"], indirect=True)
@pytest.mark.parametrize("lang", ["el", "en", "de"])
async def test_one_can_sign_from_everywhere(walk: Walk, lang: str) -> None:
    """From the first word to the footer, a link to the form or the form itself is there, without a script."""
    await walk.opens(f"/c/{CAMPAIGN}?lang={lang}")
    length = await walk.page.evaluate(_LENGTH)

    out_of_reach = []
    for position in [*range(0, length, 60), length]:
        await walk.page.evaluate(f"scrollTo(0, {position})")
        if not await walk.page.evaluate(_IN_REACH, _WAYS):
            out_of_reach.append(position)

    assert out_of_reach == []


@pytest.mark.parametrize("walk", [PHONE], ids=["phone"], indirect=True)
async def test_the_link_leads_to_the_form_and_leaves_it_alone(walk: Walk) -> None:
    """By touch and by keyboard; over the form itself it does not hang."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")

    await links(walk).first.focus()
    await walk.page.keyboard.press("Enter")

    await expect(walk.field("Name")).to_be_in_viewport()
    await walk.page.keyboard.press("Tab")
    await expect(walk.field("Name")).to_be_focused()
    assert not await walk.page.evaluate(_IN_REACH, ".stick a")


@pytest.mark.parametrize("walk", [PHONE], ids=["phone"], indirect=True)
async def test_what_has_the_focus_is_not_behind_the_link(walk: Walk) -> None:
    """WCAG 2.2, 2.4.11: by keyboard through the text, each link is seen."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    text = walk.page.locator("article a:not(.button)")

    for index in range(await text.count()):
        await text.nth(index).focus()
        assert await text.nth(index).evaluate(
            """link => { const { left, bottom } = link.getBoundingClientRect();
                return link.contains(document.elementFromPoint(left + 3, bottom - 3)); }"""
        )


@pytest.mark.parametrize("visit", [PHONE], ids=["phone"], indirect=True)
async def test_after_signing_no_link_asks_to_sign(visit: Walk, address: str) -> None:
    """The form has become "check your inbox"."""
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await visit.field("Name").fill("Ann Example")
    await visit.field("Email").fill(address)
    await visit.field("Country").select_option("Germany")
    await visit.field("I sign this petition").check()

    await visit.presses("Sign now")

    await expect(visit.page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    await expect(links(visit)).to_have_count(0)
