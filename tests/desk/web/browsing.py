"""A browser that has opened the desk, without scripts."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import Session
from shared.clock import utc_now

HOST = "127.0.0.1:8123"
ORIGIN = {"Origin": f"http://{HOST}"}


@asynccontextmanager
async def browsing() -> AsyncIterator[httpx.AsyncClient]:
    """Open the desk, follow its redirects, and stop its jobs at the end."""
    session = Session(8123, utc_now())
    app = create_app(session, HOST, lambda: None)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=ORIGIN["Origin"], headers=ORIGIN, follow_redirects=True
    ) as client:
        await client.get(LINK, params={"token": session.link_token})
        yield client
        await app.state.jobs.stop()


async def press(browser: httpx.AsyncClient, path: str, fields: Mapping[str, str] = {}) -> httpx.Response:
    """Send a form, and read pages until the job that it has begun has ended."""
    return await last_page(browser, await browser.post(path, data=fields))


async def last_page(browser: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    """Read a page again until the job that it shows has ended."""
    while "data-refresh" in answer.text:
        await asyncio.sleep(0)  # let the job go on: pages in this process wait for nothing
        answer = await browser.get(answer.url)
    return answer
