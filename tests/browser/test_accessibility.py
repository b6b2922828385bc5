"""WCAG 2.2, as far as axe-core checks it (https://github.com/dequelabs/axe-core), in all states of all pages."""

import re
from collections.abc import Awaitable, Callable

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, Route, expect

from shared import campaigns, locales
from shared.web import pages
from shared.web.pages import Filled
from tests.browser.conftest import NARROW, WIDE, Walk
from tests.browser.partner import PARTNER, Site
from tests.browser.steps import follow_the_mail
from tests.browser.test_widget import snippet, strict
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, SIGNATURES
from tests.support.servers import Server

#: A script other than Latin, the original, and the longest words; a wide window has room for any of them.
VIEWS = {
    "narrow-el": (NARROW, "el"),
    "narrow-en": (NARROW, "en"),
    "narrow-fi": (NARROW, "fi"),
    "wide-en": (WIDE, "en"),
}
in_each_view = pytest.mark.parametrize(("visit", "lang"), VIEWS.values(), ids=VIEWS, indirect=["visit"])
#: Without the widget's script.
PLAIN = {"narrow-fi-plain": (*VIEWS["narrow-fi"], False), "wide-en-plain": (*VIEWS["wide-en"], False)}

Look = Callable[[str], Awaitable[None]]


@pytest.fixture
def look(visit: Walk) -> Look:
    """Fails if the page in its current state violates WCAG or is too wide."""

    async def look(state: str) -> None:
        results = await Axe().run(visit.page)
        found = [
            (state, violation["id"], node["html"][:200])
            for violation in results.response["violations"]
            for node in violation["nodes"]
        ]
        assert found == []
        assert await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, state

    return look


def button(page: Page, language: str, key: str, **values: object) -> Locator:
    return page.get_by_role("button", name=locales.load(language)(key, **values))


async def shows(page: Page, content: str) -> None:
    """Show a page that no function would answer with now."""
    await page.route(
        "**/shown", lambda route: route.fulfill(body=content, content_type="text/html; charset=utf-8")
    )
    await page.goto("/shown")


async def fill_in(page: Page, email: str) -> None:
    """Fill in the form by the ids of its fields, which are the same in every language."""
    for name, value in {"name": "Ann Example", "email": email}.items():
        await page.locator(f"#{name}").fill(value)
    await page.locator("#country").select_option("DE")
    await page.locator("#consent").check()


async def refuse(intercepted: Route) -> None:
    """Answer as an overloaded server, with a Retry-After that is too long for the widget to retry in this test."""
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
    await intercepted.fulfill(status=503, headers={**headers, "Retry-After": "600"}, body="")


@in_each_view
async def test_the_widget_in_every_state(
    visit: Walk, running: Server, partner: Site, lang: str, look: Look, address: str
) -> None:
    """Every state of the form on a partner's page passes, from the empty form to sharing."""
    page, locale = visit.page, locales.load(lang)
    submit = page.locator("undersign-form button.submit")
    await page.goto(partner.shows(snippet(running, "script", lang), strict(running.url)))
    await expect(submit).to_have_text(locale("form.submit"))
    await expect(page.get_by_role("progressbar")).to_be_visible()
    await look("form")

    await submit.click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await look("faults")

    await page.locator("#email").fill("ann@gmial.com")
    await page.locator("#email").blur()
    await expect(button(page, lang, "form.did_you_mean", address="ann@gmail.com")).to_be_visible()
    await look("suggestion")

    await fill_in(page, address)
    await page.route(f"**{SIGNATURES}", refuse, times=1)
    await submit.click()
    retry = button(page, lang, "sending.retry")
    await expect(retry).to_be_visible()
    await look("busy")

    await retry.click()
    await expect(page.locator("undersign-form h2")).to_have_text(locale("check_inbox.title"))
    await look("check inbox")

    await button(page, lang, "check_inbox.done").click()
    await page.locator("undersign-form summary").click()
    await look("share")


@in_each_view
async def test_the_widget_when_nobody_can_sign(
    visit: Walk, running: Server, partner: Site, lang: str, look: Look
) -> None:
    """It passes on a page that is not registered, and after the petition has closed."""
    page, locale = visit.page, locales.load(lang)
    address = partner.shows(snippet(running, "script", lang), strict(running.url))
    elsewhere = partner.origin.replace("127.0.0.1", "localhost")
    visit.known = (*visit.known, elsewhere)

    await page.goto(address.replace(partner.origin, elsewhere))
    await expect(page.get_by_role("link", name=locale("sending.hosted"))).to_be_visible()
    await look("not registered")

    async def closed(intercepted) -> None:  # type: ignore[no-untyped-def]
        answer = await intercepted.fetch()
        await intercepted.fulfill(
            response=answer, json={**await answer.json(), "closed_reason": "campaign_closed"}
        )

    await page.route("**/form?*", closed)
    await page.goto(address)
    await expect(page.locator("undersign-form h2")).to_have_text(locale("error_titles.campaign_closed"))
    await look("closed")
    visit.complaints.clear()  # the message for the owner of the page that is not registered


@pytest.mark.parametrize(
    ("visit", "lang", "scripted"),
    [*((*view, True) for view in VIEWS.values()), *PLAIN.values()],
    ids=[*VIEWS, *PLAIN],
    indirect=["visit"],
)
async def test_our_pages_from_the_form_to_the_withdrawal(
    visit: Walk, running: Server, lang: str, look: Look, address: str, scripted: bool
) -> None:
    """Every page on the way passes, with the widget's script and without it."""
    page, locale = visit.page, locales.load(lang)
    if not scripted:
        await page.route("**/embed/v1.js", lambda intercepted: intercepted.abort())
    await page.goto(f"/c/{CAMPAIGN}?lang={lang}&partner={PARTNER}")
    await look("petition")
    await page.locator("form").evaluate("form => form.noValidate = true")
    await page.locator("#email").fill(address)
    await page.locator("undersign-form form > button").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await look("faults")

    await fill_in(page, address)
    await page.locator("undersign-form form > button").click()
    await expect(page.locator("h1, h2", has_text=locale("check_inbox.title"))).to_be_visible()
    await look("check inbox")

    await follow_the_mail(visit, address, locale("mail.confirm.button"))
    await look("confirm")
    await button(page, lang, "confirm.submit").click()
    await expect(page.locator("h1")).to_have_text(locale("confirmed.title"))
    await page.locator("summary").click()
    await look("confirmed")
    await follow_the_mail(visit, address, locale("mail.confirm.button"))
    await button(page, lang, "confirm.submit").click()
    await expect(page.locator("h1")).to_have_text(locale("confirmed.already_title"))
    await look("already confirmed")
    await page.get_by_role("link", name=locale("confirmed.withdraw")).click()
    await expect(button(page, lang, "withdraw.submit")).to_be_visible()
    await look("withdraw")
    await button(page, lang, "withdraw.submit").click()
    await expect(page.locator("h1")).to_have_text(locale("withdrawn.title"))
    await look("withdrawn")
    visit.complaints.clear()  # the script that was blocked


@in_each_view
async def test_our_other_pages(visit: Walk, lang: str, look: Look, address: str) -> None:
    """All pages that links lead to pass, and so do error pages."""
    page, locale = visit.page, locales.load(lang)
    for path in (
        "/links?",
        "/privacy?",
        f"/progress?partner={PARTNER}&",
        "/progress?embed=1&",
        "/embed?",
        f"/embed?partner={PARTNER}&",
        f"?partner={PARTNER}&embed=1&",
    ):
        await page.goto(f"/c/{CAMPAIGN}{path}lang={lang}")
        await expect(page.locator("html")).to_have_attribute("lang", lang)
        await look(path)

    await page.goto(f"/c/{CAMPAIGN}/links?lang={lang}")
    await page.locator("#email").fill(address)
    await page.locator("main form button").click()
    await expect(page.locator("h1")).to_have_text(locale("links_sent.title"))
    await look("links sent")

    for path in ("/c/nobody", "/v1/confirm/nonsense", f"/v1/campaigns/{CAMPAIGN}/signatures"):
        await page.goto(f"{path}?lang={lang}")
        await look(path)

    campaign = campaigns.load_all()[CAMPAIGN]
    closed = pages.petition(campaign, locale, Filled(), {}, public_url=PUBLIC_URL, closed_reason="campaign_closed")
    await shows(page, bytes(closed.body).decode())
    await expect(page.locator("main")).to_contain_text(locale("error_titles.campaign_closed"))
    await look("closed")


async def test_text_of_twice_the_size_fits(visit: Walk, running: Server, partner: Site) -> None:
    """Nothing is too wide at 200 % (1.4.4, Resize Text), in a window of 640 pixels."""
    await visit.page.set_viewport_size({"width": 640, "height": 450})
    for address in (
        f"/c/{CAMPAIGN}?lang=de",
        partner.shows(snippet(running, "script", "de"), strict(running.url)),
    ):
        await visit.page.goto(address)
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()
        await visit.page.evaluate("document.documentElement.style.fontSize = '200%'")

        assert await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("visit", [NARROW], ids=["narrow"], indirect=True)
@pytest.mark.parametrize("language", sorted(locales.LANGUAGES))
async def test_every_language_fits_on_a_narrow_phone(visit: Walk, language: str) -> None:
    """The petition with its form and counter, and the mail, are no wider than 320 pixels."""
    page, locale = visit.page, locales.load(language)
    await page.goto(f"/c/{CAMPAIGN}?lang={language}")
    await expect(page.get_by_role("progressbar", name=locale("counter.progress"))).to_be_visible()
    await expect(button(page, language, "form.submit")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert not re.search(r"\{\w+\}", await page.locator("body").inner_text())

    campaign = campaigns.load_all()[CAMPAIGN]
    link = pages.MailLink("https://petition.example.org/v1/confirm/" + "x" * 60, None)
    _, mail = pages.mail(
        "confirm", campaign, locale, confirm=[link], withdraw=f"{link.url}/w", privacy=f"{PUBLIC_URL}/p"
    )
    await shows(page, mail)
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
