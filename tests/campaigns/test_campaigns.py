"""Campaign files: what they must say before anybody can sign, and what follows from it."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from shared.campaigns import CONFIRM_GRACE, FOLDER, Campaign, load, load_all
from shared.errors import ConfigurationError
from tests.world import CAMPAIGN

SECOND = timedelta(seconds=1)
EXAMPLE = (FOLDER / f"{CAMPAIGN}.toml").read_text(encoding="utf-8")


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(*changes: tuple[str, str]) -> str:
    """The example with the first match of each pattern replaced."""
    text = EXAMPLE
    for pattern, replacement in changes:
        text, times = re.subn(pattern, replacement.replace("\\", r"\\"), text, count=1, flags=re.M | re.S)
        assert times == 1, pattern
    return text


def campaign(folder: Path, *changes: tuple[str, str]) -> Campaign:
    return load(write(folder, changed(*changes)))


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(write(folder, text))
    return str(refused.value)


def test_the_example_loads() -> None:
    """The repository ships one real campaign."""
    loaded = load_all()[CAMPAIGN]

    assert loaded.id == CAMPAIGN
    assert loaded.goal == 1_000_000
    assert loaded.partner_by_origin["https://libertes-ouvertes.example.com"] == "libertes-ouvertes"
    assert loaded.text("en").title == "Ban biometric mass surveillance in public places"


def test_the_consent_of_the_example_names_what_it_must() -> None:
    """Every controller, the political opinion, the age and the withdrawal (GDPR, Articles 7 and 9)."""
    loaded = load_all()[CAMPAIGN]
    consent = loaded.text("en").consent

    assert all(controller.name in consent for controller in loaded.controllers)
    assert "political opinion" in consent
    assert f"at least {loaded.minimum_age} years" in consent
    assert "withdraw" in consent


def test_a_language_without_texts_gets_those_of_the_campaigns_own() -> None:
    """Nobody sees an empty page."""
    loaded = load_all()[CAMPAIGN]

    assert loaded.text("mt") is loaded.text(loaded.default_language)


#: What signers must be told: the key, how to take it out of the example, and a word of what belongs there.
REQUIRED = [
    ("controllers", r"\[\[controllers\]\].*?(?=# The privacy notice)", "who decides on the data"),
    ("privacy.contact", r"^contact = [^\n]*\n", "answers questions"),
    ("privacy.retention_days", r"^retention_days = [^\n]*\n", "how many days after the close"),
    ("privacy.backup_days", r"^backup_days = [^\n]*\n", "how many days backups"),
    ("privacy.recipients", r'^recipients = \["European Commission"\]\n', "who is given the signatures"),
    ("privacy.supervisory_authority", r"^supervisory_authority = [^\n]*\n", "where a signer may complain"),
    ("privacy.processors", r"\[\[privacy\.processors\]\].*?(?=# Shows how)", "cloud, mail provider"),
    ("sealing.recipients", r'^recipients = \["throwaway"\]\n', "age1"),
    ("texts.en.consent", r"^consent = [^\n]*\n", "political opinion"),
    ("texts.en.arrangement", r"^arrangement = [^\n]*\n?", "Article 26"),
    ("minimum_age", r"^minimum_age = [^\n]*\n", "the age, in years"),
    ("consent_version", r"^consent_version = [^\n]*\n", "every change of a consent text"),
    ("goal_steps", r"^goal_steps = [^\n]*\n", "the goals shown"),
]


class TestIncomplete:
    @pytest.mark.parametrize(("key", "pattern", "wanted"), REQUIRED, ids=[key for key, _, _ in REQUIRED])
    def test_names_file_key_and_what_belongs_there(
        self, key: str, pattern: str, wanted: str, tmp_path: Path
    ) -> None:
        """The person who writes the file needs no documentation beside it."""
        told = complaint(tmp_path, changed((pattern, "")))

        assert told.startswith(f"mine.toml: {key}: is missing (")
        assert wanted in told
        assert "\n" not in told

    def test_names_everything_at_once(self, tmp_path: Path) -> None:
        """One run, one list."""
        told = complaint(tmp_path, changed(*((pattern, "") for _, pattern, _ in REQUIRED)))

        assert {line.split(": ")[1] for line in told.splitlines()} == {key for key, _, _ in REQUIRED}

    @pytest.mark.parametrize("table", ["sealing", "privacy"])
    def test_names_a_table_that_is_missing_altogether(self, table: str, tmp_path: Path) -> None:
        """And still says what belongs there."""
        start = EXAMPLE.index(f"[{table}]")
        end = EXAMPLE.index("# Who decides" if table == "sealing" else "# Shows how")

        assert complaint(tmp_path, EXAMPLE[:start] + EXAMPLE[end:]).startswith(f"mine.toml: {table}: is missing (")

    def test_of_an_empty_file_names_every_key(self, tmp_path: Path) -> None:
        """It is no campaign."""
        told = complaint(tmp_path, "")

        assert {"mine.toml: controllers: is missing", "mine.toml: texts: is missing"} <= {
            line.split(" (")[0] for line in told.splitlines()
        }

    def test_in_one_file_stops_all(self, tmp_path: Path) -> None:
        """A function does not start with half of its campaigns."""
        write(tmp_path, changed((r"^minimum_age = [^\n]*\n", "")))
        (tmp_path / "good.toml").write_text(EXAMPLE, encoding="utf-8")

        with pytest.raises(ConfigurationError, match=r"mine\.toml: minimum_age"):
            load_all(tmp_path)


class TestWrong:
    @pytest.mark.parametrize("text", ["goal = = 3", "[texts", 'a = "\\q"', "goal = 1\ngoal = 2"])
    def test_toml_is_named_with_its_file(self, text: str, tmp_path: Path) -> None:
        """With the place, as the parser tells it."""
        assert re.match(
            r"mine\.toml: not a TOML file in UTF-8: .*(line \d|end of document)", complaint(tmp_path, text)
        )

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
    def test_encoding_is_named_with_its_file(self, encoding: str, tmp_path: Path) -> None:
        """An editor's choice of encoding must not garble names."""
        path = tmp_path / "mine.toml"
        path.write_bytes('name = "Libertés"'.encode(encoding))

        with pytest.raises(ConfigurationError, match=r"mine\.toml: not a TOML file in UTF-8"):
            load(path)

    @pytest.mark.parametrize("name", ["Mine", "-mine", "mine_1", "m" * 41, "mine.de"])
    def test_file_names_are_refused(self, name: str, tmp_path: Path) -> None:
        """The name becomes part of every address."""
        path = tmp_path / f"{name}.toml"
        path.write_text(EXAMPLE, encoding="utf-8")

        with pytest.raises(ConfigurationError, match=": id: "):
            load(path)

    @pytest.mark.parametrize(
        ("key", "pattern", "replacement"),
        [
            ("surprise", r"\A", "surprise = 1\n"),
            ("privacy.recipient", r"^recipients = \[\"European", 'recipient = "x"\nrecipients = ["European'),
            ("minimum_age", r"^minimum_age = 16", "minimum_age = 3"),
            ("goal", r"^goal = 1_000_000", "goal = 0"),
            ("privacy.retention_days", r"^retention_days = 180", "retention_days = 0"),
            ("sealing.recipients", r'^recipients = \["throwaway"\]', "recipients = []"),
            ("sealing.recipients.0", r'^recipients = \["throwaway"\]', 'recipients = ["AGE-SECRET-KEY-1QQ"]'),
            ("sender.name", r'^name = "Unwatched Europe"', 'name = "Ann\\nBcc: x"'),
            ("sender.address", r"petition@unwatched.example.org", "Ann <petition@unwatched.example.org>"),
            ("sender.address", r"petition@unwatched.example.org", "petition"),
            ("sender.address", r"petition@unwatched.example.org", "pétition@unwatched.example.org"),
            ("sender.address", r"petition@unwatched.example.org", "a,petition@unwatched.example.org"),
            ("privacy.contact", r"privacy@unwatched.example.org", "privacy@unwatched.example.org\\nBcc: x@y.org"),
            ("controllers.0.website", r'website = "https:', 'website = "javascript:'),
            ("required_fields.0", r"^required_fields = \[\]", 'required_fields = ["shoe_size"]'),
            ("texts.en.title", r"^title = [^\n]*", 'title = "  "'),
            ("partners.digital-rights.country", r'^country = "DE"', 'country = "de"'),
        ],
    )
    def test_values_are_named_by_key(self, key: str, pattern: str, replacement: str, tmp_path: Path) -> None:
        """Misspelt keys, numbers out of range, and whatever could smuggle a header or a script."""
        assert complaint(tmp_path, changed((pattern, replacement))).startswith(f"mine.toml: {key}: ")

    @pytest.mark.parametrize(
        "origin",
        [
            "https://digital-rights.example.org/",
            "https://digital-rights.example.org/petition",
            "https://Digital-Rights.example.org",
            "http://digital-rights.example.org",
            "https://*.example.org",
            "https://ann@digital-rights.example.org",
            "digital-rights.example.org",
            "null",
            "*",
            "https://digital-rights.example.org\\n",
            "https://localhost.evil.example.org:80:80",
        ],
    )
    def test_origins_are_refused(self, origin: str, tmp_path: Path) -> None:
        """An origin is what browsers send, letter by letter."""
        told = complaint(tmp_path, changed((r"https://digital-rights\.example\.org", origin)))

        assert told.startswith("mine.toml: partners.digital-rights.origins.0: ")

    @pytest.mark.parametrize("origin", ["https://a.example:8443", "http://localhost:3000", "http://127.0.0.1"])
    def test_is_no_origin_of_a_partners_own_machine(self, origin: str, tmp_path: Path) -> None:
        """Partners try the widget at home first."""
        loaded = campaign(tmp_path, (r"https://digital-rights\.example\.org", origin))

        assert loaded.partner_by_origin[origin] == "digital-rights"

    @pytest.mark.parametrize(
        ("told", "changes"),
        [
            ("two partners name the same origin", [(r"https://libertes-ouvertes\.example\.com", "SAME")]),
            ("goal_steps must rise and end with goal", [(r"750_000, 1_000_000\]", "750_000]")]),
            ("goal_steps must rise and end with goal", [(r"\[1_000, 5_000", "[5_000, 1_000")]),
            ("goal_steps must rise and end with goal", [(r"\[1_000, 5_000", "[1_000, 1_000")]),
            ("closes lies before opens", [(r"^closes = 2027-10-31", "closes = 2026-10-31")]),
            ("texts.de is missing", [(r'^default_language = "en"', 'default_language = "de"')]),
            ("asks_postal_code is not true", [(r"^required_fields = \[\]", 'required_fields = ["postal_code"]')]),
        ],
    )
    def test_pairs_are_told(self, told: str, changes: list[tuple[str, str]], tmp_path: Path) -> None:
        """What is right alone and wrong together."""
        text = changed(*changes).replace("SAME", "https://digital-rights.example.org")

        assert told in complaint(tmp_path, text)


class TestDates:
    OPENS = datetime(2026, 11, 1, tzinfo=UTC)
    ENDS = datetime(2027, 11, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("now", "signing", "confirming"),
        [
            (OPENS - SECOND, False, False),
            (OPENS, True, True),
            (ENDS - SECOND, True, True),
            (ENDS, False, True),
            (ENDS + CONFIRM_GRACE - SECOND, False, True),
            (ENDS + CONFIRM_GRACE, False, False),
        ],
    )
    def test_of_opening_and_closing_are_included(self, now: datetime, signing: bool, confirming: bool) -> None:
        """From the first second of the one to the last of the other, and confirming goes on for seven days."""
        loaded = load_all()[CAMPAIGN]

        assert timedelta(days=7) == CONFIRM_GRACE
        assert (loaded.takes_signatures(now), loaded.takes_confirmations(now)) == (signing, confirming)

    def test_of_the_purge_follow_from_the_close(self) -> None:
        """The day that the privacy notice promises."""
        assert load_all()[CAMPAIGN].purged_on == date(2028, 4, 28)


@pytest.mark.parametrize(
    ("total", "goal"),
    [(0, 1_000), (999, 1_000), (1_000, 5_000), (749_999, 750_000), (750_000, 1_000_000), (2_000_000, 1_000_000)],
)
def test_the_next_goal_is_the_first_step_not_yet_reached(total: int, goal: int) -> None:
    """And stays the last one when all are."""
    assert load_all()[CAMPAIGN].next_goal(total) == goal


class TestThresholds:
    #: Regulation (EU) 2019/788, Annex I (705 seats), and Delegated Regulation (EU) 2024/1082 (720 seats).
    PUBLISHED: ClassVar = {
        "2024-07-15": {"DE": 67_680, "FR": 55_695, "PL": 36_660, "NL": 20_445, "IE": 9_165, "MT": 4_230},
        "2024-07-16": {"DE": 69_120, "FR": 58_320, "PL": 38_160, "NL": 22_320, "IE": 10_080, "MT": 4_320},
    }

    @pytest.mark.parametrize(("registered", "published"), PUBLISHED.items())
    def test_are_those_of_the_day_of_registration(
        self, registered: str, published: dict[str, int], tmp_path: Path
    ) -> None:
        """The new numbers hold for what was registered from 16 July 2024."""
        loaded = campaign(tmp_path, (r"^registered = [^\n]*", f"registered = {registered}"))

        assert loaded.initiative
        assert published.items() <= loaded.initiative.thresholds.items()

    @pytest.mark.parametrize(
        ("registered", "seats"),
        [("2021-01-07", 705), ("2024-07-15", 705), ("2024-07-16", 720), ("2026-01-01", 720)],
    )
    def test_are_the_seats_of_27_member_states_each_times_all_seats(
        self, registered: str, seats: int, tmp_path: Path
    ) -> None:
        """Article 3(2): the number of members a state elects, multiplied by the number of all of them."""
        loaded = campaign(tmp_path, (r"^registered = [^\n]*", f"registered = {registered}"))

        assert loaded.initiative
        minima = loaded.initiative.thresholds
        assert len(minima) == 27
        assert all(minimum % seats == 0 for minimum in minima.values())
        assert sum(minimum // seats for minimum in minima.values()) == seats

    def test_of_the_example_are_the_old_ones(self) -> None:
        """It was registered in 2021."""
        initiative = load_all()[CAMPAIGN].initiative

        assert initiative
        assert initiative.thresholds["DE"] == 67_680
        assert initiative.hand_off is None
