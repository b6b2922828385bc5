"""Edits of a campaign's files: what they change in them, and what they leave as it is."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from desk import private_files
from desk.campaigns import edit, fields
from desk.campaigns.fields import LINES, PARAGRAPHS, PROSE, Entry, Field
from desk.campaigns.toml_edit import Value, get
from desk.errors import CommandError
from shared.campaigns import loader
from shared.campaigns.problems import CampaignFiles, Location, TomlFile

NAME = "reclaim-your-face"
EXAMPLE = loader.read(loader.FOLDER / f"{NAME}.toml")
DAY = date(2026, 11, 27)
RECIPIENT: Location = ("privacy", "recipients")


def files(main: str, **translations: str) -> CampaignFiles:
    """Return the files of a campaign."""
    return CampaignFiles(
        TomlFile("swifts.toml", main),
        {language: TomlFile(f"swifts/{language}.toml", text) for language, text in translations.items()},
    )


def glossary(edited: CampaignFiles, language: str = "de") -> Mapping[str, str]:
    """Return the translations of the privacy notice's words."""
    return dict(get(edit.content(edited), ("texts", language, "glossary")) or {})


def save_words(before: CampaignFiles, changes: dict[Location, Value]) -> tuple[CampaignFiles, edit.Words]:
    """Return the files with changes, and with the translations of words as they follow."""
    words = edit.changed_words(before, changes)
    return edit.with_changed_words(edit.apply(before, changes), words), words


class TestConsent:
    def test_of_a_language_that_had_none_is_not_recorded(self) -> None:
        """What goes into the file as an earlier text is what signers agreed to."""
        before = files(
            'default_language = "en"\nconsent_version = "1"\n[texts.en]\nconsent = "I sign."\n', de='title = "x"\n'
        )
        changes: dict[Location, Value] = {("texts", "en", "consent"): "I do sign."}

        changed = edit.with_new_consent(before, changes, DAY, (DAY, DAY))

        assert changed["texts", "en", "earlier_consents", "1"] == "I sign."
        assert not [location for location in changed if location[:2] == ("texts", "de")]

    def test_without_a_version_is_not_recorded(self) -> None:
        """There is no version that signatures could name."""
        before = files('default_language = "en"\n[texts.en]\nconsent = "I sign."\n')
        changes: dict[Location, Value] = {("texts", "en", "consent"): "I do sign."}

        changed = edit.with_new_consent(before, changes, DAY, (DAY, DAY))

        assert set(changed) == {("texts", "en", "consent"), ("consent_version",)}


class TestWordsOfThePrivacyNotice:
    def test_keep_their_translations_where_they_become_longer(self) -> None:
        """In every language, and the page can say so."""
        places: dict[Location, Value] = {
            ("privacy", "processors", number, "place"): "Germany (EU)"
            for number, each in enumerate(edit.content(EXAMPLE)["privacy"]["processors"])
            if each["place"] == "Germany"
        }

        saved, words = save_words(EXAMPLE, places)

        assert words == edit.Words({"Germany": "Germany (EU)"}, [])
        assert glossary(saved)["Germany (EU)"] == "Deutschland"
        assert "Germany" not in glossary(saved)

    def test_that_become_others_lose_them_by_name(self) -> None:
        """The old translation of another word would be false."""
        saved, words = save_words(EXAMPLE, {RECIPIENT: ["European Parliament"]})

        assert words == edit.Words({}, ["European Commission"])
        assert not {"European Commission", "European Parliament"} & set(glossary(saved))

    def test_that_were_there_before_take_over_no_translation(self) -> None:
        """Of two recipients with like names one goes."""
        before = edit.apply(
            EXAMPLE, {RECIPIENT: ["European Commission", "European Commission, Directorate for Justice"]}
        )

        saved, words = save_words(before, {RECIPIENT: ["European Commission, Directorate for Justice"]})

        assert words.removed == ["European Commission"]
        assert "European Commission, Directorate for Justice" not in glossary(saved)

    def test_that_stand_nowhere_are_left_to_their_writer(self) -> None:
        """A mistyped one keeps its translation, which somebody else can put right."""
        before = edit.apply(EXAMPLE, {("texts", "de", "glossary", "Gremany"): "Deutschland"})

        saved, words = save_words(before, {("texts", "en", "title"): "Another"})

        assert words == edit.Words({}, [])
        assert glossary(saved)["Gremany"] == "Deutschland"


class TestForm:
    def entry(self, field: Field, value: object) -> Entry:
        return Entry(field, field.location, value, "")

    @pytest.mark.parametrize("described", [("picture",), ("next_step", "url")])
    def test_removes_what_describes_a_removed_field(self, described: Location) -> None:
        """In every language, for the campaign would not load with it."""
        section = next(each for each in fields.SECTIONS if described in {field.location for field in each.fields})
        shown = list(fields.entries(section, edit.content(EXAMPLE)))
        [removed] = [each for each in shown if each.location == described]

        changes, faults = edit.read_entries(shown, {removed.name: ""})

        texts = [each.location for each in shown if each.field.describes == described and each.value]
        assert texts
        assert not faults
        assert changes == dict.fromkeys([described, *texts])

    def test_keeps_indentation_and_emoji(self) -> None:
        """Lists in lists are made by it, and joiners and selectors are part of emoji; typed controls are not."""
        text = "Why:\n- one\n  - inner\n\n❤\ufe0f 👩\u200d🌾 Haus\u00adarbeit"
        [shown] = [self.entry(Field(("paragraphs",), "", PARAGRAPHS), ["Why:\n- one\n- inner"])]

        changes, _ = edit.read_entries([shown], {shown.name: f"{text}\x07 \t\r\n".replace("\n", "\r\n")})

        assert changes == {("paragraphs",): text.split("\n\n")}

    @pytest.mark.parametrize("written_as", [PROSE, PARAGRAPHS])
    def test_tells_a_change_of_indentation(self, written_as: fields.Format) -> None:
        """It is one."""
        value = "- one\n- two"
        shown = self.entry(Field(("text",), "", written_as), value)

        changes, _ = edit.read_entries([shown], {shown.name: "- one\r\n  - two"})

        assert changes

    def test_needs_no_indentation_in_a_list_of_names(self) -> None:
        """They are compared with others as they are written."""
        shown = self.entry(Field(("recipients",), "", LINES), ["European Commission"])

        changes, _ = edit.read_entries([shown], {shown.name: " European Parliament \r\n\tCouncil\r\n"})

        assert changes == {("recipients",): ["European Parliament", "Council"]}

    def test_keeps_a_paragraph_with_a_blank_line_in_one(self) -> None:
        """When another one is edited, or moved."""
        shown = self.entry(Field(("paragraphs",), "", PARAGRAPHS), ["One.", "Two:\n\n- a\n\n- b", "Three."])

        changes, _ = edit.read_entries([shown], {shown.name: "Three!\n\nTwo:\n\n- a\n\n- b\n\nOne."})

        assert changes == {("paragraphs",): ["Three!", "Two:\n\n- a\n\n- b", "One."]}


class TestToDo:
    def test_of_a_new_language_stands_above_its_first_text(self) -> None:
        """Also where its file has tables."""
        added = edit.with_translation(EXAMPLE, "pl")

        assert get(edit.content(added), ("texts", "pl", "next_step"))
        assert [each.location for each in edit.to_do(added) if each.name.startswith(f"{NAME}/pl")] == [
            ("texts", "pl", "title")
        ]

    def test_goes_as_a_whole(self) -> None:
        """Blanks at its end, and a # in it, too."""
        before = files("goal = 1 # TO DO: ask for #1 \t\n# TO DO: see issue #2  \nopens = 2026-11-01\n")

        after = edit.without_to_do(before, {each.name for each in edit.to_do(before)})

        assert after.main.text == "goal = 1\nopens = 2026-11-01\n"
        assert after == replace(before, main=after.main)


def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may be full after the first of them; a campaign of which half is new might not load."""
    shutil.copytree(loader.FOLDER / NAME, tmp_path / NAME)
    file = Path(shutil.copy(loader.FOLDER / f"{NAME}.toml", tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.toml")}
    began = loader.read(file)
    changed = edit.apply(began, {("texts", "en", "call"): "Sign.", ("texts", "de", "call"): "Los."})
    write = private_files.replace

    def full(path: Path, content: str, *, mode: int) -> None:
        if path.name == "de.toml":
            raise CommandError(f"{path} cannot be written: No space left on device.")
        write(path, content, mode=mode)

    monkeypatch.setattr(private_files, "replace", full)
    with pytest.raises(CommandError, match="No space left"):
        edit.save(file, edit.digest(began), changed)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*.toml")} == before
