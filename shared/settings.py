"""The one reader of the environment. Each function has its own settings, and with them only its own secrets.

A function whose settings are incomplete refuses to start and names every fault at once. Nothing that production
could fall into by accident has a default: not where to store, not how to queue, not how to mail.
"""

import os
import re
from collections.abc import Iterator, Mapping
from inspect import isclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from shared.errors import ConfigurationError
from shared.models.whole_numbers import whole_number

VERSION = "0.1.0"

_MIN_SECRET_CHARACTERS = 32
#: What IMAP takes between quotation marks as it is; empty, or after a slash.
_FOLDER = re.compile(r"(/[ !#-\[\]-~]*)?")


def _check_keys(secret: SecretStr) -> SecretStr:
    keys = secret.get_secret_value().split()
    if not keys or any(len(key) < _MIN_SECRET_CHARACTERS for key in keys):
        raise ValueError(f"each key needs at least {_MIN_SECRET_CHARACTERS} characters")
    return secret


def _check_secret(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value().strip()  # the line break with which a file ends is no part of it
    if len(value) < _MIN_SECRET_CHARACTERS or value.split() != [value]:
        raise ValueError(f"needs at least {_MIN_SECRET_CHARACTERS} characters, and no white space between them")
    return SecretStr(value)


#: 8080 or 8_080, and not 8.080.
WholeNumber = Annotated[int, BeforeValidator(whole_number)]

#: Exactly one secret of at least 32 characters.
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]

#: One or more secrets of at least 32 characters, separated by white space.
Keys = Annotated[SecretStr, AfterValidator(_check_keys)]


def split_keys(secret: SecretStr) -> list[str]:
    """Split a secret that holds several keys; oldest first."""
    return secret.get_secret_value().split()


#: Where the task queues are; their names are `queue.QueueName`.
TaskQueues = Annotated[
    str, Field(pattern=r"^projects/[^/]+/locations/[^/]+/queues$", description="projects/…/locations/…/queues")
]


class Settings(BaseModel):
    """What every program needs. Also the base of a group: variables that belong to one choice, such as a store."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class FirestoreSettings(Settings):
    store: Literal["firestore"]
    firestore_project: str = Field(description="the Google Cloud project of the database")
    firestore_database: str = "(default)"


class SqliteSettings(Settings):
    store: Literal["sqlite"]
    local_folder: Path = Field(description="where the local queue and store are kept")

    @property
    def file(self) -> Path:
        """The file of the store."""
        return self.local_folder / "store.db"


class CloudTasksSettings(Settings):
    tasks: Literal["cloud_tasks"]
    tasks_queues: TaskQueues
    deliver_url: str = Field(description="the address of deliver that the queue calls")
    deliver_audience: str = Field(description="audience of the queue's OIDC token")
    tasks_service_account: str = Field(description="the account the queue calls deliver as")
    cloud_tasks_emulator_host: str | None = Field(default=None, description="host:port of a test server")


class LocalQueueSettings(Settings):
    tasks: Literal["local"] = Field(description="local: the queue in a file")
    local_folder: Path = Field(description="where the local queue and store are kept")

    @property
    def file(self) -> Path:
        """The file of the queue."""
        return self.local_folder / "tasks.db"


class SpoolSettings(Settings):
    """Where sign puts a task while Cloud Tasks is down, and deliver finds it; without it sign answers 503 then."""

    spool_project: str = Field(description="the Google Cloud project of the spool; goes with SPOOL_DATABASE")
    spool_database: str = Field(description="a Firestore database for the spool alone; goes with SPOOL_PROJECT")


class RelaySettings(BaseModel):
    """One mail relay of RELAYS. `connections`: the most that one instance of deliver opens to it.

    `envelope_sender`: where its mails come back to (MAIL FROM); None for the sender's address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
    host: str = Field(min_length=1)
    port: WholeNumber = Field(default=587, ge=1, le=65535)
    user: str | None = None
    mails_per_second: float = Field(gt=0, allow_inf_nan=False)
    connections: WholeNumber = Field(ge=1)
    envelope_sender: str | None = Field(default=None, pattern=r"^[^\s@<>]+@[A-Za-z0-9.-]+$")
    starttls: bool = True

    @property
    def password_key(self) -> str:
        """What the name of its password's variable ends in."""
        return self.name.upper().replace("-", "_")


class SmtpSettings(Settings):
    mail: Literal["smtp"] = Field(description="smtp: through mail relays")
    # Three, because a mail that meets them all as they hang must fail before the queue stops waiting for deliver.
    relays: Json[tuple[RelaySettings, ...]] = Field(
        min_length=1, max_length=3, description="the mail relays, a JSON list, see docs/configuration.md"
    )
    smtp_password: dict[str, SecretStr] = Field(
        default={}, description="the password of each relay that has a user, as in SMTP_PASSWORD_FIRST"
    )

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if errors := [*self._password_errors(), *self._relay_errors()]:
            raise ValueError("\n  ".join(errors))
        return self

    def _password_errors(self) -> Iterator[str]:
        needed = {relay.password_key: relay.name for relay in self.relays if relay.user is not None}
        for key in sorted(needed.keys() - self.smtp_password.keys()):
            yield f"SMTP_PASSWORD_{key}: is not set (the password of the relay {needed[key]})"
        for key in sorted(self.smtp_password.keys() - needed.keys()):
            yield f"SMTP_PASSWORD_{key}: RELAYS names no relay of this name that has a user"

    def _relay_errors(self) -> Iterator[str]:
        if len({relay.name for relay in self.relays}) < len(self.relays):
            yield "RELAYS: two relays have the same name"
        for relay in self.relays:
            if not relay.starttls and relay.host not in {"localhost", "127.0.0.1"}:
                yield f"RELAYS: starttls of {relay.name} may be false only for a relay on the same machine"

    def password(self, relay: RelaySettings) -> str | None:
        """Return the password of a relay; None if it has no user."""
        return self.smtp_password[relay.password_key].get_secret_value() if relay.user is not None else None


class OutboxSettings(Settings):
    mail: Literal["outbox"]
    local_folder: Path = Field(description="where the local queue and store are kept")


class BouncesSettings(Settings):
    """The mailbox that deliver reads bounces and complaints from; without it none are read."""

    bounces_url: str = Field(
        description="the mailbox that mails come back to, as in imaps://bounces@imap.example.org/INBOX; goes with "
        "BOUNCES_PASSWORD"
    )
    bounces_password: SecretStr = Field(description="the password of this mailbox; goes with BOUNCES_URL")

    @field_validator("bounces_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "imaps":
            raise ValueError("must begin with imaps://, for the mailbox is read over TLS alone")
        if parts.password is not None:
            raise ValueError("must hold no password, which belongs into BOUNCES_PASSWORD")
        if not (parts.hostname and parts.username and parts.port != 0):
            raise ValueError("must name a user and a host")
        if not _FOLDER.fullmatch(unquote(parts.path)) or parts.query or parts.fragment:
            raise ValueError("may end with the name of a folder, in ASCII and without quotation marks")
        return url

    @field_validator("bounces_password")
    @classmethod
    def _check_password(cls, password: SecretStr) -> SecretStr:
        if not password.get_secret_value().isascii():
            raise ValueError("must be ASCII, for IMAP takes no other: set another password")
        return password

    @property
    def host(self) -> str:
        """The server."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """Its port; 993 unless given (RFC 8314, 3.2)."""
        return self._parts.port or 993

    @property
    def user(self) -> str:
        """The account."""
        return unquote(self._parts.username or "")

    @property
    def folder(self) -> str:
        """The folder in it; INBOX unless given."""
        return unquote(self._parts.path).removeprefix("/") or "INBOX"

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.bounces_url)


#: Which store, which queue, which mailer: the variable that chooses one has no default.
StoreSettings = Annotated[
    FirestoreSettings | SqliteSettings,
    Field(discriminator="store", description="which store: firestore or sqlite"),
]
QueueSettings = Annotated[
    CloudTasksSettings | LocalQueueSettings,
    Field(discriminator="tasks", description="which queue: cloud_tasks or local"),
]
MailSettings = Annotated[
    SmtpSettings | OutboxSettings, Field(discriminator="mail", description="how to mail: smtp or outbox")
]


class CampaignSettings(Settings):
    """For programs that read campaign files."""

    campaigns_folder: Path | None = Field(default=None, description="campaign files; by default those shipped")


class FunctionSettings(CampaignSettings):
    """What every function needs."""

    public_url: str = Field(
        pattern=r"^https://[^/\s]+$|^http://(localhost|127\.0\.0\.1)(:\d+)?$",
        description="where the public reaches the functions, without a path, as in https://sign.example.org",
    )


class OverlayReaderSettings(FunctionSettings):
    """For functions that may not read the database: count publishes what was changed without a deployment."""

    overlay_url: str | None = Field(default=None, description="where count publishes it; by default PUBLIC_URL")


class EnqueueingSettings(FunctionSettings):
    """For functions that put tasks into the queue. `deliver_recipient` is a public key."""

    queue: QueueSettings
    deliver_recipient: str = Field(description="the age recipient (age1…) of deliver")


class SignSettings(EnqueueingSettings, OverlayReaderSettings):
    """sign holds no secret.

    `trusted_proxies`: how many entries at the end of X-Forwarded-For our own proxies have written.
    """

    spool: SpoolSettings | None = None
    trusted_proxies: WholeNumber = Field(default=1, ge=1, le=10)


class EmbedSettings(OverlayReaderSettings):
    """embed holds no secret."""


class CountSettings(FunctionSettings):
    """count holds no secret."""

    store: StoreSettings


class ConfirmSettings(EnqueueingSettings):
    store: StoreSettings
    token_keys: Keys = Field(description="keys that sign the links in the mail, oldest first")


class DeliverSettings(EnqueueingSettings):
    store: StoreSettings
    mail: MailSettings
    bounces: BouncesSettings | None = None
    spool: SpoolSettings | None = None
    token_keys: Keys = Field(description="keys that sign the links in the mail, oldest first")
    pepper: Secret = Field(description="the secret under which addresses are digested; never changes")
    deliver_identities: Keys = Field(description="age identities (AGE-SECRET-KEY-1…) that open the envelopes")
    deliver_callers: Annotated[tuple[str, ...], BeforeValidator(str.split)] = Field(
        default=(),
        description="the service accounts which may call deliver, by their OIDC tokens; by default it checks none",
    )
    throwaway_recipient: str | None = Field(
        default=None, description="local runs only: the age recipient that stands in for `throwaway`"
    )

    @model_validator(mode="after")
    def _is_real(self) -> Self:
        if self.throwaway_recipient and self.public_url.startswith("https:"):
            raise ValueError("THROWAWAY_RECIPIENT is for local runs: PUBLIC_URL must be this machine's")
        if self.deliver_callers and isinstance(self.queue, LocalQueueSettings):
            raise ValueError("DELIVER_CALLERS is for TASKS=cloud_tasks: the local queue has no tokens")
        return self


class ServerSettings(DeliverSettings):
    """What the server for one machine needs: all that deliver has, with fewer choices, and where to listen."""

    queue: LocalQueueSettings
    mail: SmtpSettings
    throwaway_recipient: None = Field(default=None, description="for make run alone: leave it out")
    host: str = "127.0.0.1"
    port: WholeNumber = Field(default=8080, ge=1, le=65535)


class CanarySettings(Settings):
    """What the deployer needs to make a link as deliver does."""

    token_keys: Keys = Field(description="keys that sign the links in the mail, oldest first")


S = TypeVar("S", bound=Settings)


def load(kind: type[S], environ: Mapping[str, str] = os.environ) -> S:
    """Load the settings of one program from the environment; variables are named like the fields, in capitals.

    A field that is a dict is read from all variables that begin with its name, as SMTP_PASSWORD_FIRST does.

    Raises:
        ConfigurationError: names every variable that is missing or wrong, and what belongs there.
    """
    read = {name: _read(environ, name.upper(), field) for name, field in variables(kind).items()}
    given = {name: value for name, value in read.items() if value}
    # Each group takes its own variables from all that are set; an optional one is there if any of them is.
    groups = {
        name: given
        for name, fields in _groups(kind).items()
        if kind.model_fields[name].is_required() or given.keys() & fields.keys()
    }
    try:
        return kind.model_validate({**given, **groups})
    except ValidationError as error:
        lines = dict.fromkeys(_explain(kind, each) for each in error.errors(include_input=False))
        raise ConfigurationError("the environment is incomplete:\n" + "\n".join(lines)) from None


def _read(environ: Mapping[str, str], variable: str, field: FieldInfo) -> str | dict[str, str]:
    if get_origin(field.annotation) is not dict:
        return environ.get(variable, "")
    prefix, given = f"{variable}_", environ.items()
    return {name.removeprefix(prefix): value for name, value in given if value and name.startswith(prefix)}


def disable_worker_timeout() -> None:
    """Let gunicorn wait for its worker for ever; call it before functions-framework makes the server.

    Between requests Cloud Run takes the CPU away, and with it the worker's heartbeat
    (https://cloud.google.com/run/docs/tips#background-activity). The next request thaws both, and gunicorn would
    kill the worker with that request in hand: Google's samples run with `--timeout 0`
    (https://github.com/GoogleCloudPlatform/python-docs-samples/pull/3229). functions-framework takes gunicorn's
    timeout from this variable, after it has loaded the function (its `_http/gunicorn.py`). Cloud Run sets it to
    the time that the function has for a request, and itself ends those that take longer.
    """
    os.environ["CLOUD_RUN_TIMEOUT_SECONDS"] = "0"


def variables(kind: type[Settings]) -> Mapping[str, FieldInfo]:
    """Return what one program reads, groups included, by the variable's name in small letters."""
    groups = _groups(kind)
    own = {name: field for name, field in kind.model_fields.items() if name not in groups}
    return own | {name: field for fields in groups.values() for name, field in fields.items()}


def _groups(kind: type[Settings]) -> dict[str, dict[str, FieldInfo]]:
    """Find the fields that hold groups of variables, and the variables of all groups that each may hold."""
    groups = dict[str, dict[str, FieldInfo]]()
    for name, field in kind.model_fields.items():
        for each in get_args(field.annotation) or (field.annotation,):
            if isclass(each) and issubclass(each, Settings):
                groups.setdefault(name, {}).update(each.model_fields)
    return groups


def _explain(kind: type[Settings], error: Any) -> str:
    if error["type"].startswith("union_tag"):  # a choice between groups, named by its discriminator
        name, wanted = error["ctx"]["discriminator"].strip("'"), kind.model_fields[error["loc"][0]].description
        problem = "is not set" if error["type"] == "union_tag_not_found" else "is unknown"
        return f"  {name.upper()}: {problem} ({wanted})"
    known = variables(kind)
    path = error["loc"][1:] if _groups(kind).keys() & error["loc"][:1] else error["loc"]
    start = next((position for position, part in enumerate(path) if part in known), None)
    if start is None:  # of several variables together
        return f"  {error['ctx']['error']}"
    variable, *entry = map(str, path[start:])  # within RELAYS, the number of the relay and what of it
    problem = "is not set" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
    description = known[variable].description
    place = ".".join(entry) + " " if entry else ""
    return f"  {variable.upper()}: {place}{problem}" + (f" ({description})" if description else "")
