"""Campaign files: what they must contain before anybody can sign, and what follows from it."""

import io
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from pydantic import ValidationError

from shared import locales
from shared.campaigns.loader import load, load_all
from shared.campaigns.model import CONFIRM_GRACE, Campaign
from shared.campaigns.screening import is_held
from shared.errors import ConfigurationError
from shared.models.labels import Label

SECOND = timedelta(seconds=1)
FROM, TO = datetime(2026, 1, 1), datetime(2029, 1, 1)
OFFSETS = st.builds(timezone, st.integers(-14, 14).map(lambda hours: timedelta(hours=hours)))
#: What `opens` and `closes` may be: a day, or a moment with an offset.
DATES = st.dates(FROM.date(), TO.date()) | st.datetimes(FROM, TO, timezones=OFFSETS)
EXAMPLE_FILE = Path(__file__).with_name("example.toml")
EXAMPLE = EXAMPLE_FILE.read_text(encoding="utf-8")


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(*changes: tuple[str, str]) -> str:
    """Return the example's text with the first match of each pattern replaced."""
    text = EXAMPLE
    for pattern, replacement in changes:
        text, times = re.subn(pattern, replacement.replace("\\", r"\\"), text, count=1, flags=re.M | re.S)
        assert times == 1, pattern
    return text


def campaign(folder: Path, *changes: tuple[str, str]) -> Campaign:
    return load(write(folder, changed(*changes)))


def error_with_lines(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(write(folder, text))
    return str(refused.value)


def error_of(folder: Path, text: str) -> str:
    """Return the error without line numbers, which other tests check."""
    return re.sub(r"^([a-z/]+\.toml):[0-9]+: ", r"\1: ", error_with_lines(folder, text), flags=re.M)


def line_of(text: str, start: str) -> int:
    """Return the number of the line that starts with `start`, counted from 1."""
    [line] = [number for number, line in enumerate(text.split("\n"), 1) if line.startswith(start)]
    return line


@pytest.fixture
def example() -> Campaign:
    return load(EXAMPLE_FILE)


def test_the_shipped_campaigns_load() -> None:
    """The campaign files in the repository are valid."""
    assert load_all()


def test_a_complete_file_loads(example: Campaign) -> None:
    """Its id is the name of the file."""
    assert example.id == "example"
    assert example.goal == 1_000_000
    assert example.partner_by_origin["https://libertes-ouvertes.example.com"] == "libertes-ouvertes"
    assert example.text("en").title == "Ban biometric mass surveillance in public places"


def test_a_language_without_texts_gets_those_of_the_default_language(example: Campaign) -> None:
    """No page is empty for want of a translation."""
    assert example.text("mt") is example.text(example.default_language)


CONSENT_IN_LINES = 'consent = """I am 16. Unwatched Europe e.V. and Stichting\n  Vrije\nBlik."""'


#: What a file must contain: the key, a pattern that removes it from the example, and words of the error.
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
    ("minimum_age", r"^minimum_age = [^\n]*\n", "the age, in years"),
    ("consent_version", r"^consent_version = [^\n]*\n", "every change of a consent text"),
    ("goal_steps", r"^goal_steps = [^\n]*\n", "the goals shown"),
    ("goal", r"^goal = [^\n]*\n", "how many signatures"),
    ("default_language", r"^default_language = [^\n]*\n", "the language"),
    ("opens", r"^opens = [^\n]*\n", "the first day"),
    ("closes", r"^closes = [^\n]*\n", "the last day"),
    ("abuse_contact", r"^abuse_contact = [^\n]*\n", "misuse"),
    ("sender", r"^\[sender\].*?(?=\[sealing\])", "whom the mail comes from"),
    ("texts.en.title", r"^title = [^\n]*\n", "in a few words"),
    ("texts.en.addressee", r"^addressee = [^\n]*\n", "whom the petition asks"),
    ("texts.en.summary", r"^summary = [^\n]*\n", "two or three sentences"),
    ("texts.en.paragraphs", r"^paragraphs = .*?(?=^demands_heading)", "a list of paragraphs"),
    ("texts.en.demands_heading", r"^demands_heading = [^\n]*\n", "above the demands"),
    ("texts.en.demands", r"^demands = [^\n]*\n", "a list of sentences"),
    ("texts.en.closing", r"^closing = [^\n]*\n", "below the demands"),
]


def test_labels_that_hold_can_be_chosen(tmp_path: Path, example: Campaign) -> None:
    """An entry names one label or several together; without the table, volume alone holds nothing."""
    chosen = campaign(
        tmp_path, (r"^\[sender\]", '[screening]\nhold = ["too_fast", "no_page + domain_burst"]\n[sender]')
    )
    nothing = campaign(tmp_path, (r"^\[sender\]", "[screening]\nhold = []\n[sender]"))

    assert set(chosen.screening.hold) == {
        frozenset({Label.TOO_FAST}),
        frozenset({Label.NO_PAGE, Label.DOMAIN_BURST}),
    }
    assert nothing.screening.hold == ()
    assert is_held([Label.DISPOSABLE_DOMAIN], example.screening.hold)
    assert not is_held([Label.DOMAIN_BURST, Label.NETWORK_BURST], example.screening.hold)
    assert not is_held([Label.NO_PAGE, Label.NO_WORK], example.screening.hold)
    assert is_held([Label.NO_WORK, Label.NETWORK_BURST], example.screening.hold)


class TestIncomplete:
    @pytest.mark.parametrize(("key", "pattern", "wanted"), REQUIRED, ids=[key for key, _, _ in REQUIRED])
    def test_names_file_key_and_what_belongs_there(
        self, key: str, pattern: str, wanted: str, tmp_path: Path
    ) -> None:
        """Authors of campaign files can fix them without reading the documentation."""
        text = changed((pattern, ""))
        error = error_with_lines(tmp_path, text)
        table = re.search(rf"^\[{re.escape(key.rpartition('.')[0])}\]$", text, re.M)

        line = line_of(text, table[0]) if table else 1
        assert error.startswith(f"mine.toml:{line}: {key}: is missing (")
        assert wanted in error
        assert "\n" not in error

    def test_names_all_missing_keys_at_once(self, tmp_path: Path) -> None:
        """One run reports everything."""
        error = error_of(tmp_path, changed(*((pattern, "") for _, pattern, _ in REQUIRED)))

        assert {line.split(": ")[1] for line in error.splitlines()} == {key for key, _, _ in REQUIRED}

    @pytest.mark.parametrize("table", ["sealing", "privacy"])
    def test_names_a_table_that_is_missing_altogether(self, table: str, tmp_path: Path) -> None:
        """Its error says, too, what belongs there."""
        start = EXAMPLE.index(f"[{table}]")
        end = EXAMPLE.index("# Who decides" if table == "sealing" else "# Shows how")

        assert error_of(tmp_path, EXAMPLE[:start] + EXAMPLE[end:]).startswith(f"mine.toml: {table}: is missing (")

    def test_of_an_empty_file_names_every_key(self, tmp_path: Path) -> None:
        """A file without any keys gets an error for each required one."""
        error = error_of(tmp_path, "")

        assert {"mine.toml: controllers: is missing", "mine.toml: texts: is missing"} <= {
            line.split(" (")[0] for line in error.splitlines()
        }

    def test_one_incomplete_file_stops_the_function(self, tmp_path: Path) -> None:
        """A function does not start with only some of its campaigns."""
        write(tmp_path, changed((r"^minimum_age = [^\n]*\n", "")))
        (tmp_path / "good.toml").write_text(EXAMPLE, encoding="utf-8")

        with pytest.raises(ConfigurationError, match=r"mine\.toml:1: minimum_age"):
            load_all(tmp_path)

    def test_several_incomplete_files_are_all_reported(self, tmp_path: Path) -> None:
        """One run reports everything."""
        for name in ("first", "second"):
            (tmp_path / f"{name}.toml").write_text(changed((r"^goal = [^\n]*\n", "")), encoding="utf-8")

        with pytest.raises(ConfigurationError, match=r"first\.toml:1: goal: .*\nsecond\.toml:1: goal: "):
            load_all(tmp_path)

    @pytest.mark.parametrize("name", ["", "elsewhere"])
    def test_a_folder_without_campaigns_is_an_error(self, name: str, tmp_path: Path) -> None:
        """It fails at start-up, since otherwise every URL would answer 404 for no visible reason."""
        with pytest.raises(ConfigurationError) as refused:
            load_all(tmp_path / name)

        assert str(refused.value).startswith(f"{tmp_path / name}: ")

    def test_names_a_missing_arrangement_between_two_controllers(self, tmp_path: Path) -> None:
        """GDPR, Article 26, demands one; a single controller needs none."""
        without = (r"^arrangement = [^\n]*\n?", "")
        alone = (r"\[\[controllers\]\]\nname = \"Stichting.*?(?=# The privacy notice)", "")

        error = error_of(tmp_path, changed(without))

        assert error.startswith("mine.toml: texts.en.arrangement: is missing (")
        assert "Article 26" in error
        assert campaign(tmp_path, without, alone).text("en").arrangement is None


class TestInvalid:
    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("goal = = 3", ":1: is no TOML: goal = = 3: "),
            ("[texts", ":1: is no TOML: [texts: "),
            ("\r\nname = “Ann”\r\n", ":2: is no TOML: name = “Ann”: "),
            ("goal = 1\ngoal = 2", ":2: is no TOML: goal = 2: "),
            ("opens = 1.11.2026", ":1: is no TOML: opens = 1.11.2026: "),
            ('x = """a"""\r\na = [\r\n  """b\r\n\r\n', ':3: is no TOML: """b: nothing closes this quote ('),
            ("a = {x = '''b\n", ":1: is no TOML: a = {x = '''b: nothing closes this quote ("),
        ],
    )
    def test_toml_is_quoted_with_a_hint(self, text: str, place: str, tmp_path: Path) -> None:
        """The error quotes the line and hints at the most frequent mistakes."""
        error = error_with_lines(tmp_path, text)

        assert error.startswith(f"mine.toml{place}")
        assert "straight quotes; dates 2026-11-01; numbers 1_000; true/false in lower case" in error

    def test_toml_with_a_secret_key_is_not_quoted(self, tmp_path: Path) -> None:
        """Errors end up in logs, where a secret key must not appear."""
        assert "QQQ" not in error_of(tmp_path, "recipients = [AGE-SECRET-KEY-1QQQ]")

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
    def test_a_file_in_another_encoding_is_named(self, encoding: str, tmp_path: Path) -> None:
        """A file that is not UTF-8 is refused, so that no name is garbled."""
        path = tmp_path / "mine.toml"
        path.write_bytes('name = "Libertés"'.encode(encoding))

        with pytest.raises(ConfigurationError, match=r"mine\.toml: is not in UTF-8"):
            load(path)

    def test_a_byte_order_mark_and_windows_line_ends_are_accepted(self, tmp_path: Path, example: Campaign) -> None:
        """A file saved by an editor on Windows, which writes both, loads."""
        path = tmp_path / "example.toml"
        path.write_bytes(EXAMPLE.replace("\n", "\r\n").encode("utf-8-sig"))

        assert load(path) == example

    @pytest.mark.parametrize("name", ["Mine", "-mine", "mine_1", "m" * 41, "mine.de"])
    def test_file_names_are_refused(self, name: str, tmp_path: Path) -> None:
        """The name is the campaign's id, which is part of its URLs."""
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
        ],
    )
    def test_values_are_named_by_key(self, key: str, pattern: str, replacement: str, tmp_path: Path) -> None:
        """Misspelt keys, numbers out of range, and values that could inject a header or a script are refused."""
        assert error_of(tmp_path, changed((pattern, replacement))).startswith(f"mine.toml: {key}: ")

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
        """An origin must be exactly what browsers send."""
        error = error_of(tmp_path, changed((r"https://digital-rights\.example\.org", origin)))

        assert error.startswith("mine.toml: partners.digital-rights.origins.0: ")

    @pytest.mark.parametrize("origin", ["https://a.example:8443", "http://localhost:3000", "http://127.0.0.1"])
    def test_origins_with_a_port_or_on_localhost_are_accepted(self, origin: str, tmp_path: Path) -> None:
        """Partners try the widget on their own machines first."""
        loaded = campaign(tmp_path, (r"https://digital-rights\.example\.org", origin))

        assert loaded.partner_by_origin[origin] == "digital-rights"

    @pytest.mark.parametrize(
        ("error", "changes"),
        [
            (
                "partners.libertes-ouvertes.origins.0: the origin https://digital-rights.example.org stands there "
                "with partners.digital-rights, too: leave it with one partner, once",
                [(r"https://libertes-ouvertes\.example\.com", "SAME")],
            ),
            (
                "partners.digital-rights.origins.1: the origin https://digital-rights.example.org stands there "
                "twice: leave it with one partner, once",
                [(r"https://www\.digital-rights\.example\.org", "SAME")],
            ),
            (
                "goal_steps: must rise and end with goal: they end with 750000, and goal is 1000000",
                [(r"750_000, 1_000_000\]", "750_000]")],
            ),
            (
                "goal_steps: must rise and end with goal: 1000 comes after 5000",
                [(r"\[1_000, 5_000", "[5_000, 1_000")],
            ),
            (
                "goal_steps: must rise and end with goal: 1000 comes after 1000",
                [(r"\[1_000, 5_000", "[1_000, 1_000")],
            ),
            ("closes: lies before opens", [(r"^closes = 2027-10-31", "closes = 2026-10-31")]),
            ("closes: lies before opens", [(r"^closes = 2027-10-31", "closes = 2026-11-01T00:00:00Z")]),
            (
                "texts.en.consent: does not say the minimum_age: add the number 17",
                [(r"^minimum_age = 16", "minimum_age = 17")],
            ),
            (
                "texts.en.consent: does not say the minimum_age: add the number 16",
                [(r"at least 16 years", "at least 160 years")],
            ),
            (
                "texts.en.consent: does not name every controller: add Stichting Wijde Blik",
                [(r'^name = "Stichting Vrije Blik"', 'name = "Stichting Wijde Blik"')],
            ),
            (
                "required_fields: names postal_code, but asks_postal_code is not true",
                [(r"^required_fields = \[\]", 'required_fields = ["postal_code"]')],
            ),
        ],
    )
    def test_contradictions_are_reported(self, error: str, changes: list[tuple[str, str]], tmp_path: Path) -> None:
        """Values that are valid alone but contradict each other are an error that names both."""
        text = changed(*changes).replace("SAME", "https://digital-rights.example.org")

        assert error_of(tmp_path, text).startswith(f"mine.toml: {error}")

    def test_contradictions_are_reported_all_at_once(self, tmp_path: Path) -> None:
        """One run reports everything."""
        error = error_of(
            tmp_path,
            changed((r"^closes = 2027-10-31", "closes = 2026-10-31"), (r"^minimum_age = 16", "minimum_age = 17")),
        )

        assert [line.split(": ")[1] for line in error.splitlines()] == ["closes", "texts.en.consent"]

    def test_a_consent_may_be_written_over_several_lines(self, tmp_path: Path) -> None:
        """A controller's name is found even if a line break splits it."""
        assert campaign(tmp_path, (r"^consent = [^\n]*", CONSENT_IN_LINES))

    def test_missing_texts_of_the_default_language_are_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The default language needs texts, even if Undersign supports it."""
        monkeypatch.setattr(locales, "LANGUAGES", frozenset({"de", "en"}))

        error = error_of(tmp_path, changed((r'^default_language = "en"', 'default_language = "de"')))

        assert error == "mine.toml: texts.de: is missing, the default language"

    @pytest.mark.parametrize(
        ("key", "pattern", "replacement"),
        [
            ("texts.de", r"\Z", EXAMPLE[EXAMPLE.index("[texts.en]") :].replace("[texts.en]", "[texts.de]")),
            ("default_language", r'^default_language = "en"', 'default_language = "de"'),
        ],
    )
    def test_an_unsupported_language_is_refused(
        self, key: str, pattern: str, replacement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its petition would have buttons and mails in another language."""
        monkeypatch.setattr(locales, "LANGUAGES", frozenset({"en"}))

        error = error_of(tmp_path, changed((pattern, replacement)))

        assert error == (
            f"mine.toml: {key}: Undersign speaks no de yet (it speaks: en); add shared/locales/de.toml first"
        )


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
    def test_of_opening_and_closing_are_included(
        self, now: datetime, signing: bool, confirming: bool, example: Campaign
    ) -> None:
        """Signing ends with the last second of `closes`; confirming goes on for seven days."""
        assert timedelta(days=7) == CONFIRM_GRACE
        assert (example.is_open(now), example.takes_confirmations(now)) == (signing, confirming)

    @pytest.mark.parametrize(
        ("zone", "opens_at", "closes_at"),
        [
            ("Europe/Brussels", "2026-10-31T23:00:00Z", "2027-10-31T23:00:00Z"),
            ("America/New_York", "2026-11-01T04:00:00Z", "2027-11-01T04:00:00Z"),
            ("Pacific/Kiritimati", "2026-10-31T10:00:00Z", "2027-10-31T10:00:00Z"),
        ],
    )
    def test_begin_and_end_at_midnight_of_the_time_zone(
        self, zone: str, opens_at: str, closes_at: str, tmp_path: Path
    ) -> None:
        """Summer and winter time are those of the day: New York is at UTC-4 on both, and Brussels at UTC+1."""
        loaded = campaign(tmp_path, (r"^opens", f'time_zone = "{zone}"\nopens'))

        moments = [datetime.fromisoformat(each) for each in (opens_at, closes_at)]
        assert [loaded.opens_at, loaded.closes_at] == moments

    def test_may_be_hours(self, tmp_path: Path) -> None:
        """Signing ends at the very moment; the day of the purge counts from that day, where it is one."""
        loaded = campaign(
            tmp_path,
            (r"^opens = [^\n]*", "opens = 2026-11-01T10:00:00+01:00"),
            (r"^closes = [^\n]*", "closes = 2027-10-31T00:30:00+02:00"),
        )

        opens, closes = datetime(2026, 11, 1, 9, tzinfo=UTC), datetime(2027, 10, 30, 22, 30, tzinfo=UTC)
        assert [loaded.is_open(each) for each in (opens - SECOND, opens)] == [False, True]
        assert [loaded.is_open(each) for each in (closes - SECOND, closes)] == [True, False]
        assert loaded.takes_confirmations(closes + CONFIRM_GRACE - SECOND)
        assert not loaded.takes_confirmations(closes + CONFIRM_GRACE)
        assert loaded.purged_on == date(2028, 4, 28)
        midnight = datetime(2028, 4, 27, 22, tzinfo=UTC)  # UTC+2
        assert [loaded.may_be_purged(each) for each in (midnight - SECOND, midnight)] == [False, True]

    @pytest.mark.parametrize(
        ("day", "zone", "begins"),
        [
            (
                "2026-09-06",
                "America/Santiago",
                datetime(2026, 9, 6, 4, tzinfo=UTC),
            ),  # 0:00 to 1:00 is skipped
            ("2026-04-05", "America/Santiago", datetime(2026, 4, 5, 4, tzinfo=UTC)),  # 23:00 to 24:00 comes twice
            ("2026-10-25", "Atlantic/Azores", datetime(2026, 10, 25, 0, tzinfo=UTC)),  # 0:00 to 1:00 comes twice
        ],
    )
    def test_begin_where_the_clocks_change_at_midnight(
        self, day: str, zone: str, begins: datetime, tmp_path: Path
    ) -> None:
        """The day begins as soon as the calendar says so."""
        loaded = campaign(tmp_path, (r"^opens = [^\n]*", f'time_zone = "{zone}"\nopens = {day}'))

        before, first = ((begins + step).astimezone(ZoneInfo(zone)).date() for step in (-SECOND, timedelta()))
        assert before < first == date.fromisoformat(day)
        assert loaded.opens_at == begins

    @given(
        st.sampled_from(["UTC", "Europe/Brussels", "America/Santiago", "Asia/Beirut", "Pacific/Apia"]),
        DATES,
        DATES,
        st.lists(st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.timezones()), min_size=3),
    )
    def test_are_one_interval_of_time(self, zone: str, opens: date, closes: date, moments: list[datetime]) -> None:
        """First closed, then open, then for confirmations only, then closed for good; and never purged before."""
        known = load(EXAMPLE_FILE)
        values = {**known.model_dump(), "opens": opens, "closes": closes, "time_zone": zone}
        try:
            loaded = Campaign.model_validate(values)
        except ValidationError:
            return

        moments.sort(key=lambda moment: moment.astimezone(UTC))
        states = [
            (loaded.has_opened(now), loaded.is_open(now), loaded.takes_confirmations(now)) for now in moments
        ]
        order = [(False, False, False), (True, True, True), (True, False, True), (True, False, False)]
        assert [order.index(state) for state in states] == sorted(order.index(state) for state in states)
        assert not any(loaded.may_be_purged(now) and loaded.takes_confirmations(now) for now in moments)

    def test_of_the_purge_follow_from_the_close(self, example: Campaign) -> None:
        """It is the day that the privacy notice promises."""
        assert example.purged_on == date(2028, 4, 28)


@pytest.mark.parametrize(
    ("total", "goal"),
    [(0, 1_000), (999, 1_000), (1_000, 5_000), (749_999, 750_000), (750_000, 1_000_000), (2_000_000, 1_000_000)],
)
def test_the_next_goal_is_the_first_step_not_yet_reached(total: int, goal: int, example: Campaign) -> None:
    """It stays the last one after all are reached."""
    assert example.next_goal(total) == goal


class TestThresholds:
    #: Regulation (EU) 2019/788, Annex I (705 seats), and Delegated Regulation (EU) 2024/1082 (720 seats).
    PUBLISHED: ClassVar = {
        "2024-07-15": {"DE": 67_680, "FR": 55_695, "PL": 36_660, "NL": 20_445, "IE": 9_165, "MT": 4_230},
        "2024-07-16": {"DE": 69_120, "FR": 58_320, "PL": 38_160, "NL": 22_320, "IE": 10_080, "MT": 4_320},
    }

    @pytest.mark.parametrize(("registered", "published"), PUBLISHED.items())
    def test_depend_on_the_day_of_registration(
        self, registered: str, published: dict[str, int], tmp_path: Path
    ) -> None:
        """The new numbers apply to initiatives registered from 16 July 2024."""
        loaded = campaign(tmp_path, (r"^registered = [^\n]*", f"registered = {registered}"))

        assert loaded.initiative
        assert published.items() <= loaded.initiative.thresholds.items()

    @pytest.mark.parametrize(
        ("registered", "seats"),
        [("2021-01-07", 705), ("2024-07-15", 705), ("2024-07-16", 720), ("2026-01-01", 720)],
    )
    def test_are_each_member_states_seats_times_all_seats(
        self, registered: str, seats: int, tmp_path: Path
    ) -> None:
        """Article 3(2): a state's number of members, multiplied by the number of all members."""
        loaded = campaign(tmp_path, (r"^registered = [^\n]*", f"registered = {registered}"))

        assert loaded.initiative
        minima = loaded.initiative.thresholds
        assert len(minima) == 27
        assert all(minimum % seats == 0 for minimum in minima.values())
        assert sum(minimum // seats for minimum in minima.values()) == seats

    def test_of_an_initiative_of_2021_are_the_old_ones(self, example: Campaign) -> None:
        """The example's initiative was registered in 2021, and has no address to hand signers off to."""
        initiative = example.initiative

        assert initiative
        assert initiative.thresholds["DE"] == 67_680
        assert initiative.hand_off is None


#: Mistakes that people make, and the error that each gets.
FRIENDLY = [
    (r"^minimum_age = 16", "min_age = 16", "min_age: is not a key here; did you mean minimum_age?"),
    (r"^contact =", "contakt =", "privacy.contakt: is not a key here; did you mean contact?"),
    (r"^\[sender\]", "[sender]\nx = 1", "sender.x: is not a key here; the keys here are name, address"),
    (r"^\[sender\]", "[sender]\ngoal = 5", "sender.goal: belongs above the first [table]"),
    (r"^\[sealing\]", "[privacy.sealing]\n[sealing]", "privacy.sealing: is a table of its own: [sealing]"),
    (r"\A", "x = 1\n", "x: is not a key here; the keys here are default_language, vouched_languages, goal, "),
    (r"\A", 'id = "x"\n', "id: is not a key here: the file's name is the campaign's id"),
    (
        r'^recipients = \["throwaway"\]',
        'recipients = ["age1qqq"]',
        "sealing.recipients.0: is no age recipient: age1 and 58 more characters, "
        "as age-keygen prints after 'public key:'",
    ),
    (
        r'^recipient = "throwaway"',
        'recipient = "AGE-SECRET-KEY-1QQQ"',
        "partners.digital-rights.recipient: this is the SECRET key: put the public key here, and make a new pair",
    ),
    (r'^recipients = \["throwaway"\]', "recipients = []", "sealing.recipients: needs one entry at least ("),
    (
        r'"https://libertes.*?"',
        '"https://xn.example/"',
        "partners.libertes-ouvertes.origins.0: leave out the slash",
    ),
    (
        r'"https://libertes.*?"',
        '"https://a.example/b"',
        "partners.libertes-ouvertes.origins.0: leave out the slash",
    ),
    (r'"https://libertes.*?"', '"https://A.example"', "partners.libertes-ouvertes.origins.0: write it in small"),
    (r'"https://libertes.*?"', '"https://ä.example"', "partners.libertes-ouvertes.origins.0: write the host as"),
    (
        r'"https://libertes.*?"',
        '"https://a.example:443"',
        "partners.libertes-ouvertes.origins.0: leave out the port",
    ),
    (r'"https://libertes.*?"', '"http://a.example"', "partners.libertes-ouvertes.origins.0: write https://"),
    (r'"https://libertes.*?"', '"a.example"', "partners.libertes-ouvertes.origins.0: an origin is https://"),
    (
        r'\["https://libertes.*?\]',
        '"https://a.example"',
        "partners.libertes-ouvertes.origins: write a list in square",
    ),
    (
        r"^website = [^\n]*",
        'website = "www.a.example"',
        "controllers.0.website: write the whole address with https://",
    ),
    (r"^\[partners.digital", "[partners.Digital", "partners.Digital-rights: a partner's short name"),
    (
        r"^abuse_contact = [^\n]*",
        'abuse_contact = "A <a@b.example>"',
        "abuse_contact: write one mail address alone",
    ),
    (r"^title = [^\n]*", 'title = "a\\nb"', "texts.en.title: write it in one line"),
    (r"^title = [^\n]*", 'title = " "', "texts.en.title: is empty ("),
    (r"^title = [^\n]*", "title = 3", "texts.en.title: write it in quotes"),
    (r"^opens = 2026-11-01", 'opens = "2026-11-01"', "opens: write 2026-11-01, without quotes ("),
    (r"^opens = 2026-11-01", "opens = 20261101", "opens: write 2026-11-01, without quotes ("),
    (
        r"^opens = 2026-11-01",
        "opens = 2026-11-01T10:00:00",
        "opens: an hour needs the offset",
    ),
    (r"^opens = 2026-11-01", "opens = 10:00:00", "opens: write 2026-11-01, without quotes ("),
    (r"^closes = 2027-10-31", "closes = 9999-12-31", "closes: write a year between 2000 and 2999"),
    (
        r"^opens",
        'time_zone = "CEST"\nopens',
        "time_zone: there is no time zone CEST: write",
    ),
    (r"^goal = 1_000_000", 'goal = "1000000"', "goal: write a whole number, without quotes, dot or comma, as in"),
    (r"^goal = 1_000_000", "goal = 12.000", "goal: write a whole number, without quotes, dot or comma, as in"),
    (r"^retention_days = 180", "retention_days = 1e2", "privacy.retention_days: write a whole number, without"),
    (r"^minimum_age = 16", "minimum_age = 3", "minimum_age: must be 13 at least ("),
    (r"^retention_days = 180", "retention_days = 18_000", "privacy.retention_days: must be 3650 at most ("),
    (
        r"^asks_postal_code = false",
        'asks_postal_code = "no"',
        "asks_postal_code: write true or false, without quotes",
    ),
    (
        r"^required_fields = \[\]",
        "required_fields = ['x']",
        "required_fields.0: must be 'newsletter' or 'postal_code'",
    ),
    (r"^\[sender\]", "[[sender]]", "sender: write [sender], with single brackets: there is one ("),
    (
        r"^\[\[privacy.processors\]\].*?\[\[privacy.processors\]\]",
        "[privacy.processors]",
        "privacy.processors: write [[privacy.processors]], with double brackets: there may be several (",
    ),
    (
        r"^\[sender\]",
        '[screening]\nhold = ["no_page + slow"]\n[sender]',
        'screening.hold.0: there is no label "slow"; the labels are disposable_domain, domain_burst, ',
    ),
    (
        r"^\[sender\]",
        '[screening]\nhold = ["too_fast", "network_burst"]\n[sender]',
        "screening.hold.1: many at once look the same when a newspaper writes about you: add a label of another",
    ),
    (
        r"^\[sender\]",
        "[screening]\nhold = [3]\n[sender]",
        "screening.hold.0: write it in quotes",
    ),
    (r"^\[texts.en\]", "[texts]", "texts.title: write the two small letters of a language, as in en"),
]


@pytest.mark.parametrize(("pattern", "replacement", "error"), FRIENDLY, ids=[error for *_, error in FRIENDLY])
def test_a_mistake_gets_an_error_that_names_the_fix(
    pattern: str, replacement: str, error: str, tmp_path: Path
) -> None:
    """The error names the right line, names no key twice, and has none of pydantic's own wording."""
    text = changed((pattern, replacement))
    [begin] = [found.start() for found in [re.search(pattern, EXAMPLE, re.M | re.S)] if found]
    changed_lines = {text.count("\n", 0, begin + offset) + 1 for offset in range(len(replacement) + 2)}
    errors = error_with_lines(tmp_path, text).splitlines()

    keys = [line.split(": ")[1] for line in errors]
    [place] = {line.split(": ")[0] for line in errors if line.split(": ", 1)[1].startswith(error)}
    assert int(place.removeprefix("mine.toml:")) in changed_lines
    assert len(keys) == len(set(keys))
    assert not re.search(r"Value error|Input should|String should|Tuple|QQQ", "".join(errors), re.I)


def test_a_list_with_one_wrong_entry_gets_one_error(tmp_path: Path) -> None:
    """The error names the entry, and the list is not called empty as well."""
    error = error_of(tmp_path, changed((r'^recipients = \["throwaway"\]', 'recipients = ["age1"]')))

    assert [line.split(": ")[1] for line in error.splitlines()] == ["sealing.recipients.0"]


GERMAN = EXAMPLE[EXAMPLE.index("[texts.en]") + len("[texts.en]") :].replace("Ban biometric", "Verbietet")
VOUCHES_FOR_GERMAN = (r'^vouched_languages = \["en"\]', 'vouched_languages = ["en", "de"]')


class TestTranslations:
    """Translations lie in a folder beside the campaign file, with the same name."""

    @pytest.fixture(autouse=True)
    def _german_is_supported(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(locales, "LANGUAGES", frozenset({"de", "en"}))
        (tmp_path / "mine").mkdir()

    def test_are_found(self, tmp_path: Path) -> None:
        """A file in the folder is loaded without being listed anywhere."""
        (tmp_path / "mine" / "de.toml").write_text(GERMAN, encoding="utf-8")

        loaded = campaign(tmp_path, VOUCHES_FOR_GERMAN)

        assert loaded.text("de").title.startswith("Verbietet")
        assert loaded.text("en").title.startswith("Ban")
        assert loaded.vouched_languages == ("en", "de")

    def test_must_be_complete(self, tmp_path: Path) -> None:
        """Nobody can sign in a language without a consent text."""
        text = re.sub(r"^consent = [^\n]*\n", "", GERMAN, flags=re.M)
        (tmp_path / "mine" / "de.toml").write_text(text, encoding="utf-8")

        assert error_with_lines(tmp_path, EXAMPLE).startswith("mine/de.toml:1: consent: is missing (")

    def test_are_named_if_they_are_not_toml(self, tmp_path: Path) -> None:
        """The error names the translation's file and line."""
        (tmp_path / "mine" / "de.toml").write_text("title = “Verbietet”", encoding="utf-8")

        assert error_with_lines(tmp_path, EXAMPLE).startswith("mine/de.toml:1: is no TOML: ")

    def test_are_refused_if_a_language_has_two(self, tmp_path: Path) -> None:
        """It would be unclear which of them signers read."""
        (tmp_path / "mine" / "en.toml").write_text(GERMAN, encoding="utf-8")

        assert error_of(tmp_path, EXAMPLE) == (
            "mine.toml: texts.en: is in mine/en.toml, too: leave one of the two"
        )

    def test_may_translate_names_in_the_privacy_table(self, tmp_path: Path) -> None:
        """The glossary translates recipients, tasks, places and the authority; an unused entry is refused."""
        glossary = '\n[glossary]\n"European Commission" = "Europäische Kommission"\n"Germany" = "Deutschland"\n'
        file = tmp_path / "mine" / "de.toml"
        file.write_text(GERMAN + glossary, encoding="utf-8")

        loaded = campaign(tmp_path)
        notice = loaded.privacy.translated(loaded.text("de").glossary)

        assert notice.recipients == ("Europäische Kommission",)
        assert [each.place for each in notice.processors] == ["European Union", "Deutschland"]
        assert notice.supervisory_authority == loaded.privacy.supervisory_authority
        file.write_text(GERMAN + glossary.replace("Germany", "Gremany"), encoding="utf-8")
        assert error_of(tmp_path, EXAMPLE) == (
            "mine/de.toml: glossary.Gremany: stands nowhere in the privacy table; copy it from there"
        )

    @pytest.mark.parametrize(
        ("languages", "error"),
        [
            ('["en", "de"]', "there are no texts in de"),
            ('["de"]', "must name the default language, too: add en"),
            ("[]", "needs one entry at least"),
            ('"en"', "write a list in square"),
            ('["en", "tlh"]', ""),
        ],
    )
    def test_must_exist_to_be_vouched_for(self, languages: str, error: str, tmp_path: Path) -> None:
        """`vouched_languages` may only list languages with texts, and must list the default one."""
        change = (r"^vouched_languages = [^\n]*", f"vouched_languages = {languages}")

        assert re.search(rf"mine\.toml: vouched_languages(\.1)?: {error}", error_of(tmp_path, changed(change)))


def _picture(width: int, height: int, kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Pillow.new("RGB", (width, height)).save(made, kind)
    return made.getvalue()


def test_the_share_image_is_found_in_the_campaigns_folder(tmp_path: Path) -> None:
    """It need not be listed in the file, and must have the size that social networks show uncropped."""
    assert campaign(tmp_path).share_image is None
    (tmp_path / "mine").mkdir()
    picture = tmp_path / "mine" / "share.png"

    picture.write_bytes(_picture(1200, 630))
    found = campaign(tmp_path).share_image
    assert found
    assert found.file == picture

    for wrong in (_picture(630, 1200), _picture(1200, 630, "JPEG")):
        picture.write_bytes(wrong)
        assert error_of(tmp_path, EXAMPLE) == "mine/share.png: must be a PNG picture of 1200 x 630 pixels"
    for wrong in (b"GIF89a", b""):
        picture.write_bytes(wrong)
        assert error_of(tmp_path, EXAMPLE).startswith("mine/share.png: share.png is no picture that can be read")
    assert "put the picture into the campaign's folder" in error_of(tmp_path, f'share_image = "x"\n{EXAMPLE}')


NEXT_STEP = """
[next_step]
url = "https://a.example/{language}"

[texts.en.next_step]
text = "Work costs money."
button = "Donate"
"""


def test_a_next_step_has_an_address_and_words(tmp_path: Path) -> None:
    """The words stand with the other texts of each language."""
    assert campaign(tmp_path).next_step is None

    found = load(write(tmp_path, EXAMPLE + NEXT_STEP))

    assert found.next_step
    assert found.next_step.url == "https://a.example/{language}"
    words = found.text("en").next_step
    assert words
    assert (words.text, words.button) == ("Work costs money.", "Donate")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("https://", "http://", "next_step.url: write the whole address with https://"),
        ("https://", "https://[", "next_step.url: this is no address"),
        ("{language}", "{lang}", "next_step.url: {language} is the only word in braces that is filled in"),
        (
            'url = "https://a.example/{language}"\n',
            "",
            "next_step.url: is missing (where it leads, as in https://",
        ),
        (
            NEXT_STEP[NEXT_STEP.index("[texts") :],
            "",
            "texts.en.next_step: is missing, so pages in en have no such",
        ),
        (
            NEXT_STEP[: NEXT_STEP.index("[texts")],
            "",
            "texts.en.next_step: leads nowhere: add [next_step] with its url",
        ),
        ("button", "buton", "texts.en.next_step.button: is missing (the words of the button"),
    ],
)
def test_a_next_step_that_leads_nowhere_is_refused(tmp_path: Path, old: str, new: str, error: str) -> None:
    """The error says which key, and what to write."""
    assert f"mine.toml: {error}" in error_of(tmp_path, EXAMPLE + NEXT_STEP.replace(old, new))


@pytest.mark.parametrize("country", ["Germany", "de", "UK", "EU", ""])
def test_a_partners_country_must_be_a_known_code(country: str, tmp_path: Path) -> None:
    """Otherwise the partner's form would start without a country."""
    change = (r"^\[partners\.libertes-ouvertes\]\n", f'[partners.libertes-ouvertes]\ncountry = "{country}"\n')

    assert error_of(tmp_path, changed(change)).startswith(
        "mine.toml: partners.libertes-ouvertes.country: write the two"
    )


EARLIER = """
[[earlier_consents]]
version = "1"
shown_from = 2026-11-01
shown_until = 2026-11-10

[[earlier_consents]]
version = "2"
shown_from = 2026-11-10
shown_until = 2026-11-21

[texts.en.earlier_consents]
"1" = "I sign."
"2" = "I sign it."
"""


class TestEarlierConsents:
    def test_are_found_by_version_and_language(self, tmp_path: Path) -> None:
        """Readers of a language without texts see those of the default language."""
        loaded = load(write(tmp_path, EXAMPLE + EARLIER))

        assert loaded.consent("1", "en") == loaded.consent("1", "mt") == "I sign."
        assert loaded.consent("2", "en-IE") == "I sign it."
        assert loaded.consent("2026-11-27", "en") == loaded.text("en").consent
        assert loaded.consent("3", "en") is None

    @pytest.mark.parametrize(
        ("old", "new", "error"),
        [
            (
                'version = "2"',
                'version = "2026-11-27"',
                "earlier_consents.1.version: is the present consent_version",
            ),
            ('version = "2"', 'version = "1"', "earlier_consents.1.version: 1 stands there twice"),
            (
                "shown_until = 2026-11-21",
                "shown_until = 2026-11-09",
                "earlier_consents.1.shown_until: lies before",
            ),
            ("shown_from = 2026-11-10", "shown_from = 2026-11-09", "earlier_consents.1.shown_from: lies before"),
            ("shown_from = 2026-11-01\n", "", "earlier_consents.0.shown_from: is missing (the first day"),
            ("2026-11-21", '"2026-11-21"', "earlier_consents.1.shown_until: write 2026-11-01, without quotes"),
            ('"1" = "I sign."\n', "", "texts.en.earlier_consents: lacks the text of version 1"),
            ('"1" = "I sign."', '"1" = ""', "texts.en.earlier_consents.1: is empty"),
            ('"2" = ', '"3" = ', "texts.en.earlier_consents.3: is no version of [[earlier_consents]]"),
            (
                'version = "2"',
                f'version = "{"2" * 41}"',
                "earlier_consents.1.version: write 40 characters at most",
            ),
        ],
    )
    def test_that_are_wrong_are_named(self, tmp_path: Path, old: str, new: str, error: str) -> None:
        """Each error names the key and what to write."""
        assert old in EARLIER

        found = error_of(tmp_path, EXAMPLE + EARLIER.replace(old, new))

        assert any(line.removeprefix("mine.toml: ").startswith(error) for line in found.splitlines()), found

    def test_need_no_text_in_a_language_that_was_added_later(self, tmp_path: Path) -> None:
        """`undersign campaign check` asks about it."""
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "de.toml").write_text(GERMAN, encoding="utf-8")

        loaded = load(write(tmp_path, EXAMPLE + EARLIER))

        assert loaded.consent("1", "de") is None
        assert [key for key, _ in loaded.missing_consents("de")] == [("texts", "de", "earlier_consents")] * 2
