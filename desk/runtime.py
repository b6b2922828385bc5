"""The desk's composition root: settings in, wired stores and queues out."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from desk.settings import (
    BackupSettings,
    DeskSettings,
    MoveSettings,
    PublicSettings,
    RightsSettings,
    TaskListSettings,
    load_for_desk,
)
from desk.store.cloud_tasks_list import CloudTasksList
from desk.store.firestore import FirestoreMaintenance
from desk.store.firestore_import import FirestoreImport
from desk.store.firestore_tasks import FirestoreTasks
from desk.store.maintenance import Maintenance
from desk.store.server_copy import copy_server
from desk.store.server_files import ServerFiles
from desk.store.sqlite import SqliteMaintenance
from desk.store.sqlite_dead_letters import SqliteDeadLetters
from infra.deploy.gcloud import IS_CHECKOUT
from shared.campaigns import Campaign, load, load_all
from shared.campaigns.loader import FOLDER
from shared.clock import utc_now
from shared.crypto.digest import Digester
from shared.crypto.sealing import Opener
from shared.errors import ConfigurationError
from shared.mail.outbox import Outbox
from shared.queue import QueueName, TaskList
from shared.queue.cloud_tasks import CloudTasksQueue
from shared.queue.local import LocalQueue
from shared.queue.spool import COLLECTION
from shared.settings import (
    CampaignSettings,
    CloudTasksSettings,
    FirestoreSettings,
    LocalQueueSettings,
    SpoolSettings,
    SqliteSettings,
    split_keys,
)
from shared.store.firestore import DEAD_LETTERS
from shared.store.firestore_removals import FirestoreRemovals
from shared.store.firestore_totals import FirestoreTotals
from shared.store.removals import Removals
from shared.store.totals import Totals

#: Where campaign files are, if CAMPAIGNS_FOLDER does not say: in the checkout, else below the working folder.
_CAMPAIGNS = FOLDER if IS_CHECKOUT else Path("campaigns")
#: What people call the tasks that nobody could open.
DEAD_LETTERS_NAME = "the dead letters"


@dataclass(slots=True, kw_only=True)
class Desk:
    """What the organisers' commands are given. `place`: where the records are, in words.

    `totals`: None where there is no spool.
    """

    campaigns: Mapping[str, Campaign]
    maintenance: Maintenance
    totals: Totals | None
    place: str
    is_local: bool


@dataclass(slots=True, kw_only=True)
class Rights(Desk):
    """To answer those who ask what is kept of them.

    `campaigns`: those whose files load; `broken`: what is wrong with the others, by id. The keys of `queues`:
    what people call these places. `dead_letters`: the tasks that nobody could open. `removals`: None where there
    is no spool. `outbox`: of a local run.
    """

    broken: Mapping[str, str]
    digester: Digester
    opener: Opener
    queues: Mapping[str, TaskList]
    dead_letters: TaskList
    removals: Removals | None
    outbox: Outbox | None


@dataclass(slots=True, kw_only=True)
class Restoration:
    """To finish the restore of a database. `source`: another one of the project, to copy from."""

    maintenance: Maintenance
    place: str
    source: Maintenance | None
    removals: Removals


@dataclass(slots=True, kw_only=True)
class Move:
    """To move a server on one machine to Google Cloud. `place`: where to, in words."""

    files: ServerFiles
    target: FirestoreImport
    queue: CloudTasksQueue
    opener: Opener
    place: str


def campaigns_folder() -> Path:
    """Return the folder of the campaign files."""
    return load_for_desk(CampaignSettings).campaigns_folder or _CAMPAIGNS


def public_url() -> str | None:
    """Return where the public reaches the functions, without a path; None where no settings say."""
    return load_for_desk(PublicSettings).public_url


def place() -> str:
    """Return in words where the records are that the commands work on.

    Raises:
        ConfigurationError: no store is named.
    """
    return _place(load_for_desk(DeskSettings).store)


def is_local() -> bool:
    """Return whether the commands work on this machine's own records, or on none."""
    try:
        return isinstance(load_for_desk(DeskSettings).store, SqliteSettings)
    except ConfigurationError:
        return True


async def may_write() -> bool:
    """Return whether the records may be changed that the commands work on.

    Raises:
        ConfigurationError: no store is named.
        StoreUnavailable: the database does not say.
    """
    maintenance, _ = _open_store(load_for_desk(DeskSettings).store)
    try:
        return await maintenance.may_write()
    finally:
        maintenance.close()


def desk() -> Desk:
    """Wire what most commands need.

    Raises:
        ConfigurationError: no store is named, or a campaign file does not load.
    """
    settings = load_for_desk(DeskSettings)
    campaigns = load_all(settings.campaigns_folder or _CAMPAIGNS)
    maintenance, place = _open_store(settings.store)
    return Desk(
        campaigns=campaigns,
        maintenance=maintenance,
        totals=_totals(settings.spool),
        place=place,
        is_local=isinstance(settings.store, SqliteSettings),
    )


def rights(settings: RightsSettings | None = None) -> Rights:
    """Wire the commands that answer signers about their data. Campaign files that do not load do not stop them.

    `settings`: as they were loaded elsewhere, for that takes seconds; None loads them.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    settings = settings or load_for_desk(RightsSettings)
    campaigns, broken = _those_that_load(settings.campaigns_folder or _CAMPAIGNS)
    maintenance, place = _open_store(settings.store)
    spool = settings.spool
    return Rights(
        campaigns=campaigns,
        maintenance=maintenance,
        totals=_totals(spool),
        place=place,
        is_local=isinstance(settings.store, SqliteSettings),
        broken=broken,
        digester=Digester(settings.pepper.get_secret_value().encode()),
        opener=Opener(split_keys(settings.deliver_identities)),
        queues=dict(_task_lists(settings)),
        dead_letters=_dead_letters(settings.store),
        removals=FirestoreRemovals(spool.spool_project, spool.spool_database) if spool else None,
        outbox=Outbox(settings.local_folder / "outbox", utc_now) if settings.local_folder else None,
    )


def task_lists() -> Mapping[str, TaskList]:
    """Wire every place in which tasks may lie, the dead letters last, by what people call it.

    Raises:
        ConfigurationError: no queue is named.
    """
    settings = load_for_desk(TaskListSettings)
    return {**dict(_task_lists(settings)), DEAD_LETTERS_NAME: _dead_letters(settings.store)}


def dashboards() -> str | None:
    """Return the address of the deployment's dashboards; None for records of this machine."""
    store = load_for_desk(DeskSettings).store
    if isinstance(store, SqliteSettings):
        return None
    return f"https://console.cloud.google.com/monitoring/dashboards?project={store.firestore_project}"


def restoration(source: str | None) -> Restoration:
    """Wire what finishes the restore of a database. `source`: the name of another database of the project.

    Raises:
        ConfigurationError: no deployment is named whose backups Google restores.
    """
    settings = load_for_desk(DeskSettings)
    store, spool = settings.store, settings.spool
    if not isinstance(store, FirestoreSettings) or spool is None:
        raise ConfigurationError(
            "Only a deployment on Google Cloud is restored like this: name it, as in undersign --environment "
            "production restore"
        )
    if source == store.firestore_database:
        raise ConfigurationError(f"{source} is the database to restore into: name another one to copy from")
    project, database = store.firestore_project, store.firestore_database
    return Restoration(
        maintenance=FirestoreMaintenance(project, database),
        place=_place(store),
        source=FirestoreMaintenance(project, source) if source else None,
        removals=FirestoreRemovals(spool.spool_project, spool.spool_database),
    )


def backup(to: Path) -> list[Path]:
    """Copy what the server on this machine keeps; see `copy_server`."""
    return copy_server(load_for_desk(BackupSettings).local_folder, to)


def move(folder: Path) -> Move:
    """Wire the move of what a server keeps in `folder`.

    Raises:
        ConfigurationError: a setting is missing or wrong, or names no deployment on Google Cloud.
        CommandError: the folder is no server's, or in use.
    """
    settings = load_for_desk(MoveSettings)
    store, queue = settings.store, settings.queue
    if not (isinstance(store, FirestoreSettings) and isinstance(queue, CloudTasksSettings)):
        raise ConfigurationError(
            "There is no deployment on Google Cloud to move everything to: name it, as in undersign --environment "
            "production move"
        )
    maintenance = FirestoreMaintenance(store.firestore_project, store.firestore_database)
    return Move(
        files=ServerFiles(folder),
        target=FirestoreImport(maintenance),
        queue=CloudTasksQueue(
            queues=queue.tasks_queues,
            deliver_url=queue.deliver_url,
            audience=queue.deliver_audience,
            service_account=queue.tasks_service_account,
            emulator_host=queue.cloud_tasks_emulator_host,
        ),
        opener=Opener(split_keys(settings.deliver_identities)),
        place=_place(store),
    )


def _those_that_load(folder: Path) -> tuple[Mapping[str, Campaign], Mapping[str, str]]:
    """By id the campaigns, and what is wrong with those whose files do not load."""
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: there is no such folder, and campaign files are looked for in it")
    loaded, broken = dict[str, Campaign](), dict[str, str]()
    for path in sorted(folder.glob("*.toml")):
        try:
            loaded[path.stem] = load(path)
        except (ConfigurationError, OSError) as error:
            broken[path.stem] = str(error)
    return loaded, broken


def _open_store(settings: FirestoreSettings | SqliteSettings) -> tuple[Maintenance, str]:
    """Return the store, and where it is, in words."""
    if isinstance(settings, FirestoreSettings):
        database = FirestoreMaintenance(settings.firestore_project, settings.firestore_database)
        return database, _place(settings)
    return SqliteMaintenance(settings.file), _place(settings)


def _place(settings: FirestoreSettings | SqliteSettings) -> str:
    if isinstance(settings, FirestoreSettings):
        return f"the database {settings.firestore_database} of project {settings.firestore_project}"
    # A path may hold bytes that are no text, which nothing could store.
    return f"{os.fsencode(settings.file).decode(errors='replace')} of this machine"


def _task_lists(settings: TaskListSettings) -> Iterator[tuple[str, TaskList]]:
    queue = settings.queue
    if isinstance(queue, LocalQueueSettings):
        yield f"the queue in {queue.file}", LocalQueue(queue.file)
    else:
        for name in QueueName:
            full_name = f"{queue.tasks_queues}/{name}"
            yield f"the queue {full_name}", CloudTasksList(full_name, queue.cloud_tasks_emulator_host)
    if spool := settings.spool:
        place = f"the spool in {spool.spool_database} of project {spool.spool_project}"
        yield place, FirestoreTasks(spool.spool_project, spool.spool_database, COLLECTION)


def _totals(spool: SpoolSettings | None) -> Totals | None:
    return FirestoreTotals(spool.spool_project, spool.spool_database) if spool else None


def _dead_letters(settings: FirestoreSettings | SqliteSettings) -> TaskList:
    """They lie in the store."""
    if isinstance(settings, FirestoreSettings):
        return FirestoreTasks(settings.firestore_project, settings.firestore_database, DEAD_LETTERS)
    return SqliteDeadLetters(settings.file)
