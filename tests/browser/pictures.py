"""Take the pictures of the desk that docs/ show: `make pictures`. Each page at two widths."""

import asyncio
import random
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, chdir
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import uvicorn
from playwright.async_api import async_playwright

from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import Session
from shared.campaigns.loader import FOLDER
from shared.clock import utc_now
from shared.models.labels import Label
from tests.support.deployment import CAMPAIGN, REPOSITORY, World, world

WIDTHS = (1280, 768)
#: The name of each picture, and the page of the desk on it.
PAGES = {
    "campaigns": "",
    "numbers": f"campaigns/{CAMPAIGN}",
    "editor": f"campaigns/{CAMPAIGN}/edit/petition",
    "held": f"campaigns/{CAMPAIGN}/held",
    "after": f"campaigns/{CAMPAIGN}/after",
}
_GOAL = "goal = 250\ngoal_steps = [100, 250]"
_DAYS, _SIGNERS_A_DAY, _CONFIRM, _HELD = 6, 30, 0.85, 14
_COUNTRIES = ["DE", "FR", "ES", "AT", "IT", "PL", "NL"]


def copy_campaign(folder: Path) -> Path:
    """Copy the example campaign, with a goal that so few people get near to."""
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    file = folder / f"{CAMPAIGN}.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"goal = .*\ngoal_steps = .*", _GOAL, text), encoding="utf-8")
    return folder


async def collect(made: World) -> None:
    """Let people sign for some days until now, in growing numbers; some are held, and some do not confirm."""
    chance = random.Random(1)
    began = utc_now() - timedelta(days=_DAYS)
    for day in range(_DAYS):
        for number in range(_SIGNERS_A_DAY * (day + 1) // _DAYS):
            made.now = began + timedelta(days=day, minutes=20 * number)
            country = chance.choices(_COUNTRIES, range(len(_COUNTRIES), 0, -1))[0]
            mail = await made.sign_and_deliver(email=f"signer{number}@domain{day}.example", country=country)
            if chance.random() < _CONFIRM:
                await made.press(mail)
        await made.snapshot()
    for number in range(_HELD):
        label = chance.choice([Label.TOO_FAST, Label.NO_PAGE])
        await made.press(await made.sign_with_labels(label, email=f"held{number}@domain{number % 3}.example"))
    await made.funnels()
    await made.snapshot()


@asynccontextmanager
async def desk() -> AsyncIterator[str]:
    """Serve the desk, and yield the link that opens it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        session = Session(port, utc_now())
        app = create_app(session, f"127.0.0.1:{port}", lambda: None)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{port}{LINK}?token={session.link_token}"
        server.should_exit = True
        await serving


async def take(link: str, target: Path) -> None:
    """Take each picture at each width, of what is seen first of its page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        page = await browser.new_page(base_url=link.partition("open?")[0], device_scale_factor=1.5)
        await page.goto(link)
        await page.wait_for_url("/")
        await page.goto(f"/{PAGES['held']}")
        await page.get_by_role("button", name="Look at them").click()
        await page.get_by_role("heading", name="Choose some of them").wait_for()
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 900})
            for name, path in PAGES.items():
                answer = await page.goto(f"/{path}")
                assert answer is not None
                assert answer.ok, path
                await page.screenshot(path=target / f"desk-{name}-{width}.png")
        await browser.close()


async def main(target: Path) -> None:
    """Take all pictures into the folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        folder = copy_campaign(Path("campaigns"))
        async with world(Path("var"), patch, CAMPAIGNS_FOLDER=str(folder)) as made:
            await collect(made)
            async with desk() as link:
                await take(link, target)


if __name__ == "__main__":
    given = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else REPOSITORY / "docs" / "images"
    with TemporaryDirectory(prefix="petition-") as folder, chdir(folder):
        asyncio.run(main(given))
