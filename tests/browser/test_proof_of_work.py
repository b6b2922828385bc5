"""Proof of work in a browser: found while people type, and not asked of those who run no scripts."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Page, Request, expect
from playwright.async_api import Route as Intercepted

from shared.clock import utc_now
from shared.crypto.proof_of_work import is_solved
from shared.web.signals import MIN_PAGE_SECONDS
from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import Site, register
from tests.browser.steps import fill_in, mails_arrive, take_time
from tests.browser.test_widget import INBOX, heading_is, opens, snippet, strict
from tests.support.deployment import CAMPAIGN, SIGNATURES
from tests.support.polling import until_async
from tests.support.servers import Server, server

only_wide = pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)


@pytest.fixture(scope="module")
def running(partner: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Undersign with a campaign that asks for work."""
    folder = tmp_path_factory.mktemp("server")
    campaigns = register(partner.origin, folder / "campaigns")
    file = campaigns / f"{CAMPAIGN}.toml"
    text = file.read_text("utf-8")
    assert 'proof_of_work = "off"' in text
    file.write_text(text.replace('proof_of_work = "off"', 'proof_of_work = "on"'), encoding="utf-8")
    with server(folder / "var", CAMPAIGNS_FOLDER=str(campaigns)) as started:
        yield started


def posted(page: Page) -> list[Any]:
    """Return the list to which the body of each signature sent is added."""
    bodies: list[Any] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith(SIGNATURES):
            bodies.append(request.post_data_json)

    page.on("request", note)
    return bodies


def is_worked_for(body: dict[str, Any]) -> bool:
    work = body["work"]
    return is_solved(CAMPAIGN, work["day"], body["email"], work["nonces"], utc_now())


async def describe_differently(page: Page, **changes: Any) -> None:
    """Have the page get an older description of the form."""

    async def older(intercepted: Intercepted) -> None:
        answer = await intercepted.fetch()
        described = {**await answer.json(), **changes}
        await intercepted.fulfill(response=answer, json=described)

    await page.route("**/form?*", older)


@only_wide
async def test_it_is_done_on_a_partners_page_under_the_strictest_policy(
    visit: Walk, running: Server, partner: Site, address: str
) -> None:
    """No worker, no WebAssembly and no further script: nothing that a policy would have to allow."""
    bodies = posted(visit.page)
    await opens(visit.page, partner.shows(snippet(running, "pinned"), strict(running.url)))

    await fill_in(visit, address)
    await visit.presses("Sign now")

    await heading_is(visit.page, INBOX)
    assert [is_worked_for(body) for body in bodies] == [True]
    await mails_arrive(running, address, 1)


@only_wide
async def test_it_begins_when_there_is_an_address(visit: Walk, address: str) -> None:
    """People who go on filling in the form do not notice it."""
    await visit.page.add_init_script("""
        const derive = crypto.subtle.deriveBits.bind(crypto.subtle);
        window.derived = 0;
        crypto.subtle.deriveBits = (...given) => (window.derived++, derive(...given));
    """)
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await expect(visit.page.locator("undersign-form form[novalidate]")).to_be_visible()
    assert await visit.page.evaluate("derived") == 0

    await visit.field("Email").fill(address)
    await visit.field("Name").focus()

    async def has_begun() -> bool:
        return bool(await visit.page.evaluate("derived > 0"))

    await until_async(has_begun)


@only_wide
async def test_a_browser_that_cannot_do_it_signs_as_without_script(
    visit: Walk, running: Server, address: str
) -> None:
    """It sends the form without work, which is accepted and mailed."""
    await visit.page.add_init_script("crypto.subtle.importKey = () => Promise.reject(new Error())")
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")

    await fill_in(visit, address)
    await visit.presses("Sign now")

    await heading_is(visit.page, INBOX)
    await mails_arrive(running, address, 1)


@only_wide
@pytest.mark.parametrize("work", [None, {"day": "2020-02-02", "nonces": 1, "bits": 1, "iterations": 1}])
async def test_a_page_from_before_learns_of_it_when_it_sends(
    visit: Walk, running: Server, address: str, work: dict[str, Any] | None
) -> None:
    """It was loaded before work was asked for, or on another day: it works then, and sends again."""
    bodies = posted(visit.page)
    await describe_differently(visit.page, work=work)
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await expect(visit.page.locator("undersign-form form[novalidate]")).to_be_visible()

    await fill_in(visit, address)
    await visit.presses("Sign now")

    await heading_is(visit.page, INBOX)
    assert len(bodies) == 2
    assert is_worked_for(bodies[1])
    await mails_arrive(running, address, 1)


@only_wide
async def test_a_sign_older_than_the_script_is_sent_only_what_it_knows(
    visit: Walk, running: Server, address: str
) -> None:
    """As after a rollback, while browsers and caches still hold the newer script."""
    known = {"email", "name", "country", "locale", "consent", "consent_version"}

    async def refuse_newer_fields(intercepted: Intercepted) -> None:
        unknown = set(intercepted.request.post_data_json or ()) - known
        if not unknown:
            await intercepted.fulfill(status=202, json={"status": "check_inbox"})
            return
        errors = [{"field": field, "code": "unknown_field", "message": "unknown"} for field in sorted(unknown)]
        await intercepted.fulfill(status=422, json={"code": "invalid_fields", "errors": errors})

    bodies = posted(visit.page)
    await visit.page.route(f"**{SIGNATURES}", refuse_newer_fields)
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await expect(visit.page.locator("undersign-form form[novalidate]")).to_be_visible()

    await fill_in(visit, address)
    await visit.presses("Sign now")

    await heading_is(visit.page, INBOX)
    assert [{"page_seconds", "work"} <= body.keys() for body in bodies] == [True, False]


@only_wide
async def test_the_seconds_since_the_page_was_loaded_are_sent(visit: Walk, address: str) -> None:
    """Whole ones, which sign forgets."""
    bodies = posted(visit.page)
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await expect(visit.page.locator("undersign-form form[novalidate]")).to_be_visible()

    await fill_in(visit, address)
    await take_time(visit)
    await visit.presses("Sign now")

    await heading_is(visit.page, INBOX)
    assert MIN_PAGE_SECONDS <= bodies[0]["page_seconds"] <= 60


@only_wide
async def test_no_seconds_are_sent_after_a_reload(visit: Walk, address: str) -> None:
    """Browsers fill in the form again, so that people may well press the button at once."""
    bodies = posted(visit.page)
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await visit.page.reload()
    await expect(visit.page.locator("undersign-form form[novalidate]")).to_be_visible()

    await fill_in(visit, address)
    await visit.presses("Sign now")

    await heading_is(visit.page, INBOX)
    assert "page_seconds" not in bodies[0]


@pytest.mark.parametrize("walk", [WIDE], ids=["wide"], indirect=True)
async def test_without_scripts_nothing_is_asked(walk: Walk, running: Server, address: str) -> None:
    """The form is accepted as it is, and mailed."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")

    await fill_in(walk, address)
    await walk.presses("Sign now")

    await walk.is_at(INBOX)
    await mails_arrive(running, address, 1)
