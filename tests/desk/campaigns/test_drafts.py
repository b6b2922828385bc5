"""The legal papers that a campaign needs before it opens, drafted from its file."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from typer.main import get_command

from desk.campaigns import drafts, templates
from desk.main import app
from shared import campaigns, log
from shared.models.labels import Label
from shared.stats.count import MIN_SHOWN
from shared.store import entities
from tests.desk.commands import plain_key, refusal, undersign
from tests.support.deployment import CAMPAIGN, campaign_file

ALONE = re.compile(r"\[\[controllers\]\]\nname = \"Stichting.*?(?=# The privacy notice)", re.DOTALL)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def drafted(tmp_path: Path, **replace: str) -> str:
    """All drafts in Markdown for a copy of the example, with strings replaced."""
    campaign_file(tmp_path, "mine", **replace)
    made = undersign("campaign", "drafts", "mine")
    assert made.exit_code == 0, made.output
    return "".join(file.read_text(encoding="utf-8") for file in sorted((tmp_path / "drafts").glob("*.md")))


class TestDrafts:
    def test_are_an_assessment_and_an_arrangement(self, tmp_path: Path) -> None:
        """Each is written as Markdown to edit and as HTML to read."""
        drafted(tmp_path)

        assert {file.name for file in (tmp_path / "drafts").iterdir()} == {
            f"{name}.{ending}" for name in (drafts.ASSESSMENT, drafts.ARRANGEMENT) for ending in ("md", "html")
        }

    def test_of_one_controller_are_the_assessment_only(self, tmp_path: Path) -> None:
        """An arrangement takes two controllers, and the output says that none is needed."""
        file = campaign_file(tmp_path, "mine")
        file.write_text(ALONE.sub("", file.read_text(encoding="utf-8")), encoding="utf-8")

        made = undersign("campaign", "drafts", "mine", "--to", "papers")

        assert made.exit_code == 0, made.output
        assert "no arrangement is needed" in made.output
        assert not (tmp_path / "papers" / f"{drafts.ARRANGEMENT}.md").exists()
        assert (
            "The controller (GDPR, Article 4(7)):" in (tmp_path / "papers" / f"{drafts.ASSESSMENT}.md").read_text()
        )

    def test_say_that_they_are_drafts(self, tmp_path: Path) -> None:
        """Each says so, and marks what is left to fill in."""
        text = drafted(tmp_path)

        assert text.count("> **This is a draft, not legal advice.**") == 2
        assert text.count(drafts.BLANK) > 40

    def test_contain_what_the_campaign_file_says(self, tmp_path: Path) -> None:
        """They name the people in it, and what it promises."""
        recipients = [plain_key(tmp_path / name) for name in ("ann.txt", "bob.txt")]
        listed = ", ".join(f'"{recipient}"' for recipient in recipients)

        text = drafted(tmp_path, **{'recipients = ["throwaway"]': f"recipients = [{listed}]"})

        campaign = campaigns.load(tmp_path / "mine.toml")
        for controller in campaign.controllers:
            assert text.count(controller.name) >= 4
        for processor in campaign.privacy.processors:
            assert f"| {processor.name} | {processor.task} | {processor.place} |" in text
        for recipient in recipients:
            assert f"| `{recipient[:12]}` | not yet |" in text
            assert recipient not in text
        for partner in campaign.partners.values():
            assert f"| {partner.name} |" in text
        assert campaign.text("en").arrangement in text  # type: ignore[operator]
        assert f"> {campaign.text('en').consent}" in text
        assert f"on {campaign.purged_on}, 180 days after the close" in text
        assert "confirming until 2027-11-07" in text
        assert "dpo@unwatched.example.org" in text

    def test_contain_the_limits_that_the_program_enforces(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The periods are the store's own constants, not copies of them."""
        monkeypatch.setattr(entities, "PENDING_TTL", timedelta(days=71))
        monkeypatch.setattr(entities, "TOMBSTONE_TTL", timedelta(days=72))
        monkeypatch.setattr(entities, "TASK_TTL", timedelta(days=73))
        monkeypatch.setattr(entities, "MAILS_WINDOW", timedelta(days=74))
        monkeypatch.setattr(entities, "FREE_MAILS", 75)
        monkeypatch.setattr(entities, "MAIL_INTERVAL", timedelta(days=76))
        monkeypatch.setattr(entities, "DROPPED_TTL", timedelta(days=77))

        text = drafted(tmp_path)

        assert "not confirmed: 71 days after the address last signed" in text
        assert "with the time of it for 72 days" in text
        assert "| sealed, as it came | 72 days |" in text
        assert "for the reminder; at most 73 days" in text
        assert "75 mails in 74 days, then one in 76 days" in text
        assert f"only from {MIN_SHOWN} signatures on" in text
        assert "dropped: 77 days, for which it can be undone" in text
        assert ", ".join(sorted(log.FIELDS)) in text
        assert ", ".join(Label) in text
        assert not re.search(r"\b3[01] days", text)

    @pytest.mark.parametrize(
        ("replace", "expected", "unexpected"),
        [
            ({"backup_days = 7 ": "backup_days = 0 "}, "| none are made |", "Backups keep"),
            ({"backup_days = 7 ": "backup_days = 1 "}, "Backups keep what was erased for 1 day.", "none are made"),
            ({"asks_postal_code = false": "asks_postal_code = true"}, "| postal code |", "No postal code"),
            ({}, "No postal code", "| postal code |"),
            ({'data_protection_officer = "dpo@unwatched.example.org" #': "#"}, "why none is needed", "dpo@"),
        ],
    )
    def test_depend_on_what_the_campaign_asks_for_and_stores(
        self, replace: dict[str, str], expected: str, unexpected: str, tmp_path: Path
    ) -> None:
        """They mention nothing that does not happen."""
        text = drafted(tmp_path, **replace)

        assert expected in text
        assert unexpected not in text

    def test_name_commands_that_exist(self, tmp_path: Path) -> None:
        """Somebody will type them under pressure."""
        known = set(getattr(get_command(app), "commands", {}))

        named = set(re.findall(r"`undersign ([a-z-]+)", drafted(tmp_path)))

        assert {"access", "erase", "prove", "hand-over", "purge", "audit"} <= named <= known

    def test_show_names_literally(self, tmp_path: Path) -> None:
        """Characters with a meaning in Markdown or HTML are escaped."""
        name = "*A* <script>| [b](c) & `d`_"

        drafted(tmp_path, **{"Brieftaube Mail Relay GmbH": name})

        html = (tmp_path / "drafts" / f"{drafts.ASSESSMENT}.html").read_text(encoding="utf-8")
        assert "<td>*A* &lt;script&gt;| [b](c) &amp; `d`_</td>" in html

    def test_are_self_contained_pages(self, tmp_path: Path) -> None:
        """They are opened from a disk and load nothing."""
        drafted(tmp_path)

        for file in (tmp_path / "drafts").glob("*.html"):
            html = file.read_text(encoding="utf-8")
            assert re.search(r"<title>.*Ban biometric mass surveillance in public places</title>", html)
            assert "<table>" in html
            assert not re.search(r"<(script|link|img)|\bsrc=|@import|url\(", html)

    def test_are_never_overwritten(self, tmp_path: Path) -> None:
        """Somebody may have filled them in."""
        drafted(tmp_path)

        assert "drafts is not empty" in refusal(undersign("campaign", "drafts", "mine"))

    def test_of_an_unknown_campaign_are_refused(self) -> None:
        """The error names the campaign."""
        assert "There is no campaign yours" in refusal(undersign("campaign", "drafts", "yours"))

    def test_of_the_example_campaign_can_be_made(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """It has its translations in files of their own."""
        monkeypatch.delenv("CAMPAIGNS_FOLDER")

        assert undersign("campaign", "drafts", CAMPAIGN).exit_code == 0


def test_a_page_is_titled_by_its_first_heading() -> None:
    """The title is the heading's text without Markdown."""
    assert "<title>a*b &amp; c</title>" in templates.html_page("# a\\*b & c\n\ntext\n")
