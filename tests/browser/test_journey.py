"""The way from the petition to the counter and back, in a browser without JavaScript."""

import re

import pytest
from playwright.async_api import FloatRect, Locator, expect

from tests.browser.conftest import Walk
from tests.browser.steps import (
    CONFIRMED,
    PETITION,
    counter_shows,
    described_by,
    fill_in,
    follow_the_mail,
    mails_arrive,
    total,
)
from tests.support.deployment import CAMPAIGN
from tests.support.servers import Server

CONFIRMED_BEFORE = "Your signature is already counted"
WITHDRAW = "Remove this signature and email address?"
WITHDRAWN = "The signature is withdrawn"


async def test_a_signature_counts_from_the_button_until_it_is_withdrawn(
    walk: Walk, running: Server, address: str
) -> None:
    """The count goes up by one after confirming, not again after confirming twice, and down after withdrawing."""
    before = await total(running)

    await walk.opens("/")
    await walk.is_at(PETITION)
    await fill_in(walk, address)
    await walk.presses("Sign now")
    await walk.is_at("Check your inbox")
    await expect(walk.page.locator("main")).to_contain_text(address)

    await follow_the_mail(walk, address, "Open my confirmation page")
    await walk.is_at("Confirm your signature")
    await expect(walk.page.locator("main")).to_contain_text("Germany")
    await walk.presses("Confirm my signature")
    await walk.is_at(CONFIRMED)
    await counter_shows(running, before + 1)

    await follow_the_mail(walk, address, "Open my confirmation page")
    await walk.presses("Confirm my signature")
    await walk.is_at(CONFIRMED_BEFORE)

    await walk.page.get_by_role("link", name="Withdraw my signature").click()
    await walk.is_at(WITHDRAW)
    await walk.presses("Remove signature and email address")
    await walk.is_at(WITHDRAWN)
    await counter_shows(running, before)


async def test_the_mail_has_a_link_to_withdraw_what_was_never_confirmed(walk: Walk, address: str) -> None:
    """It is for people whose address somebody else has entered."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    await fill_in(walk, address)
    await walk.presses("Sign now")

    await follow_the_mail(walk, address, "Remove my email address")
    await walk.is_at(WITHDRAW)
    await walk.presses("Remove signature and email address")

    await walk.is_at(WITHDRAWN)


async def test_faults_stand_beside_their_fields_and_the_rest_is_kept(walk: Walk) -> None:
    """Each error is shown at its field and in a summary, for eyes and for screen readers."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en&partner=digital-rights")
    await walk.field("Name").fill("Ann Example")
    await walk.field("Email").fill("ann@example")  # what a browser takes for an address
    await walk.field("Country").select_option("")
    await walk.field("No").check()
    await switch_off_the_browsers_own_checks(walk)
    await walk.presses("Sign now")

    await walk.is_at(PETITION)
    for field, fault in {
        "Email": "Please check your email address.",
        "Country": "Please fill this in.",
        "I sign this petition": "Please tick this box.",
    }.items():
        told = walk.field(field)
        await expect(told).to_have_attribute("aria-invalid", "true")
        await expect(await described_by(walk, told, "fault")).to_contain_text(fault)
        await expect(walk.page.get_by_role("alert")).to_contain_text(fault)
    await expect(walk.field("Name")).to_have_value("Ann Example")
    await expect(walk.field("Email")).to_have_value("ann@example")
    await expect(walk.field("No")).to_be_checked()
    await expect(walk.page.locator("[name=partner]")).to_have_value("digital-rights")


async def test_a_wrong_address_is_corrected_in_the_form_as_it_was(
    walk: Walk, running: Server, address: str
) -> None:
    """Everything is kept but the consent, which is for one address, and the answer about the newsletter."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en&partner=digital-rights")
    await fill_in(walk, "ann@exmaple.org")
    await walk.field("Yes").check()
    await walk.presses("Sign now")

    await walk.presses("Correct my email address")
    await walk.is_at(PETITION)
    await expect(walk.field("Name")).to_have_value("Ann Example")
    await expect(walk.field("Email")).to_have_value("ann@exmaple.org")
    await expect(walk.field("Country")).to_have_value("DE")
    await expect(walk.field("I sign this petition")).not_to_be_checked()
    await expect(walk.field("Yes")).not_to_be_checked()
    await expect(walk.page.locator("[name=partner]")).to_have_value("digital-rights")

    await walk.field("Email").fill(address)
    await walk.field("I sign this petition").check()
    await walk.presses("Sign now")
    await walk.is_at("Check your inbox")
    await mails_arrive(running, address, 1)


async def test_a_mail_that_does_not_arrive_is_sent_again(walk: Walk, running: Server, address: str) -> None:
    """The page that says to check the inbox has a button for it."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    await fill_in(walk, address)
    await walk.presses("Sign now")
    await mails_arrive(running, address, 1)

    await walk.presses("Send the mail again")

    await walk.is_at("Check your inbox")
    await expect(walk.page.locator("main")).to_contain_text(address)
    await mails_arrive(running, address, 2)


async def test_the_links_page_mails_what_an_address_is_due(walk: Walk, running: Server, address: str) -> None:
    """It is linked in every footer, and shows an invalid address beside its field."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    await fill_in(walk, address)
    await walk.presses("Sign now")
    await mails_arrive(running, address, 1)

    await walk.page.get_by_role("link", name="Resend or withdraw").click()
    await walk.is_at("Resend or withdraw")
    await walk.field("Email").fill("ann@example")
    await walk.presses("Mail me my link")
    await walk.is_at("Resend or withdraw")
    await expect(await described_by(walk, walk.field("Email"), "fault")).to_contain_text("Please check")
    await walk.field("Email").fill(address)
    await walk.presses("Mail me my link")

    await walk.is_at("Check your inbox")
    await mails_arrive(running, address, 2)


async def test_the_privacy_notice_is_one_link_away_from_the_form(walk: Walk) -> None:
    """The notice names the controllers."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")

    await walk.page.get_by_role("link", name="Read the privacy notice").click()

    await walk.is_at("Privacy notice")
    await expect(walk.page.locator("main")).to_contain_text("Unwatched Europe e.V.")


async def test_a_screen_reader_hears_the_count(walk: Walk) -> None:
    """The badge is in a titled frame, and its own title reads the count."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")

    badge = walk.page.frame_locator('iframe[title="The number of signatures so far"]')
    await expect(badge.get_by_role("img")).to_have_accessible_name(
        re.compile(r"Signatures so far: \d|Be the first to sign")
    )
    assert re.search("Signatures so far|Be the first to sign", await spoken(walk))


async def test_the_link_to_the_form_is_out_of_sight_until_it_has_the_focus(walk: Walk) -> None:
    """It is outside the window before, and inside after, even with text twice as large."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    await walk.page.evaluate("document.documentElement.style.fontSize = '200%'")
    link = walk.page.get_by_role("link", name="Go straight to the form")

    before = await box(link)
    await walk.page.keyboard.press("Tab")
    after = await box(link)

    assert before["y"] + before["height"] <= 0
    assert after["y"] >= 0
    assert after["x"] >= 0
    assert after["x"] + after["width"] <= await walk.page.evaluate("window.innerWidth")


@pytest.mark.parametrize("path", ["", "/links", "/privacy"])
async def test_links_that_stand_alone_can_be_hit_with_a_finger(walk: Walk, path: str) -> None:
    """They are at least 24 pixels high (WCAG 2.2, 2.5.8), which links within a sentence need not be."""
    await walk.opens(f"/c/{CAMPAIGN}{path}?lang=en")

    await walk.page.locator(".languages > summary").click()
    alone = walk.page.locator(":is(.plain, dd, .ways, .languages, footer nav, .faults) a")

    assert await alone.count() > 0
    assert [height for height in [(await box(link))["height"] for link in await alone.all()] if height < 24] == []


async def test_headings_start_with_that_of_the_page(walk: Walk) -> None:
    """The summary of a form's errors, which is above the title, is not a heading."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    await switch_off_the_browsers_own_checks(walk)
    await walk.presses("Sign now")

    await expect(walk.page.get_by_role("alert")).to_contain_text("Please check these")
    assert await walk.page.locator("h1, h2, h3").first.evaluate("heading => heading.tagName") == "H1"


@pytest.mark.parametrize(
    ("path", "heading", "way_on"),
    [
        ("/c/nobody?lang=en", "Petition not found", "Go to the petition"),
        (f"/v1/confirm/{CAMPAIGN}~cut", "This link does not work", "Mail me a new link"),
        ("/v1/withdraw/nonsense", "This link does not work", "Mail me a new link"),
        (f"/v1/campaigns/{CAMPAIGN}/signatures", "That does not work here", "Go to the petition"),
    ],
)
async def test_an_error_is_a_page_with_a_way_on(walk: Walk, path: str, heading: str, way_on: str) -> None:
    """Every error page has a link that leads on."""
    await walk.opens(path)

    await walk.is_at(heading)
    await walk.page.get_by_role("link", name=way_on).click()
    await walk.is_at({"Go to the petition": PETITION, "Mail me a new link": "Resend or withdraw"}[way_on])


async def spoken(walk: Walk) -> str:
    """Return the accessible names in all frames of the page."""
    devtools = await walk.page.context.new_cdp_session(walk.page)
    frames = (await devtools.send("Page.getFrameTree"))["frameTree"]["childFrames"]
    trees = [
        await devtools.send("Accessibility.getFullAXTree", {"frameId": frame["frame"]["id"]}) for frame in frames
    ]
    nodes = [node for tree in trees for node in tree["nodes"] if not node["ignored"]]
    return " | ".join(str(node.get("name", {}).get("value", "")) for node in nodes)


async def box(shown: Locator) -> FloatRect:
    """Return the position and size of an element, in pixels."""
    found = await shown.bounding_box()
    assert found
    return found


async def switch_off_the_browsers_own_checks(walk: Walk) -> None:
    """Switch off the browser's validation, so that the server's errors are shown."""
    await walk.page.locator("form").evaluate("form => form.noValidate = true")
