"""From an empty folder to a campaign that is ready to open, in the browser alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.async_api import Browser, Download, Page, expect

from tests.browser.conftest import TIMEOUT_MILLISECONDS, WIDE
from tests.desk.commands import PASSPHRASE
from tests.support.deployment import REPOSITORY
from tests.support.desk import run_desk

ANSWERS = {
    "What the petition asks for": "Save the swifts",
    "Whom it asks": "European Commission",
    "The campaign's id": "save-the-swifts",
    "The full name of the organisation": "Friends of Swifts",
    "Its postal address": "Mauerseglerweg 1, 10115 Berlin, Germany",
    "Its address for signers' questions": "info@swifts.example.org",
    "Its website": "https://swifts.example.org",
    "The company that delivers the mail": "Mail Example GmbH",
    "The country in which that company": "Germany",
}
#: What only an organiser can write, by the part of the editor; in the others, all is only to be looked at.
WRITTEN = {
    "Petition": {
        "Summary": "Swifts lose their nests when houses are insulated.",
        "The petition": "They return to the same nest each May.",
        "Demands": "Leave a place for their nests.",
        "Paragraph below the demands": "A law shall say so.",
    },
    "Contact and supporters": {},
    "Organisations and consent": {},
    "Privacy": {
        "Supervisory authority": "Berlin Commissioner for Data Protection",
        "Website of the authority": "https://authority.example.org",
    },
}


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of a machine on which nothing was run yet. `folder`: that of the campaign files."""
    unset = {"STORE", "TASKS", "FIRESTORE_PROJECT", "LOCAL_FOLDER"}
    known = {name: value for name, value in os.environ.items() if name not in unset}
    return {**known, "CAMPAIGNS_FOLDER": str(folder), "PYTHONPATH": str(REPOSITORY)}


async def download(page: Page, role: str, name: str, folder: Path) -> Path:
    """Click what downloads a file, and return where it was saved."""
    async with page.expect_download() as downloading:
        await page.get_by_role(role, name=name).click()  # type: ignore[arg-type]
    downloaded: Download = await downloading.value
    file = folder / downloaded.suggested_filename
    await downloaded.save_as(file)
    return file


async def make_key(page: Page, folder: Path) -> tuple[str, Path]:
    """Make a key with the page that is open, and return its public part and its file, which was tried."""
    await page.get_by_label("One of my own").check()
    await page.get_by_label("Your passphrase").fill(PASSPHRASE)
    await page.get_by_label("2. The same once more").fill(PASSPHRASE)
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.get_by_role("heading", name="Your key is made")).to_be_focused()
    recipient = await page.locator(".code").filter(visible=True).inner_text()
    return recipient, await download(page, "button", "Save key-", folder)


async def answer(page: Page, key: Path, test: Path) -> str:
    """Answer a test file with the page that has made the key."""
    await page.get_by_role("button", name="Try the saved file").click()
    await page.get_by_label("1. Your key file").set_input_files(key)
    await page.get_by_label("2. The passphrase of the key file").fill(PASSPHRASE)
    await page.get_by_label("3. The test file").set_input_files(test)
    await page.get_by_role("button", name="Try the key").click()
    await expect(page.get_by_role("heading", name="opens")).to_be_focused()
    return await page.locator(".code").filter(visible=True).first.inner_text()


async def prove_new_key(desk: Page, holder: str, folder: Path) -> None:
    """Make a key with the page that the desk hands out, add it, and answer the desk's test with it."""
    holds = await desk.context.new_page()
    await holds.goto((await download(desk, "link", "Download keys.html", folder)).as_uri())
    recipient, key = await make_key(holds, folder)
    await desk.get_by_label("Public key").fill(recipient)
    await desk.get_by_label("Who holds it").fill(holder)
    await desk.get_by_role("button", name="Add the key to the campaign file").click()
    await desk.get_by_role("button", name="Make a test file for this key").click()
    test = await download(desk, "link", "Download the test file", folder)
    await desk.get_by_label("The answer").fill(await answer(holds, key, test))
    await desk.get_by_role("button", name="Check the answer").click()
    await expect(desk.get_by_role("region", name=holder).get_by_text("Proven")).to_be_visible()
    await holds.close()


async def write(desk: Page, part: str, texts: dict[str, str]) -> None:
    """Write the texts of a part of the editor, and tick all that is to be done there."""
    await desk.get_by_role("navigation", name="Parts of the campaign file").get_by_role("link", name=part).click()
    for label, text in texts.items():
        await desk.get_by_label(label, exact=True).fill(text)
    for box in await desk.get_by_role("checkbox", name="To do:").all():
        await box.check()
    await desk.get_by_role("button", name="Save in the campaign file").click()
    await expect(desk.get_by_role("status")).to_contain_text("Saved")


async def test_an_empty_folder_becomes_a_campaign_that_is_ready(browser: Browser, tmp_path: Path) -> None:
    """Two people make and prove their keys with the real page; the real command accepts the file."""
    with run_desk(tmp_path, environment(tmp_path / "campaigns")) as link:
        context = await browser.new_context(viewport=WIDE, locale="en-GB")
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        desk = await context.new_page()
        await desk.goto(link)
        await desk.get_by_role("link", name="Begin a campaign").click()
        for label, text in ANSWERS.items():
            await desk.get_by_label(label).fill(text)
        await desk.get_by_role("button", name="Begin the campaign").click()

        for part, texts in WRITTEN.items():
            await write(desk, part, texts)
        await desk.get_by_role("link", name="Keys").click()
        for holder in ("Ann", "Bob"):
            await prove_new_key(desk, holder, tmp_path)
        await desk.get_by_role("link", name="All campaigns").click()
        await expect(desk.get_by_text("Ready.")).to_be_visible()
        await context.close()

    checked = subprocess.run(
        [sys.executable, "-m", "desk.main", "campaign", "check", "--ready"],
        cwd=tmp_path,
        env=environment(tmp_path / "campaigns"),
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.match(r"ready +save-the-swifts\.toml", checked.stdout)
