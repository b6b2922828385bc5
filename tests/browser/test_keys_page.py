"""The offline page for keys: its keys open with everything that opens keys, and it answers what undersign asks."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pyrage
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Dialog, Locator, Page, expect

from desk.keys import identities
from desk.keys.proofs import make_test
from desk.offline_pages.pages import KEYS, OPEN, render
from shared.campaigns.model import Proof, digest_of
from tests.browser.conftest import NARROW, TIMEOUT_MILLISECONDS, WIDE, Walk
from tests.desk.commands import PASSPHRASE, plain_key, run
from tests.desk.keys.test_keys import run_at_a_terminal
from tests.desk.signatures.test_export import line_of, rows
from tests.support.clock import NOW
from tests.support.missing import missing


@pytest_asyncio.fixture(params=[WIDE], ids=["wide"], loop_scope="session")
async def visit(
    request: pytest.FixtureRequest, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Walk]:
    """A visitor at the page, offline, for whom `Walk.ends` is checked after each test."""
    monkeypatch.chdir(tmp_path)
    Path(KEYS).write_text(render(KEYS), encoding="utf-8")
    context = await browser.new_context(offline=True, locale="en-GB", viewport=request.param)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    made = Walk(await context.new_page(), tmp_path.as_uri())
    made.known = (*made.known, "blob:")
    await made.opens(Path(KEYS).absolute().as_uri())
    yield made
    await made.ends()


def alert(page: Page) -> Locator:
    return page.get_by_role("alert")


def code(page: Page) -> Locator:
    """Return the words, the public key or the answer that is shown."""
    return page.locator(".code").filter(visible=True)


def write_test(file: Path, recipient: str) -> Proof:
    """Write the test file for a key, and return the proof that awaits its answer."""
    sealed, proof = make_test(recipient)
    file.write_bytes(sealed)
    return proof


async def make(page: Page, passphrase: str, again: str) -> None:
    """Fill in a passphrase of one's own, and press the button."""
    await page.get_by_label("One of my own").check()
    await page.get_by_label("Your passphrase").fill(passphrase)
    await page.get_by_label("2. The same once more").fill(again)
    await page.get_by_role("button", name="Make the key").click()


async def is_made(page: Page) -> str:
    """Wait for the key, save it, and return its public part; the file is in made.age."""
    await expect(page.get_by_role("heading", name="Your key is made")).to_be_focused()
    recipient = await code(page).inner_text()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Save key-").click()
    file = await downloading.value
    assert file.suggested_filename == f"key-{recipient[:12]}.age"
    shutil.copy(await file.path(), "made.age")
    return recipient


async def tries(page: Page, key: str, passphrase: str = "", test: str | None = None) -> None:
    """Choose the key file and the test file, fill in the passphrase, and press the button."""
    await page.get_by_label("1. Your key file").set_input_files(key)
    await page.get_by_label("2. The passphrase of the key file").fill(passphrase)
    await page.get_by_label("3. The test file").set_input_files([test] if test else [])
    await page.get_by_role("button", name="Try the key").click()


async def test_a_key_opens_with_the_command_the_page_of_an_export_and_age(visit: Walk) -> None:
    """What is sealed to its public key is opened with the saved file and its passphrase."""
    if shutil.which("age") is None:
        missing("the age tool (Debian: age)")
    page = visit.page

    await make(page, PASSPHRASE, PASSPHRASE)
    public = await is_made(page)

    recipient = pyrage.x25519.Recipient.from_str(public)
    Path("signatures.ndjson").write_bytes(line_of(recipient))
    await run("open", "signatures.ndjson", "-i", "made.age", "--to", "opened", typed=f"{PASSPHRASE}\n")
    assert len(rows(Path("opened/signatures.csv"))) == 1
    Path("sealed.age").write_bytes(pyrage.encrypt(b"hello", [recipient]))
    assert run_at_a_terminal(["age", "-d", "-i", "made.age", "sealed.age"], PASSPHRASE) == b"hello"
    Path(OPEN).write_text(render(OPEN), encoding="utf-8")
    await visit.opens(Path(OPEN).absolute().as_uri())
    await page.get_by_label("1. The files of the export").set_input_files("signatures.ndjson")
    await page.get_by_label("2. Your key file").set_input_files("made.age")
    await page.get_by_label("3. The passphrase").fill(PASSPHRASE)
    await page.get_by_role("button", name="Open the signatures").click()
    await expect(page.get_by_role("heading", name="1 signature opened")).to_be_focused()


async def test_drawn_words_lock_the_key_and_are_forgotten(visit: Walk) -> None:
    """The saved file opens with them on the same page, which shows no words that could be taken for them."""
    page = visit.page
    first = await code(page).inner_text()
    await page.get_by_role("button", name="Draw other words").click()
    drawn = await code(page).inner_text()
    assert drawn != first
    assert re.fullmatch("[a-z]+(-[a-z]+){9}", drawn)
    await page.get_by_label("2. The same once more").fill(drawn)

    await page.get_by_role("button", name="Make the key").dblclick()
    public = await is_made(page)
    await page.get_by_role("button", name="Try the saved file").click()
    await expect(page.get_by_role("heading", name="Make your key")).to_be_hidden()
    await expect(code(page)).to_have_count(0)
    assert drawn not in await page.content()
    assert await page.locator("#again").input_value() == ""
    await tries(page, "made.age", drawn)

    await expect(page.get_by_role("heading", name="made.age opens")).to_be_focused()
    await expect(code(page)).to_have_text(public)


async def test_a_key_is_kept_until_its_saved_file_has_opened(visit: Walk) -> None:
    """Until then, the browser asks before the page is left; saving proves nothing, nor does another key's file."""
    page, asked = visit.page, list[str]()
    plain_key(Path("ann.age"))
    words = await code(page).inner_text()
    await make(page, PASSPHRASE, PASSPHRASE)
    await expect(page.get_by_role("heading", name="Your key is made")).to_be_focused()

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.evaluate("history.back()")
    public = await is_made(page)
    await page.get_by_role("button", name="Try the saved file").click()
    await tries(page, "ann.age")
    await expect(page.get_by_text("It is not the key that you made here.")).to_be_visible()
    await page.get_by_role("button", name="Back to your new key").click()
    assert await is_made(page) == public
    await page.get_by_role("button", name="Try the saved file").click()
    await page.get_by_role("button", name="Make another key").click()
    await page.get_by_role("button", name="Back to your new key").click()
    await expect(code(page)).to_have_text(public)
    assert asked == ["beforeunload", "beforeunload"]

    await page.get_by_role("button", name="Try the saved file").click()
    await tries(page, "made.age", PASSPHRASE)
    await expect(page.get_by_text("It is the key that you made here")).to_be_visible()
    await page.get_by_role("button", name="Back to your new key").click()
    await page.get_by_role("button", name="Try the saved file").click()
    await page.get_by_role("button", name="Make another key").click()

    await expect(page.get_by_role("heading", name="Make your key")).to_be_visible()
    assert await code(page).inner_text() != words
    assert asked == ["beforeunload", "beforeunload"]


async def test_a_test_file_is_answered_with_a_key_from_keygen(visit: Walk) -> None:
    """The answer completes the proof; a browser that lets no page copy selects it instead."""
    page = visit.page
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    public = identities.create(Path("ann.age"), PASSPHRASE, NOW)
    proof = write_test(Path("test.age"), public)

    await tries(page, "ann.age", PASSPHRASE, "test.age")

    await expect(page.get_by_role("heading", name="ann.age opens")).to_be_focused()
    answer, shown = await code(page).all_inner_texts()
    assert (digest_of(answer), shown) == (proof.challenge, public)
    await page.get_by_role("button", name="Copy the answer").click()
    await expect(page.get_by_text("press Ctrl+C")).to_be_visible()
    assert await page.evaluate("getSelection().toString().trim()") == answer


async def test_whatever_is_wrong_has_an_error(visit: Walk) -> None:
    """Each names what to do; a file that is no test file is shown to nobody."""
    page = visit.page
    public = plain_key(Path("ann.age"))
    identities.create(Path("bob.age"), PASSPHRASE, NOW)
    Path("signature.age").write_bytes(
        pyrage.encrypt(b'{"name": "Jane Doe"}', [pyrage.x25519.Recipient.from_str(public)])
    )
    write_test(Path("cleos.age"), plain_key(Path("cleo.age")))
    Path("damaged.age").write_text("AGE-SECRET-KEY-1QQQQ")
    Path("public.age").write_text(public)

    await page.get_by_role("button", name="Try the key").click()
    await expect(alert(page)).to_contain_text("Choose your key file")
    for passphrase, again, error in (
        ("short", "short", "too short: 12 characters"),
        (PASSPHRASE, "", "once more, from your paper"),
        (PASSPHRASE, PASSPHRASE.upper(), "not the same passphrase"),
    ):
        await make(page, passphrase, again)
        await expect(alert(page)).to_contain_text(error)
    for key, entered, test, error in (
        ("bob.age", "", None, "is under a passphrase"),
        ("bob.age", PASSPHRASE.upper(), None, "does not open with this passphrase"),
        ("cleos.age", PASSPHRASE, None, "is no key file"),
        ("public.age", "", None, "There is no key in public.age"),
        ("damaged.age", "", None, "The key in damaged.age is damaged"),
        ("ann.age", "", "cleos.age", "was not made for this key"),
        ("ann.age", "", "public.age", "was not made for this key"),
        ("ann.age", "", "signature.age", "Do not answer the person who sent it"),
    ):
        await tries(page, key, entered, test)
        await expect(alert(page)).to_contain_text(error)
        await expect(page.locator("[aria-invalid]")).to_have_count(1)
        assert "Jane" not in await page.inner_text("body")


@pytest.mark.parametrize("visit", [NARROW], ids=["narrow"], indirect=True)
async def test_every_state_is_accessible(visit: Walk) -> None:
    """Every state passes axe-core's checks of WCAG 2.2, light and dark, and is no wider than the window."""
    page = visit.page

    async def look(state: str) -> None:
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            found = (await Axe().run(page)).response["violations"]
            assert [(state, scheme, each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, state

    await look("start")
    await make(page, "short", "short")
    await expect(alert(page)).to_be_focused()
    await look("fault")
    await make(page, PASSPHRASE, PASSPHRASE)
    await is_made(page)
    await look("made")
    await page.get_by_role("button", name="Try the saved file").click()
    await look("made, and to be tried")
    write_test(Path("test.age"), identities.recipient_of(identities.read(Path("made.age"), lambda: PASSPHRASE)[0]))
    await tries(page, "made.age", PASSPHRASE, "test.age")
    await expect(page.get_by_role("heading", name="made.age opens")).to_be_focused()
    await look("answered")
