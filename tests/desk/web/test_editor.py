"""The editor of the campaign file: what it saves, what it leaves alone, and what it refuses."""

import html
import io
import re
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import PIL.Image
import pytest

from desk import private_files
from desk.errors import CommandError
from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import Session
from shared import campaigns
from shared.campaigns import loader
from shared.campaigns.model import Campaign
from shared.campaigns.toml_lines import Lines
from shared.clock import utc_now
from shared.models.labels import Label
from tests.desk.commands import undersign
from tests.desk.web.test_pages import HOST, ORIGIN

NEW = "trees"
EXAMPLE = "reclaim-your-face"
TITLE = "texts.en.title"


@pytest.fixture
def folder(var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of two campaign files: the example, and one that has just been begun."""
    folder = tmp_path / "campaigns"
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))
    given = {
        "title": "Plant 1,000 trees",
        "addressee": "City Council",
        "organisation": "Stichting Bomen",
        "postal-address": "Laan 1, Utrecht",
        "email": "petition@bomen.example.org",
        "website": "https://bomen.example.org",
        "mail-provider": "Brieftaube GmbH",
        "mail-place": "Germany",
    }
    made = undersign(
        "campaign", "new", NEW, *(part for name, value in given.items() for part in (f"--{name}", value))
    )
    assert made.exit_code == 0, made.output
    shutil.copy(loader.FOLDER / f"{EXAMPLE}.toml", folder)
    shutil.copytree(loader.FOLDER / EXAMPLE, folder / EXAMPLE)
    return folder


class Editor:
    """The editor in a browser, which sends its forms as they are shown but for what a test writes into them."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def show(self, campaign: str, section: str) -> str:
        """Return the page of a section."""
        return (await self.client.get(f"/campaigns/{campaign}/edit/{section}")).raise_for_status().text

    async def upload(
        self, campaign: str, section: str, files: dict[str, tuple[str, bytes]], **written: str
    ) -> httpx.Response:
        """Send the form of a section with pictures. `files`: name and content, by the names of fields."""
        return await self.client.post(
            f"/campaigns/{campaign}/edit/{section}",
            data={
                **fields(await self.show(campaign, section)),
                **{name.replace("__", "."): text for name, text in written.items()},
            },
            files=files,
            headers=ORIGIN,
        )

    async def save(self, page: str, campaign: str, section: str, to: str = "", **written: str) -> httpx.Response:
        """Send the form of a page that was shown. `written`: by the names of fields, with __ for each dot."""
        return await self.client.post(
            f"/campaigns/{campaign}/edit/{section}{to}",
            data={**fields(page), **{name.replace("__", "."): text for name, text in written.items()}},
            headers=ORIGIN,
        )


def fields(page: str) -> dict[str, str]:
    """Return what a browser would send of the form."""
    form = page.partition('id="editor"')[2].partition("</form>")[0]
    inputs = re.findall(r'<input(?! type="checkbox")[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form)
    areas = re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL)
    ticked = re.findall(r'<input type="checkbox"[^>]* name="([^"]+)"[^>]* value="([^"]*)" checked', form)
    return {name: html.unescape(value) for name, value in [*inputs, *areas, *ticked]}


def digest_of(page: str) -> str:
    """Return the digest of the files that a page shows."""
    found = re.search('name="digest" value="([^"]+)"', page)
    assert found
    return found[1]


@pytest.fixture
async def editor(folder: Path) -> AsyncIterator[Editor]:
    """The editor, opened by the link of the desk."""
    session = Session(8123, utc_now())
    transport = httpx.ASGITransport(create_app(session, HOST, lambda: None))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN["Origin"], follow_redirects=True) as client:
        await client.get(LINK, params={"token": session.link_token})
        yield Editor(client)


def texts_of(folder: Path) -> dict[str, str]:
    """Return all campaign files, by their paths."""
    return {str(file): file.read_bytes().decode() for file in folder.rglob("*.toml")}


class TestSaving:
    @pytest.mark.parametrize(
        "section", ["petition", "face", "consent", "contact", "after", "privacy", "languages/de"]
    )
    async def test_what_nobody_has_changed_changes_nothing(
        self, folder: Path, editor: Editor, section: str
    ) -> None:
        """Not a byte of any file, in any section."""
        before = texts_of(folder)

        answer = await editor.save(await editor.show(EXAMPLE, section), EXAMPLE, section)

        assert "Saved" in answer.text
        assert texts_of(folder) == before

    async def test_keeps_comments_line_endings_and_permissions(self, folder: Path, editor: Editor) -> None:
        """Only the line of the title becomes another one."""
        file = folder / f"{NEW}.toml"
        before = "\ufeff" + file.read_text(encoding="utf-8").replace("\n", "\r\n")
        file.write_bytes(before.encode())
        file.chmod(0o640)

        await editor.save(await editor.show(NEW, "petition"), NEW, "petition", texts__en__title="Plant “trees”")

        after = file.read_bytes().decode()
        changed = [
            (old, new) for old, new in zip(before.split("\n"), after.split("\n"), strict=True) if old != new
        ]
        assert changed == [('title = "Plant 1,000 trees"\r', 'title = "Plant “trees”"\r')]
        assert stat.S_IMODE(file.stat().st_mode) == 0o640

    async def test_long_petitions_are_saved_whole(self, folder: Path, editor: Editor) -> None:
        """Paragraphs are parted by blank lines, demands by line breaks, as browsers send them."""
        paragraphs = [f"{'Why? ' * 200}{number}" for number in range(40)]

        await editor.save(
            await editor.show(NEW, "petition"),
            NEW,
            "petition",
            texts__en__paragraphs="\r\n\r\n".join(paragraphs),
            texts__en__demands="One\u200b.\r\n\r\nTwo.\r\n",
        )

        texts = campaigns.load(folder / f"{NEW}.toml").text("en")
        assert list(texts.paragraphs) == [paragraph.strip() for paragraph in paragraphs]
        assert texts.demands == ("One.", "Two.")

    async def test_an_entry_of_a_list_is_added_and_removed(self, folder: Path, editor: Editor) -> None:
        """By filling in the empty one, and by emptying one."""
        for written in (
            {"supporters__3__name": "New one", "supporters__3__website": "https://new.example"},
            {"supporters__0__name": "", "supporters__0__website": ""},
        ):
            answer = await editor.save(await editor.show(EXAMPLE, "contact"), EXAMPLE, "contact", **written)
            assert "Saved" in answer.text

        supporters = campaigns.load(folder / f"{EXAMPLE}.toml").supporters
        assert (supporters[0].name, supporters[-1].name) == ("Association of European Reporters", "New one")

    async def test_another_name_of_the_recipient_takes_its_translations_away(
        self, folder: Path, editor: Editor
    ) -> None:
        """They would be those of another name, and the campaign would not load with them."""
        page = await editor.show(EXAMPLE, "privacy")

        await editor.save(page, EXAMPLE, "privacy", privacy__recipients="European Parliament")
        german = await editor.show(EXAMPLE, "languages/de")
        await editor.save(
            german, EXAMPLE, "languages/de", **{"texts.de.glossary.European%20Parliament": "Parlament"}
        )

        saved = campaigns.load(folder / f"{EXAMPLE}.toml")
        assert saved.privacy.recipients == ("European Parliament",)
        assert "European Commission" not in saved.text("de").glossary
        assert saved.text("de").glossary["European Parliament"] == "Parlament"
        assert saved.text("de").glossary["Germany"] == "Deutschland"

    async def test_says_what_becomes_of_translated_words(self, editor: Editor) -> None:
        """What is longer keeps its translation, what is another one loses it."""
        page = await editor.show(EXAMPLE, "privacy")
        places = {
            name: "Germany (EU)"
            for name, text in fields(page).items()
            if name.startswith("privacy.processors.") and text == "Germany"
        }

        answer = await editor.save(page, EXAMPLE, "privacy", privacy__recipients="European Parliament", **places)

        assert "Translations of “European Commission” were removed" in answer.text
        assert "Translations of “Germany” now stand for “Germany (EU)”" in answer.text

    async def test_asks_for_the_postal_code_and_no_longer(self, folder: Path, editor: Editor) -> None:
        """A field that nobody can sign without is on the same page as whether it is asked for."""
        page = await editor.show(NEW, "privacy")
        asked = await editor.save(
            page, NEW, "privacy", asks_postal_code="on", required_fields="postal_code", screening__hold="too_fast"
        )
        saved = campaigns.load(folder / f"{NEW}.toml")
        without_both = {
            **{name: text for name, text in fields(asked.text).items() if name != "asks_postal_code"},
            "required_fields": "",
        }

        answer = await editor.client.post(f"/campaigns/{NEW}/edit/privacy", data=without_both, headers=ORIGIN)

        assert saved.required_fields == {"postal_code"}
        assert saved.screening.hold == (frozenset({Label.TOO_FAST}),)
        assert "Saved" in answer.text
        assert not campaigns.load(folder / f"{NEW}.toml").asks_postal_code

    async def test_goes_on_beside_files_that_are_no_translation(self, folder: Path, editor: Editor) -> None:
        """Every section can still be changed."""
        (folder / NEW).mkdir()
        (folder / NEW / "readme.toml").write_text('title = "x"\n', encoding="utf-8")

        for section in ("petition", "face", "consent", "after", "languages", "languages/readme"):
            assert digest_of(await editor.show(NEW, section))


class TestRefusals:
    @pytest.mark.parametrize(
        ("section", "name", "written", "sentence"),
        [
            ("petition", "goal", "many", "write a whole number"),
            ("petition", "goal", "5", "must rise and end with goal"),
            ("petition", "opens", "tomorrow", "write a day"),
            ("petition", "closes", "2020-01-01", "lies before opens"),
            ("petition", TITLE, "", "is missing"),
            ("petition", "time_zone", "Mars", "there is no time zone"),
            ("face", "accent", "#ffff00", "the nearest colour that can is"),
            ("consent", "texts.en.consent", "I agree.", "does not name every controller"),
            ("consent", "controllers.0.website", "http://x", "write the whole address"),
            ("after", "texts.en.next_step.text", "Because.", "is missing (the words of the button"),
        ],
    )
    async def test_name_the_field_and_lose_nothing(
        self, folder: Path, editor: Editor, section: str, name: str, written: str, sentence: str
    ) -> None:
        """What is wrong stands beside it, what was written is still there, and the file is as it was."""
        before = texts_of(folder)

        answer = await editor.save(await editor.show(NEW, section), NEW, section, **{name: written})

        assert answer.status_code == 400
        assert "Nothing was saved" in answer.text
        assert sentence in html.unescape(answer.text)
        assert fields(answer.text)[name] == written
        assert texts_of(folder) == before

    @pytest.mark.parametrize("name", [f"{NEW}.toml", f"{NEW}/de.toml"])
    async def test_of_what_has_changed_on_the_disk_show_both(
        self, folder: Path, editor: Editor, name: str
    ) -> None:
        """An editor or git has written; a second press replaces it knowingly."""
        page = await editor.show(NEW, "petition")
        own = folder / f"{NEW}.toml"
        if "de" in name:
            (folder / NEW).mkdir()
            own_texts = own.read_text(encoding="utf-8").partition("\n[texts.en]\n")[2]
            (folder / name).write_text(own_texts, encoding="utf-8")
        else:
            own.write_text(own.read_text(encoding="utf-8").replace("1,000 trees", "2,000 trees"), encoding="utf-8")
        before = texts_of(folder)

        refused = await editor.save(page, NEW, "petition", texts__en__title="Plant more")
        after = texts_of(folder)
        saved = await editor.save(refused.text, NEW, "petition")

        assert refused.status_code == 409
        assert fields(refused.text)[TITLE] == "Plant more"
        assert "The file now says:" in refused.text
        assert after == before
        assert "Saved" in saved.text
        assert campaigns.load(own).text("en").title == "Plant more"

    async def test_of_a_form_with_odd_fields_change_nothing_else(self, folder: Path, editor: Editor) -> None:
        """Doubled, unknown and missing fields: what is not sent stays."""
        page = await editor.show(NEW, "petition")
        given = {"digest": fields(page)["digest"], TITLE: ["One", "Two"], "sealing.recipients": "x", "id": "y"}

        await editor.client.post(f"/campaigns/{NEW}/edit/petition", data=given, headers=ORIGIN)
        without = await editor.client.post(
            f"/campaigns/{NEW}/edit/petition", data={TITLE: "Three"}, headers=ORIGIN
        )

        saved = campaigns.load(folder / f"{NEW}.toml")
        assert (saved.text("en").title, saved.sealing.recipients) == ("Two", ("throwaway",))
        assert without.status_code == 409

    @pytest.mark.parametrize("section", ["nothing", "languages/xx", "languages/..%2fpetition", "languages/en"])
    async def test_of_sections_that_are_not_there_are_plain(self, editor: Editor, section: str) -> None:
        """The desk goes on."""
        answer = await editor.client.get(f"/campaigns/{NEW}/edit/{section}")

        assert answer.status_code in {400, 404}

    async def test_of_a_file_that_is_no_toml_say_where(self, folder: Path, editor: Editor) -> None:
        """It can be put right in a text editor only."""
        (folder / f"{NEW}.toml").write_text('title = "open\n', encoding="utf-8")

        answer = await editor.client.get(f"/campaigns/{NEW}/edit/petition")

        assert answer.status_code == 400
        assert f"{NEW}.toml:1" in answer.text

    @pytest.mark.parametrize(
        "text",
        [
            "goal = 5",
            "texts = 3",
            "[texts]\nen = 3",
            "controllers = 5\nprivacy = []\nearlier_consents = 5\nvouched_languages = 1\n[texts.en]\nglossary = 3",
            "controllers = [1, 2]\nopens = [3]\n[privacy]\nprocessors = [3]\nrecipients = 4\n[texts.en]",
            'default_language = 5\n[texts."x y"]\ntitle = 5\nparagraphs = [[1]]\ncall = {a = 1}',
        ],
    )
    async def test_a_file_that_says_something_else_is_never_too_much(
        self, folder: Path, editor: Editor, text: str
    ) -> None:
        """Every page answers, if only with what is wrong; what cannot be saved is not."""
        (folder / f"{NEW}.toml").write_text(text, encoding="utf-8")

        for section in ("petition", "face", "consent", "contact", "after", "privacy", "languages"):
            path = f"/campaigns/{NEW}/edit/{section}"
            shown = await editor.client.get(path)
            given = {**fields(shown.text), "digest": digest_of(shown.text)} if shown.status_code == 200 else {}
            saved = await editor.client.post(path, data={**given, "privacy.recipients": "x"}, headers=ORIGIN)

            assert {shown.status_code, saved.status_code} <= {200, 400, 409}
        assert (folder / f"{NEW}.toml").read_text(encoding="utf-8").strip() == text.strip()

    async def test_a_file_that_does_not_load_is_put_right_field_by_field(
        self, folder: Path, editor: Editor
    ) -> None:
        """What is wrong elsewhere keeps nobody from saving what is right."""
        file = folder / f"{NEW}.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(
            text.replace("goal = 10_000", 'goal = "x"').replace("backup_days = 14", "backup_days = 999")
        )

        page = await editor.show(NEW, "petition")
        answer = await editor.save(page, NEW, "petition", goal="10000")

        assert "write a whole number" in html.unescape(page)
        assert "Saved" in answer.text
        assert "goal = 10_000" in file.read_text(encoding="utf-8")

    async def test_take_over_what_only_others_have_changed(self, folder: Path, editor: Editor) -> None:
        """Save again puts back nothing that was not written here, and shows what else it replaces."""
        own = folder / f"{EXAMPLE}.toml"
        page = await editor.show(EXAMPLE, "petition")
        call = fields(page)["texts.en.call"]
        text = re.sub(r"\ncall = .*", "", own.read_text(encoding="utf-8"))
        own.write_text(text.replace("goal = 1_000_000", "goal = 1_000_000 # agreed"), encoding="utf-8")
        own.write_text(
            own.read_text(encoding="utf-8").replace("title = ", "title = 'By git' #", 1), encoding="utf-8"
        )

        refused = await editor.save(page, EXAMPLE, "petition", texts__en__summary="Mine.")
        shown = fields(refused.text)
        both = await editor.save(page, EXAMPLE, "petition", texts__en__call=f"{call} Now.")

        assert refused.status_code == both.status_code == 409
        assert (shown["texts.en.title"], shown["texts.en.call"]) == ("By git", "")
        assert shown["texts.en.summary"] == "Mine."
        assert fields(both.text)["texts.en.call"] == f"{call} Now."
        assert "The file now says:</strong> nothing" in both.text

    async def test_keep_what_was_written_into_an_entry_that_is_gone(self, folder: Path, editor: Editor) -> None:
        """Somebody else has removed a supporter; the new one has no field of its name any more."""
        own = folder / f"{EXAMPLE}.toml"
        page = await editor.show(EXAMPLE, "contact")
        index = max(int(each) for each in re.findall(r'name="supporters\.(\d+)\.name"', page))
        text = own.read_text(encoding="utf-8")
        own.write_text(re.sub(r"\[\[supporters\]\]\n(?:\w.*\n)+", "", text, count=1), encoding="utf-8")

        refused = await editor.save(page, EXAMPLE, "contact", **{f"supporters__{index}__name": "Bird Friends"})

        assert refused.status_code == 409
        assert "no place any more for what you wrote: Bird Friends" in refused.text

    async def test_name_the_organisation_that_they_are_about(self, editor: Editor) -> None:
        """Each has fields of the same names."""
        page = await editor.show(NEW, "consent")

        refused = await editor.save(page, NEW, "consent", controllers__0__website="x")
        preview = await editor.save(page, NEW, "consent", "/preview", controllers__0__website="x")

        assert "Stichting Bomen, Website: " in refused.text
        assert "Stichting Bomen, Website: " in preview.text

    async def test_keep_what_was_ticked(self, editor: Editor) -> None:
        """As they keep what was written."""
        page = await editor.show(NEW, "petition")
        [first, *_] = re.findall(r'name="done" value="([^"]+)"', page)

        refused = await editor.save(page, NEW, "petition", goal="many", done=first)

        assert fields(refused.text)["done"] == first


class TestToDo:
    async def test_stands_beside_its_field_until_it_is_ticked(self, folder: Path, editor: Editor) -> None:
        """To change the field is not to have done it, as with a text that a lawyer is to read."""
        page = await editor.show(NEW, "petition")
        named = re.findall(r'name="done" value="([^"]+)"', page)

        changed = await editor.save(page, NEW, "petition", texts__en__summary="Why.")
        ticked = await editor.save(changed.text, NEW, "petition", done=named[0])

        assert "write the petition in your own words" in page
        assert "write the petition in your own words" in changed.text
        assert "write the petition in your own words" not in ticked.text
        comments = Lines((folder / f"{NEW}.toml").read_text(encoding="utf-8")).comments.values()
        assert not [comment for comment in comments if "own words" in comment]
        assert [comment for comment in comments if "SPF" in comment]

    async def test_every_one_is_shown_somewhere(self, folder: Path, editor: Editor) -> None:
        """None is left for `campaign check` alone."""
        sections = ["petition", "face", "consent", "contact", "after", "privacy"]
        shown = {
            name
            for each in sections
            for name in re.findall(r'name="done" value="([^"]+)"', await editor.show(NEW, each))
        }

        lines = Lines((folder / f"{NEW}.toml").read_text(encoding="utf-8")).comments
        assert shown == {f"{NEW}.toml:{line}" for line, text in lines.items() if text.startswith("TO DO: ")}


class TestConsent:
    async def test_that_changes_gets_a_version_and_keeps_the_old_text(self, folder: Path, editor: Editor) -> None:
        """In every language, with the days on which it was shown."""
        before = campaigns.load(folder / f"{EXAMPLE}.toml")
        page = await editor.show(EXAMPLE, "consent")
        new = f"{before.text('en').consent} Thank you."

        answer = await editor.save(
            page, EXAMPLE, "consent", texts__en__consent=new, consent_shown="on", shown_until="2026-12-05"
        )

        saved = campaigns.load(folder / f"{EXAMPLE}.toml")
        assert "Saved" in answer.text
        assert saved.consent_version != before.consent_version
        assert [(each.version, str(each.shown_until)) for each in saved.earlier_consents] == [
            (before.consent_version, "2026-12-05")
        ]
        for language in before.texts:
            assert saved.consent(before.consent_version, language) == before.text(language).consent
        assert saved.text("en").consent == new

    async def test_that_nobody_has_seen_is_replaced(self, folder: Path, editor: Editor) -> None:
        """Its version rises all the same, and twice on one day."""
        versions = set()
        for ending in ("Thanks.", "Thank you."):
            page = await editor.show(NEW, "consent")
            given = {**fields(page), "texts.en.consent": f"{fields(page)['texts.en.consent']} {ending}"}
            given.pop("consent_shown", None)
            await editor.client.post(f"/campaigns/{NEW}/edit/consent", data=given, headers=ORIGIN)
            versions.add(campaigns.load(folder / f"{NEW}.toml").consent_version)

        assert len(versions) == 2
        assert campaigns.load(folder / f"{NEW}.toml").earlier_consents == ()

    async def test_of_a_campaign_that_cannot_open_was_seen_by_nobody(self, folder: Path, editor: Editor) -> None:
        """A new one opens today, and is written for some time; none of its texts becomes an earlier consent."""
        for ending in ("Thanks.", "Thank you."):
            page = await editor.show(NEW, "consent")
            consent = f"{fields(page)['texts.en.consent']} {ending}"
            await editor.save(page, NEW, "consent", texts__en__consent=consent)

        saved = campaigns.load(folder / f"{NEW}.toml")
        assert saved.text("en").consent.endswith("Thank you.")
        assert saved.earlier_consents == ()

    async def test_of_an_open_campaign_is_kept_once_a_day(
        self, folder: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A typo that is put right at once was not deployed in between."""
        monkeypatch.setattr(Campaign, "unready_keys", lambda _: iter(()))
        for ending in ("Thanks.", "Thank you."):
            page = await editor.show(EXAMPLE, "consent")
            consent = f"{fields(page)['texts.en.consent']} {ending}"
            await editor.save(page, EXAMPLE, "consent", texts__en__consent=consent)

        assert len(campaigns.load(folder / f"{EXAMPLE}.toml").earlier_consents) == 1

    async def test_is_renamed_together_with_the_organisation(self, folder: Path, editor: Editor) -> None:
        """One without the other would not load."""
        page = await editor.show(NEW, "consent")
        consent = fields(page)["texts.en.consent"].replace("Bomen", "Bos")

        alone = await editor.save(page, NEW, "consent", controllers__0__name="Stichting Bos")
        both = await editor.save(
            page, NEW, "consent", controllers__0__name="Stichting Bos", texts__en__consent=consent
        )

        assert alone.status_code == 400
        assert "Saved" in both.text


class TestPreview:
    async def test_shows_what_is_written_and_saves_nothing(self, folder: Path, editor: Editor) -> None:
        """The public page itself, with pictures in it."""
        before = texts_of(folder)
        page = await editor.show(EXAMPLE, "petition")

        shown = await editor.save(page, EXAMPLE, "petition", "/preview", texts__en__title="Not <saved> yet")

        assert "<h1>Not &lt;saved&gt; yet</h1>" in shown.text
        assert 'src="data:image/jpeg;base64,' in shown.text
        assert "/images/" not in shown.text
        assert texts_of(folder) == before

    async def test_is_framed_by_the_desk_alone_and_runs_and_loads_nothing(self, editor: Editor) -> None:
        """Texts are pasted from anywhere."""
        for campaign, section in ((EXAMPLE, "petition"), (EXAMPLE, "languages/de")):
            answer = await editor.client.get(f"/campaigns/{campaign}/edit/{section}/preview")

            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "script-src" not in policy
            assert "form-action 'none'" in policy
            assert "frame-ancestors 'self'" in policy
            assert answer.headers["x-frame-options"] == "SAMEORIGIN"

    async def test_says_what_keeps_it_from_being_shown(self, editor: Editor) -> None:
        """In the words of the form."""
        page = await editor.show(NEW, "petition")

        shown = await editor.save(page, NEW, "petition", "/preview", goal="many")

        assert "Goal: write a whole number" in shown.text


class TestLanguages:
    async def test_a_further_one_begins_with_the_main_text_and_is_still_to_do(
        self, folder: Path, editor: Editor
    ) -> None:
        """With the drafted consent text of that language, where there is one; nobody has vouched for it yet."""
        for language in ("fr", "pl"):
            page = await editor.show(NEW, "languages")
            given = {"digest": digest_of(page), "do": "add", "language": language}
            answer = await editor.client.post(f"/campaigns/{NEW}/edit/languages", data=given, headers=ORIGIN)
            assert "translate these texts" in answer.text

        saved = campaigns.load(folder / f"{NEW}.toml")
        assert saved.text("pl").title == saved.text("fr").title == saved.text("en").title
        assert saved.text("fr").consent.startswith("Je signe")
        assert saved.text("pl").consent == saved.text("en").consent
        assert saved.vouched_languages == ("en",)

    async def test_are_vouched_for_and_no_longer(self, folder: Path, editor: Editor) -> None:
        """The campaign's own always is one."""
        seen = []
        for ticked in (["de", "fr"], ["fr"]):
            given = {
                "digest": digest_of(await editor.show(EXAMPLE, "languages")),
                "do": "vouch",
                "vouched": ticked,
            }
            await editor.client.post(f"/campaigns/{EXAMPLE}/edit/languages", data=given, headers=ORIGIN)
            seen.append(campaigns.load(folder / f"{EXAMPLE}.toml").vouched_languages)

        assert seen == [("en", "de", "fr"), ("en", "fr")]

    @pytest.mark.parametrize("language", ["en", "xx", "", "../fr"])
    async def test_that_cannot_be_added_are_refused(self, folder: Path, editor: Editor, language: str) -> None:
        """No file is made."""
        before = texts_of(folder)
        given = {"digest": digest_of(await editor.show(NEW, "languages")), "do": "add", "language": language}

        answer = await editor.client.post(f"/campaigns/{NEW}/edit/languages", data=given, headers=ORIGIN)

        assert answer.status_code == 400
        assert texts_of(folder) == before


def picture(
    width: int = 1440, height: int = 810, kind: str = "PNG", color: str = "teal", **metadata: bytes
) -> bytes:
    """Return a picture of one colour."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (width, height), color).save(file, kind, **metadata)
    return file.getvalue()


def fail_to_replace(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let no file of this name be written, as on a full disk."""
    replace = private_files.replace

    def fail(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
        if path.name == name:
            raise CommandError(f"{path} cannot be written: No space left on device.")
        replace(path, content, mode=mode)

    monkeypatch.setattr(private_files, "replace", fail)


def pictures_of(folder: Path) -> set[str]:
    """Return the names of what lies in the new campaign's folder."""
    return {file.name for file in (folder / NEW).glob("*")}


class TestPictures:
    async def test_are_put_into_the_folder_under_a_safe_name(self, folder: Path, editor: Editor) -> None:
        """Together with what they show, without which the campaign would not load."""
        files = {
            "picture": ("../../Our Tree\u202e (1).PNG", picture()),
            "share_image": ("whatever.png", picture(1200, 630)),
        }

        answer = await editor.upload(NEW, "face", files, texts__en__picture_alt="A tree.")

        saved = campaigns.load(folder / f"{NEW}.toml")
        assert "Saved" in answer.text
        assert 'src="data:image/' in answer.text
        assert pictures_of(folder) == {"our-tree-1.png", "share.png"}
        assert saved.picture
        assert saved.share_image

    async def test_of_one_name_stand_side_by_side(self, folder: Path, editor: Editor) -> None:
        """The old one stays, for git and for those who want it back; the same one is kept once."""
        for height in (810, 800, 800):
            files = {"picture": ("tree.png", picture(height=height))}
            await editor.upload(NEW, "face", files, texts__en__picture_alt="A tree.")

        saved = campaigns.load(folder / f"{NEW}.toml")
        assert pictures_of(folder) == {"tree.png", "tree-2.png"}
        assert saved.picture
        assert saved.picture.file.name == "tree-2.png"

    async def test_are_shown_no_longer_when_that_is_ticked(self, folder: Path, editor: Editor) -> None:
        """What they show goes with them; the picture for posts has no key, so its file goes."""
        files = {"picture": ("tree.png", picture()), "share_image": ("a.png", picture(1200, 630))}
        await editor.upload(NEW, "face", files, texts__en__picture_alt="A tree.")
        ticked = {"picture.remove": "on", "share_image.remove": "on"}

        answer = await editor.upload(NEW, "face", {}, **ticked)

        saved = campaigns.load(folder / f"{NEW}.toml")
        assert "Saved" in answer.text
        assert (saved.picture, saved.share_image) == (None, None)
        assert pictures_of(folder) == {"tree.png"}

    async def test_for_posts_stay_where_the_campaign_is_not_saved(
        self, folder: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And the campaign is not saved where they cannot be written."""
        before = picture(1200, 630)
        await editor.upload(NEW, "face", {"share_image": ("a.png", before)})
        kept, texts = (folder / NEW / "share.png").read_bytes(), texts_of(folder)
        upload = {"share_image": ("b.png", picture(1200, 630, color="red"))}
        with monkeypatch.context() as full:
            fail_to_replace(full, f"{NEW}.toml")
            answers = [await editor.upload(NEW, "face", upload, accent="#123456")]
            answers.append(await editor.upload(NEW, "face", {}, accent="#123456", share_image__remove="on"))
        fail_to_replace(monkeypatch, "share.png")
        answers.append(await editor.upload(NEW, "face", upload, accent="#123456"))

        assert [answer.status_code for answer in answers] == [400, 400, 400]
        assert all("Nothing was saved" in answer.text for answer in answers)
        assert ((folder / NEW / "share.png").read_bytes(), texts_of(folder)) == (kept, texts)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    async def test_say_nothing_of_where_they_were_taken(self, folder: Path, editor: Editor, kind: str) -> None:
        """Folders of campaigns are shared; photos stay upright."""
        exif = PIL.Image.Exif()
        exif[0x0112] = 6  # to be turned by a quarter
        exif.get_ifd(0x8825)[1] = "N"
        name = f"tree.{kind.lower()}"
        taken = picture(810, 1440, kind, exif=exif.tobytes(), comment=b"At home")

        await editor.upload(NEW, "face", {"picture": (name, taken)}, texts__en__picture_alt="A tree.")

        with PIL.Image.open(folder / NEW / name) as kept:
            assert (kept.size, kept.format, dict(kept.getexif())) == ((1440, 810), kind, {})
        assert b"At home" not in (folder / NEW / name).read_bytes()

    async def test_are_the_logos_of_organisations(self, folder: Path, editor: Editor) -> None:
        """That of the first one heads the page."""
        answer = await editor.upload(NEW, "consent", {"controllers.0.logo": ("Logo", picture(200, 100, "WEBP"))})
        refused = answer.status_code
        answer = await editor.upload(
            NEW, "consent", {"controllers.0.logo": ("Logo.webp", picture(200, 100, "WEBP"))}
        )

        logo = campaigns.load(folder / f"{NEW}.toml").controllers[0].logo
        assert (refused, answer.status_code) == (400, 200)
        assert logo
        assert logo.file.name == "logo.webp"

    @pytest.mark.parametrize(
        ("field", "name", "content", "sentence"),
        [
            ("picture", "a.svg", b"<svg/>", "is an SVG, which can hold scripts"),
            ("picture", "a.png", b"GIF89a", "is no picture that can be read"),
            ("picture", "a.png", picture(400, 300), "wider than high"),
            ("picture", "a.png", picture() + bytes(11_000_000), "10 MB are the most"),
            ("picture", "a.exe", b"MZ", "write the name alone"),
            ("share_image", "a.png", picture(), "1200 x 630 pixels"),
            ("picture", "a.png", picture(), "is missing (what the picture shows"),
        ],
    )
    async def test_that_cannot_be_shown_are_refused(
        self, folder: Path, editor: Editor, field: str, name: str, content: bytes, sentence: str
    ) -> None:
        """As `campaign check` would; no file is left behind, and what was written is still there."""
        before = texts_of(folder)

        answer = await editor.upload(NEW, "face", {field: (name, content)}, accent="#123456")

        assert answer.status_code == 400
        assert sentence in html.unescape(answer.text)
        assert fields(answer.text)["accent"] == "#123456"
        assert (texts_of(folder), pictures_of(folder)) == (before, set())

    async def test_are_not_kept_for_a_preview(self, folder: Path, editor: Editor) -> None:
        """It shows those that were saved, and nothing of what describes the others."""
        given = fields(await editor.show(NEW, "face")) | {"texts.en.picture_alt": "A tree."}
        files = {"picture": ("tree.png", picture())}

        shown = await editor.client.post(
            f"/campaigns/{NEW}/edit/face/preview", data=given, files=files, headers=ORIGIN
        )

        assert "<h1>Plant 1,000 trees</h1>" in shown.text
        assert pictures_of(folder) == set()
