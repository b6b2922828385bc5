"""The settings of the organisers' commands. What `make run` keeps stands in where no deployment is named."""

import json
import os
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

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
)


class DeskSettings(CampaignSettings):
    """What the desk needs to read and repair the store; it holds no secret."""

    store: StoreSettings


class QueueListSettings(Settings):
    """What the desk needs to read the tasks of the queues."""

    tasks: Literal["cloud_tasks"]
    tasks_queues: TaskQueues
    cloud_tasks_emulator_host: str | None = Field(default=None, description="host:port of a test server")


class RightsSettings(DeskSettings):
    """What the desk needs to find all that is kept of an address: the secrets that deliver has."""

    queue: Annotated[
        QueueListSettings | LocalQueueSettings,
        Field(discriminator="tasks", description="which queue: cloud_tasks or local"),
    ]
    spool: SpoolSettings | None = None
    pepper: Secret = Field(description="deliver's secret under which addresses are digested")
    deliver_identities: Keys = Field(description="deliver's age identities, which open what waits in the queue")
    local_folder: Path | None = Field(default=None, description="where a local run keeps its outbox")


class MoveSettings(DeskSettings):
    """Where a server's records and tasks are moved to: Firestore and Cloud Tasks."""

    queue: QueueSettings
    deliver_identities: Keys = Field(description="deliver's age identities, which open what waits in the queue")


#: One of these names a deployment, for which a local run must not stand in.
_OF_A_DEPLOYMENT = "STORE FIRESTORE_PROJECT FIRESTORE_DATABASE TASKS_QUEUES SPOOL_PROJECT SPOOL_DATABASE".split()

S = TypeVar("S", bound=Settings)


def load_for_desk(kind: type[S]) -> S:
    """Load settings like `load`; where the environment names no deployment, those of `make run`.

    A local run keeps its store and its secrets in LOCAL_FOLDER, else in var.

    Raises:
        ConfigurationError: names every variable that is missing or wrong, and what belongs there.
    """
    folder = Path(os.environ.get("LOCAL_FOLDER") or "var")
    is_local = not any(os.environ.get(name) for name in _OF_A_DEPLOYMENT)
    if not is_local or not (folder / "secrets.json").is_file():
        return load(kind)
    secrets = json.loads((folder / "secrets.json").read_text())
    local = {"store": "sqlite", "tasks": "local", "mail": "outbox", "local_folder": str(folder)}
    return load(kind, local | {name.lower(): value for name, value in secrets.items()})
