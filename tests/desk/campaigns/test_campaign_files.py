"""Campaign files at the desk: created, checked and listed."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.campaigns import list as list_command
from desk.campaigns import new as new_command
from desk.campaigns.new import Beginning
from desk.terminal import prompts
from shared import campaigns
from shared.campaigns import drafted
from shared.campaigns.model import Campaign, Texts
from shared.campaigns.overlay import Overlay, WorkPeriod
from tests.desk.commands import plain_key, refusal, undersign
from tests.shared.campaigns.test_campaigns import EXAMPLE
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN

REQUIRED = {
    "--title": 'Plant 1,000 trees "now"',
    "--addressee": "City Council of Utrecht",
    "--organisation": "Stichting Bomen",
    "--postal-address": "Laan 1, 3511 AB Utrecht, Netherlands",
    "--email": "petition@bomen.example.org",
    "--website": "https://bomen.example.org",
    "--mail-provider": "Brieftaube GmbH",
    "--mail-place": "Germany",
}
KEY = "age1" + "q" * 58
WORK = WorkPeriod(
    since=datetime(2026, 11, 24, 19, 20, tzinfo=UTC), until=datetime(2026, 11, 25, 1, 40, tzinfo=UTC)
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of campaign files, on a machine that has no store."""
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(tmp_path / "campaigns"))
    monkeypatch.delenv("STORE", raising=False)
    monkeypatch.delenv("LOCAL_FOLDER", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "campaigns"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the desk's clock to NOW."""
    for module in (new_command, list_command):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)


def options(**changes: str | None) -> Iterator[str]:
    """The required options with `changes`; one that is None is left out."""
    changed = {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    for option, value in {**REQUIRED, **changed}.items():
        if value is not None:
            yield from (option, value)


def new_campaign(folder: Path, **changes: str) -> Campaign:
    """Create a campaign with the required options and `changes`, and load it."""
    made = undersign("campaign", "new", "trees", *options(**changes))
    assert made.exit_code == 0, made.output
    return campaigns.load(folder / "trees.toml")


def new_campaign_with(folder: Path, texts: Texts) -> Campaign:
    """Return the campaign of the file with other texts in English."""
    return campaigns.load(folder / "trees.toml").model_copy(update={"texts": {"en": texts}})


def write_texts(file: Path) -> None:
    """Replace what was drafted by an organiser's own words, and delete each TO DO."""
    text = re.sub(r"^# TO DO:.*\n", "", file.read_text(encoding="utf-8"), flags=re.M)
    keys = ["summary", "closing", "supervisory_authority"]
    text = re.sub(rf"^({'|'.join(keys)}) = .*$", r'\1 = "In our own words."', text, flags=re.M)
    text = re.sub(r"^(paragraphs|demands) = \[.*?^\]", r'\1 = ["In our own words."]', text, flags=re.M | re.S)
    website = 'supervisory_authority_website = "https://authority.example.org"'
    text = re.sub(r"^supervisory_authority_website = .*$", website, text, flags=re.M)
    file.write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("clock")
class TestNew:
    def test_makes_a_file_that_loads(self, folder: Path) -> None:
        """It contains what was given, and safe defaults."""
        campaign = new_campaign(folder)

        assert campaign.text("en").title == REQUIRED["--title"]
        assert [controller.name for controller in campaign.controllers] == ["Stichting Bomen"]
        assert campaign.privacy.recipients == ("City Council of Utrecht",)
        assert ("Brieftaube GmbH", "Germany") in [(each.name, each.place) for each in campaign.privacy.processors]
        assert (campaign.opens, campaign.closes) == (NOW.date(), date(2027, 11, 22))
        assert campaign.purged_on == campaign.closes + timedelta(days=90)
        assert campaign.goal_steps == (100, 250, 500, 1_000, 2_500, 5_000, 10_000)
        assert campaign.required_fields == frozenset()

    @pytest.mark.parametrize(
        ("language", "opinion"),
        [("en", "political opinion"), ("de", "politische Meinung"), ("fr", "opinion politique")],
    )
    def test_drafts_a_consent_text_with_what_the_law_requires(
        self, language: str, opinion: str, folder: Path
    ) -> None:
        """It names the organiser, the purpose, the addressee, the political opinion and the age."""
        campaign = new_campaign(folder, language=language, minimum_age="17")

        consent = campaign.text(language).consent
        assert campaign.default_language == language
        for part in ("Stichting Bomen", REQUIRED["--title"], "City Council of Utrecht", opinion, "17"):
            assert part in consent

    def test_takes_every_value_as_an_option(self, folder: Path) -> None:
        """Without a terminal, nothing is asked."""
        campaign = new_campaign(
            folder,
            goal="3000",
            opens="2027-01-01",
            closes="2027-02-01",
            retention_days="30",
        )

        assert (campaign.opens, campaign.closes) == (date(2027, 1, 1), date(2027, 2, 1))
        assert campaign.purged_on == date(2027, 3, 3)
        assert campaign.goal_steps == (100, 250, 500, 1_000, 2_500, 3_000)

    def test_closes_a_year_after_it_opens(self, folder: Path) -> None:
        """This also holds for a later opening."""
        assert new_campaign(folder, opens="2027-01-01").closes == date(2028, 1, 1)

    def test_is_ready_to_open_with_two_proven_keys(self, folder: Path, tmp_path: Path) -> None:
        """Three commands, and the organiser's own words, lead from nothing to a campaign that is ready."""
        ann, bob = tmp_path / "ann.age", tmp_path / "bob.age"
        recipients = [plain_key(file) for file in (ann, bob)]
        two_keys = [part for recipient in recipients for part in ("--recipient", recipient)]

        undersign("campaign", "new", "trees", *options(), *two_keys)
        waiting = undersign("campaign", "check", "trees", "--ready")
        undersign("prove", "trees", "-i", ann, "-i", bob)
        unwritten = undersign("campaign", "check", "trees", "--ready")
        write_texts(folder / "trees.toml")

        assert (waiting.exit_code, unwritten.exit_code) == (1, 1)
        assert campaigns.load(folder / "trees.toml").not_ready == []
        ready = undersign("campaign", "check", "trees", "--ready")
        assert (ready.exit_code, ready.output.splitlines()[0].split()) == (0, ["ready", "trees.toml"])

    def test_is_for_local_runs_only_without_keys(self, folder: Path) -> None:
        """Its throwaway key keeps it from being ready."""
        campaign = new_campaign(folder)

        assert any("throwaway" in reason for reason in campaign.not_ready)

    def test_marks_what_only_its_organiser_can_write(self, folder: Path) -> None:
        """`check` lists each mark until its comment is deleted."""
        new_campaign(folder)
        text = (folder / "trees.toml").read_text(encoding="utf-8")
        marked = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("# TO DO: ")]

        checked = undersign("campaign", "check", "trees")

        assert checked.exit_code == 0, checked.output
        assert [int(line) for line in re.findall(r"trees\.toml:([0-9]+): still to do: ", checked.output)] == marked
        assert len(marked) >= 6
        (folder / "trees.toml").write_text(text.replace("# TO DO: ", "# "), encoding="utf-8")
        assert "still to do" not in undersign("campaign", "check", "trees").output

    def test_never_overwrites_a_file(self, folder: Path) -> None:
        """Somebody may have edited it."""
        folder.mkdir()
        (folder / "trees.toml").write_text("precious")

        assert "exists already" in refusal(undersign("campaign", "new", "trees", *options()))
        assert (folder / "trees.toml").read_text() == "precious"

    def test_writes_into_the_given_folder(self, folder: Path, tmp_path: Path) -> None:
        """The default folder is not created."""
        made = undersign("campaign", "new", "trees", *options(), "--folder", tmp_path / "elsewhere")

        assert made.exit_code == 0, made.output
        assert campaigns.load(tmp_path / "elsewhere" / "trees.toml")
        assert not folder.exists()

    def test_names_every_option_that_is_missing(self, folder: Path) -> None:
        """One run lists them all, and no file is created."""
        refused = refusal(undersign("campaign", "new", "trees"))

        assert [line.split(":")[0] for line in refused.splitlines()] == list(REQUIRED)
        assert not folder.exists()

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("email", "Ann <ann@example.org>", "--email: write one mail address alone"),
            ("website", "www.example.org", "--website: write the whole address with https://"),
            ("title", "two\nlines", "--title: write it in one line"),
            ("organisation", " ", "--organisation: is empty"),
            ("language", "pl", "--language: texts are drafted in de, en, fr"),
            ("goal", "many", "--goal: write a whole number"),
            ("goal", "12.000", "--goal: write a whole number in digits alone, 18 at most, as in 12000 or 12_000"),
            ("minimum_age", "16.0", "--minimum-age: write a whole number"),
            ("retention_days", "1e2", "--retention-days: write a whole number"),
            ("goal", "0", "--goal: must be 1 at least"),
            ("minimum_age", "12", "--minimum-age: must be 13 at least"),
            ("opens", "1.11.2026", "--opens: write a day, as in 2026-11-01"),
            ("opens", "3", "--opens: write a day"),
            ("closes", "2026-11-21", "--closes: lies before the first day"),
            ("recipient", "AGE-SECRET-KEY-1QQ", "--recipient: this is the SECRET key"),
            ("recipient", "age1qqq", "--recipient: is no age recipient"),
        ],
    )
    def test_says_which_option_is_wrong(self, name: str, value: str, reason: str, folder: Path) -> None:
        """It uses the words of the campaign file's errors, repeats no secret key, and creates nothing."""
        refused = refusal(undersign("campaign", "new", "trees", *options(**{name: value})))

        assert refused.startswith(reason)
        assert "QQ" not in refused.upper().replace("AGE1QQQ", "")
        assert not folder.exists()

    @pytest.mark.parametrize("campaign", ["Trees", "trees.toml", "../trees", "a/b", "t" * 41])
    def test_refuses_an_id_unfit_for_a_url(self, campaign: str, folder: Path) -> None:
        """The id becomes part of every link."""
        assert "becomes its address" in refusal(undersign("campaign", "new", campaign, *options()))
        assert not folder.exists()


#: Every key that is drafted for the organiser to replace, and what is asked for instead.
DRAFTED = [
    ("privacy.supervisory_authority", "where a signer may complain"),
    ("privacy.supervisory_authority_website", "the website of that authority"),
    ("texts.{}.summary", "the petition in two or three sentences"),
    ("texts.{}.paragraphs.0", "the petition itself"),
    ("texts.{}.demands", "what is demanded"),
    ("texts.{}.closing", "the paragraph below the demands"),
]


@pytest.mark.usefixtures("clock")
class TestDrafted:
    @pytest.mark.parametrize("language", drafted.languages())
    def test_texts_keep_a_campaign_from_opening(self, language: str, folder: Path) -> None:
        """Each is named with what to write, in deliver's refusal to start, too, but for comments."""
        campaign = new_campaign(folder, language=language, recipient=KEY)

        said = "\n".join(campaign.not_ready)

        for key, wanted in DRAFTED:
            assert re.search(rf"trees\.toml: {key.format(language)}: .* write {wanted}", said)
        assert not re.search(rf"texts\.{language}\.(title|addressee|consent|demands_heading)", said)

    def test_texts_are_found_again_when_only_the_title_has_changed(self, folder: Path) -> None:
        """A new title in place of the old one makes nobody's paragraph of a drafted one."""
        texts = new_campaign(folder).text("en").model_copy(update={"title": "Plant them all"})
        campaign = new_campaign_with(folder, texts)

        assert any("texts.en.paragraphs.0: " in reason for reason in campaign.not_ready)

    def test_texts_in_a_translation_are_named_with_its_file(self, folder: Path) -> None:
        """A German page with a drafted paragraph, even one in English, is not ready either."""
        new_campaign(folder)
        text = (folder / "trees.toml").read_text(encoding="utf-8")
        (folder / "trees").mkdir()
        german = text[text.rindex("[texts.en]") + len("[texts.en]") :]
        (folder / "trees" / "de.toml").write_text(german, encoding="utf-8")

        checked = undersign("campaign", "check", "trees")

        assert re.search(r"^  trees/de\.toml:[0-9]+: closing: is still what", checked.output, re.M)
        assert re.search(r"^  trees/de\.toml:[0-9]+: still to do: ", checked.output, re.M)

    def test_texts_are_good_enough_for_the_canary(self, folder: Path) -> None:
        """Nobody reads the campaign that deployments are tried out with."""
        made = undersign("campaign", "new", "canary", *options())

        assert made.exit_code == 0, made.output
        assert all("sealing" in reason for reason in campaigns.load(folder / "canary.toml").not_ready)

    def test_comments_alone_keep_a_file_from_being_ready(self, folder: Path, tmp_path: Path) -> None:
        """What they ask for cannot be seen in the file; deleting one is the organiser's word that it is done."""
        ann, bob = tmp_path / "ann.age", tmp_path / "bob.age"
        keys = [part for file in (ann, bob) for part in ("--recipient", plain_key(file))]
        undersign("campaign", "new", "trees", *options(), *keys)
        undersign("prove", "trees", "-i", ann, "-i", bob)
        file = folder / "trees.toml"
        write_texts(file)
        assert undersign("campaign", "check", "trees", "--ready").exit_code == 0

        file.write_text(f"# TO DO: sleep on it\n{file.read_text(encoding='utf-8')}", encoding="utf-8")

        checked = undersign("campaign", "check", "trees", "--ready")
        assert (checked.exit_code, "trees.toml:1: still to do: sleep on it" in checked.output) == (1, True)


@given(st.sampled_from(drafted.languages()), st.sampled_from(["summary", "paragraph", "closing"]), st.data())
def test_a_drafted_text_is_known_by_any_title(language: str, key: str, data: st.DataObject) -> None:
    """Whatever its placeholders became, and however its lines are broken."""
    word = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
    text = drafted.texts(language)[key].format(title=data.draw(word), addressee=data.draw(word))

    assert drafted.is_drafted(text.replace(" ", data.draw(st.sampled_from([" ", "\n", "  "]))))


@pytest.mark.usefixtures("clock")
class TestNewAtATerminal:
    @pytest.fixture(autouse=True)
    def _terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prompts, "at_terminal", lambda: True)

    def test_asks_for_every_missing_value(self, folder: Path) -> None:
        """Enter accepts the default."""
        typed = [*REQUIRED.values(), "", "2_000", "2027-01-01", "", "18", "", ""]

        made = undersign("campaign", "new", "trees", typed="".join(f"{line}\n" for line in typed))

        assert made.exit_code == 0, made.output
        campaign = campaigns.load(folder / "trees.toml")
        assert campaign.controllers[0].email == REQUIRED["--email"]
        assert (campaign.goal, campaign.minimum_age, campaign.closes) == (2_000, 18, date(2028, 1, 1))

    def test_asks_again_until_the_value_is_valid(self, folder: Path) -> None:
        """The reason is printed."""
        typed = "Ann\nann@example.org\n" + "\n" * 7

        made = undersign("campaign", "new", "trees", *options(email=None), typed=typed)

        assert made.exit_code == 0, made.output
        assert "write one mail address alone" in made.output
        assert campaigns.load(folder / "trees.toml").controllers[0].email == "ann@example.org"

    def test_asks_again_for_a_number_that_is_not_whole(self, folder: Path) -> None:
        """Python would read 12.000 as 12."""
        typed = "\n12.000\n12_000\n" + "\n" * 5  # language, goal, the rest

        made = undersign("campaign", "new", "trees", *options(), typed=typed)

        assert made.exit_code == 0, made.output
        assert (
            '--goal: write a whole number in digits alone, 18 at most, as in 12000 or 12_000, and not "12.000"'
            in (made.output)
        )
        assert campaigns.load(folder / "trees.toml").goal == 12_000

    def test_validates_the_given_options_before_it_asks(self, folder: Path) -> None:
        """Otherwise all the typing would be for nothing."""
        assert refusal(undersign("campaign", "new", "trees", "--goal", "0")).startswith("--goal: ")


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1).filter(str.strip),
    st.integers(1, 10**9),
)
def test_any_title_is_written_as_entered(typed: str, goal: int) -> None:
    """Quotes, backslashes, braces and control characters survive, and any goal makes a valid file."""
    values = {name.removeprefix("--").replace("-", "_"): value for name, value in REQUIRED.items()}
    given = new_command.with_defaults(
        {**values, "campaign": "trees", "title": typed, "goal": str(goal)}, NOW.date()
    )
    begun = Beginning.model_validate(given)
    text = new_command._text(begun, NOW.date())

    content = tomllib.loads(text)
    Campaign.model_validate({**content, "id": "trees"})
    assert content["texts"]["en"]["title"] == begun.title


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_every_language_has_the_same_texts(language: str) -> None:
    """Otherwise only an organiser would notice a missing text."""
    assert drafted.texts(language).keys() == drafted.texts("en").keys()


class TestCheck:
    def put(self, folder: Path, name: str, text: str) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    def test_names_file_line_key_and_remedy(self, folder: Path) -> None:
        """The exit status is 1."""
        spoilt = EXAMPLE.replace(
            '"https://libertes-ouvertes.example.com"', '"https://libertes-ouvertes.example.com/"'
        )
        self.put(folder, "mine.toml", spoilt)
        line = spoilt[: spoilt.index("example.com/")].count("\n") + 1

        checked = undersign("campaign", "check", "mine")

        assert checked.exit_code == 1
        assert (
            f"mine.toml:{line}: partners.libertes-ouvertes.origins.0: leave out the slash after the host, "
            "and all that follows it\n"
        ) in checked.output

    def test_names_the_file_of_a_translation(self, folder: Path) -> None:
        """An error in a translation is reported where it must be fixed."""
        self.put(folder, "mine.toml", EXAMPLE)
        self.put(folder, "mine/de.toml", '# Deutsch\ntitle = "Verbietet das"\ngaol = 3\n')

        checked = undersign("campaign", "check", "mine")

        assert "mine/de.toml:1: consent: is missing" in checked.output
        assert "mine/de.toml:3: gaol: is not a key here" in checked.output

    def test_names_the_translations_that_lead_to_no_next_step(self, folder: Path) -> None:
        """There may be nothing to lead to in that language, so the campaign loads."""
        german = EXAMPLE[EXAMPLE.index("[texts.en]") + len("[texts.en]") :]
        next_step = '[next_step]\nurl = "https://a.example"\n\n[texts.en]\n'
        words = '\n[texts.en.next_step]\ntext = "Help."\nbutton = "Donate"\n'
        self.put(folder, "mine.toml", EXAMPLE.replace("[texts.en]\n", next_step) + words)
        self.put(folder, "mine/de.toml", german)

        checked = undersign("campaign", "check", "mine")

        assert checked.exit_code == 0
        assert "mine/de.toml:1: next_step: is missing, so pages in de have no such button" in checked.output
        assert "texts.en.next_step" not in checked.output

    def test_checks_every_file(self, folder: Path) -> None:
        """One that does not load hides none of the others."""
        for name in ("a", "c"):
            self.put(folder, f"{name}.toml", EXAMPLE)
        self.put(folder, "b.toml", EXAMPLE.replace("minimum_age = 16", "minimum_age = 3"))

        checked = undersign("campaign", "check")

        assert checked.exit_code == 1
        verdicts = [line for line in checked.output.splitlines() if not line.startswith(" ")]
        assert [re.split(r" {2,}", line) for line in verdicts] == [
            ["not ready", "a.toml"],
            ["does not load", "b.toml"],
            ["not ready", "c.toml"],
        ]

    def test_only_warns_about_what_keeps_a_campaign_from_opening(self, folder: Path) -> None:
        """With `--ready`, it is an error."""
        self.put(folder, "mine.toml", EXAMPLE)
        line = EXAMPLE[: EXAMPLE.index('recipients = ["throwaway"]')].count("\n") + 1

        checked = undersign("campaign", "check", "mine")

        assert checked.exit_code == 0
        assert f'mine.toml:{line}: sealing.recipients: "throwaway" is for local runs' in checked.output
        assert undersign("campaign", "check", "mine", "--ready").exit_code == 1

    def test_names_markup_that_no_page_shows(self, folder: Path) -> None:
        """A picture, HTML or a link without https:// would be read as it is written."""
        self.put(folder, "mine.toml", EXAMPLE.replace("puts no EU money", "puts [no](http://a.example) EU money"))

        checked = undersign("campaign", "check", "mine")

        assert re.search(
            r"mine\.toml:[0-9]+: texts\.en\.demands\.1: links to http://a\.example: only https://", checked.output
        )

    def test_refuses_when_there_is_nothing_to_check(self, folder: Path) -> None:
        """The error names the command that creates a campaign."""
        assert "undersign campaign new" in refusal(undersign("campaign", "check"))
        assert "There is no campaign mine" in refusal(undersign("campaign", "check", "mine"))

    def test_passes_the_shipped_campaigns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a setting, it checks the folder that the functions read."""
        monkeypatch.delenv("CAMPAIGNS_FOLDER")

        checked = undersign("campaign", "check")

        assert checked.exit_code == 0, checked.output
        assert "still to do" not in checked.output


def rows(output: str) -> Mapping[str, list[str]]:
    """The cells of each row by campaign id, including titles and headings."""
    split = [re.split(r" {2,}", line.strip()) for line in output.splitlines()]
    return {cells[0]: cells[1:] for cells in split}


class TestList:
    @pytest.fixture
    def local(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The store of a local run."""
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "secrets.json").write_text(json.dumps({}))

    @pytest.mark.usefixtures("clock")
    def test_reads_only_the_files_without_a_store(self, folder: Path) -> None:
        """The output says that pauses and totals are unknown."""
        new_campaign(folder, opens="2026-11-23")

        listed = undersign("campaign", "list")

        assert listed.exit_code == 0, listed.output
        assert rows(listed.output)["trees"] == ["not yet open", "10,000", "2026-11-23", "2027-11-23", "no"]
        assert REQUIRED["--title"] in rows(listed.output)
        assert "totals are not known" in listed.output

    @pytest.mark.usefixtures("clock", "local")
    def test_reads_pauses_and_totals_from_the_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The campaign shows as paused after `campaign pause`."""
        monkeypatch.delenv("CAMPAIGNS_FOLDER")
        assert rows(undersign("campaign", "list").output)[CAMPAIGN][:2] == ["open", "0"]

        undersign("campaign", "pause", CAMPAIGN)

        listed = undersign("campaign", "list")
        assert rows(listed.output)[CAMPAIGN] == ["paused", "0", "1,000,000", "2026-11-01", "2027-10-31", "no"]
        assert "not known" not in listed.output

    def test_shows_a_file_that_does_not_load(self, folder: Path) -> None:
        """It is listed with the command that says why."""
        folder.mkdir()
        (folder / "mine.toml").write_text("goal = 1")

        listed = undersign("campaign", "list")

        assert rows(listed.output)["mine"] == ["does not load"]
        assert "undersign campaign check mine" in listed.output

    @pytest.mark.parametrize(
        ("now", "overlay", "expected"),
        [
            (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), Overlay(paused=True), "not yet open"),
            (datetime(2026, 11, 1, tzinfo=UTC), Overlay(), "open"),
            (datetime(2027, 10, 31, 23, 59, tzinfo=UTC), Overlay(paused=True), "paused"),
            (WORK.since, Overlay(proof_of_work="automatic", work=WORK), "open, work since 24 Nov 19:20 UTC"),
            (WORK.until, Overlay(proof_of_work="automatic", work=WORK), "open"),
            (datetime(2027, 11, 1, tzinfo=UTC), Overlay(paused=True), "closed"),
            (datetime(2028, 11, 1, tzinfo=UTC), Overlay(purged=datetime(2028, 10, 1, tzinfo=UTC)), "purged"),
        ],
    )
    def test_shows_the_state_that_signers_see(self, now: datetime, overlay: Overlay, expected: str) -> None:
        """A pause shows only while the campaign is open."""
        campaign = campaigns.load_all()[CAMPAIGN]

        assert re.sub(r"\[.*?\]", "", list_command.state(campaign, overlay, now)) == expected
