"""embed: the widget's script, the form that it loads, and the pages that help partners to embed it."""

import base64
import gzip
import hashlib
import html
import re
from pathlib import Path
from typing import Any

import pytest

from shared.reference import mail_providers
from shared.web import sharing
from shared.web.widget_versions import Scripts
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, REPOSITORY, World, campaign_file, world

FORM = f"/v1/campaigns/{CAMPAIGN}/form?lang=en"
SNIPPETS = f"/c/{CAMPAIGN}/embed?lang=en"
PARTNER = "digital-rights"
ORIGIN = "https://digital-rights.example.org"


#: The snippets that need no partner, by their names.
FOR_ANY_PAGE = {"counter", "numbers", "badge", "button"}
STATIC = REPOSITORY / "functions" / "embed" / "static"


async def snippets(deployed: World, query: str) -> dict[str, str]:
    """Return what is copied from the snippet page, by name."""
    page = (await deployed.client.get(f"{SNIPPETS}{query}", follow_redirects=True)).text
    found = re.findall(r'<code id="(\w+)">(.*?)</code>', page, re.DOTALL)
    return {name: html.unescape(code) for name, code in found}


async def form(deployed: World, query: str = "") -> dict[str, Any]:
    response = await deployed.client.get(f"{FORM}{query}")
    assert response.status_code == 200
    content: dict[str, Any] = response.json()
    return content


class TestForm:
    async def test_lists_the_partners_and_their_origins(self, deployed: World) -> None:
        """The script looks up its page's origin: whose page it is, and whether people may sign on it."""
        described = await form(deployed, "&embed=1")

        found = next(partner for partner in described["partners"] if ORIGIN in partner["origins"])
        assert (found["id"], found["name"], found["country"]) == (PARTNER, "Digital Rights Watch Berlin", "DE")
        assert "{organisation}" in described["texts"]["form.newsletter"]
        assert described["organisation"]
        assert described["contact"] == "hello@unwatched.example.org"

    @pytest.mark.parametrize("query", [f"&origin={ORIGIN}", "&source=radio"])
    async def test_is_the_same_for_the_pages_of_all_partners(self, deployed: World, query: str) -> None:
        """A cache then keeps one copy for each language, not one for each page."""
        assert await form(deployed, query) == await form(deployed)

    async def test_holds_the_countries_for_other_pages_than_ours(self, deployed: World) -> None:
        """Our own pages have them in their form."""
        assert (await form(deployed))["countries"] == []
        assert ["DE", "Germany"] in (await form(deployed, "&embed=1"))["countries"]

    async def test_leads_to_our_own_page(self, deployed: World) -> None:
        """The script adds the partner to that address before it shares it."""
        described = await form(deployed)

        assert described["hosted_page"] == f"{PUBLIC_URL}/c/{CAMPAIGN}?lang=en"
        assert described["share"]["services"]["WhatsApp"] == "https://wa.me/?text={text}%20{url}"

    async def test_any_page_may_read_it_and_caches_may_store_it(self, deployed: World) -> None:
        """It holds only what is public, and a page must be able to learn that it is not registered."""
        response = await deployed.client.get(FORM, headers={"Origin": "https://nobody.example.org"})

        assert response.headers["access-control-allow-origin"] == "*"
        assert "public" in response.headers["cache-control"]
        assert "set-cookie" not in response.headers

    async def test_placeholders_for_the_browser_are_left_open(self, deployed: World) -> None:
        """All other placeholders are filled in."""
        texts = (await form(deployed, "&embed=1"))["texts"]

        assert texts["share.message"] == (
            "I have just signed “Ban biometric mass surveillance in public places”. Will you sign too?"
        )
        assert texts["counter.next_goal"] == "Next goal: {goal}"
        assert texts["sending.next_try"] == "Next try in {seconds} s"


class TestScript:
    async def test_has_one_address_that_moves_and_one_that_never_does(self, deployed: World) -> None:
        """Both serve the same bytes, cached for minutes or for ever."""
        pinned_path = deployed.functions["embed"].scripts.pinned_path

        moving = await deployed.client.get("/embed/v1.js")
        pinned = await deployed.client.get(pinned_path)

        assert moving.content == pinned.content
        assert moving.headers["content-type"].startswith("text/javascript")
        assert "max-age=300" in moving.headers["cache-control"]
        assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert moving.headers["access-control-allow-origin"] == "*"

    @pytest.mark.parametrize("name", ["v1-0000000000000000.js", "v2.js", "..%2fmain.py", "kept", "v1.js.map"])
    async def test_nothing_else_is_served(self, deployed: World, name: str) -> None:
        """Least of all the function's own files are."""
        response = await deployed.client.get(f"/embed/{name}", headers={"Accept": "application/json"})

        assert response.status_code == 404

    def test_texts_reach_browsers_as_they_are_written(self) -> None:
        """No white space between quotation marks is left out; rjsmin knows no template within another."""
        folder = REPOSITORY / "functions" / "embed" / "static"
        scripts = Scripts(folder)

        for file in folder.glob("*.js"):
            code = re.sub(
                r"/\*\*.*?\*/|// [^\n]*|const STYLE = `.*?`", "", file.read_text("utf-8"), flags=re.DOTALL
            )
            texts = re.findall(r'"[^"\n]*"|`[^`\n]*`', code) + re.findall(r"\}[^`{}\n]*\$\{", code)
            served = scripts.get(file.name)

            assert served
            assert texts
            assert re.findall(r"`[^`\n]*\$\{[^}`\n]*`", code) == []
            assert [text for text in texts if text.encode() not in served.content] == []

    def test_an_earlier_version_stays_at_its_address(self, tmp_path: Path) -> None:
        """Pages that pinned it keep working."""
        (tmp_path / "v1.js").write_text("old")
        earlier = Scripts(tmp_path)
        (tmp_path / "kept").mkdir()
        (tmp_path / "v1.js").rename(tmp_path / "kept" / "whatever.js")
        (tmp_path / "v1.js").write_text("new")

        scripts = Scripts(tmp_path)

        kept = scripts.get(earlier.pinned_path.removeprefix("/embed/"))
        assert kept is not None
        assert (kept.content, kept.is_pinned) == (b"old", True)
        assert scripts.pinned_path != earlier.pinned_path
        assert scripts.integrity != earlier.integrity


class TestSnippets:
    async def test_are_made_for_one_partner(self, deployed: World) -> None:
        """They hold its organisation's name, its short name, its origins, and the page's language."""
        code = await snippets(deployed, f"&partner={PARTNER}")
        page = (await deployed.client.get(f"{SNIPPETS}&partner={PARTNER}")).text

        assert code.keys() == {"script", "pinned", "frame", "plain", *FOR_ANY_PAGE}
        assert f"<code>{ORIGIN}</code>" in page
        assert all(f"{PUBLIC_URL}/" in each for each in code.values())
        assert {name for name, each in code.items() if PARTNER not in each} == {"counter", "numbers"}
        assert "May Digital Rights Watch Berlin write to you" in code["script"]

    async def test_pin_the_script_that_is_served(self, deployed: World) -> None:
        """The integrity attribute is the script's digest."""
        page = (await deployed.client.get(f"{SNIPPETS}&partner={PARTNER}")).text
        pinned = re.search(rf"{PUBLIC_URL}(/embed/v1-\w+\.js)&#34; integrity=&#34;sha384-([^&]+)&#34;", page)
        assert pinned

        script = await deployed.client.get(pinned[1])

        digest = base64.b64encode(hashlib.sha384(script.content).digest()).decode()
        assert html.unescape(pinned[2]) == digest

    @pytest.mark.parametrize("query", ["", "&partner=nobody"])
    async def test_of_the_form_are_shown_only_for_a_known_partner(self, deployed: World, query: str) -> None:
        """Nobody should copy a form that cannot work; what needs no registration is there for anybody."""
        code = await snippets(deployed, query)
        page = (await deployed.client.get(f"{SNIPPETS}{query}", follow_redirects=True)).text

        assert code.keys() == FOR_ANY_PAGE
        assert not any("partner" in each for each in code.values())
        assert f"partner={PARTNER}" in page

    async def test_say_how_to_become_a_partner(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without partners, the steps are in sight, with the address to write to and the organisers' command."""
        file = campaign_file(tmp_path / "campaigns", "alone")
        text, partners = re.subn(r"^\[partners\..*\n(?:[^\[\n].*\n)*", "", file.read_text("utf-8"), flags=re.M)
        assert partners
        file.write_text(text, encoding="utf-8")

        async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(tmp_path / "campaigns")) as deployed:
            page = (await deployed.client.get("/c/alone/embed?lang=en")).text

        steps = re.search(r'<details class="more" open>.*?</details>', page, re.DOTALL)
        assert steps
        assert 'href="mailto:hello@unwatched.example.org"' in steps[0]
        assert "undersign campaign admit-partner alone " in steps[0]
        assert "Your organisation" not in page

    def test_that_are_built_start_from_the_widgets_own_colours(self) -> None:
        """What a partner has not changed is left out of the snippet, so the builder must know what that is."""
        builder = (STATIC / "builder.js").read_text(encoding="utf-8")
        widget = (STATIC / "v1.js").read_text(encoding="utf-8")
        light = re.search(r"const LIGHT = {(.*?)}", builder, re.DOTALL)
        assert light

        known = dict(re.findall(r'"?([a-z-]+)"?: "(#\w{6})"', light[1]))

        own = dict(re.findall(r"var\(--undersign-([a-z-]+), (#\w+)\)", widget[: widget.index(".card")]))
        assert known == {name: colour.replace("#fff", "#ffffff") for name, colour in own.items()} | {
            "ink": "#171a26"
        }

    def test_are_built_by_a_script_that_is_small(self) -> None:
        """Compressed, it is a quarter of the widget's, whatever it is that it has to build."""
        script = Scripts(STATIC).get("builder.js")

        assert script
        assert len(gzip.compress(script.content)) < 3000


class TestFrame:
    async def test_only_the_partner_and_we_may_frame_the_form(self, deployed: World) -> None:
        """The header says so to browsers, and the page to its script."""
        response = await deployed.client.get(f"/c/{CAMPAIGN}?lang=en&embed=1&partner={PARTNER}")

        own = f"{ORIGIN} https://www.digital-rights.example.org"
        assert response.headers["content-security-policy"].endswith(f"frame-ancestors 'self' {own}")
        assert f'data-framed-by="{own}"' in response.text

    @pytest.mark.parametrize("query", ["", "&partner=nobody", "&partner=*"])
    async def test_without_a_partner_only_we_may_frame_the_form(self, deployed: World, query: str) -> None:
        """A frame around it could deceive signers."""
        address = f"/c/{CAMPAIGN}?lang=en&embed=1{query}"
        response = await deployed.client.get(address, follow_redirects=True)

        assert response.headers["content-security-policy"].endswith("frame-ancestors 'self'")
        assert "data-framed-by" not in response.text


def test_a_webmail_link_leads_to_the_providers_inbox() -> None:
    """Gmail's link searches for the sender, and an unknown provider has none."""
    assert mail_providers.webmail("ann@GMail.com ", "us@example.org").endswith("from%3Aus@example.org")
    assert mail_providers.webmail("ann@example.org", "us@example.org") == ""
    assert all(
        re.fullmatch(r"https://\S+|", url) for url in mail_providers.webmail_by_domain("us@example.org").values()
    )


def test_sharing_fills_in_text_and_link() -> None:
    """Both are escaped, and the service that each country prefers exists."""
    links = sharing.links("https://p.example.org/c/x?lang=en&source=share", "“Ban” & sign?")

    assert links["WhatsApp"].startswith(
        "https://wa.me/?text=%E2%80%9CBan%E2%80%9D%20%26%20sign%3F%20https%3A%2F%2F"
    )
    assert links["Facebook"].endswith("?u=https%3A%2F%2Fp.example.org%2Fc%2Fx%3Flang%3Den%26source%3Dshare")
    assert {sharing.DEFAULT, *sharing.PRIMARY.values()} <= links.keys()
