"""What partners' pages do to the widget: sandboxes, frameworks, themes, dark and right-to-left pages, tracing."""

import asyncio
import html
import json
import os
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import PARTNER, Site
from tests.browser.steps import fill_in, mails_arrive
from tests.browser.test_widget import INBOX, heading_is, snippet
from tests.support.deployment import CAMPAIGN, COUNT, SIGNATURES
from tests.support.servers import Server

pytestmark = pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)

#: A page without a Content-Security-Policy, as most are.
LENIENT = "default-src * data: blob: 'unsafe-inline'"
HEADING = "Sign the petition"
HOSTED = "Sign on the petition’s own page"


def script(running: Server) -> str:
    """Return the widget's script element alone, for pages that make their elements themselves."""
    return f'<script type="module" src="{running.url}/embed/v1.js" crossorigin="anonymous"></script>'


async def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the page for people to look at, where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def breaks_no_rule(page: Page) -> None:
    """Check what axe-core finds in the widget, contrast among it."""
    for element in ("undersign-form", "undersign-counter"):
        results = await Axe().run(page, context=element)
        assert [(each["id"], each["nodes"][0]["html"]) for each in results.response["violations"]] == []


class TestSandboxedFrame:
    @pytest.mark.parametrize("kind", ["src", "srcdoc"])
    @pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-forms allow-popups"])
    async def test_leads_on_where_the_page_has_no_origin(
        self, visit: Walk, running: Server, partner: Site, sandbox: str, kind: str
    ) -> None:
        """Nothing there proves whose page it is, so a link and its address replace the form."""
        code = snippet(running, "script")
        value = partner.shows(code, LENIENT) if kind == "src" else html.escape(code)
        frame = f'<iframe sandbox="{sandbox}" {kind}="{value}" width="700" height="700"></iframe>'

        await visit.opens(partner.shows(frame, LENIENT))

        inside = visit.page.frame_locator("iframe")
        link = inside.get_by_role("link", name=HOSTED).locator("visible=true")
        hosted = f"{running.url}/c/{CAMPAIGN}?lang=en&partner={PARTNER}"
        await expect(link).to_have_attribute("href", hosted)
        await expect(inside.get_by_text(hosted, exact=True)).to_be_visible()
        await expect(inside.get_by_role("button", name="Sign now").locator("visible=true")).to_have_count(0)
        await expect(inside.get_by_role("progressbar")).to_be_visible()
        await screenshot(visit.page, f"sandbox-{kind}-{len(sandbox)}")
        if "allow-popups" in sandbox:
            async with visit.page.expect_popup() as opened:
                await link.click()
            await (await opened.value).close()
        visit.complaints.clear()

    @pytest.mark.parametrize("kind", ["src", "srcdoc"])
    async def test_works_without_leave_to_submit_forms(
        self, visit: Walk, running: Server, partner: Site, kind: str, address: str
    ) -> None:
        """With allow-same-origin it is the partner's page, and the script sends what the frame may not."""
        code = snippet(running, "script")
        value = partner.shows(code, LENIENT) if kind == "src" else html.escape(code)
        sandbox = "allow-scripts allow-same-origin"
        frame = f'<iframe sandbox="{sandbox}" {kind}="{value}" width="700" height="1200"></iframe>'
        await visit.opens(partner.shows(frame, LENIENT))
        inside = visit.page.frame_locator("iframe")
        await expect(inside.get_by_role("heading", name=HEADING)).to_be_visible()

        await inside.locator("undersign-form #name").fill("Ann Example")
        await inside.locator("undersign-form #country").select_option("DE")
        await inside.locator("undersign-form #consent").check()
        await inside.locator("undersign-form #email").fill(address)
        await inside.locator("undersign-form #email").press("Enter")

        await expect(inside.get_by_role("heading", name=INBOX)).to_be_visible()
        await mails_arrive(running, address, 1)
        visit.complaints.clear()

    async def test_around_our_own_page_leads_on(self, visit: Walk, running: Server, partner: Site) -> None:
        """Our form in a sandbox cannot be sent either."""
        source = f"{running.url}/c/{CAMPAIGN}?lang=en&partner={PARTNER}&embed=1"
        frame = f'<iframe sandbox="allow-scripts" src="{html.escape(source)}" width="700" height="700"></iframe>'

        await visit.opens(partner.shows(frame, LENIENT))

        inside = visit.page.frame_locator("iframe")
        await expect(inside.get_by_role("link", name=HOSTED)).to_be_visible()
        await expect(inside.locator("form")).to_have_count(0)
        await screenshot(visit.page, "sandbox-own")
        visit.complaints.clear()


class TestFrameworks:
    async def test_attributes_that_come_late_are_followed(
        self, visit: Walk, running: Server, partner: Site
    ) -> None:
        """The form appears with its campaign, and what was typed stays when the language changes."""
        await visit.opens(partner.shows(script(running), LENIENT))
        await visit.page.evaluate(
            """() => {
                window.form = document.createElement("undersign-form");
                document.body.append(form);
            }"""
        )
        await visit.page.evaluate(f"form.setAttribute('campaign', '{CAMPAIGN}')")
        await expect(visit.page.get_by_role("heading", name=HEADING)).to_be_visible()
        await visit.field("Name").fill("Ann Example")
        await visit.field("No").check()

        await visit.page.evaluate("document.documentElement.lang = 'de_DE'")
        await expect(visit.page.get_by_role("heading", name="Petition unterschreiben")).to_be_visible()
        await expect(visit.field("Name")).to_have_value("Ann Example")
        await expect(visit.field("Nein")).to_be_checked()
        await expect(visit.page.locator("undersign-form .text")).to_have_attribute("lang", "de")

        await visit.page.evaluate("form.lang = 'pt-BR'")
        await expect(visit.page.get_by_role("heading", name="Assine a petição")).to_be_visible()
        await expect(visit.field("Nome")).to_have_value("Ann Example")
        await screenshot(visit.page, "late-attributes")

    async def test_strict_mode_mounts_twice_and_asks_once(
        self, visit: Walk, running: Server, partner: Site, address: str
    ) -> None:
        """As React's StrictMode does: mount, unmount and mount at once; and moves and a clone later on."""
        asked = list[str]()
        visit.page.on("request", lambda request: asked.append(request.url))
        await visit.opens(partner.shows(script(running) + "<section></section>", LENIENT))
        await visit.page.evaluate(
            """(campaign) => {
                for (const name of ["undersign-counter", "undersign-form"]) {
                    const made = document.createElement(name);
                    document.body.append(made);
                    made.remove();
                    made.setAttribute("campaign", campaign);
                    document.body.append(made);
                }
            }""",
            CAMPAIGN,
        )
        await expect(visit.page.get_by_role("heading", name=HEADING)).to_be_visible()
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()
        assert sum("/form?" in url for url in asked) == 1
        assert sum(url.endswith(COUNT) for url in asked) == 1

        await fill_in(visit, address)
        await visit.page.evaluate(
            "document.querySelector('section').append(document.querySelector('undersign-form'))"
        )
        await expect(visit.field("Name")).to_have_value("Ann Example")
        await visit.presses("Sign now")
        await heading_is(visit.page, INBOX)

        assert sum(url.endswith(SIGNATURES) for url in asked) == 1
        await mails_arrive(running, address, 1)
        await visit.page.evaluate("document.body.append(document.querySelector('undersign-form').cloneNode(true))")
        await expect(visit.page.get_by_role("heading", name=HEADING)).to_be_visible()

    async def test_a_wrong_campaign_is_named_on_the_console(
        self, visit: Walk, running: Server, partner: Site
    ) -> None:
        """With those that there are; visitors see what stands in the element, or the form once it is right."""
        code = (
            f'{script(running)}<undersign-form campaign="reclaim"><a href="/">Sign elsewhere</a></undersign-form>'
        )
        async with visit.page.expect_console_message(lambda message: f'campaign="{CAMPAIGN}"' in message.text):
            await visit.opens(partner.shows(code, LENIENT))
        await expect(visit.page.get_by_role("link", name="Sign elsewhere")).to_be_visible()

        await visit.page.evaluate(
            f"document.querySelector('undersign-form').setAttribute('campaign', '{CAMPAIGN}')"
        )

        await expect(visit.page.get_by_role("heading", name=HEADING)).to_be_visible()
        visit.complaints.clear()

    async def test_tracing_libraries_may_add_headers_to_every_request(
        self, visit: Walk, running: Server, partner: Site, address: str
    ) -> None:
        """They wrap fetch, and each such request is then preceded by a preflight."""
        wrap = """<script>
            const real = fetch;
            window.fetch = (url, options = {}) => real(url, {...options, headers: {...options.headers,
                traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "sentry-trace": "1",
                baggage: "a=b", "x-datadog-trace-id": "1", newrelic: "x", Authorization: "Bearer x"}});
        </script>"""
        await visit.opens(partner.shows(wrap + snippet(running, "script"), LENIENT))
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()
        await fill_in(visit, address)
        await visit.presses("Sign now")

        await heading_is(visit.page, INBOX)
        await mails_arrive(running, address, 1)


#: What themes do to everything on a page.
THEME = """<style>
  * { box-sizing: content-box; letter-spacing: 2px; }
  html { font-size: 62.5%; } body { font: italic 300 small-caps 10px/3 Georgia, serif; text-align: center;
    text-transform: uppercase; letter-spacing: .2em; word-spacing: 1em; text-indent: 3em; white-space: pre;
    text-shadow: 1px 1px red; hyphens: auto; cursor: wait; }
  input, select, button { width: 40px !important; font-size: 9px !important; }
</style>"""


class TestThemes:
    async def test_a_wordpress_theme_and_its_paragraphs_leave_the_form_as_it_is(
        self, visit: Walk, running: Server, partner: Site
    ) -> None:
        """Text styles stop at the shadow root, and a plain form that was torn out of the element is replaced."""
        arrives = asyncio.Event()

        async def late(intercepted: Route) -> None:
            await arrives.wait()
            await intercepted.continue_()

        await visit.page.route("**/form?*", late)
        torn = (
            snippet(running, "script")
            .replace("<form", "</p>\n<form")
            .replace("<undersign-form", "<p><undersign-form")
        )
        await visit.opens(partner.shows(THEME + torn, LENIENT))
        await visit.field("Name").fill("Ann Example")
        arrives.set()

        await expect(visit.page.get_by_role("heading", name=HEADING)).to_be_visible()
        await expect(visit.page.get_by_role("button", name="Sign now")).to_have_count(1)
        field = visit.field("Name")
        await expect(field).to_have_value("Ann Example")
        style = await field.evaluate(
            """(field) => {
                const text = getComputedStyle(field.closest("form"));
                return [parseFloat(getComputedStyle(field).fontSize) >= 16, ...["textAlign", "textTransform",
                    "letterSpacing", "wordSpacing", "textIndent", "whiteSpace", "fontStyle", "fontWeight",
                    "fontVariant", "textShadow", "cursor", "lineHeight", "fontFamily"].map((name) => text[name])];
            }"""
        )
        assert style == [
            *(True, "start", "none", "normal", "0px", "0px", "normal", "normal", "400", "normal", "none", "auto"),
            *("24px", "Georgia, serif"),
        ]
        await screenshot(visit.page, "wordpress")

    async def test_pages_still_place_and_hide_the_elements(
        self, visit: Walk, running: Server, partner: Site
    ) -> None:
        """Width and display of the element are the page's."""
        style = "<style>undersign-form { max-width: 300px } undersign-counter { display: none }</style>"
        await visit.opens(partner.shows(style + snippet(running, "script"), LENIENT))
        await expect(visit.page.get_by_role("heading", name=HEADING)).to_be_visible()

        assert await visit.page.locator("undersign-form").evaluate("(form) => form.offsetWidth") == 300
        await expect(visit.page.locator("undersign-counter")).to_be_hidden()
        await visit.page.evaluate("document.querySelector('undersign-form').style.visibility = 'hidden'")
        await expect(visit.page.get_by_role("button", name="Sign now")).to_be_hidden()

    @pytest.mark.parametrize(
        ("name", "style"),
        [
            ("dark", "html { color-scheme: dark } body { background: #0c0d12; color: #e8eaf2 }"),
            ("dark-body", "body { background: #1a2b1a; color: #ddd }"),
            ("right-to-left", "html { direction: rtl } body { background: #fff; color: #222 }"),
        ],
    )
    async def test_dark_and_right_to_left_pages_leave_it_legible(
        self, visit: Walk, running: Server, partner: Site, name: str, style: str
    ) -> None:
        """Contrast is at least 4.5:1, in the form, its errors and the counter, and its text runs left to right."""
        code = f"<style>{style}</style>" + snippet(running, "script")
        await visit.opens(partner.shows(code, LENIENT))
        if name == "right-to-left":
            await visit.page.evaluate("document.documentElement.dir = 'rtl'")
        await expect(visit.page.get_by_role("progressbar")).to_be_visible()
        await visit.presses("Sign now")
        await expect(visit.page.get_by_role("alert")).to_be_focused()

        await breaks_no_rule(visit.page)
        await screenshot(visit.page, name)
        await expect(visit.page.locator("undersign-form .text")).to_have_css("direction", "ltr")


async def test_the_counter_moves_nothing_when_its_number_comes(
    visit: Walk, running: Server, partner: Site
) -> None:
    """Its place is kept until the script has come over a slow network (Cumulative Layout Shift below 0.02)."""
    arrives = asyncio.Event()

    async def late(intercepted: Route) -> None:
        await arrives.wait()
        await intercepted.continue_()

    await visit.page.route("**/embed/v1.js", late)
    await visit.page.add_init_script(
        """window.shift = 0;
        new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (shift += value)))
            .observe({ type: "layout-shift", buffered: true });"""
    )
    code = snippet(running, "script").partition("<undersign-form")[0] + "<p>What is below it.</p>" * 20
    await visit.page.goto(partner.shows(code, LENIENT), wait_until="commit")
    await expect(visit.page.get_by_text("What is below it.").last).to_be_visible()
    arrives.set()
    await expect(visit.page.get_by_role("progressbar")).to_be_visible()
    await visit.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    assert json.loads(await visit.page.evaluate("JSON.stringify(shift)")) < 0.02
