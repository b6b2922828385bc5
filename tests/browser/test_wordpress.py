"""The WordPress plugin: its HTML on a partner's page, and what it takes as a server. Without WordPress itself."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from shared.web.pages import EXEMPT
from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import PARTNER, Site
from tests.browser.steps import fill_in, mails_arrive
from tests.browser.test_partner_pages import LENIENT, screenshot
from tests.browser.test_widget import INBOX, heading_is, strict
from tests.support.deployment import CAMPAIGN, REPOSITORY
from tests.support.missing import missing
from tests.support.servers import Server

PLUGIN = REPOSITORY / "integrations" / "wordpress" / "undersign"
HARNESS = Path(__file__).parent / "wordpress" / "harness.php"
SERVER = "https://petition.example.org"
INJECTED = '"><img src=x onerror="window.injected = 1"><script>window.injected = 1</script>'

wide = pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)


@pytest.fixture(autouse=True, scope="module")
def php() -> str:
    """The path of PHP's command line."""
    found = shutil.which("php")
    if found is None:
        missing("PHP (apt-get install php-cli)")
    return str(found)


def plugin(server: str = SERVER, language: str = "en-GB", **does: object) -> dict[str, Any]:
    """Load the plugin into a stand-in for WordPress, and return what it did. `does`: see harness.php."""
    done = subprocess.run(
        ["php", "-d", "zend.assertions=1", str(HARNESS), str(PLUGIN / "undersign.php")],
        input=json.dumps({"server": server, "language": language, **does}),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def rendered(running: Server, kind: str, attributes: dict[str, str]) -> str:
    """Return the HTML of a shortcode or a block. `kind`: which of both."""
    return str(plugin(running.url, "en-GB", **{kind: attributes})["html"])


@pytest.mark.parametrize("file", sorted(PLUGIN.glob("*.php")), ids=lambda file: str(file.name))
def test_it_is_php(file: Path) -> None:
    """PHP's own linter finds no fault."""
    done = subprocess.run(["php", "-l", str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_its_parts_name_one_version() -> None:
    """The header is what WordPress shows, and readme.txt is what its directory serves."""
    header, readme = (PLUGIN / "undersign.php").read_text("utf-8"), (PLUGIN / "readme.txt").read_text("utf-8")
    block = json.loads((PLUGIN / "block.json").read_text("utf-8"))
    found = re.findall(r"Version: +(\S+)|Stable tag: (\S+)|^\t\t'([\d.]+)',$", header + readme, re.MULTILINE)

    assert {block["version"], *("".join(each) for each in found)} == {"1.0.0"}
    assert "GPL-2.0-or-later" in header
    assert "GPL-2.0-or-later" in readme


@wide
@pytest.mark.parametrize("kind", ["shortcode", "block"])
async def test_the_form_appears_and_a_signature_goes_through(
    visit: Walk, running: Server, partner: Site, address: str, kind: str
) -> None:
    """On a page with a strict policy, as a shortcode and as a block."""
    html = rendered(running, kind, {"campaign": CAMPAIGN, "partner": PARTNER})
    await visit.opens(partner.shows(html, strict(running.url)))
    await expect(visit.page.get_by_role("heading", name="Sign the petition")).to_be_visible()
    await screenshot(visit.page, f"wordpress-{kind}")

    await fill_in(visit, address)
    await visit.presses("Sign now")

    await heading_is(visit.page, INBOX)
    await mails_arrive(running, address, 1)


@wide
async def test_the_counter_and_the_button_speak_the_websites_language_or_another(
    visit: Walk, running: Server, partner: Site
) -> None:
    """The language of the website goes without its region."""
    shown = [
        plugin(server=running.url, language="de-AT", shortcode={"campaign": CAMPAIGN, **attributes})["html"]
        for attributes in (
            {"show": "counter"},
            {"show": "button", "partner": PARTNER, "language": "fr", "label": "Je signe"},
        )
    ]
    await visit.opens(partner.shows("".join(shown), LENIENT))

    await expect(visit.page.get_by_role("progressbar")).to_be_visible()
    await expect(visit.page.locator("undersign-counter")).to_have_attribute("lang", "de")
    await screenshot(visit.page, "wordpress-counter")
    await visit.page.get_by_role("link", name="Je signe").click()
    await expect(visit.page).to_have_url(f"{running.url}/c/{CAMPAIGN}?lang=fr&partner={PARTNER}")


async def test_without_a_script_there_is_a_link_and_a_picture(walk: Walk, running: Server, partner: Site) -> None:
    """The link leads to the petition's own page."""
    shown = [
        plugin(server=running.url, shortcode={"campaign": CAMPAIGN, "partner": PARTNER, "show": show})["html"]
        for show in ("form", "counter")
    ]
    await walk.opens(partner.shows("".join(shown), LENIENT))

    picture = walk.page.get_by_role("img", name="The number of signatures so far")
    assert await picture.evaluate("(picture) => picture.decode().then(() => picture.naturalWidth)") == 200
    await walk.page.get_by_role("link", name="Sign the petition").click()
    await expect(walk.page).to_have_url(f"{running.url}/c/{CAMPAIGN}?lang=en&partner={PARTNER}")


@wide
@pytest.mark.parametrize("show", ["form", "counter", "button"])
@pytest.mark.parametrize("kind", ["shortcode", "block"])
async def test_what_an_author_enters_stays_text(
    visit: Walk, running: Server, partner: Site, kind: str, show: str
) -> None:
    """Authors may write shortcodes, and must not thereby run scripts on the website."""
    attributes = {"campaign": CAMPAIGN, "show": show} | dict.fromkeys(("language", "partner", "label"), INJECTED)
    html = rendered(running, kind, attributes) + rendered(running, kind, {**attributes, "campaign": INJECTED})
    await visit.opens(partner.shows(html, LENIENT))
    await visit.page.wait_for_load_state("networkidle")

    assert await visit.page.evaluate("window.injected") is None
    assert await visit.page.locator("script").count() == (0 if show == "button" else 2)
    if show == "button":
        await expect(visit.page.get_by_role("link").first).to_have_text(INJECTED)
    await visit.opens(partner.shows("", LENIENT))  # the widget goes on asking for a campaign that is not there
    visit.complaints.clear()


def test_consent_managers_need_not_hold_the_script_back() -> None:
    """Its element is marked as in the snippets that partners copy."""
    html = plugin(shortcode={"campaign": CAMPAIGN})["html"]

    [script] = re.findall(r"<script ([^>]*)></script>", html)
    assert script.endswith(f'type="module" src="{SERVER}/embed/v1.js" crossorigin="anonymous" {EXEMPT}')


def test_pasted_addresses_are_known() -> None:
    """WordPress asks the server itself for what it shows in place of an address."""
    assert plugin()["providers"] == {f"{SERVER}/c/*": f"{SERVER}/v1/oembed"}
    assert not plugin(server="")["providers"]


@pytest.mark.parametrize("does", [{"server": ""}, {"campaign": ""}], ids=["server", "campaign"])
def test_what_is_missing_only_editors_are_told(does: dict[str, str]) -> None:
    """Visitors see nothing."""
    server, attributes = does.get("server", SERVER), {"campaign": does.get("campaign", CAMPAIGN)}

    assert plugin(server=server, shortcode=attributes)["html"] == ""
    assert "Settings → Undersign" in plugin(server=server, shortcode=attributes, editor=True)["html"]


@pytest.mark.parametrize(
    ("entered", "saved"),
    [
        ("https://petition.example.net", "https://petition.example.net"),
        (" https://Petition.example.net:8443/ ", "https://petition.example.net:8443"),
        ("", ""),
    ],
)
def test_a_server_is_an_origin(entered: str, saved: str) -> None:
    """With an empty field, the plugin shows nothing any more."""
    answer = plugin(entered=entered)

    assert (answer["saved"], answer["errors"]) == (saved, [])


@pytest.mark.parametrize(
    "entered",
    [
        "http://petition.example.net",
        "petition.example.net",
        "https://ann:secret@petition.example.net",
        "https://petition.example.net/c/x",
        "https://petition.example.net?x",
        "https://petition.example.net\nhttps://evil.example.net",
        "javascript:alert(1)//https://petition.example.net",
        'https://petition.example.net"><script>',
    ],
)
def test_any_other_address_is_refused_and_the_last_one_stays(entered: str) -> None:
    """Scripts come from there: without TLS, anybody on the way could change them."""
    answer = plugin(entered=entered)

    assert answer["saved"] == SERVER
    assert len(answer["errors"]) == 1
    assert f'value="{SERVER}"' in answer["settings"]


#: The parts of WordPress's editor that the script uses; an element is its type and what is in it.
_EDITOR = """
window.wp = {
    blocks: { registerBlockType: (name, block) => { window.registered = { name, ...block }; } },
    blockEditor: { InspectorControls: "settings", useBlockProps: () => ({}) },
    components: Object.fromEntries(["PanelBody", "TextControl", "SelectControl", "Disabled", "Placeholder"]
        .map((name) => [name, name])),
    element: { Fragment: "fragment", createElement: (type, { label, onChange }, ...inner) =>
        ({ type, label, onChange, inner }) },
    i18n: { __: (text) => text },
    serverSideRender: "preview",
};
"""


@wide
async def test_the_editor_offers_every_attribute_and_shows_a_preview(visit: Walk, partner: Site) -> None:
    """Each field changes the attribute that block.json describes."""
    await visit.opens(partner.shows("", LENIENT))
    await visit.page.evaluate(_EDITOR + (PLUGIN / "editor.js").read_text("utf-8"))

    found = await visit.page.evaluate(
        """() => {
            const changed = [];
            const flat = (element) => element.inner ? [element.type, ...element.inner.flatMap(flat)] : [];
            const setAttributes = (set) => changed.push(set);
            const edit = (attributes) => registered.edit({ attributes, setAttributes });
            const settings = edit({ campaign: "" }).inner[0].inner[0].inner;
            settings.forEach((field) => field.onChange("x"));
            return { name: registered.name, saved: registered.save(), fields: Object.assign({}, ...changed),
                empty: flat(edit({ campaign: "" })), filled: flat(edit({ campaign: "x" })) };
        }"""
    )

    block = json.loads((PLUGIN / "block.json").read_text("utf-8"))
    assert (found["name"], found["saved"]) == (block["name"], None)
    assert found["fields"] == dict.fromkeys(block["attributes"], "x")
    assert "Placeholder" in found["empty"]
    assert "preview" in found["filled"]
