"""The one reader of the environment. Each function has its own settings, and with them only its own secrets.

A function whose settings are incomplete refuses to start and names every fault at once. Nothing that production
could fall into by accident has a default: not where to store, not how to queue, not how to mail.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.errors import ConfigurationError

VERSION = "0.1.0"

_MIN_SECRET_CHARACTERS = 32


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


#: Exactly one secret of at least 32 characters.
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]

#: One or more secrets of at least 32 characters, separated by white space.
Keys = Annotated[SecretStr, AfterValidator(_check_keys)]


def words(secret: SecretStr) -> list[str]:
    """The parts of a secret that holds several, oldest first."""
    return secret.get_secret_value().split()


class Settings(BaseModel):
    """What every program needs."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)

    campaigns_folder: Path | None = Field(default=None, description="campaign files; by default those shipped")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        # One validator for all classes: of several, pydantic would tell the faults of the first only.
        if faults := self._faults():
            raise ValueError("\n  ".join(dict.fromkeys(faults)))
        return self

    def _faults(self) -> list[str]:
        """What does not go together with the other settings; each class adds its own."""
        return []


class FunctionSettings(Settings):
    """What every function needs."""

    public_url: str = Field(
        pattern=r"^https://[^/\s]+$|^http://(localhost|127\.0\.0\.1)(:\d+)?$",
        description="where the public reaches the functions, without a path, as in https://sign.example.org",
    )


class QueueSettings(Settings):
    """For functions that put tasks into the queue. `deliver_recipient` is a public key."""

    tasks: Literal["cloud_tasks", "local"] = Field(description="which queue: cloud_tasks or local")
    deliver_recipient: str = Field(description="the age recipient (age1…) of deliver")
    tasks_queue: str | None = Field(default=None, description="projects/…/locations/…/queues/…")
    deliver_url: str | None = Field(default=None, description="the address of deliver that the queue calls")
    deliver_audience: str | None = Field(default=None, description="audience of the queue's OIDC token")
    tasks_service_account: str | None = Field(default=None, description="the account the queue calls deliver as")
    cloud_tasks_emulator_host: str | None = Field(default=None, description="host:port of a test server")
    local_folder: Path | None = Field(default=None, description="where the local queue and store are kept")

    def _faults(self) -> list[str]:
        cloud = ("tasks_queue", "deliver_url", "deliver_audience", "tasks_service_account")
        return super()._faults() + _missing(self, *(cloud if self.tasks == "cloud_tasks" else ("local_folder",)))


class StoreSettings(Settings):
    """For functions that read or write signatures."""

    store: Literal["firestore", "sqlite"] = Field(description="which store: firestore or sqlite")
    firestore_project: str | None = Field(default=None, description="the Google Cloud project of the database")
    firestore_database: str = "(default)"
    local_folder: Path | None = Field(default=None, description="where the local queue and store are kept")

    def _faults(self) -> list[str]:
        needed = "firestore_project" if self.store == "firestore" else "local_folder"
        return super()._faults() + _missing(self, needed)


class SpoolSettings(Settings):
    """Where sign puts a task while Cloud Tasks is away, and deliver finds it; without it sign answers 503 then."""

    spool_project: str | None = Field(default=None, description="the Google Cloud project of the spool")
    spool_database: str | None = Field(default=None, description="a Firestore database for the spool alone")

    def _faults(self) -> list[str]:
        halved = (self.spool_project is None) != (self.spool_database is None)
        return super()._faults() + (["SPOOL_PROJECT and SPOOL_DATABASE go together"] if halved else [])


class SignSettings(QueueSettings, SpoolSettings, FunctionSettings):
    """sign holds no secret."""


class EmbedSettings(FunctionSettings):
    """embed holds no secret."""


class CountSettings(StoreSettings, FunctionSettings):
    """count holds no secret."""


class ConfirmSettings(StoreSettings, QueueSettings, FunctionSettings):
    token_keys: Keys = Field(description="keys that sign the links in the mail, oldest first")


class DeliverSettings(StoreSettings, QueueSettings, SpoolSettings, FunctionSettings):
    token_keys: Keys = Field(description="keys that sign the links in the mail, oldest first")
    pepper: Secret = Field(description="the secret under which addresses are digested; never changes")
    deliver_identities: Keys = Field(description="age identities (AGE-SECRET-KEY-1…) that open the envelopes")
    throwaway_recipient: str | None = Field(
        default=None, description="local runs only: the age recipient that stands in for `throwaway`"
    )
    mail: Literal["smtp", "outbox"] = Field(description="how to mail: smtp or outbox")
    smtp_host: str | None = Field(default=None, description="the mail relay")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = Field(default=True, description="false only for a relay on the same machine")

    def _faults(self) -> list[str]:
        faults = super()._faults() + _missing(self, "smtp_host" if self.mail == "smtp" else "local_folder")
        if (self.smtp_user is None) != (self.smtp_password is None):
            faults.append("SMTP_USER and SMTP_PASSWORD go together")
        if self.throwaway_recipient and self.public_url.startswith("https:"):
            faults.append("THROWAWAY_RECIPIENT is for local runs: PUBLIC_URL must be this machine's")
        if not self.smtp_starttls and self.smtp_host not in {"localhost", "127.0.0.1"}:
            faults.append("SMTP_STARTTLS may be false only for a relay on the same machine")
        return faults


class DeskSettings(StoreSettings):
    """What the desk needs to read and mend the store; it holds no secret."""


class RightsSettings(DeskSettings, SpoolSettings):
    """What the desk needs to find all that is kept of an address: the secrets that deliver has."""

    pepper: Secret = Field(description="deliver's secret under which addresses are digested")
    deliver_identities: Keys = Field(description="deliver's age identities, which open what waits in the queue")
    tasks: Literal["cloud_tasks", "local"] = Field(description="which queue: cloud_tasks or local")
    tasks_queue: str | None = Field(default=None, description="projects/…/locations/…/queues/…")
    cloud_tasks_emulator_host: str | None = Field(default=None, description="host:port of a test server")

    def _faults(self) -> list[str]:
        return super()._faults() + _missing(self, "tasks_queue" if self.tasks == "cloud_tasks" else "local_folder")


class CanarySettings(Settings):
    """What whoever deploys needs to make a link as deliver does."""

    token_keys: Keys = Field(description="keys that sign the links in the mail, oldest first")


def firestore_emulator() -> str | None:
    """host:port of Google's emulator, from the variable that Google's own client reads; None in production."""
    return os.environ.get("FIRESTORE_EMULATOR_HOST")


S = TypeVar("S", bound=Settings)


def load(kind: type[S]) -> S:
    """The settings of one program, from the environment; variables are named like the fields, in capitals.

    Raises:
        ConfigurationError: names every variable that is missing or wrong, and what belongs there.
    """
    return _checked(kind, _given(kind))


#: Whoever sets one of these means a deployment, and must not be given what lies on their own machine instead.
_OF_A_DEPLOYMENT = ("FIRESTORE_PROJECT", "FIRESTORE_DATABASE", "TASKS_QUEUE", "SPOOL_PROJECT", "SPOOL_DATABASE")


def load_for_desk(kind: type[S]) -> S:
    """As `load`; where the environment names no deployment, what `make run` keeps in LOCAL_FOLDER, else in var."""
    given = _given(kind)
    folder = Path(given.get("local_folder", "var"))
    is_local = not any(os.environ.get(name) for name in ("STORE", *_OF_A_DEPLOYMENT))
    if is_local and (folder / "secrets.json").is_file():
        secrets = json.loads((folder / "secrets.json").read_text())
        made = {name.lower(): value for name, value in secrets.items()}
        given = {
            "store": "sqlite",
            "tasks": "local",
            "mail": "outbox",
            "local_folder": str(folder),
            **made,
            **given,
        }
    return _checked(kind, given)


def _given(kind: type[Settings]) -> dict[str, str]:
    return {name: os.environ[name.upper()] for name in kind.model_fields if os.environ.get(name.upper())}


def _checked(kind: type[S], given: Mapping[str, str]) -> S:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = "\n".join(_explain(kind, fault) for fault in error.errors(include_input=False))
        raise ConfigurationError(f"the environment is incomplete:\n{faults}") from None


def _missing(settings: Settings, *names: str) -> list[str]:
    fields = type(settings).model_fields
    return [
        f"{name.upper()}: is not set ({fields[name].description})" for name in names if not getattr(settings, name)
    ]


def _explain(kind: type[Settings], fault: Any) -> str:
    if not fault["loc"]:
        return f"  {fault['ctx']['error']}"
    name = str(fault["loc"][0])
    wanted = kind.model_fields[name].description
    problem = "is not set" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
    return f"  {name.upper()}: {problem}" + (f" ({wanted})" if wanted else "")
