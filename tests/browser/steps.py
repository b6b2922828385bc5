"""Steps of a visitor from the form to the counter, on our pages or on a partner's."""

import httpx
from playwright.async_api import Locator

from shared.web.signals import MIN_PAGE_SECONDS
from tests.browser.conftest import Walk
from tests.support.deployment import COUNT
from tests.support.polling import until_async
from tests.support.servers import Server

PETITION = "Ban biometric mass surveillance in public places"
CONFIRMED = "Thank you. Your signature is confirmed."


async def fill_in(walk: Walk, email: str) -> None:
    """Fill in all required fields."""
    await walk.field("Name").fill("Ann Example")
    await walk.field("Email").fill(email)
    await walk.field("Country").select_option("Germany")
    await walk.field("I sign this petition").check()


async def take_time(walk: Walk) -> None:
    """Wait until the page has been there for as long as a person takes; what comes sooner is labelled."""

    async def has_taken_time() -> bool:
        return bool(await walk.page.evaluate("performance.now()") > 1000 * MIN_PAGE_SECONDS)

    await until_async(has_taken_time)


async def described_by(walk: Walk, field: Locator, what: str) -> Locator:
    """Return the text that the field's aria-describedby refers to with an id that ends in `what`."""
    ids = (await field.get_attribute("aria-describedby") or "").split()
    return walk.page.locator(next(f"#{named}" for named in ids if named.endswith(what)))


async def follow_the_mail(walk: Walk, address: str, link: str) -> None:
    """Open the outbox, and click the link of this name in the newest mail to `address`."""
    mail = walk.page.locator("article", has_text=address)

    async def has_come() -> bool:
        await walk.opens("/dev/mail")
        return await mail.count() > 0

    await until_async(has_come)
    await mail.first.frame_locator("iframe").get_by_role("link", name=link).click()
    await walk.page.wait_for_url("**/v1/**")


async def mails_arrive(running: Server, address: str, number: int) -> None:
    async def have_come() -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            mails = (await client.get(f"{running.url}/dev/mail.json")).json()
        return [mail["to"] for mail in mails].count(address) == number

    await until_async(have_come)


async def total(running: Server) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return int((await client.get(running.url + COUNT)).json()["total"])


async def counter_shows(running: Server, number: int) -> None:
    """Wait for this count, which is cached for a few seconds."""

    async def is_shown() -> bool:
        return await total(running) == number

    await until_async(is_shown)
