"""The settings that a function needs before it starts, and that its secrets never show."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pyrage
import pytest
from pydantic import SecretStr

from shared import runtime, settings
from shared.campaigns.model import digest_of
from shared.errors import ConfigurationError
from shared.settings import (
    ConfirmSettings,
    CountSettings,
    DeliverSettings,
    EmbedSettings,
    Settings,
    SignSettings,
    SmtpSettings,
)
from tests.support.deployment import REPOSITORY, Identities

ALL = (SignSettings, DeliverSettings, ConfirmSettings, CountSettings, EmbedSettings)

#: A relay of RELAYS.
FIRST = {
    "name": "first",
    "host": "relay.example.org",
    "user": "petition",
    "mails_per_second": 50,
    "connections": 4,
}
#: Complete settings for production, for every function.
PRODUCTION = {
    "PUBLIC_URL": "https://sign.example.org",
    "STORE": "firestore",
    "FIRESTORE_PROJECT": "petition",
    "TASKS": "cloud_tasks",
    "TASKS_QUEUES": "projects/p/locations/l/queues",
    "DELIVER_URL": "https://deliver.example.org/v1/tasks/deliver",
    "DELIVER_AUDIENCE": "https://deliver.example.org",
    "DELIVER_RECIPIENT": "age1example",
    "TASKS_SERVICE_ACCOUNT": "queue@petition.example.org",
    "TOKEN_KEYS": "k" * 32,
    "PEPPER": "p" * 32,
    "DELIVER_IDENTITIES": "AGE-SECRET-KEY-1" + "Q" * 58,
    "MAIL": "smtp",
    "RELAYS": json.dumps([FIRST]),
    "SMTP_PASSWORD_FIRST": "hunter2hunter2",
}
EXAMPLE = (REPOSITORY / "tests/shared/campaigns/example.toml").read_text(encoding="utf-8")
LOCAL = {"PUBLIC_URL": "http://localhost:8080", "STORE": "sqlite", "TASKS": "local", "MAIL": "outbox"}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {name.upper() for kind in ALL for name in settings.variables(kind)} | {"SMTP_PASSWORD_FIRST"}:
        monkeypatch.delenv(name, raising=False)


def put(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def error_of(kind: type[Settings]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        settings.load(kind)
    return str(refused.value)


def relays(*fields: dict[str, Any]) -> str:
    """The variable RELAYS, with one relay for each of `fields`."""
    return json.dumps([{**FIRST, **each} for each in fields])


def mail() -> SmtpSettings:
    """How deliver mails."""
    loaded = settings.load(DeliverSettings).mail
    assert isinstance(loaded, SmtpSettings)
    return loaded


def named(error: str) -> set[str]:
    """Return the variables that an error names at the start of a line."""
    return set(re.findall(r"^  ([A-Z_]+): ", error, re.M))


QUEUE = {"TASKS", "DELIVER_RECIPIENT"}
CLOUD_QUEUE = {"TASKS_QUEUES", "DELIVER_URL", "DELIVER_AUDIENCE", "TASKS_SERVICE_ACCOUNT"}


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        (EmbedSettings, {"PUBLIC_URL"}),
        (CountSettings, {"PUBLIC_URL", "STORE"}),
        (SignSettings, {"PUBLIC_URL", *QUEUE}),
        (ConfirmSettings, {"PUBLIC_URL", "STORE", "TOKEN_KEYS", *QUEUE}),
        (
            DeliverSettings,
            {"PUBLIC_URL", "STORE", "TOKEN_KEYS", "PEPPER", "DELIVER_IDENTITIES", "MAIL", *QUEUE},
        ),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_function_without_settings_fails_and_names_all_it_needs(
    kind: type[Settings], needed: set[str], value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In particular, store, queue and mail have no default."""
    if value is not None:
        put(monkeypatch, dict.fromkeys(PRODUCTION, value))

    error = error_of(kind)

    assert named(error) == needed
    assert error.count("is not set (") == len(needed)


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        (CountSettings, {"FIRESTORE_PROJECT"}),
        (SignSettings, CLOUD_QUEUE),
        (ConfirmSettings, {"FIRESTORE_PROJECT", *CLOUD_QUEUE}),
        (DeliverSettings, {"FIRESTORE_PROJECT", "RELAYS", *CLOUD_QUEUE}),
    ],
)
def test_missing_settings_of_a_choice_are_named_all_at_once(
    kind: type[Settings], needed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Firestore needs its project, Cloud Tasks its queue, and SMTP its host."""
    put(monkeypatch, {name: value for name, value in PRODUCTION.items() if name not in needed})

    assert named(error_of(kind)) == needed


@pytest.mark.parametrize("kind", [CountSettings, SignSettings, ConfirmSettings, DeliverSettings])
def test_local_adapters_need_a_folder(kind: type[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the folder once, however many adapters need it."""
    put(monkeypatch, {**PRODUCTION, **LOCAL})

    assert error_of(kind).count("LOCAL_FOLDER") == 1


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("environment", [PRODUCTION, {**PRODUCTION, **LOCAL, "LOCAL_FOLDER": "var"}])
def test_a_function_with_all_settings_starts(
    kind: type[Settings], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other variables in the environment are ignored."""
    put(monkeypatch, {**environment, "HOME_SWEET": "home"})

    assert settings.load(kind).model_dump()["public_url"] == environment["PUBLIC_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORE", "postgres"),
        ("STORE", "SQLITE"),
        ("TASKS", "none"),
        ("TASKS_QUEUES", "projects/p/locations/l/queues/signatures"),
        ("MAIL", "null"),
        ("RELAYS", "[]"),
        ("RELAYS", "relay.example.org"),
        ("RELAYS", "{}"),
        (
            "RELAYS",
            relays({}, {"name": "b", "user": None}, {"name": "c", "user": None}, {"name": "d", "user": None}),
        ),
        ("RELAYS", relays({"port": 0})),
        ("RELAYS", relays({"port": "smtp"})),
        ("RELAYS", relays({"mails_per_second": 0})),
        ("RELAYS", relays({"connections": 0})),
        ("RELAYS", relays({"connections": 1.0})),
        ("RELAYS", relays({"port": "5.870"})),
        ("RELAYS", relays({"name": "First"})),
        ("RELAYS", relays({"password": "hunter2hunter2"})),
        ("RELAYS", relays({}, {})),
        ("SMTP_PASSWORD_SECOND", "hunter2hunter2"),
        ("TOKEN_KEYS", "k" * 31),
        ("TOKEN_KEYS", "k" * 32 + " " + "k" * 31),
        ("TOKEN_KEYS", "   "),
        ("PEPPER", "p" * 31),
        ("PEPPER", "p" * 31 + "\n"),
        ("PEPPER", "p" * 32 + " " + "q" * 32),
        ("PEPPER", "p" * 32 + "\n" + "q" * 32),
        ("PEPPER", "   "),
        ("DELIVER_IDENTITIES", "AGE-SECRET-KEY-1"),
        ("PUBLIC_URL", "http://sign.example.org"),
        ("PUBLIC_URL", "http://localhost.evil.example"),
        ("PUBLIC_URL", "http://127.0.0.1.evil.example"),
        ("PUBLIC_URL", "https://sign.example.org/"),
        ("PUBLIC_URL", "https://sign.example.org/path"),
        ("PUBLIC_URL", "https://sign.example.org\nhttps://evil.example"),
        ("PUBLIC_URL", "sign.example.org"),
        ("PUBLIC_URL", "https://"),
    ],
)
def test_an_invalid_value_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown adapters, secrets that can be guessed, and URLs without TLS are refused."""
    put(monkeypatch, {**PRODUCTION, name: value})

    assert named(error_of(DeliverSettings)) == {name}


def test_callers_are_named_with_a_queue_that_sends_tokens_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local queue would be refused, and nothing ever mailed."""
    callers = {"DELIVER_CALLERS": "queue@p.iam.gserviceaccount.com\nscheduler@p.iam.gserviceaccount.com"}
    put(monkeypatch, {**PRODUCTION, **callers})
    accounts = settings.load(DeliverSettings).deliver_callers
    put(monkeypatch, {**LOCAL, "LOCAL_FOLDER": "var"})

    assert accounts == ("queue@p.iam.gserviceaccount.com", "scheduler@p.iam.gserviceaccount.com")
    assert "DELIVER_CALLERS" in error_of(DeliverSettings)


@pytest.mark.parametrize("url", ["http://localhost", "http://localhost:8080", "http://127.0.0.1:1"])
def test_localhost_needs_no_tls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The public URL of a local run may start with http://."""
    put(monkeypatch, {"PUBLIC_URL": url})

    assert settings.load(EmbedSettings).public_url == url


def test_a_throwaway_key_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real signatures must not be sealed to a key that nobody keeps, or that everybody has."""
    put(monkeypatch, {**PRODUCTION, "THROWAWAY_RECIPIENT": "age1throwaway"})

    assert "THROWAWAY_RECIPIENT" in error_of(DeliverSettings)


def test_each_relay_that_has_a_user_has_a_password_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without the other would mail without logging in; a relay on this machine may need neither."""
    several = relays({}, {"name": "second-eu"}, {"name": "here", "user": None})
    put(monkeypatch, {**PRODUCTION, "RELAYS": several})
    without = error_of(DeliverSettings)
    put(monkeypatch, {"SMTP_PASSWORD_SECOND_EU": "2hunter2hunter"})

    loaded = mail()

    assert named(without) == {"SMTP_PASSWORD_SECOND_EU"}
    assert [loaded.password(relay) for relay in loaded.relays] == ["hunter2hunter2", "2hunter2hunter", None]


def test_all_that_is_wrong_with_the_relays_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which relay, and what of it."""
    wrong = [FIRST, {"host": "a.example", "port": 0}, {"name": "b", "host": "b.example", "mails_per_second": 1}]
    put(monkeypatch, {**PRODUCTION, "RELAYS": json.dumps(wrong), "PEPPER": ""})

    error = error_of(DeliverSettings)

    assert named(error) == {"RELAYS", "PEPPER"}
    assert set(re.findall(r"RELAYS: (\S+)", error)) == {
        *("1.name", "1.port", "1.mails_per_second", "1.connections"),
        "2.connections",
    }


@pytest.mark.parametrize("kind", [SignSettings, DeliverSettings])
@pytest.mark.parametrize("given", ["SPOOL_PROJECT", "SPOOL_DATABASE"])
def test_a_spool_needs_both_a_project_and_a_database(
    kind: type[Settings], given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise there would be no spool, and nobody would notice before it is needed."""
    put(monkeypatch, {**PRODUCTION, given: "petition"})

    assert named(error_of(kind)) == {"SPOOL_PROJECT", "SPOOL_DATABASE"} - {given}


@pytest.mark.parametrize("given", ["BOUNCES_URL", "BOUNCES_PASSWORD"])
def test_a_mailbox_of_bounces_needs_a_password(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise none would be read, and nobody would notice."""
    put(monkeypatch, {**PRODUCTION, given: "imaps://bounces@imap.example.org"})

    assert named(error_of(DeliverSettings)) == {"BOUNCES_URL", "BOUNCES_PASSWORD"} - {given}


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("imaps://bounces@imap.example.org", ("imap.example.org", 993, "bounces", "INBOX")),
        ("imaps://bounces@imap.example.org/", ("imap.example.org", 993, "bounces", "INBOX")),
        ("imaps://b@example.org@imap.example.org:9930/DSN", ("imap.example.org", 9930, "b@example.org", "DSN")),
        ("imaps://b%40example.org@imap.example.org/A%20b/c", ("imap.example.org", 993, "b@example.org", "A b/c")),
    ],
)
def test_the_mailbox_of_bounces_is_an_address(
    url: str, place: tuple[str, int, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """User, host, and where they differ from the usual, port and folder."""
    put(monkeypatch, {**PRODUCTION, "BOUNCES_URL": url, "BOUNCES_PASSWORD": "hunter2"})

    bounces = settings.load(DeliverSettings).bounces

    assert bounces
    assert (bounces.host, bounces.port, bounces.user, bounces.folder) == place


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("imap://bounces@imap.example.org", "must begin with imaps://"),
        ("bounces@imap.example.org", "must begin with imaps://"),
        ("imaps://bounces:hunter2@imap.example.org", "BOUNCES_PASSWORD"),
        ("imaps://imap.example.org", "user and a host"),
        ("imaps://bounces@", "user and a host"),
        ("imaps://bounces@imap.example.org:imaps", "Port"),
        ("imaps://bounces@imap.example.org/Zur%C3%BCck", "ASCII"),
        ('imaps://bounces@imap.example.org/a"b', "ASCII"),
        ("imaps://bounces@imap.example.org/INBOX?x", "folder"),
    ],
)
def test_a_wrong_mailbox_of_bounces_is_refused(url: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what belongs there; the address itself, which may hold a password, is not repeated."""
    put(monkeypatch, {**PRODUCTION, "BOUNCES_URL": url, "BOUNCES_PASSWORD": "hunter2"})

    error = error_of(DeliverSettings)

    assert named(error) == {"BOUNCES_URL"}
    assert problem in error
    assert "hunter2" not in error


def test_a_relay_elsewhere_is_spoken_to_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one on this machine may do without STARTTLS."""
    put(monkeypatch, {**PRODUCTION, "RELAYS": relays({"starttls": False})})

    assert "RELAYS: starttls of first may be false only" in error_of(DeliverSettings)
    for local in ("localhost", "127.0.0.1"):
        monkeypatch.setenv("RELAYS", relays({"starttls": False, "host": local}))
        assert not mail().relays[0].starttls


def test_starttls_is_on_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to remember it; nor the port that goes with it."""
    put(monkeypatch, PRODUCTION)

    assert mail().relays[0].starttls
    assert mail().relays[0].port == 587


@pytest.mark.parametrize("kind", [ConfirmSettings, DeliverSettings])
def test_secrets_are_never_shown(kind: type[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither errors, which end up in logs, nor the settings' own text contain them."""
    secrets = {name: f"s3cr3t-{name.lower()}" for name in ("TOKEN_KEYS", "PEPPER", "DELIVER_IDENTITIES")}
    put(monkeypatch, {**PRODUCTION, **secrets, "SMTP_PASSWORD_FIRST": "s3cr3t", "SMTP_PASSWORD_OTHER": "s3cr3t"})
    error = error_of(kind)
    monkeypatch.delenv("SMTP_PASSWORD_OTHER")
    put(monkeypatch, {name: value * 3 for name, value in secrets.items()})
    loaded = settings.load(kind)

    assert "TOKEN_KEYS" in error
    for text in (error, repr(loaded), str(loaded), loaded.model_dump_json()):
        assert "s3cr3t" not in text


@pytest.mark.parametrize(
    ("kind", "secrets"),
    [
        (SignSettings, set()),
        (EmbedSettings, set()),
        (CountSettings, set()),
        (ConfirmSettings, {"token_keys"}),
        (DeliverSettings, {"token_keys", "pepper", "deliver_identities", "smtp_password", "bounces_password"}),
    ],
)
def test_each_function_has_only_its_own_secrets(kind: type[Settings], secrets: set[str]) -> None:
    """sign has none; and every field whose name sounds like a secret is a `SecretStr`."""
    fields = settings.variables(kind)
    held = {name for name, field in fields.items() if SecretStr in (field.annotation, *get_args(field.annotation))}
    sounding = {name for name in fields if re.search(r"key|pepper|identit|password|secret", name)}

    assert held == sounding == secrets


def test_token_keys_are_split_at_any_whitespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay in their order, oldest first, and a line break at the end is ignored."""
    put(monkeypatch, {**PRODUCTION, "TOKEN_KEYS": f"{'a' * 32}\n{'b' * 32}  {'c' * 32}\n"})

    loaded = settings.load(ConfirmSettings)

    assert settings.split_keys(loaded.token_keys) == ["a" * 32, "b" * 32, "c" * 32]


def test_the_pepper_is_stripped_of_a_line_break_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another pepper, all digests would change, and everybody could sign twice."""
    put(monkeypatch, {**PRODUCTION, "PEPPER": "p" * 32 + "\n"})

    assert settings.load(DeliverSettings).pepper.get_secret_value() == "p" * 32


def test_an_error_is_in_our_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not start with the name of the exception."""
    put(monkeypatch, {**PRODUCTION, "TOKEN_KEYS": "k"})

    assert "  TOKEN_KEYS: each key needs at least 32 characters" in error_of(DeliverSettings)


def proven(keys: int = 2, *, repeated: bool = False, answer: str | None = "what it said") -> str:
    """Return a sealing table with proofs for its keys; the last proof has `answer`, or none."""
    recipients = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(keys)]
    if repeated:
        recipients[1:] = recipients[:1]
    lines = [f"recipients = {json.dumps(recipients)}"]
    for recipient in recipients:
        given = "what it said" if recipient != recipients[-1] else answer
        lines += ["[[sealing.proofs]]", f'recipient = "{recipient}"', f'challenge = "{digest_of("what it said")}"']
        lines += [f'answer = "{given}"'] if given else []
    return "\n".join(lines)


class TestDeliver:
    @pytest.fixture(autouse=True)
    def _local(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        put(monkeypatch, {**LOCAL, **Identities().environment(), "LOCAL_FOLDER": str(tmp_path)})
        self.campaigns(monkeypatch, tmp_path, mine=EXAMPLE)

    def campaigns(self, monkeypatch: pytest.MonkeyPatch, folder: Path, **files: str) -> None:
        """Write campaign files, by name, and configure their folder."""
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

    def test_seals_to_a_throwaway_key_in_a_local_run(self) -> None:
        """With the throwaway recipient set, a campaign whose keys are all "throwaway" is accepted."""
        assert set(runtime.deliver().sealers) == {"mine"}

    def test_refuses_to_start_without_a_throwaway_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody could ever open what was sealed to it; the error names each place where it is used."""
        monkeypatch.delenv("THROWAWAY_RECIPIENT")

        with pytest.raises(ConfigurationError) as refused:
            runtime.deliver()

        sealing, partner, number, deletable = str(refused.value).splitlines()
        assert sealing.startswith('mine.toml: sealing.recipients: "throwaway" is for local runs')
        assert partner.startswith('mine.toml: partners.digital-rights.recipient: "throwaway" is for local runs')
        assert number.startswith("mine.toml: sealing.recipients: needs 2 keys at least, of two people")
        assert deletable == "The file of a campaign that you do not run, such as the example, can be deleted."

    def test_names_a_throwaway_key_that_is_left_with_a_partner(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """It is found in every file, even in one whose own keys are real already."""
        monkeypatch.delenv("THROWAWAY_RECIPIENT")
        mine = EXAMPLE.replace('recipients = ["throwaway"]', proven())
        self.campaigns(monkeypatch, tmp_path, mine=mine, example=EXAMPLE)

        with pytest.raises(ConfigurationError) as refused:
            runtime.deliver()

        assert re.findall(r"^(\S+: \S+): \"throwaway", str(refused.value), re.M) == [
            "example.toml: sealing.recipients",
            "example.toml: partners.digital-rights.recipient",
            "mine.toml: partners.digital-rights.recipient",
        ]
        assert "mine.toml: sealing" not in str(refused.value)

    @pytest.mark.parametrize(
        ("keys", "error"),
        [
            ({"keys": 1}, "needs 2 keys at least"),
            ({"repeated": True}, "needs 2 keys at least"),
            ({"answer": None}, "nobody has shown that the key of age1"),
            ({"answer": "a guess"}, "nobody has shown that the key of age1"),
        ],
        ids=["one", "the same twice", "not answered", "answered wrongly"],
    )
    def test_refuses_to_start_without_two_proven_keys(
        self, keys: dict[str, Any], error: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """With a single key, or one that nobody has tested, all signatures might be lost in the end."""
        monkeypatch.delenv("THROWAWAY_RECIPIENT")
        mine = EXAMPLE.replace('recipient = "throwaway"', "").replace('recipients = ["throwaway"]', proven(**keys))
        self.campaigns(monkeypatch, tmp_path, mine=mine)

        with pytest.raises(ConfigurationError, match=error):
            runtime.deliver()

    def test_starts_with_two_proven_keys(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A campaign whose keys have valid proofs is accepted without a throwaway recipient."""
        monkeypatch.delenv("THROWAWAY_RECIPIENT")
        mine = EXAMPLE.replace('recipient = "throwaway"', "").replace('recipients = ["throwaway"]', proven())
        self.campaigns(monkeypatch, tmp_path, mine=mine)

        assert set(runtime.deliver().sealers) == {"mine"}

    @pytest.mark.parametrize("name", ["THROWAWAY_RECIPIENT", "DELIVER_RECIPIENT", "DELIVER_IDENTITIES"])
    def test_refuses_to_start_with_an_invalid_key(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A typo is found at start-up, and the error does not show the key."""
        monkeypatch.setenv(name, "AGE-SECRET-KEY-1" + "Q" * 58)

        with pytest.raises(ConfigurationError) as refused:
            runtime.deliver()
        assert "QQQ" not in str(refused.value)

    def test_opens_what_sign_sealed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It opens data sealed to its newest identity or to an older one."""
        newer = pyrage.x25519.Identity.generate()
        older = pyrage.x25519.Identity.generate()
        monkeypatch.setenv("DELIVER_IDENTITIES", f"{older}\n{newer}\n")

        opener = runtime.deliver().opener

        assert [opener.open(pyrage.encrypt(b"x", [key.to_public()])) for key in (older, newer)] == [b"x", b"x"]
