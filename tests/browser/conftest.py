"""A browser, and a visitor in it: on our pages without JavaScript, or on a partner's page."""

import re
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    ViewportSize,
    async_playwright,
    expect,
)

from tests.browser.partner import Site, register, site
from tests.support.missing import missing
from tests.support.servers import Server, server

NARROW: ViewportSize = {"width": 320, "height": 568}  # the narrowest that WCAG 2.2 demands (1.4.10, Reflow)
WIDE: ViewportSize = {"width": 1280, "height": 900}
#: For tests of what no width of the window changes.
in_one_width = pytest.mark.parametrize("visit", [NARROW], ids=["narrow"], indirect=True)
#: Longer than anything takes on a busy machine: only a failing test waits for so long.
TIMEOUT_MILLISECONDS = 60_000
expect.set_options(timeout=TIMEOUT_MILLISECONDS)


@pytest.fixture(scope="module")
def partner() -> Iterator[Site]:
    with site() as started:
        yield started


@pytest.fixture(scope="module")
def running(partner: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Undersign with the example campaign, in which the partner is registered."""
    folder = tmp_path_factory.mktemp("server")
    with server(folder / "var", CAMPAIGNS_FOLDER=str(register(partner.origin, folder / "campaigns"))) as started:
        yield started


@pytest.fixture
def address() -> str:
    """An address that no other test uses."""
    return f"ann-{uuid.uuid4().hex[:12]}@example.org"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run all tests in the event loop in which their browser was started."""
    if pytest_asyncio.is_async_test(item):
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; what a test leaves behind is gone when its context is closed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("Chromium (apt-get install chromium)")
    async with async_playwright() as playwright:
        # As root, and in most containers, Chromium's own sandbox cannot start.
        started = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        await started.close()


class Walk:
    """A visitor's way through the pages. `page`: where they are."""

    def __init__(self, page: Page, *origins: str) -> None:
        """`origins`: those to which pages may send requests."""
        self.page = page
        self.known = (*(f"{origin}/" for origin in origins), "about:", "data:,")
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        page.context.on("request", self._note_request)
        page.context.on("console", self._note_message)

    async def opens(self, path: str) -> None:
        await self.page.goto(path)

    async def presses(self, button: str) -> None:
        await self.page.get_by_role("button", name=button).click()

    def field(self, label: str) -> Locator:
        """Return the visible field whose label starts with `label`, and not one that a script has replaced."""
        return self.page.get_by_label(re.compile(rf"^\s*{label}\b")).filter(visible=True)

    async def is_at(self, heading: str) -> None:
        """Check that the page with this heading is shown, and that it is in English, labelled and not too wide."""
        await expect(self.page.locator("h1")).to_have_text(heading)
        assert await self.page.locator("html").get_attribute("lang") == "en"
        assert await self.page.title()
        assert await self.page.locator('script:not([src="/embed/v1.js"])').count() == 0
        assert await self.page.evaluate(_NAMELESS_FIELDS) == []
        assert await self.page.evaluate(_PIXELS_TOO_WIDE) <= 0

    async def ends(self) -> None:
        """Check that no request left the known origins, and that the browser stored and logged nothing."""
        assert self.strangers == []
        assert self.complaints == []
        assert await self.kept() == []
        await self.page.context.close()

    async def kept(self) -> list[object]:
        """Return the cookies and storage keys that the pages left in the browser."""
        storage: list[object] = await self.page.evaluate(
            "[...Object.keys(localStorage), ...Object.keys(sessionStorage)]"
        )
        return [*await self.page.context.cookies(), *storage]

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(self.known):
            self.strangers.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        # Chromium logs this for every answer 4xx, which some tests expect.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)


_NAMELESS_FIELDS = """
[...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
    .filter(field => ![...field.labels].some(label => label.textContent.trim()))
    .map(field => field.name)
"""
_PIXELS_TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"


@pytest_asyncio.fixture(params=[NARROW, WIDE], ids=["narrow", "wide"], loop_scope="session")
async def walk(
    request: pytest.FixtureRequest, browser: Browser, running: Server, partner: Site
) -> AsyncIterator[Walk]:
    """A visitor without JavaScript, for whom `Walk.ends` is checked after each test.

    Violations of the Content-Security-Policy, such as a foreign style or script, are among the warnings.
    """
    context = await browser.new_context(
        base_url=running.url, java_script_enabled=False, locale="en-GB", viewport=request.param
    )
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    made = Walk(await context.new_page(), running.url, partner.origin)
    yield made
    await made.ends()


@pytest_asyncio.fixture(params=[NARROW, WIDE], ids=["narrow", "wide"], loop_scope="session")
async def visit(
    request: pytest.FixtureRequest, browser: Browser, running: Server, partner: Site
) -> AsyncIterator[Walk]:
    """A visitor with JavaScript, who is checked in the same way."""
    context = await browser.new_context(base_url=running.url, locale="en-GB", viewport=request.param)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    made = Walk(await context.new_page(), running.url, partner.origin)
    yield made
    await made.ends()
