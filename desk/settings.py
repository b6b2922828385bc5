"""The settings of the organisers' commands: of the deployment that is named, or of what `make run` keeps."""

import json
import os
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from infra.deploy.desk_settings import desk_settings
from infra.deploy.gcloud import Environment
from shared.errors import ConfigurationError
from shared.settings import (
    CampaignSettings,
    Keys,
    LocalQueueSettings,
    QueueSettings,
    Secret,
    Settings,
    SpoolSettings,
    StoreSettings,
    TaskQueues,
    load,
    variables,
)


class DeskSettings(CampaignSettings):
    """What the desk needs to read and repair the store; it holds no secret."""

    store: StoreSettings
    spool: SpoolSettings | None = None


class BackupSettings(Settings):
    """What the desk needs to copy what a server on one machine keeps."""

    local_folder: Path = Field(description="where the server keeps its queue and its store")


class QueueListSettings(Settings):
    """What the desk needs to read the tasks of the queues."""

    tasks: Literal["cloud_tasks"]
    tasks_queues: TaskQueues
    cloud_tasks_emulator_host: str | None = Field(default=None, description="host:port of a test server")


class TaskListSettings(DeskSettings):
    """What the desk needs to see what waits."""

    queue: Annotated[
        QueueListSettings | LocalQueueSettings,
        Field(discriminator="tasks", description="which queue: cloud_tasks or local"),
    ]


class RightsSettings(TaskListSettings):
    """What the desk needs to find all that is kept of an address: the secrets that deliver has."""

    pepper: Secret = Field(description="deliver's secret under which addresses are digested")
    deliver_identities: Keys = Field(description="deliver's age identities, which open what waits in the queue")
    local_folder: Path | None = Field(default=None, description="where a local run keeps its outbox")


class PublicSettings(Settings):
    """What the desk needs to link to the pages that the public sees."""

    public_url: str | None = Field(default=None, description="where the public reaches the functions")


class MoveSettings(DeskSettings):
    """Where a server's records and tasks are moved to: Firestore and Cloud Tasks."""

    queue: QueueSettings
    deliver_identities: Keys = Field(description="deliver's age identities, which open what waits in the queue")


#: One of these names a deployment, for which a local run must not stand in.
_OF_A_DEPLOYMENT = "STORE FIRESTORE_PROJECT FIRESTORE_DATABASE TASKS_QUEUES SPOOL_PROJECT SPOOL_DATABASE".split()

#: What the command line names with --environment.
_deployment: ContextVar[Environment | None] = ContextVar("deployment", default=None)


class NoRecordsNamed(ConfigurationError):
    """Neither a deployment nor a local run says where the signatures are."""


S = TypeVar("S", bound=Settings)


def use_deployment(environment: Environment | None) -> None:
    """Let every command that follows work on this deployment; None: on what the environment variables name."""
    _deployment.set(environment)


def deployment() -> Environment | None:
    """Return the deployment in use; None where environment variables or a local run say what to work on."""
    return _deployment.get()


def command() -> str:
    """Return how the command line begins that works on the same deployment, for hints that people copy."""
    named = _deployment.get()
    return f"undersign --environment {named.name}" if named else "undersign"


def load_for_desk(kind: type[S]) -> S:
    """Load the settings of the deployment in use; where nothing names one, those of `make run`.

    A local run keeps its store and its secrets in LOCAL_FOLDER, else in var, and is reached at PORT, else at 8080.

    Raises:
        ConfigurationError: names every variable that is missing or wrong, and what belongs there.
    """
    if named := _deployment.get():
        wanted = {name.upper() for name in variables(kind)}
        return load(kind, {**os.environ, "LOCAL_FOLDER": "", **desk_settings(named, wanted)})
    if any(os.environ.get(name) for name in _OF_A_DEPLOYMENT):
        return load(kind)
    secrets = Path(os.environ.get("LOCAL_FOLDER") or "var") / "secrets.json"
    if secrets.is_file():
        local = {"STORE": "sqlite", "TASKS": "local", "MAIL": "outbox", "LOCAL_FOLDER": str(secrets.parent)}
        local["PUBLIC_URL"] = f"http://localhost:{os.environ.get('PORT') or 8080}"
        local |= json.loads(secrets.read_text(encoding="utf-8"))
        return load(kind, local | {name: value for name, value in os.environ.items() if value})
    try:
        return load(kind)
    except ConfigurationError:
        raise NoRecordsNamed(
            "Nothing says which signatures to work on. For those of a deployment, name it, as in undersign "
            "--environment production …; for those of this machine, run make run here first, for there is no "
            f"{secrets}."
        ) from None
