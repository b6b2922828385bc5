"""What pages say after signing, while faults are corrected, before the first signature and after the close."""

import shutil
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from playwright.async_api import Route as Intercepted

from tests.browser.conftest import TIMEOUT_MILLISECONDS, Walk, in_one_width
from tests.browser.partner import PARTNER, Site
from tests.browser.steps import PETITION, described_by, fill_in
from tests.browser.test_widget import INBOX, heading_is, opens, snippet, strict
from tests.support.deployment import CAMPAIGN, COUNT
from tests.support.polling import until_async
from tests.support.servers import Server

JUST_SIGNED = "Have you just signed? Check your inbox"
ROUTER = "history.replaceState({idx: 7, key: 'abc'}, '')"


@pytest.fixture
def embedded(running: Server, partner: Site) -> str:
    """The URL of a partner's page with form and counter."""
    return partner.shows(snippet(running, "script"), strict(running.url))


async def remembers(page: Page) -> None:
    """Check that the form is there for the next signer, below a line for one who has signed."""
    await expect(page.get_by_role("status")).to_contain_text(JUST_SIGNED)
    await expect(page.get_by_role("button", name="Sign now")).to_be_visible()


class TestAfterSigning:
    @in_one_width
    async def test_a_reload_of_a_partners_page_says_where_to_go_on(
        self, visit: Walk, embedded: str, address: str
    ) -> None:
        """Going away and coming back does, too; the script leaves the page's history alone."""
        await opens(visit.page, embedded)
        await visit.page.evaluate(ROUTER)
        await fill_in(visit, address)
        await visit.presses("Sign now")
        await heading_is(visit.page, INBOX)

        await visit.page.reload()
        await remembers(visit.page)
        await visit.page.goto("about:blank")
        await visit.page.go_back()
        await remembers(visit.page)

        assert await visit.page.evaluate("history.state") == {"idx": 7, "key": "abc"}
        assert visit.page.url == embedded

    @in_one_width
    async def test_nobody_else_is_told(self, visit: Walk, embedded: str, address: str) -> None:
        """A link that is opened again or passed on shows the form alone, and nothing is kept in the browser."""
        await opens(visit.page, embedded)
        await fill_in(visit, address)
        await visit.presses("Sign now")
        await heading_is(visit.page, INBOX)

        other = await visit.page.context.new_page()
        await opens(other, visit.page.url)

        await expect(other.get_by_text(JUST_SIGNED)).to_have_count(0)
        assert await visit.kept() == []

    @in_one_width
    async def test_a_reload_of_our_own_page_says_where_to_go_on(self, visit: Walk, address: str) -> None:
        """The form is there again, for the next signer on the same device."""
        await visit.opens(f"/c/{CAMPAIGN}?lang=en")
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()
        await fill_in(visit, address)
        await visit.presses("Sign now")
        await heading_is(visit.page, INBOX)

        await visit.page.reload()

        await remembers(visit.page)

    @in_one_width
    async def test_the_page_after_a_plain_form_can_be_reloaded(
        self, visit: Walk, running: Server, partner: Site, address: str
    ) -> None:
        """It shows the address, and its URL is the petition's: a reload sends nothing again, back is the form."""
        plain = partner.shows(snippet(running, "plain"), strict(running.url))
        await visit.opens(plain)
        await fill_in(visit, address)
        await visit.presses("Sign now")
        await visit.is_at(INBOX)
        await expect(visit.page.locator("main")).to_contain_text(address)
        posted: list[str] = []
        visit.page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)

        await visit.page.wait_for_url(f"**/c/{CAMPAIGN}?lang=en&partner={PARTNER}")
        await visit.page.reload()
        await visit.is_at(PETITION)
        await remembers(visit.page)
        await visit.page.go_back()
        await expect(visit.field("Name")).to_be_visible()
        assert visit.page.url == plain
        await visit.page.go_forward()
        await remembers(visit.page)

        assert posted == []

    async def test_back_from_the_mailbox_shows_the_same_state(self, embedded: str, address: str) -> None:
        """Browsers keep the page as it was (bfcache), since nothing in it keeps them from doing so."""
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium,
                args=["--no-sandbox"],
                ignore_default_args=["--disable-back-forward-cache"],
            )
            walk = Walk(await browser.new_page(locale="en-GB"))
            walk.page.set_default_timeout(TIMEOUT_MILLISECONDS)
            await opens(walk.page, embedded)
            await fill_in(walk, address)
            await walk.presses("Sign now")
            await heading_is(walk.page, INBOX)

            await walk.page.evaluate("location.href = 'about:blank'")
            await walk.page.wait_for_url("about:blank")
            await walk.page.evaluate("history.back()")
            await walk.page.wait_for_url(embedded, wait_until="commit")

            await expect(walk.page.locator("undersign-form")).to_contain_text(address)
            await browser.close()


@in_one_width
class TestFaults:
    async def test_the_list_shrinks_as_fields_are_corrected(self, visit: Walk, embedded: str) -> None:
        """Each leaves with its field, the list with the last of them, and the focus stays where it is."""
        await opens(visit.page, embedded)
        await visit.presses("Sign now")
        await self._shrinks(visit)

    async def test_the_list_that_the_server_made_shrinks_in_the_same_way(
        self, visit: Walk, running: Server, partner: Site
    ) -> None:
        """It stands above the page of a plain form that had faults."""
        await visit.opens(partner.shows(snippet(running, "plain"), strict(running.url)))
        await visit.page.locator("form").evaluate("form => form.noValidate = true")
        await visit.presses("Sign now")
        await visit.is_at(PETITION)
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()

        await self._shrinks(visit)

    async def _shrinks(self, visit: Walk) -> None:
        lines = visit.page.locator(".faults li")
        await expect(lines.filter(has_text="Consent")).to_have_count(1)
        before = await lines.count()

        await visit.field("Email").fill("ann@example")
        await visit.page.keyboard.press("Tab")
        await expect(await described_by(visit, visit.field("Email"), "fault")).to_contain_text("Please")
        assert await lines.count() == before
        await visit.field("Email").fill("ann@example.org")
        await visit.page.keyboard.press("Tab")
        await expect(lines).to_have_count(before - 1)
        await expect(lines.filter(has_text="Email")).to_have_count(0)
        await expect(visit.field("Country")).to_be_focused()

        await visit.field("Name").fill("Ann Example")
        await visit.field("Country").select_option("Malta")
        await expect(lines.filter(has_text="Consent")).to_have_count(1)
        await visit.field("I sign").check()
        await expect(visit.page.locator(".faults")).to_have_count(0)
        await expect(visit.field("I sign")).to_be_focused()

    async def test_a_focus_in_the_list_goes_to_the_field_that_was_corrected(
        self, visit: Walk, embedded: str
    ) -> None:
        """It must not fall back to the top of the page with the line that held it."""
        await opens(visit.page, embedded)
        await fill_in(visit, "ann@example")
        await visit.presses("Sign now")
        line = visit.page.get_by_role("alert").get_by_role("link")

        await visit.field("Email").evaluate("field => (field.value = 'ann@example.org')")
        await line.focus()
        await visit.field("Email").dispatch_event("change")

        await expect(visit.page.locator(".faults")).to_have_count(0)
        await expect(visit.field("Email")).to_be_focused()


@pytest.mark.parametrize(
    ("browsers", "path", "offered"),
    [
        ("de-AT", "?lang=en", "Auf Deutsch lesen"),
        ("el-GR", "/progress?lang=de", "Διαβάστε στα ελληνικά"),
        ("de-AT", "/privacy?lang=en", "Auf Deutsch lesen"),
        ("de-AT", "/links?lang=fr", "Auf Deutsch lesen"),
        ("de-AT", "?lang=de", None),
        ("en-US", "?lang=en", None),
        ("ja-JP", "?lang=en", None),
    ],
)
async def test_a_reader_is_offered_their_own_language(
    browser: Browser, running: Server, browsers: str, path: str, offered: str | None
) -> None:
    """In one line and its own words, if the page has texts in it and is shown in another."""
    context = await browser.new_context(base_url=running.url, locale=browsers)
    page = await context.new_page()
    await page.goto(f"/c/{CAMPAIGN}{path}")
    await page.wait_for_load_state("networkidle")

    offers = page.locator(".languages + nav.top a")
    await expect(offers).to_have_count(1 if offered else 0)
    if offered:
        await expect(offers).to_have_text(offered)
        await offers.click()
        language = browsers[:2]
        await expect(page.locator("html")).to_have_attribute("lang", language)
        assert path.split("?")[0] in page.url
    await context.close()


async def test_the_offer_keeps_partner_and_source(browser: Browser, running: Server) -> None:
    """As the menu of languages does."""
    context = await browser.new_context(base_url=running.url, locale="de")
    page = await context.new_page()
    await page.goto(f"/c/{CAMPAIGN}?lang=en&partner={PARTNER}&source=flyer")

    await page.get_by_role("link", name="Auf Deutsch lesen").click()

    await page.wait_for_url(f"**/c/{CAMPAIGN}?lang=de&partner={PARTNER}&source=flyer")
    await context.close()


@in_one_width
class TestCounter:
    async def test_starts_with_an_invitation(self, visit: Walk, embedded: str) -> None:
        """Nobody likes to follow a zero; the first goal is there to be seen."""
        await self._answers(visit, embedded, {"total": 0, "next_goal": 100})

        await self._says(visit, "Be the first to sign Next goal: 100")
        await expect(visit.page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")

    async def test_never_passes_zero_on_its_way_to_a_number(self, visit: Walk, embedded: str) -> None:
        """Not even while it rises to the first number that it shows."""
        await visit.page.add_init_script(
            """
            window.seen = [];
            const real = Element.prototype.attachShadow;
            Element.prototype.attachShadow = function (options) {
                const root = real.call(this, options);
                new MutationObserver(() => window.seen.push(root.querySelector(".number")?.textContent))
                    .observe(root, {childList: true, subtree: true, characterData: true});
                return root;
            };
            """
        )
        await self._answers(visit, embedded, {"total": 3, "next_goal": 100})
        await self._says(visit, "3 people have signed Next goal: 100")

        seen = await visit.page.evaluate("window.seen.filter((number) => number)")
        assert "0" not in seen
        assert "Be the first to sign" not in seen

    @pytest.mark.parametrize(
        ("total", "said"),
        [
            (1_234, "1,234 people have signed"),
            (5_000, "5,000 people have signed Goal reached: 5,000"),
            (0, ""),
        ],
    )
    async def test_has_no_next_goal_once_the_petition_has_closed(
        self, visit: Walk, embedded: str, total: int, said: str
    ) -> None:
        """It says what was reached; and nothing, if nobody has signed because it has not opened yet."""
        closed = {"total": total, "goal": 5_000, "next_goal": 2_000, "closed_reason": "campaign_closed"}
        await self._answers(visit, embedded, closed)

        await self._says(visit, said)
        await expect(visit.page.locator("undersign-counter .track")).to_be_hidden()

    async def _answers(self, visit: Walk, address: str, count: dict[str, Any]) -> None:
        """Open the page, and answer its counter with these numbers."""
        content = {"campaign": CAMPAIGN, "as_of": "2026-11-22T20:00:10Z", **count}

        async def answer(intercepted: Intercepted) -> None:
            await intercepted.fulfill(json=content, headers={"Access-Control-Allow-Origin": "*"})

        await visit.page.route(f"**{COUNT}", answer)
        await opens(visit.page, address)

    async def _says(self, visit: Walk, text: str) -> None:
        counter = visit.page.locator("undersign-counter")
        await expect(counter.locator(".counted")).to_be_attached()

        async def is_said() -> bool:
            parts = await counter.evaluate("e => [...e.shadowRoot.children].map(c => c.hidden ? '' : c.innerText)")
            return " ".join(" ".join(parts).split()) == text

        await until_async(is_said)
