"""The offline page of an export: it opens the export as `undersign open` does, and sends no requests."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyrage
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, expect

from desk import private_files
from desk.keys import identities
from tests.browser.conftest import NARROW, TIMEOUT_MILLISECONDS, WIDE, Walk
from tests.desk.commands import PASSPHRASE, plain_key, run
from tests.desk.signatures.test_export import HOSTILE, OPENED, PARTNER, line_of, signed
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, world

#: Names in several scripts, and values that a table must quote or must not run as formulas.
SIGNERS: list[dict[str, Any]] = [
    {"name": "Jörg Ångström", "email": "=cmd+1@example.org", "country": "DE", **PARTNER},
    {"name": "Ελένη Παπαδοπούλου", "email": "+b@example.org", "country": "GR", "locale": "el"},
    {"name": 'Ann "Annie" O’Hara, Jr', "email": "ann@example.org", "country": "IE", "newsletter": False},
    {"name": "Ñandú; Łukasz 𝒵", "email": "-d@example.org", "country": "DE", **PARTNER, "newsletter": False},
    {"name": "陳大文", "email": "e@bücher.example", "country": "XK", "source": "street"},
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export of the signers' signatures in out/, and the campaign's key in ann.age."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as monkeypatch, ThreadPoolExecutor() as beside:
        monkeypatch.chdir(folder)
        beside.submit(asyncio.run, _sign_and_export(folder, monkeypatch)).result()
    return folder


async def _sign_and_export(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(folder / "var", monkeypatch) as made:
        for signer in SIGNERS:
            await signed(made, **signer)
        await run("export", CAMPAIGN, "--to", "out")
        Path("ann.age").write_text(
            f"# public key: {made.identities.campaign.to_public()}\n{made.identities.campaign}\n"
        )


@pytest.fixture
def here(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pyrage.x25519.Identity:
    """Change into a copy of that folder, and return the campaign's key."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported / "out", "out")
    shutil.copy(exported / "ann.age", "ann.age")
    [identity] = identities.read(Path("ann.age"), str)
    return pyrage.x25519.Identity.from_str(identity)


@pytest_asyncio.fixture(params=[WIDE], ids=["wide"], loop_scope="session")
async def visit(
    request: pytest.FixtureRequest, browser: Browser, here: pyrage.x25519.Identity
) -> AsyncIterator[Walk]:
    """A visitor at the page, offline, for whom `Walk.ends` is checked after each test."""
    context = await browser.new_context(offline=True, locale="en-GB", viewport=request.param)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    made = Walk(await context.new_page(), Path("out").absolute().as_uri())
    made.known = (*made.known, "blob:")
    await made.opens(Path("out/open.html").absolute().as_uri())
    yield made
    await made.ends()


async def opens(page: Page, key: str | Path, *exported: str | Path, passphrase: str = "") -> None:
    """Choose the files and the key, fill in the passphrase, and press the button."""
    await page.get_by_label("1. The files of the export").set_input_files([Path(file) for file in exported])
    await page.get_by_label("2. Your key file").set_input_files(Path(key))
    await page.get_by_label("3. The passphrase").fill(passphrase)
    await page.get_by_role("button", name="Open the signatures").click()


WHOLE = ("out/signatures.ndjson", "out/manifest.json")


def alert(page: Page) -> Locator:
    return page.get_by_role("alert")


def result(page: Page) -> Locator:
    return page.locator("#result")


async def is_opened(page: Page, number: int) -> None:
    heading = "1 signature opened" if number == 1 else f"{number} signatures opened"
    await expect(result(page).get_by_role("heading", name=heading)).to_be_focused()


async def download(page: Page, button: str) -> tuple[str, bytes]:
    """Press a download button; return the name and the content of the file."""
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name=button, exact=True).click()
    file = await downloading.value
    return file.suggested_filename, Path(await file.path()).read_bytes()


class TestResult:
    @pytest.mark.parametrize(("kind", "label"), [("csv", "Table (CSV)"), ("ndjson", "Lines (NDJSON)")])
    async def test_is_exactly_what_the_command_writes(self, visit: Walk, kind: str, label: str) -> None:
        """All signatures, those of each country, each partner's contacts and the consent texts, byte for byte."""
        page = visit.page
        divided = ("--per-country", "--per-partner")
        await run("open", "out", "-i", "ann.age", "--to", "read", "--kind", kind, *divided)
        await opens(page, "ann.age", *WHOLE)
        await is_opened(page, len(SIGNERS))
        await page.get_by_label(label).check()
        buttons = await result(page).get_by_role("button", name="Download").all()
        names = [await button.get_attribute("aria-label") or await button.inner_text() for button in buttons]

        downloaded = dict([await download(page, name) for name in names])

        written = {path.name: path.read_bytes() for path in Path("read").glob(f"*.{kind}")}
        assert len(written) == 1 + 4 + 1 + 1
        assert downloaded == written

        _, record = await download(page, "Save hand-over.json")

        manifest = json.loads(Path("read/manifest.json").read_text())
        manifest["files"] = {f"signatures.{kind}": manifest["files"][f"signatures.{kind}"]}
        assert json.loads(record) | {"opened_at": ""} == manifest | {"opened_at": ""}

    async def test_starts_with_the_mark_that_excel_needs_on_request(self, visit: Walk) -> None:
        """With the box ticked, the file is that of the command with --excel."""
        page = visit.page
        await run("open", "out", "-i", "ann.age", "--to", "read", "--excel")
        await opens(page, "ann.age", *WHOLE)
        await is_opened(page, len(SIGNERS))

        await page.get_by_label("the mark that Excel needs").check()

        content = Path("read/signatures.csv").read_bytes()
        assert await download(page, "Download all 5 signatures") == ("signatures.csv", content)

    async def test_says_how_excel_reads_it_unchanged(self, visit: Walk) -> None:
        """Opened by a double click, Excel would drop leading zeros; the page itself makes no table for Excel."""
        await opens(visit.page, "ann.age", *WHOLE)
        await is_opened(visit.page, len(SIGNERS))

        await expect(visit.page.get_by_text("choose Data, From Text/CSV")).to_contain_text(
            "65001: Unicode (UTF-8)"
        )
        await expect(visit.page.get_by_text("“Do not detect data types”")).to_contain_text("undersign open --xlsx")

    async def test_is_compared_with_the_manifest(self, visit: Walk) -> None:
        """The page shows the counts by country; without a manifest, it says that it cannot compare them."""
        page = visit.page
        await opens(page, "ann.age", *WHOLE)
        await is_opened(page, len(SIGNERS))
        await expect(
            page.get_by_text("It is what the manifest of the export says, country by country.")
        ).to_be_visible()
        await expect(page.get_by_role("listitem")).to_contain_text(
            [
                "Germany (DE) 2",
                "Greece (GR) 1",
                "Ireland (IE) 1",
                "Kosovo (XK) 1",
                "digital-rights 1 of 2 said yes",
            ]
        )

        await page.get_by_role("button", name="Open another file").click()
        await opens(page, "ann.age", "out/signatures.ndjson")

        await is_opened(page, len(SIGNERS))
        await expect(page.get_by_text("manifest.json was not chosen")).to_be_visible()

    async def test_that_differs_from_the_manifest_shows_where(self, visit: Walk) -> None:
        """Each country whose count differs is marked, even if the file's digest is right."""
        page = visit.page
        manifest = json.loads(Path("out/manifest.json").read_text())
        manifest["by_country"] |= {"DE": 3, "FR": 1}
        Path("out/manifest.json").write_text(json.dumps(manifest))

        await opens(page, "ann.age", *WHOLE)

        await is_opened(page, len(SIGNERS))
        await expect(page.get_by_text("It is NOT what the manifest of the export says")).to_be_visible()
        await expect(page.locator("li .differs")).to_have_text(["2, not 3", "0, not 1"])

    async def test_of_a_partner_has_only_its_contacts(self, visit: Walk) -> None:
        """If several files are chosen, the page asks which of them to open."""
        page = visit.page
        contacts = "partner-digital-rights.ndjson"
        await run("open", f"out/{contacts}", "-i", "ann.age", "--to", "theirs")
        await page.get_by_label("1. The files of the export").set_input_files(
            [Path(*("out", name)) for name in (contacts, "signatures.ndjson", "manifest.json")]
        )
        await expect(page.get_by_label("signatures.ndjson", exact=True)).to_be_checked()
        await page.get_by_label(contacts).check()
        await page.get_by_label("2. Your key file").set_input_files("ann.age")

        await page.get_by_role("button", name="Open the signatures").click()

        await is_opened(page, 1)
        await expect(page.get_by_text("It is as many as the manifest of the export says.")).to_be_visible()
        content = Path("theirs/signatures.csv").read_bytes()
        assert await download(page, "Download 1 signature") == ("signatures.csv", content)

    @pytest.mark.parametrize(
        "damage",
        [
            b"\xff\xfe",
            b"",
            b"null",
            b"[]",
            b'{"sealed": "YWdl", "confirmed_at": ""}',
            b'{"sealed": "%s", "confirmed_at": "2026"}',
        ],
        ids=["no text", "empty", "nothing", "no object", "not sealed", "sealed nonsense"],
    )
    async def test_lacks_only_a_damaged_line(
        self, visit: Walk, here: pyrage.x25519.Identity, damage: bytes
    ) -> None:
        """The page names that line and opens all others, as the command does."""
        page = visit.page
        climbs = json.dumps({"email": "a@b", "name": "A", "locale": "en", "country": "DE", "partner": "../up"})
        sealed = base64.b64encode(pyrage.encrypt(climbs.encode(), [here.to_public()]))
        lines = Path("out/signatures.ndjson").read_bytes().splitlines()
        lines[1] = damage.replace(b"%s", sealed)
        Path("damaged.ndjson").write_bytes(b"\n".join(lines))  # without a line break at the end
        await run("open", "damaged.ndjson", "-i", "ann.age", "--to", "read")

        await opens(page, "ann.age", "damaged.ndjson")

        await is_opened(page, len(SIGNERS) - 1)
        await expect(page.get_by_text("Not opened: 1 line")).to_be_visible()
        await expect(page.get_by_text("damaged.ndjson, line 2.")).to_be_visible()
        content = Path("read/signatures.csv").read_bytes()
        assert await download(page, "Download all 4 signatures") == ("signatures.csv", content)

    async def test_of_hostile_lines_is_exactly_what_the_command_writes(
        self, visit: Walk, here: pyrage.x25519.Identity
    ) -> None:
        """Formulas are defused wherever they start, and invalid and repeated lines are reported."""
        page = visit.page
        names = [
            "a;=1;b",
            "a, \u00a0+1",
            '"; "@b',
            "\t=1",
            "\r\n-1",
            "tab\tonly",
            "𝒵,＝1",
            "\0;-",
            "a=b",
            "'=1",
            ";=;+",
        ]
        good = [line_of(here.to_public(), f', "name": {json.dumps(name)}') for name in names]
        bad = [line_of(here.to_public(), *hostile) for hostile in HOSTILE.values()]
        mark = base64.b64encode(pyrage.encrypt(b"\xef\xbb\xbf" + OPENED, [here.to_public()])).decode()
        cut = base64.b64encode(pyrage.encrypt(OPENED.replace(b"Ann", b"\xff"), [here.to_public()])).decode()
        bad += [
            json.dumps({"id": "x", "confirmed_at": "", "sealed": sealed}).encode() + b"\n"
            for sealed in (mark, cut)
        ]
        Path("hostile.ndjson").write_bytes(b"".join([*good, *bad, good[0], good[1]]))
        await run("open", "hostile.ndjson", "-i", "ann.age", "--to", "csv")
        await run("open", "hostile.ndjson", "-i", "ann.age", "--to", "ndjson", "--kind", "ndjson")

        await opens(page, "ann.age", "hostile.ndjson")

        await is_opened(page, len(names))
        await expect(page.get_by_text(f"Not opened: {len(bad)} lines")).to_be_visible()
        await expect(page.get_by_text("Repeated, and counted once: 2 lines")).to_be_visible()
        last = len(names) + len(bad)
        await expect(page.get_by_text(f"hostile.ndjson, lines {last + 1}, {last + 2}.")).to_be_visible()
        for kind, label in (("csv", "Table (CSV)"), ("ndjson", "Lines (NDJSON)")):
            await page.get_by_label(label).check()
            written = Path(kind, f"signatures.{kind}").read_bytes()
            assert written.count(b"\n") >= len(names)
            button = f"Download all {len(names)} signatures"
            assert await download(page, button) == (f"signatures.{kind}", written)

    async def test_names_lines_that_were_sealed_by_a_newer_version(
        self, visit: Walk, here: pyrage.x25519.Identity
    ) -> None:
        """Records of this version, and those without a version, are opened, as by the command."""
        versions = (', "version": 2', ', "version": null', ', "version": true', ', "version": 1', "")
        Path("newer.ndjson").write_bytes(b"".join(line_of(here.to_public(), each) for each in versions))

        await opens(visit.page, "ann.age", "newer.ndjson")

        await is_opened(visit.page, 2)
        await expect(visit.page.get_by_text("newer.ndjson, lines 1, 2, 3. A newer Undersign")).to_be_visible()

    async def test_of_an_empty_export_offers_no_file(self, visit: Walk) -> None:
        """There is nothing to download, which is not an error."""
        page = visit.page
        Path("empty.ndjson").touch()

        await opens(page, "ann.age", "empty.ndjson")

        await expect(page.get_by_role("heading", name="0 signatures opened")).to_be_focused()
        await expect(page.get_by_role("button", name="Download")).to_have_count(0)


class TestKey:
    async def test_opens_with_its_passphrase(self, visit: Walk, here: pyrage.x25519.Identity) -> None:
        """A key file from keygen opens the export, and the page forgets the passphrase."""
        page = visit.page
        public = identities.create(Path("mine.age"), PASSPHRASE, NOW)
        seal_again(here, public)

        await opens(page, "mine.age", "again.ndjson", passphrase=PASSPHRASE)

        await is_opened(page, len(SIGNERS))
        assert await page.locator("#passphrase").input_value() == ""

    async def test_does_not_open_with_another_passphrase(self, visit: Walk) -> None:
        """The error links to the field, and the passphrase can be shown."""
        page = visit.page
        identities.create(Path("mine.age"), PASSPHRASE, NOW)

        await opens(page, "mine.age", *WHOLE, passphrase=PASSPHRASE.upper())

        await expect(alert(page)).to_be_focused()
        await expect(alert(page)).to_contain_text("mine.age does not open with this passphrase")
        await page.get_by_role("link", name="does not open").click()
        await expect(page.get_by_label("3. The passphrase")).to_be_focused()
        await page.get_by_label("Show the passphrase").check()
        assert await page.locator("#passphrase").get_attribute("type") == "text"

    async def test_of_another_campaign_opens_nothing(self, visit: Walk) -> None:
        """The error says that this key opens nothing in the file."""
        plain_key(Path("other.age"))

        await opens(visit.page, "other.age", *WHOLE)

        await expect(alert(visit.page)).to_contain_text("This key opens nothing in signatures.ndjson")

    async def test_of_another_campaign_is_noticed_early(self, visit: Walk) -> None:
        """The page gives up after a hundred lines, not after a million."""
        plain_key(Path("other.age"))
        Path("long.ndjson").write_bytes(Path("out/signatures.ndjson").read_bytes().splitlines(True)[0] * 40_000)

        await opens(visit.page, "other.age", "long.ndjson")

        await expect(alert(visit.page)).to_contain_text("This key opens nothing in long.ndjson")
        assert float(await visit.page.locator("#bar").get_attribute("value") or 0) < 0.1

    @pytest.mark.parametrize(
        ("content", "error"),
        [
            ("", "There is no key in key.txt"),
            ("age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq", "There is no key in key.txt"),
            ("AGE-SECRET-KEY-1QQQQ", "The key in key.txt is damaged"),
            ("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "key.txt is damaged, or is no key file"),
            (
                "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30\n" + "A" * 43 + "\n--- AA\n",
                "more memory",
            ),
        ],
        ids=["empty", "public", "mistyped", "damaged", "costly"],
    )
    async def test_that_is_invalid_is_named(self, visit: Walk, content: str, error: str) -> None:
        """Each kind of invalid key file gets its own error."""
        Path("key.txt").write_text(content)

        await opens(visit.page, "key.txt", *WHOLE, passphrase=PASSPHRASE)

        await expect(alert(visit.page)).to_contain_text(error)


def seal_again(identity: pyrage.x25519.Identity, public: str) -> None:
    """Write again.ndjson: the export sealed to this key, too."""
    recipients = [identity.to_public(), pyrage.x25519.Recipient.from_str(public)]
    with Path("again.ndjson").open("w") as again:
        for line in Path("out/signatures.ndjson").read_text().splitlines():
            exported = json.loads(line)
            opened = pyrage.decrypt(base64.b64decode(exported["sealed"]), [identity])
            sealed = base64.b64encode(pyrage.encrypt(opened, recipients)).decode()
            again.write(json.dumps({**exported, "sealed": sealed}) + "\n")


class TestChoice:
    async def test_that_is_incomplete_is_named(self, visit: Walk) -> None:
        """The page names one missing thing at a time, and marks its field."""
        page = visit.page
        button = page.get_by_role("button", name="Open the signatures")

        await button.click()
        await expect(alert(page)).to_contain_text("Choose the files of the export")
        await page.get_by_label("1. The files of the export").set_input_files("out/manifest.json")
        await button.click()
        await expect(alert(page)).to_contain_text("None of these files holds signatures")
        await page.get_by_label("1. The files of the export").set_input_files(["out/signatures.ndjson", "ann.age"])
        await button.click()
        await expect(alert(page)).to_contain_text("Choose your key file")
        identities.create(Path("mine.age"), PASSPHRASE, NOW)
        await page.get_by_label("2. Your key file").set_input_files("mine.age")
        await button.click()

        await expect(alert(page)).to_contain_text("mine.age is under a passphrase: type it.")
        await expect(page.locator("[aria-invalid]")).to_have_count(1)

    async def test_of_a_file_that_was_changed_is_refused(self, visit: Walk) -> None:
        """The manifest holds the digest of every file."""
        with Path("out/signatures.ndjson").open("ab") as file:
            file.write(b"\n")

        await opens(visit.page, "ann.age", *WHOLE)

        await expect(alert(visit.page)).to_contain_text("signatures.ndjson is not what was exported")

    async def test_of_a_file_that_disappears_is_an_error(self, visit: Walk) -> None:
        """The page says so if, for instance, somebody pulls out the USB stick."""
        shutil.copy("out/signatures.ndjson", "gone.ndjson")
        await visit.page.get_by_label("1. The files of the export").set_input_files("gone.ndjson")
        await visit.page.get_by_label("2. Your key file").set_input_files("ann.age")
        Path("gone.ndjson").unlink()

        await visit.page.get_by_role("button", name="Open the signatures").click()

        await expect(alert(visit.page)).to_contain_text("A file could not be read to its end")
        await alert(visit.page).get_by_role("link").click()
        await expect(visit.page.get_by_label("1. The files of the export")).to_be_focused()

    async def test_that_is_dropped_beside_a_field_does_not_replace_the_page(self, visit: Walk) -> None:
        """The page prevents the browser from navigating to the dropped file."""
        prevented = await visit.page.locator("h1").evaluate(
            "(heading) => !heading.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true }))"
        )

        assert prevented

    async def test_of_an_unfinished_export_is_refused(self, visit: Walk) -> None:
        """An unfinished export would lack signatures."""
        Path("out/unfinished.json").write_text("{}")

        await opens(visit.page, "ann.age", "out/signatures.ndjson", "out/unfinished.json")

        await expect(alert(visit.page)).to_contain_text("The export is not finished")

    @pytest.mark.parametrize("content", ["", "[]", '{"file": "signatures.ndjson"}'])
    async def test_of_an_invalid_manifest_is_refused(self, visit: Walk, content: str) -> None:
        """Ignoring it would look as if the export had been compared."""
        Path("manifest.json").write_text(content)

        await opens(visit.page, "ann.age", "out/signatures.ndjson", "manifest.json")

        await expect(alert(visit.page)).to_contain_text("manifest.json is not the manifest of an export")


@pytest.mark.parametrize(
    "damage",
    [
        {"by_country": {"no region": 1}},
        {"by_country": {"DE": "1"}},
        {"by_partner": {"../up": 1}},
        {"signatures": -1},
        {"sha256": ""},
        {"partners": {"a": {"file": "signatures.ndjson", "sha256": "0" * 64, "contacts": 1}}},
    ],
    ids=["region", "number", "partner", "count", "sum", "file"],
)
async def test_a_hostile_manifest_is_refused_before_anything_is_opened(
    visit: Walk, damage: dict[str, Any]
) -> None:
    """It is validated first, rather than failing after all the work."""
    manifest = json.loads(Path("out/manifest.json").read_text())
    Path("out/manifest.json").write_text(json.dumps({**manifest, **damage}))

    await opens(visit.page, "ann.age", *WHOLE)

    await expect(alert(visit.page)).to_contain_text("manifest.json is not the manifest of an export")


def write_long_export() -> None:
    """Write an export that takes many workers longer to open than a test looks at it."""
    Path("long.ndjson").write_bytes(Path("out/signatures.ndjson").read_bytes() * 10_000)


async def test_opening_a_long_file_shows_progress_and_can_be_stopped(visit: Walk) -> None:
    """The page stays responsive; after a stop, nothing is kept, and another file can be opened."""
    page = visit.page
    write_long_export()

    await opens(page, "ann.age", "long.ndjson")
    await expect(page.get_by_role("heading", name="Opening long.ndjson")).to_be_focused()
    await expect(page.get_by_text("per second, about")).to_be_visible()
    assert 0 < float(await page.get_by_role("progressbar").get_attribute("value") or 0) < 1
    await page.get_by_role("button", name="Stop").click()

    await expect(page.get_by_role("status")).to_have_text("Stopped. Nothing was kept.")
    await expect(result(page)).to_be_empty()
    await opens(page, "ann.age", *WHOLE)
    await is_opened(page, len(SIGNERS))


async def test_the_page_can_be_used_by_keyboard_alone(visit: Walk) -> None:
    """Tab, arrows and Enter lead from the first field to the downloaded file."""
    page = visit.page
    for field in ("1. The files of the export", "2. Your key file"):
        await page.keyboard.press("Tab")
        await expect(page.get_by_label(field)).to_be_focused()
    await page.get_by_label("1. The files of the export").set_input_files([Path(file) for file in WHOLE])
    await page.get_by_label("2. Your key file").set_input_files("ann.age")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await is_opened(page, len(SIGNERS))

    await page.keyboard.press("Tab")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    async with page.expect_download() as downloading:
        await page.keyboard.press("Enter")

    assert (await downloading.value).suggested_filename == "signatures.ndjson"


_REQUESTS = {
    "connect-src": "fetch('https://example.org/')",
    "img-src": "new Image().src = 'https://example.org/'",
    "script-src-elem": "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))",
    "style-src-attr": "document.body.setAttribute('style', 'color: red')",
    "frame-src": "document.body.append(Object.assign(document.createElement('iframe'), {src: 'https://example.org'}))",
    "form-action": "Object.assign(document.body.appendChild(document.createElement('form')), "
    "{action: 'https://example.org/'}).submit()",
}


@pytest.mark.parametrize("directive", _REQUESTS)
async def test_the_page_can_send_no_request(visit: Walk, directive: str) -> None:
    """Even code injected into it is stopped by its Content-Security-Policy."""
    refused = await visit.page.evaluate(
        f"""new Promise((resolve) => {{
            addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
            setTimeout(resolve, {TIMEOUT_MILLISECONDS}, "nothing");
            const asked = {_REQUESTS[directive]};
            asked?.catch?.(() => {{}});
        }})"""
    )

    assert refused == directive
    visit.complaints.clear()  # what was refused
    visit.strangers.clear()


async def test_its_workers_can_send_no_request(visit: Walk) -> None:
    """The workers, which have the key, are under the page's policy, too."""
    refused = await visit.page.evaluate(
        f"""new Promise((resolve) => {{
            const asks = `
                addEventListener("securitypolicyviolation", (event) => postMessage(event.effectiveDirective));
                fetch("https://example.org/").catch(() => {{}});`;
            const worker = new Worker(URL.createObjectURL(new Blob([asks])));
            worker.onmessage = ({{ data }}) => resolve(data);
            setTimeout(resolve, {TIMEOUT_MILLISECONDS}, "nothing");
        }})"""
    )

    assert refused == "connect-src"
    visit.complaints.clear()  # what was refused
    visit.strangers.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("visit", [NARROW, WIDE], ids=["narrow", "wide"], indirect=True)
async def test_every_state_is_accessible(visit: Walk, scheme: str) -> None:
    """Every state passes axe-core's checks of WCAG 2.2, and is no wider than the window."""
    page = visit.page
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    async def look(state: str) -> None:
        results = await Axe().run(page)
        found = [
            (state, violation["id"], node["html"][:200])
            for violation in results.response["violations"]
            for node in violation["nodes"]
        ]
        assert found == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, state

    await look("start")

    await page.get_by_role("button", name="Open the signatures").click()
    await expect(alert(page)).to_be_focused()
    await look("fault")

    await page.get_by_label("1. The files of the export").set_input_files([*Path("out").glob("*.ndjson")])
    await look("several")

    write_long_export()
    await opens(page, "ann.age", "long.ndjson")
    await expect(page.get_by_text("per second, about")).to_be_visible()
    await look("working")
    await page.get_by_role("button", name="Stop").click()

    await opens(page, "ann.age", *WHOLE)
    await is_opened(page, len(SIGNERS))
    await look("result")
    await page.get_by_role("button", name="Open another file").click()

    manifest = json.loads(Path("out/manifest.json").read_text())
    lines = b"{}\n" + Path("out/signatures.ndjson").read_bytes()
    Path("out/signatures.ndjson").write_bytes(lines)
    changed = {**manifest, "sha256": private_files.sha256(Path("out/signatures.ndjson")), "by_country": {"FR": 1}}
    Path("out/manifest.json").write_text(json.dumps(changed))
    await opens(page, "ann.age", *WHOLE)
    await is_opened(page, len(SIGNERS))
    await look("damaged")
