"""Links that fill in the form: what stands in their fragment reaches no server before the signer sends it."""

import json
import re
from urllib.parse import quote, urlencode

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import PARTNER, Site
from tests.browser.steps import mails_arrive
from tests.browser.test_widget import INBOX, heading_is, opens, snippet, strict
from tests.support.deployment import CAMPAIGN, SIGNATURES
from tests.support.polling import until_async
from tests.support.servers import Server

NAME = "Zoë Kanarienvogel"
UTM = "utm_source=Brevo&utm_campaign=November_2026"

pytestmark = pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)


def fragment(address: str) -> str:
    return urlencode({"email": address, "name": NAME}, quote_via=quote)


class Requests:
    """All requests of the browser, with headers and bodies."""

    def __init__(self, page: Page) -> None:
        self._sent: list[Request] = []
        page.context.on("request", lambda request: self._sent.append(request))

    async def naming(self, *data: str) -> list[Request]:
        """Return the requests that hold any of this."""
        return [request for request in self._sent if holds(await self._whole(request), *data)]

    async def _whole(self, request: Request) -> str:
        return f"{request.url} {await request.all_headers()} {request.post_data or ''}"


def holds(text: str, *data: str) -> bool:
    """Look for data as it is, and as it is written in an address, a form or JSON."""
    return any(
        form in text for each in data for form in (each, quote(each), quote(each, safe=""), json.dumps(each)[1:-1])
    )


async def test_reaches_the_server_only_in_the_signature(visit: Walk, running: Server, address: str) -> None:
    """It is in no request, no log and no file before the button is pressed, and then in one sealed task.

    The address bar keeps the anchor, across the redirect to the reader's language, too. No time is sent, so that
    nobody is held for being fast; the tags of newsletter tools are the source.
    """
    requests = Requests(visit.page)
    await visit.opens(f"/c/{CAMPAIGN}?partner={PARTNER}&{UTM}#sign&{fragment(address)}")
    await expect(visit.field("Email")).to_have_value(address)
    await expect(visit.field("Name")).to_have_value(NAME)
    await visit.page.wait_for_load_state("networkidle")

    assert visit.page.url.partition("?")[2] == f"lang=en&partner={PARTNER}&{UTM}#sign"
    assert await visit.page.evaluate("document.activeElement === document.body")
    await expect(visit.page.get_by_role("checkbox")).not_to_be_checked()
    await expect(visit.page.get_by_role("radio", checked=True)).to_have_count(0)
    assert await requests.naming(address, NAME) == []
    assert kept_by(running, address) == []

    await visit.field("I sign this petition").check()
    await visit.presses("Sign now")
    await heading_is(visit.page, INBOX)

    [signature] = await requests.naming(address, NAME)
    sent = json.loads(signature.post_data or "")
    assert signature.url.endswith(SIGNATURES)
    assert (sent["email"], sent["name"], sent["source"]) == (address, NAME, "brevo-november-2026")
    assert sent.keys() & {"newsletter", "page_seconds"} == set()
    await mails_arrive(running, address, 1)
    assert set(kept_by(running, address)) <= {"outbox"}


def kept_by(running: Server, address: str) -> list[str]:
    """Return the files and folders of the server, its log and queue included, that name this signer in clear."""
    names = (address.encode(), NAME.encode())
    files = [file for file in running.folder.rglob("*") if file.is_file()]
    assert running.log in files
    return [
        file.relative_to(running.folder).parts[0]
        for file in files
        if any(name in file.read_bytes() for name in names)
    ]


@pytest.mark.parametrize("kind", ["script", "frame"])
async def test_a_partners_page_takes_what_its_own_link_says(
    visit: Walk, running: Server, partner: Site, address: str, kind: str
) -> None:
    """The widget reads the page's address, and the script tells our frame; its own fragment stays."""
    requests = Requests(visit.page)
    page = partner.shows(snippet(running, kind), strict(running.url))
    await visit.opens(f"{page}?{UTM}#menu=open&{fragment(address)}")
    form = visit.page.frame_locator("iframe") if kind == "frame" else visit.page.locator("undersign-form")
    await expect(form.get_by_role("textbox", name="Email address")).to_have_value(address)
    await expect(form.get_by_role("textbox", name="Name")).to_have_value(NAME)

    assert visit.page.url == f"{page}?{UTM}#menu=open"
    assert await requests.naming(address, NAME) == []
    await form.get_by_role("checkbox").check()
    async with visit.page.expect_request(f"**{SIGNATURES}") as sending:
        await form.get_by_role("button", name="Sign now").click()
    sent = json.loads((await sending.value).post_data or "")
    assert sent["source"] == "brevo-november-2026"


async def test_a_frame_on_an_open_page_takes_a_link_too(visit: Walk, running: Server, partner: Site) -> None:
    """Even if our script beside it comes later than the frame; a field that was begun stays empty."""
    script, frame = snippet(running, "frame").split("\n", 1)
    await visit.opens(
        partner.shows(frame, strict(running.url).removesuffix("; require-trusted-types-for 'script'"))
    )
    form = visit.page.frame_locator("iframe")
    await expect(form.locator("form[novalidate]")).to_be_visible()
    await visit.page.wait_for_load_state("networkidle")
    await form.get_by_role("textbox", name="Name").fill("Ann")
    await form.get_by_role("textbox", name="Name").fill("")
    await form.get_by_role("checkbox").focus()

    source = re.search('src="(.*?)"', script)
    assert source
    await visit.page.add_script_tag(url=source[1], type="module")
    await visit.page.evaluate("location.hash = 'email=ann@example.org&name=Bob'")

    await expect(form.get_by_role("textbox", name="Email address")).to_have_value("ann@example.org")
    await expect(form.get_by_role("textbox", name="Name")).to_have_value("")


#: What is shown in the fields of name and address, by what a link brings.
SHOWN = {
    "email=ann%40example.org&name=Ann%20Example": ("Ann Example", "ann@example.org"),
    "email=ann@example.org&name=Ann+Example": ("Ann Example", "ann@example.org"),
    "email=ann+petition@example.org": ("", "ann+petition@example.org"),
    "email=%20mailto:ann%40example.org%2C&name=%0AAnn%00%E2%80%8B%09Example": ("Ann Example", "ann@example.org"),
    # Of two, the first one.
    "email=ann%40example.org&email=bob%40example.org": ("", "ann@example.org"),
    # Broken encoding is shown as browsers decode it, and refused like anything that is typed.
    "email=100%&name=%E0%A4%A": ("\ufffd%A", "100%"),
    # Markup, and placeholders that the newsletter has not filled in.
    "email=ann%40example.org&name=%3Cimg%20src%3Dx%3E": ("", "ann@example.org"),
    "email=*|URL:EMAIL|*&name={contact.first_name}": ("", ""),
    # Too long for its field.
    f"email={'a' * 250}%40example.org&name={'A' * 101}": ("", ""),
    f"email=ann%40example.org&name={'A' * 100}": ("A" * 100, "ann@example.org"),
}


async def test_only_what_can_be_a_name_or_an_address_is_filled_in(
    visit: Walk, running: Server, partner: Site
) -> None:
    """In a page that is open already, too. Each link's fragment is gone from the address afterwards."""
    await opens(visit.page, partner.shows(snippet(running, "script"), strict(running.url)))
    shown = {}

    for given in SHOWN:
        for field in ("Name", "Email"):
            await visit.field(field).evaluate("field => (field.value = '')")
        await visit.page.evaluate("hash => (location.hash = hash)", given)

        async def is_removed() -> bool:
            return "#" not in visit.page.url

        await until_async(is_removed)
        shown[given] = (await visit.field("Name").input_value(), await visit.field("Email").input_value())

    assert shown == SHOWN


async def test_what_the_signer_has_typed_stays_and_a_query_is_not_read(visit: Walk) -> None:
    """A query has been sent already, and a name alone is the page's own. A wrong address has its error at once.

    A field that has the focus may be about to be typed in.
    """
    await visit.opens(f"/c/{CAMPAIGN}?lang=en&email=query%40example.org&name=Query#name=Alone")
    await expect(visit.page.locator("undersign-form form[novalidate]")).to_be_visible()
    await expect(visit.field("Name")).to_have_value("")
    await expect(visit.field("Email")).to_have_value("")
    assert visit.page.url.endswith("#name=Alone")

    await visit.field("Email").focus()
    await visit.page.evaluate("location.hash = 'email=bob@example.org'")
    await expect(visit.page).not_to_have_url(re.compile("#"))
    await expect(visit.field("Email")).to_have_value("")

    await visit.field("Name").fill("Ann Example")
    await visit.page.evaluate("location.hash = 'email=ann%40example&name=Bob'")

    await expect(visit.field("Email")).to_have_value("ann@example")
    await expect(visit.field("Email")).to_have_attribute("aria-invalid", "true")
    await expect(visit.field("Name")).to_have_value("Ann Example")
