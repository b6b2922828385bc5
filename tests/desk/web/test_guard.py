"""Who reaches the desk: one browser of this machine, from the desk's own pages."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import LINK_TTL, Session
from shared.clock import utc_now
from tests.support.deployment import CAMPAIGN

HOST = "127.0.0.1:8123"
ORIGIN = f"http://{HOST}"
PAUSE = f"/campaigns/{CAMPAIGN}/pause"


@pytest.fixture
def session() -> Session:
    return Session(8123, utc_now())


@pytest.fixture
async def browser(var: Path, session: Session) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has not opened the link yet."""
    async with visitor(session) as client:
        yield client


def visitor(session: Session) -> httpx.AsyncClient:
    app = create_app(session, HOST, lambda: None)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)


async def open_link(client: httpx.AsyncClient, session: Session) -> httpx.Response:
    return await client.get(LINK, params={"token": session.link_token})


async def pause(client: httpx.AsyncClient, headers: Mapping[str, str]) -> int:
    return (await client.post(PAUSE, data={"to": "paused"}, headers=headers)).status_code


class TestLink:
    async def test_opens_the_desk_with_a_cookie_that_no_other_site_sends(
        self, browser: httpx.AsyncClient, session: Session
    ) -> None:
        """No script reads it either."""
        before = await browser.get("/")
        opened = await open_link(browser, session)

        assert (before.status_code, opened.status_code) == (403, 200)
        assert {"httponly", "samesite=strict", "path=/"} <= set(opened.headers["set-cookie"].lower().split("; "))
        assert (await browser.get("/")).status_code == 200

    async def test_used_twice_closes_what_it_has_opened(
        self, browser: httpx.AsyncClient, session: Session
    ) -> None:
        """Two have it, and one of them should not."""
        await open_link(browser, session)
        async with visitor(session) as thief:
            stolen = await open_link(thief, session)
            seen = await thief.get("/")

        assert (stolen.status_code, seen.status_code) == (403, 403)
        assert "what it opened is closed now" in stolen.text
        assert (await browser.get("/")).status_code == 403

    async def test_opened_again_by_the_same_browser_leads_to_the_desk(
        self, browser: httpx.AsyncClient, session: Session
    ) -> None:
        """It is in that browser's history."""
        await open_link(browser, session)

        again = await open_link(browser, session)

        assert (again.status_code, again.headers["location"]) == (303, "/")

    async def test_is_not_used_up_by_a_look_at_its_headers(
        self, browser: httpx.AsyncClient, session: Session
    ) -> None:
        """Some programs ask for these before they open a link."""
        await browser.head(LINK, params={"token": session.link_token})

        assert (await open_link(browser, session)).status_code == 200

    async def test_expires(self, var: Path) -> None:
        """It may stay in a terminal for days."""
        session = Session(8123, utc_now() - LINK_TTL - timedelta(seconds=1))
        async with visitor(session) as browser:
            refused = await open_link(browser, session)

        assert refused.status_code == 403
        assert "too old, and has opened nothing" in refused.text

    async def test_a_guess_opens_nothing_and_closes_nothing(
        self, browser: httpx.AsyncClient, session: Session
    ) -> None:
        """Otherwise anybody on this machine could close the desk."""
        await open_link(browser, session)
        async with visitor(session) as guesser:
            guessed = await guesser.get(LINK, params={"token": "é" * 40})

        assert guessed.status_code == 403
        assert "This is not the link of this desk" in guessed.text
        assert "closed" not in guessed.text
        assert (await browser.get("/")).status_code == 200


class TestRequests:
    @pytest.mark.parametrize("host", ["localhost:8123", "evil.example:8123", "127.0.0.1", "127.0.0.1:8124", ""])
    async def test_by_another_name_are_refused(
        self, browser: httpx.AsyncClient, session: Session, host: str
    ) -> None:
        """A page elsewhere lets its own name lead to this machine (DNS rebinding)."""
        await open_link(browser, session)

        assert (await browser.get("/", headers={"Host": host})).status_code == 421

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    async def test_from_another_page_are_refused(
        self, browser: httpx.AsyncClient, session: Session, site: str
    ) -> None:
        """Another port of this machine is the same site, and is sent the cookie."""
        await open_link(browser, session)

        assert (await browser.get("/", headers={"Sec-Fetch-Site": site})).status_code == 403

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9000", None])
    async def test_that_change_something_come_from_the_desk_itself(
        self, browser: httpx.AsyncClient, session: Session, origin: str | None
    ) -> None:
        """A form elsewhere may lead here; the desk's own form does the same and is heard."""
        await open_link(browser, session)

        assert await pause(browser, {"Origin": origin} if origin else {}) == 403
        assert await pause(browser, {"Origin": ORIGIN}) == 303

    @pytest.mark.parametrize("path", ["/op%09en", "/open%0A", "/open/", "//open"])
    async def test_that_look_like_the_link_need_the_session(self, browser: httpx.AsyncClient, path: str) -> None:
        """Or somebody would learn from an error where the records are."""
        assert (await browser.get(path)).status_code == 403

    async def test_with_a_cookie_of_another_session_are_refused(
        self, browser: httpx.AsyncClient, session: Session
    ) -> None:
        """Of a desk that was open before, at the same port."""
        browser.cookies.set(session.cookie_name, "x" * 43)

        assert (await browser.get("/")).status_code == 403
        assert await pause(browser, {"Origin": ORIGIN}) == 403


async def test_no_page_may_frame_the_desk_or_keep_it(browser: httpx.AsyncClient, session: Session) -> None:
    """Nor does it load anything from elsewhere, or run any script but its own; that holds of refusals, too."""
    refused = await browser.get("/")
    await open_link(browser, session)
    shown = await browser.get("/")

    for answer in (refused, shown):
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert policy.startswith("default-src 'none'")
        assert "script-src 'self';" in policy
        assert answer.headers["cache-control"] == "no-store"
