"""The form and the counter on a partner's page: another origin, whose policy allows only them."""

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, FrameLocator, Page, expect
from playwright.async_api import Route as Intercepted

from shared.clock import utc_now
from shared.crypto.tokens import Purpose, Tokens
from tests.browser.conftest import WIDE, Walk, in_one_width
from tests.browser.page_clock import all_answered, move_clock, stop_clock
from tests.browser.partner import NAME, PARTNER, Site, register
from tests.browser.steps import (
    CONFIRMED,
    PETITION,
    counter_shows,
    described_by,
    fill_in,
    follow_the_mail,
    mails_arrive,
    take_time,
    total,
)
from tests.support.deployment import CAMPAIGN, COUNT, SIGNATURES
from tests.support.emulator import free_port
from tests.support.polling import until_async
from tests.support.servers import Server, server

BUSY = "We cannot take this in just now."
INBOX = "Check your inbox"


def strict(undersign: str) -> str:
    """Return the strictest Content-Security-Policy, plus what the snippet page says to add."""
    ours = f"script-src {undersign}; connect-src {undersign}; form-action {undersign}; frame-src {undersign}"
    return f"default-src 'none'; {ours}; img-src data:; require-trusted-types-for 'script'"


def snippet(running: Server, name: str, lang: str = "en") -> str:
    """Return a snippet from the page on which partners copy it."""
    page = httpx.get(f"{running.url}/c/{CAMPAIGN}/embed?lang={lang}&partner={PARTNER}", trust_env=False).text
    code = re.search(rf'<code id="{name}">(.*?)</code>', page, re.DOTALL)
    assert code
    return html.unescape(code[1])


@pytest.fixture
def embedded(running: Server, partner: Site) -> str:
    """The URL of a partner's page with the script, pinned by its digest."""
    code = snippet(running, "pinned")
    assert "integrity=" in code
    return partner.shows(code, strict(running.url))


async def opens(page: Page, address: str) -> None:
    """Open the page, and wait until the script has built the form."""
    await page.goto(address)
    await expect(page.get_by_role("heading", name="Sign the petition")).to_be_visible()


async def heading_is(page: Page, heading: str) -> None:
    """Check that the form is in the state with this heading, which has the focus."""
    title = page.locator("undersign-form h2")
    await expect(title).to_have_text(heading)
    await expect(title).to_be_focused()


class TestOnAPartnersPage:
    async def test_a_signature_goes_through_to_confirmed(
        self, visit: Walk, running: Server, embedded: str, address: str
    ) -> None:
        """It works under the strictest policy; the page gets an event without personal data."""
        before = await total(running)
        await visit.page.add_init_script(
            "addEventListener('undersign:signed', (event) => (window.told = event.detail))"
        )

        await opens(visit.page, embedded)
        await expect(visit.page.locator("undersign-counter")).to_contain_text(f"{before:,}")
        await expect(visit.field("Country")).to_have_value("NL")
        await expect(visit.page.get_by_role("radiogroup")).to_contain_text(NAME)
        await fill_in(visit, address)
        await take_time(visit)
        await visit.presses("Sign now")

        await heading_is(visit.page, INBOX)
        shown = visit.page.locator("undersign-form")
        for told in (address, "petition@unwatched.example.org", f"Confirm your signature: {PETITION}"):
            await expect(shown).to_contain_text(told)
        assert await visit.page.evaluate("window.told") == {
            "campaign": CAMPAIGN,
            "language": "en",
            "partner": PARTNER,
            "country": "DE",
        }

        await follow_the_mail(visit, address, "Open my confirmation page")
        await visit.presses("Confirm my signature")
        await visit.is_at(CONFIRMED)
        await counter_shows(running, before + 1)

    async def test_asks_for_one_description_in_the_language_of_the_page(
        self, visit: Walk, running: Server, partner: Site
    ) -> None:
        """For form and counter together, at an address that caches answer to the pages of all partners."""
        asked = list[tuple[str, int]]()
        visit.page.on(
            "response",
            lambda answer: asked.append((answer.url, answer.status)) if "/form?" in answer.url else None,
        )
        code = snippet(running, "script", "de").replace('lang="de"', 'lang="de-AT"')

        await visit.opens(partner.shows(code, strict(running.url)))
        await expect(visit.page.get_by_role("heading", name="Petition unterschreiben")).to_be_visible()

        assert asked == [(f"{running.url}/v1/campaigns/{CAMPAIGN}/form?lang=de&embed=1", 200)]

    async def test_what_was_typed_before_the_script_came_is_kept(
        self, visit: Walk, running: Server, embedded: str
    ) -> None:
        """On a slow connection, the plain form is shown first; the script takes over its values and focus."""
        arrives = asyncio.Event()

        async def late(intercepted: Intercepted) -> None:
            await arrives.wait()
            await intercepted.continue_()

        await visit.page.route("**/form?*", late)
        await visit.opens(embedded)
        await visit.field("Name").fill("Ann Example")
        await visit.field("Country").select_option("Malta")
        await visit.field("No").check()
        await visit.field("Email").fill("ann@")
        arrives.set()
        await expect(visit.page.get_by_role("heading", name="Sign the petition")).to_be_visible()

        await expect(visit.field("Email")).to_be_focused()
        await visit.page.keyboard.type("example.org")
        await expect(visit.field("Email")).to_have_value("ann@example.org")
        await expect(visit.field("Name")).to_have_value("Ann Example")
        await expect(visit.field("Country")).to_have_value("MT")
        await expect(visit.field("No")).to_be_checked()

    async def test_what_is_missing_is_told_beside_the_field_and_above_the_form(
        self, visit: Walk, embedded: str
    ) -> None:
        """Nothing is sent, and an error disappears once its field is corrected."""
        posted: list[str] = []
        visit.page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
        await opens(visit.page, embedded)
        await visit.field("Name").fill("Ann Example")
        await visit.field("Email").fill("ann@example")
        await visit.presses("Sign now")

        summary = visit.page.get_by_role("alert")
        await expect(summary).to_be_focused()
        for field, fault in {
            "Email": "Please check your email address.",
            "I sign": "Please tick this box.",
        }.items():
            told = visit.field(field)
            await expect(told).to_have_attribute("aria-invalid", "true")
            await expect(await described_by(visit, told, "fault")).to_contain_text(fault)
            await expect(summary).to_contain_text(fault)
        await summary.get_by_role("link", name="Email address").click()
        await expect(visit.field("Email")).to_be_focused()
        await visit.field("Email").fill("ann@example.org")
        await visit.field("I sign").check()

        await expect(visit.page.locator("[aria-invalid]")).to_have_count(0)
        await expect(visit.field("Name")).to_have_value("Ann Example")
        assert posted == []

    async def test_what_only_the_server_finds_is_told_in_the_same_way(
        self, visit: Walk, embedded: str, address: str
    ) -> None:
        """The error beside the field is the server's text."""
        await opens(visit.page, embedded)
        await fill_in(visit, address)
        await visit.field("Name").fill("Ann https://buy.example.org")
        await visit.presses("Sign now")

        await expect(visit.page.get_by_role("alert")).to_be_focused()
        told = await described_by(visit, visit.field("Name"), "fault")
        await expect(told).to_have_text("Please remove the web address.")

    async def test_a_slip_in_a_well_known_address_is_asked_about(self, visit: Walk, embedded: str) -> None:
        """A typo in a well-known domain gets a suggestion, which one press accepts; other addresses get none."""
        await opens(visit.page, embedded)
        email = visit.field("Email")
        asked = visit.page.get_by_role("button", name=re.compile("Did you mean"))
        for right in ("ann@gmail.com", "ann@example.org", "ann@mail.example", "gmial.com"):
            await email.fill(right)
            await email.blur()
            await expect(asked).to_have_count(0)

        await email.fill("ann@gmial.com")
        await email.blur()
        await expect(asked).to_have_text("Did you mean ann@gmail.com?")
        await asked.click()

        await expect(email).to_have_value("ann@gmail.com")
        await expect(email).to_be_focused()
        await expect(asked).to_have_count(0)

    async def test_who_ignores_the_question_signs_with_what_they_typed(self, visit: Walk, embedded: str) -> None:
        """It is a question, and changes nothing by itself."""
        await opens(visit.page, embedded)
        await fill_in(visit, "ann@gmial.com")
        await visit.presses("Sign now")

        await heading_is(visit.page, INBOX)
        await expect(visit.page.locator("undersign-form")).to_contain_text("ann@gmial.com")

    async def test_a_wrong_address_is_corrected_in_the_form_as_it_was(
        self, visit: Walk, running: Server, embedded: str, address: str
    ) -> None:
        """Everything is kept but the consent, which is for one address, and the answer about the newsletter."""
        await opens(visit.page, embedded)
        await fill_in(visit, "ann@exmaple.org")
        await visit.field("Yes").check()
        await visit.presses("Sign now")
        await visit.presses("Correct my email address")

        await expect(visit.field("Email")).to_be_focused()
        await expect(visit.field("Name")).to_have_value("Ann Example")
        await expect(visit.field("Email")).to_have_value("ann@exmaple.org")
        await expect(visit.field("Country")).to_have_value("DE")
        await expect(visit.page.get_by_role("radio", checked=True)).to_have_count(0)
        await expect(visit.field("I sign")).not_to_be_checked()
        await visit.field("Email").fill(address)
        await visit.field("I sign").check()
        await visit.presses("Sign now")
        await heading_is(visit.page, INBOX)
        await mails_arrive(running, address, 1)

    async def test_a_mail_that_does_not_arrive_is_sent_again_after_a_minute(
        self, visit: Walk, running: Server, embedded: str, address: str
    ) -> None:
        """The button is disabled before that, since most mails need up to a minute."""
        await stop_clock(visit.page)
        await opens(visit.page, embedded)
        await fill_in(visit, address)
        await visit.presses("Sign now")
        await heading_is(visit.page, INBOX)
        await mails_arrive(running, address, 1)
        again = visit.page.get_by_role("button", name="Send the mail again")

        await expect(again).to_have_attribute("aria-disabled", "true")
        await move_clock(visit.page, 61)
        await again.click()

        await expect(visit.page.get_by_role("status")).to_contain_text("We have been asked to send it again.")
        await expect(again).to_have_attribute("aria-disabled", "true")
        await mails_arrive(running, address, 2)

    async def test_who_has_pressed_the_button_can_pass_it_on(
        self, visit: Walk, embedded: str, address: str
    ) -> None:
        """The links keep partner and language; one is shown, and the others open below it."""
        await opens(visit.page, embedded)
        await fill_in(visit, address)
        await visit.presses("Sign now")
        await visit.presses("I have pressed the button")
        await heading_is(visit.page, "Now bring one more person")

        shared = visit.page.locator("#share-link")
        await expect(shared).to_have_attribute("href", re.compile(rf"lang=en&partner={PARTNER}&source=share$"))
        await expect(visit.page.get_by_role("link", name="Share with WhatsApp")).to_be_visible()
        await expect(visit.page.get_by_role("link", name="Share with Signal")).to_have_count(0)
        await expect(visit.page.get_by_role("link", name="Share with Facebook")).to_be_hidden()
        await visit.page.get_by_text("More ways to share").click()
        await expect(visit.page.get_by_role("link", name="Share with Facebook")).to_be_visible()
        await expect(visit.page.get_by_role("link", name="Share by mail")).to_be_visible()

    async def test_the_mailbox_is_one_press_away(self, visit: Walk, embedded: str) -> None:
        """At a known provider, a link opens the mailbox with a search for our mail."""
        await opens(visit.page, embedded)
        await fill_in(visit, "ann.example@gmail.com")
        await visit.presses("Sign now")

        link = visit.page.get_by_role("link", name="Open my mailbox at gmail.com")
        await expect(link).to_have_attribute(
            "href", re.compile(r"^https://mail\.google\.com/.*petition@unwatched")
        )
        await expect(link).to_have_attribute("rel", "noreferrer")

    async def test_the_keyboard_alone_is_enough(self, visit: Walk, embedded: str, address: str) -> None:
        """Tab follows the visible order of the fields, and Enter submits the form."""
        await opens(visit.page, embedded)
        await visit.field("Name").focus()
        keys = visit.page.keyboard
        await keys.type("Ann Example")
        await keys.press("Tab")
        await keys.type(address)
        await keys.press("Tab")
        await expect(visit.field("Country")).to_be_focused()
        await keys.type("Malta")
        await keys.press("Tab")
        await keys.press("Space")
        await expect(visit.field("Yes")).to_be_checked()
        await keys.press("Tab")
        await keys.press("Space")
        await expect(visit.field("I sign")).to_be_checked()
        await keys.press("Tab")
        await keys.press("Tab")
        await keys.press("Enter")

        await heading_is(visit.page, INBOX)


class TestTheme:
    async def test_is_that_of_the_page(self, visit: Walk, embedded: str) -> None:
        """Documented custom properties and `::part` style the form and the counter."""
        await opens(visit.page, embedded)
        await visit.page.evaluate(
            """() => {
                document.body.style.setProperty("--undersign-accent", "rgb(1, 2, 3)");
                const sheet = new CSSStyleSheet();
                sheet.replaceSync("undersign-form::part(submit) { letter-spacing: 3px }");
                document.adoptedStyleSheets = [sheet];
            }"""
        )

        send, bar = visit.page.locator("button.submit"), visit.page.locator("undersign-counter .bar")
        await expect(send).to_have_css("background-color", "rgb(1, 2, 3)")
        await expect(send).to_have_css("letter-spacing", "3px")
        await expect(bar).to_have_css("background-color", "rgb(1, 2, 3)")

    async def test_is_ours_on_our_pages(self, visit: Walk) -> None:
        """The counter on our pages has the colour of the button."""
        await visit.opens(f"/c/{CAMPAIGN}?lang=en")

        await expect(visit.page.locator("undersign-counter .bar")).to_have_css(
            "background-color", "rgb(55, 48, 163)"
        )


@pytest.mark.parametrize(
    ("browsers", "lang", "partner_of", "country"),
    [
        ("de-AT", "de", "", "AT"),
        ("de", "de", "", "DE"),
        ("fr-BE", "de", "", "DE"),
        ("en-IE", "en", "", "IE"),
        ("en-US", "en", "", ""),  # the default of browsers all over the world
        ("de-AT", "de", PARTNER, "NL"),
    ],
)
async def test_the_form_starts_with_the_likely_country(
    browser: Browser, running: Server, browsers: str, lang: str, partner_of: str, country: str
) -> None:
    """It is the partner's country, or the browser's if it fits the form's language, or the language's, or none."""
    context = await browser.new_context(base_url=running.url, locale=browsers)
    page = await context.new_page()
    await page.goto(f"/c/{CAMPAIGN}?lang={lang}&partner={partner_of}")
    await expect(page.get_by_role("progressbar")).to_be_visible()

    await expect(page.locator("#country")).to_have_value(country)
    await context.close()


class TestWhereTheSignerComesFrom:
    """Partner and source of a link reach the stored signature, though the page is the same for every source."""

    LINK = f"/c/{CAMPAIGN}?lang=en&partner={PARTNER}&source=flyer-7&utm_source=x"

    @in_one_width
    async def test_goes_along_from_our_own_page(self, visit: Walk, running: Server, address: str) -> None:
        """By the script, which sends what the link says."""
        await visit.opens(self.LINK)
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()

        sent = await self._send(visit.page, visit.page, address)

        assert (sent["partner"], sent["source"]) == (PARTNER, "flyer-7")
        await mails_arrive(running, address, 1)
        assert await self._stored(running, address) == (PARTNER, "flyer-7")

    @in_one_width
    async def test_goes_along_from_a_frame(
        self, visit: Walk, running: Server, partner: Site, address: str
    ) -> None:
        """Whose address has the source."""
        code = snippet(running, "frame").replace("embed=1", "embed=1&amp;source=newsletter")
        assert "source=newsletter" in code
        await visit.opens(partner.shows(code, strict(running.url)))
        inside = visit.page.frame_locator("iframe")
        await expect(inside.get_by_role("progressbar")).to_be_visible()

        sent = await self._send(visit.page, inside, address)

        assert (sent["partner"], sent["source"]) == (PARTNER, "newsletter")
        await mails_arrive(running, address, 1)
        assert await self._stored(running, address) == (PARTNER, "newsletter")

    async def test_goes_along_into_another_language(self, visit: Walk) -> None:
        """With the menu of languages."""
        await visit.opens(self.LINK)
        await visit.page.locator(".languages summary").click()
        await visit.page.get_by_role("link", name="Deutsch").click()

        await visit.page.wait_for_url(f"**/c/{CAMPAIGN}?lang=de&partner={PARTNER}&source=flyer-7")
        await expect(visit.page.locator("[name=source]")).to_have_value("flyer-7")

    @in_one_width
    async def test_that_cannot_be_a_source_is_left_out(self, visit: Walk) -> None:
        """Whatever a link says, its reader can sign."""
        await visit.opens(f"/c/{CAMPAIGN}?lang=en&source=%3Cb%3E%20A")
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()

        await expect(visit.page.locator("[name=source]")).to_have_count(0)

    async def test_without_a_script_the_partner_goes_along_and_the_source_is_not_known(
        self, walk: Walk, running: Server, address: str
    ) -> None:
        """The partner's name stands in the question about its newsletter; a source is for statistics alone."""
        await walk.opens(self.LINK)
        await expect(walk.page.get_by_role("radiogroup")).to_contain_text(NAME)
        await fill_in(walk, address)
        await walk.presses("Sign now")
        await walk.is_at(INBOX)

        await mails_arrive(running, address, 1)
        assert await self._stored(running, address) == (PARTNER, "")

    async def _send(self, page: Page, form: Page | FrameLocator, address: str) -> dict[str, Any]:
        """What the form sends once it is filled in."""
        await form.get_by_label("Name", exact=True).fill("Ann Example")
        await form.get_by_label("Email address", exact=True).fill(address)
        await form.get_by_label(re.compile(r"^\s*I sign this")).check()
        async with page.expect_request(f"**{SIGNATURES}") as sending:
            await form.get_by_role("button", name="Sign now").click()
        sent: dict[str, Any] = json.loads((await sending.value).post_data or "")
        return sent

    async def _stored(self, running: Server, address: str) -> tuple[str, str]:
        """Partner and source of the stored signature, from which the link in its mail is made."""
        token = running.mail_to(address).links["confirm"].rpartition("/")[2]
        keys = json.loads((running.folder / "secrets.json").read_text())["TOKEN_KEYS"]
        link = Tokens([keys]).verify(Purpose.CONFIRM, token, utc_now())
        return link.partner, link.source


class TestWhenTheServerIsAway:
    @pytest_asyncio.fixture(loop_scope="session")
    async def page(self, browser: Browser) -> AsyncIterator[Page]:
        context = await browser.new_context(locale="en-GB", viewport=WIDE)
        page = await context.new_page()
        await stop_clock(page)
        yield page
        await context.close()

    @pytest.mark.parametrize("by", ["itself", "hand"])
    async def test_what_was_typed_survives_and_is_sent_when_it_is_back(
        self, by: str, page: Page, partner: Site, address: str, tmp_path: Path
    ) -> None:
        """While the server is down, the form waits; after a restart, it is sent by itself or by a press."""
        campaigns = register(partner.origin, tmp_path / "campaigns")
        port = free_port()
        walk = Walk(page)
        with server(tmp_path / "var", PORT=str(port), CAMPAIGNS_FOLDER=str(campaigns)) as first:
            await opens(page, partner.shows(snippet(first, "script"), strict(first.url)))
            await fill_in(walk, address)
            first.kill()
            await walk.presses("Sign now")
            await expect(page.get_by_role("status")).to_contain_text(BUSY)
            await expect(page.get_by_role("status")).to_contain_text("Next try in")
            await expect(walk.field("Name")).to_have_value("Ann Example")
            await expect(walk.field("Email")).to_have_value(address)

        with server(tmp_path / "var", PORT=str(port), CAMPAIGNS_FOLDER=str(campaigns)) as second:
            if by == "hand":
                await walk.presses("Try now")
            else:
                await move_clock(page, 5)
            await heading_is(page, INBOX)
            await mails_arrive(second, address, 1)

    async def test_it_waits_as_long_as_it_is_asked_to(
        self, page: Page, running: Server, embedded: str, address: str
    ) -> None:
        """It waits for Retry-After and a random time more, so that not everybody retries at once."""
        asked = await self._refuse(page, 503, {"Retry-After": "40"}, times=1)
        walk = Walk(page)
        await opens(page, embedded)
        await fill_in(walk, address)
        await walk.presses("Sign now")
        await expect(page.get_by_role("status")).to_contain_text(re.compile(r"Next try in (4\d|5\d|60) s"))

        await move_clock(page, 39)
        assert len(asked) == 1
        await move_clock(page, 22)
        await heading_is(page, INBOX)
        await mails_arrive(running, address, 1)

    async def test_it_gives_up_in_the_end_and_keeps_what_was_typed(
        self, page: Page, embedded: str, address: str
    ) -> None:
        """After six attempts it stops, and the form can still be sent."""
        asked = await self._refuse(page, 429, {}, times=99)
        walk = Walk(page)
        await opens(page, embedded)
        await fill_in(walk, address)
        await walk.presses("Sign now")
        for _ in range(5):
            await expect(page.get_by_role("status")).to_contain_text(BUSY)
            await page.get_by_role("button", name="Try now").click()

        await expect(page.get_by_role("status")).to_contain_text("It is still not working.")
        assert len(asked) == 6
        await expect(walk.field("Email")).to_have_value(address)
        await expect(page.get_by_role("button", name="Sign now")).to_be_visible()

    async def _refuse(self, page: Page, status: int, headers: dict[str, str], times: int) -> list[str]:
        """Answer the next posts as an overloaded server; return the list of their URLs."""
        asked: list[str] = []

        async def answer(intercepted: Intercepted) -> None:
            asked.append(intercepted.request.url)
            cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
            await intercepted.fulfill(status=status, headers={**cors, **headers}, body="")

        await page.route(f"**{SIGNATURES}", answer, times=times)
        return asked


@in_one_width
class TestCounter:
    async def test_never_goes_back_to_an_older_number(self, visit: Walk, embedded: str) -> None:
        """An older answer of another cache is ignored; a newer, smaller number, after a withdrawal, is shown."""
        answers = [
            {"total": 1_999, "next_goal": 5_000, "as_of": "2026-11-22T20:00:10Z"},
            {"total": 1_500, "next_goal": 5_000, "as_of": "2026-11-22T20:00:05Z"},
            {"total": 1_998, "next_goal": 5_000, "as_of": "2026-11-22T20:00:20Z"},
        ]
        shown = await self._watch(visit, embedded, answers)

        assert shown == ["1,999 people have signed", "1,999 people have signed", "1,998 people have signed"]
        bar = visit.page.get_by_role("progressbar")
        await expect(bar).to_have_attribute("aria-valuenow", "1998")
        await expect(bar).to_have_attribute("aria-valuemax", "5000")
        await expect(visit.page.locator("undersign-counter")).to_contain_text("Next goal: 5,000")

    async def test_one_is_one_person(self, visit: Walk, embedded: str) -> None:
        """The text follows the language's plural rules."""
        answers = [{"total": 1, "next_goal": 5, "as_of": "2026-11-22T20:00:10Z"}]

        assert await self._watch(visit, embedded, answers) == ["1 person has signed"]

    async def test_a_goal_of_the_pages_own_can_be_reached(
        self, visit: Walk, running: Server, partner: Site
    ) -> None:
        """A goal in the page's snippet replaces ours, and the counter says when it is reached."""
        code = snippet(running, "script").replace("<undersign-counter ", '<undersign-counter goal="1000" ')
        answers = [{"total": 1_999, "next_goal": 5_000, "as_of": "2026-11-22T20:00:10Z"}]

        await self._watch(visit, partner.shows(code, strict(running.url)), answers)

        await expect(visit.page.locator("undersign-counter")).to_contain_text("Goal reached: 1,000")

    @pytest.mark.parametrize(("hidden", "fewest", "most"), [(False, 40, 80), (True, 4, 9)])
    async def test_asks_seldom_while_nobody_looks(
        self, visit: Walk, embedded: str, hidden: bool, fewest: int, most: int
    ) -> None:
        """A hidden tab sends at most nine requests in ten minutes, a visible one at most eighty."""
        asked = list[str]()
        await visit.page.add_init_script(
            f"Object.defineProperty(document, 'hidden', {{get: () => {str(hidden).lower()}}})"
        )
        visit.page.on("request", lambda request: asked.append(request.url) if COUNT in request.url else None)
        await stop_clock(visit.page)
        await opens(visit.page, embedded)

        await move_clock(visit.page, 600)

        assert fewest <= len(asked) <= most

    async def _watch(self, visit: Walk, address: str, answers: list[dict[str, Any]]) -> list[str]:
        """Return what is shown after each answer, without animations."""
        left = iter(answers)

        async def answer(intercepted: Intercepted) -> None:
            content = {"campaign": CAMPAIGN, **next(left, answers[-1])}
            await intercepted.fulfill(json=content, headers={"Access-Control-Allow-Origin": "*"})

        await visit.page.emulate_media(reduced_motion="reduce")
        await stop_clock(visit.page)
        await visit.page.route(f"**{COUNT}", answer)
        counted = visit.page.locator("undersign-counter .counted")
        await visit.opens(address)
        await all_answered(visit.page)
        shown = [re.sub(r"\s+", " ", await counted.inner_text())]
        for _ in answers[1:]:
            await move_clock(visit.page, 15)
            shown.append(re.sub(r"\s+", " ", await counted.inner_text()))
        return shown


class TestWhereItIsNotRegistered:
    @pytest.fixture
    def elsewhere(self, running: Server, partner: Site, visit: Walk) -> str:
        """The same page under an origin that the campaign file does not name."""
        origin = partner.origin.replace("127.0.0.1", "localhost")
        visit.known = (*visit.known, origin)
        policy = strict(running.url)
        return partner.shows(snippet(running, "script"), policy).replace(partner.origin, origin)

    async def test_the_page_says_so_to_its_owner_and_leads_signers_to_ours(
        self, visit: Walk, elsewhere: str, running: Server
    ) -> None:
        """The console names the contact, and signers get a link before they have filled in anything."""
        await visit.opens(elsewhere)

        link = visit.page.get_by_role("link", name="Sign on the petition’s own page")
        await expect(link).to_have_attribute("href", re.compile(rf"^{running.url}/c/{CAMPAIGN}\?lang=en"))
        await expect(visit.field("Name")).to_have_count(0)
        [told] = visit.complaints
        assert "is not registered" in told
        assert "hello@unwatched.example.org" in told
        visit.complaints.clear()

    @in_one_width
    async def test_a_post_gets_no_grant(self, visit: Walk, elsewhere: str, running: Server, address: str) -> None:
        """Code on the page cannot post a signature, because no CORS header allows it."""
        await visit.opens(elsewhere)

        async with visit.page.expect_console_message(lambda told: "CORS" in told.text):
            answer = await visit.page.evaluate(
                """(url) => fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"})
                    .then(() => "read", (error) => error.name)""",
                running.url + SIGNATURES,
            )

        assert answer == "TypeError"
        visit.complaints.clear()

    @in_one_width
    async def test_a_frame_stays_empty(self, visit: Walk, running: Server, partner: Site, elsewhere: str) -> None:
        """Only registered pages may frame the form."""
        framed = partner.shows(snippet(running, "frame"), strict(running.url))
        address = framed.replace(partner.origin, elsewhere.rpartition("/")[0])

        async with visit.page.expect_console_message(lambda told: "frame-ancestors" in told.text):
            await visit.opens(address)

        await expect(visit.page.frame_locator("iframe").locator("form")).to_have_count(0)
        visit.complaints.clear()


class TestInAFrame:
    async def test_a_signature_goes_through_and_the_frame_is_as_high_as_its_page(
        self, visit: Walk, running: Server, partner: Site, address: str
    ) -> None:
        """The height comes by a message that only the partner's origin gets."""
        await visit.opens(partner.shows(snippet(running, "frame"), strict(running.url)))
        inside = visit.page.frame_locator("iframe")
        await inside.get_by_label("Name", exact=True).fill("Ann Example")
        await inside.get_by_label("Email address", exact=True).fill(address)
        await inside.get_by_label(re.compile(r"^\s*I sign this")).check()
        await self._is_as_high_as_its_page(visit.page)
        await inside.get_by_role("button", name="Sign now").click()

        await expect(inside.locator("h2", has_text=INBOX)).to_be_focused()
        await self._is_as_high_as_its_page(visit.page)
        await mails_arrive(running, address, 1)

    async def _is_as_high_as_its_page(self, page: Page) -> None:
        """Wait until the frame is as high as its page, which grows when the counter is loaded."""

        async def is_as_high() -> bool:
            height = await page.frames[1].evaluate("document.documentElement.getBoundingClientRect().height")
            return bool(abs(await page.locator("iframe").evaluate("frame => frame.offsetHeight") - height) < 2)

        await until_async(is_as_high)


class TestWithoutScripts:
    @pytest.mark.parametrize("kind", ["plain", "script"])
    async def test_the_plain_form_leads_to_our_pages(
        self, kind: str, walk: Walk, running: Server, partner: Site, address: str
    ) -> None:
        """It works as the plain snippet, and inside the widget's element if no script has run."""
        await walk.opens(partner.shows(snippet(running, kind), strict(running.url)))
        await fill_in(walk, address)
        await walk.presses("Sign now")

        await walk.is_at(INBOX)
        await expect(walk.page.locator("main")).to_contain_text(address)
        await mails_arrive(running, address, 1)
