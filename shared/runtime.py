"""The composition root: settings in, wired functions out. Nothing else imports an adapter.

Adapters create their clients on first use, inside the event loop that serves: a gRPC client built at import time
would belong to a loop that gunicorn's fork leaves behind. Each adapter is imported only where it is used, so that
a function's bundle need not hold the packages of the others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shared import campaigns as campaign_files
from shared import settings as environment
from shared.campaigns.fields import THROWAWAY
from shared.campaigns.live import LiveCampaigns
from shared.campaigns.loader import FOLDER
from shared.campaigns.model import Campaign
from shared.errors import ConfigurationError
from shared.settings import (
    ConfirmSettings,
    CountSettings,
    DeliverSettings,
    DeskSettings,
    EmbedSettings,
    FunctionSettings,
    QueueSettings,
    RightsSettings,
    Settings,
    SignSettings,
    StoreSettings,
)

if TYPE_CHECKING:
    from desk.store.maintenance import Records
    from shared.crypto.sealing import Digester, Opener, Sealer
    from shared.crypto.tokens import Tokens
    from shared.mail import Mailer
    from shared.mail.outbox import Outbox
    from shared.queue import TaskList, TaskQueue
    from shared.queue.envelopes import Envelopes
    from shared.queue.sweep import Sweeper
    from shared.stats.funnel import Funnel
    from shared.store import Store

Clock = Callable[[], datetime]
T = TypeVar("T")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class Function:
    """What every function is given. `now`: the clock."""

    public_url: str
    campaigns: Mapping[str, Campaign]
    now: Clock = utc_now


@dataclass(slots=True, kw_only=True)
class Sign(Function):
    envelopes: "Envelopes"


@dataclass(slots=True, kw_only=True)
class Deliver(Function):
    store: "Store"
    funnel: "Funnel"
    envelopes: "Envelopes"
    opener: "Opener"
    digester: "Digester"
    sealers: Mapping[str, "Sealer"]
    tokens: "Tokens"
    mailer: "Mailer"
    sweeper: "Sweeper | None"


@dataclass(slots=True, kw_only=True)
class Confirm(Function):
    store: "Store"
    funnel: "Funnel"
    envelopes: "Envelopes"
    tokens: "Tokens"


@dataclass(slots=True, kw_only=True)
class Count(Function):
    store: "Store"


@dataclass(slots=True, kw_only=True)
class Desk:
    """What the organisers' commands are given. `place`: where the records are, in words."""

    campaigns: Mapping[str, Campaign]
    records: "Records"
    place: str
    is_local: bool


@dataclass(slots=True, kw_only=True)
class Rights(Desk):
    """To answer those who ask what is kept of them.

    `campaigns`: those whose files load; `broken`: what is wrong with the others, by id. The keys of `queues`:
    what people call these places. `parked`: the tasks that nobody could open. `outbox`: of a local run.
    """

    broken: Mapping[str, str]
    digester: "Digester"
    opener: "Opener"
    queues: "Mapping[str, TaskList]"
    parked: "TaskList"
    outbox: "Outbox | None"


def sign() -> Sign:
    from shared.queue.envelopes import Envelopes

    settings = environment.load(SignSettings)
    envelopes = Envelopes(_with_spool(_queue(settings), settings), settings.deliver_recipient)
    return Sign(public_url=settings.public_url, campaigns=_live_campaigns(settings), envelopes=envelopes)


def deliver() -> Deliver:
    from shared.crypto.sealing import Digester, Opener
    from shared.crypto.tokens import Tokens
    from shared.queue.envelopes import Envelopes
    from shared.stats.funnel import Funnel

    settings = environment.load(DeliverSettings)
    known = _campaigns(settings)
    if settings.throwaway_recipient is None:
        _refuse_unready(known)
    queue, store = _queue(settings), _store(settings, known)
    return Deliver(
        public_url=settings.public_url,
        campaigns=known,
        store=store,
        funnel=Funnel(store),
        envelopes=Envelopes(queue, settings.deliver_recipient),
        opener=Opener(environment.words(settings.deliver_identities)),
        digester=Digester(settings.pepper.get_secret_value().encode()),
        sealers={campaign.id: _sealer(campaign, settings.throwaway_recipient) for campaign in known.values()},
        tokens=Tokens(environment.words(settings.token_keys)),
        mailer=_mailer(settings),
        sweeper=_sweeper(settings, queue),
    )


def confirm() -> Confirm:
    from shared.crypto.tokens import Tokens
    from shared.queue.envelopes import Envelopes
    from shared.stats.funnel import Funnel

    settings = environment.load(ConfirmSettings)
    known = _campaigns(settings)
    store = _store(settings, known)
    return Confirm(
        public_url=settings.public_url,
        campaigns=LiveCampaigns(known, store.overlay),
        store=store,
        funnel=Funnel(store),
        envelopes=Envelopes(_queue(settings), settings.deliver_recipient),
        tokens=Tokens(environment.words(settings.token_keys)),
    )


def count() -> Count:
    settings = environment.load(CountSettings)
    known = _campaigns(settings)
    return Count(public_url=settings.public_url, campaigns=known, store=_store(settings, known))


def embed() -> Function:
    settings = environment.load(EmbedSettings)
    return Function(public_url=settings.public_url, campaigns=_live_campaigns(settings))


def campaigns_folder() -> Path:
    """Where the campaign files are, for the desk."""
    return _folder(environment.load_for_desk(Settings))


def desk() -> Desk:
    settings = environment.load_for_desk(DeskSettings)
    known = _campaigns(settings)
    return Desk(
        campaigns=known,
        records=_records(settings, _shards(known)),
        place=_place(settings),
        is_local=settings.store == "sqlite",
    )


def rights() -> Rights:
    from shared.crypto.sealing import Digester, Opener

    settings = environment.load_for_desk(RightsSettings)
    known, broken = _those_that_load(_folder(settings))
    shards = _shards_also_without_file(known)
    return Rights(
        campaigns=known,
        records=_records(settings, shards),
        place=_place(settings),
        is_local=settings.store == "sqlite",
        broken=broken,
        digester=Digester(settings.pepper.get_secret_value().encode()),
        opener=Opener(environment.words(settings.deliver_identities)),
        queues=dict(_task_lists(settings)),
        parked=_parked(settings, shards),
        outbox=_outbox(settings),
    )


def _campaigns(settings: Settings) -> Mapping[str, Campaign]:
    return campaign_files.load_all(_folder(settings))


def _those_that_load(folder: Path) -> tuple[Mapping[str, Campaign], Mapping[str, str]]:
    """By id the campaigns, and what is wrong with those whose files do not load."""
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: there is no such folder, and campaign files are looked for in it")
    loaded, broken = dict[str, Campaign](), dict[str, str]()
    for path in sorted(folder.glob("*.toml")):
        try:
            loaded[path.stem] = campaign_files.load(path)
        except (ConfigurationError, OSError) as fault:
            broken[path.stem] = str(fault)
    return loaded, broken


def _live_campaigns(settings: FunctionSettings) -> LiveCampaigns:
    """For functions that may not read the database: count publishes the overlays."""
    from shared.campaigns.live import OverlayReader

    return LiveCampaigns(_campaigns(settings), OverlayReader(settings.public_url).read)


def _folder(settings: Settings) -> Path:
    return settings.campaigns_folder or FOLDER


def _store(settings: StoreSettings, known: Mapping[str, Campaign]) -> "Store":
    if settings.store == "firestore":
        from shared.store.firestore import FirestoreStore

        return FirestoreStore(_given(settings.firestore_project), settings.firestore_database, _shards(known))
    from shared.store.sqlite import SqliteStore

    return SqliteStore(_given(settings.local_folder) / "store.db", _shards(known))


def _records(settings: StoreSettings, shards: Callable[[str], int]) -> "Records":
    if settings.store == "firestore":
        from desk.store.firestore import FirestoreRecords

        return FirestoreRecords(_given(settings.firestore_project), settings.firestore_database, shards)
    from desk.store.sqlite import SqliteRecords

    return SqliteRecords(_given(settings.local_folder) / "store.db", shards)


def _place(settings: StoreSettings) -> str:
    if settings.store == "firestore":
        return f"the database {settings.firestore_database} of project {settings.firestore_project}"
    return f"{_given(settings.local_folder) / 'store.db'} of this machine"


def _shards(known: Mapping[str, Campaign]) -> Callable[[str], int]:
    return lambda campaign: known[campaign].tally_shards


def _shards_also_without_file(known: Mapping[str, Campaign]) -> Callable[[str], int]:
    # The count is the sum of all shards, so it is right whichever of them something is taken off. Where a file
    # that is back again names another number of them, `undersign audit` finds two that differ, and mends them.
    usual: int = Campaign.model_fields["tally_shards"].default
    return lambda campaign: known[campaign].tally_shards if campaign in known else usual


def _queue(settings: QueueSettings) -> "TaskQueue":
    if settings.tasks == "local":
        from shared.queue.local import LocalQueue

        return LocalQueue(_given(settings.local_folder) / "tasks.db")
    from shared.queue.cloud_tasks import CloudTasksQueue

    return CloudTasksQueue(
        queue=_given(settings.tasks_queue),
        deliver_url=_given(settings.deliver_url),
        audience=_given(settings.deliver_audience),
        service_account=_given(settings.tasks_service_account),
        emulator_host=settings.cloud_tasks_emulator_host,
    )


def _task_lists(settings: RightsSettings) -> "Iterator[tuple[str, TaskList]]":
    if settings.tasks == "local":
        from shared.queue.local import LocalQueue

        file = _given(settings.local_folder) / "tasks.db"
        yield f"the queue in {file}", LocalQueue(file)
    else:
        from desk.store.cloud_tasks_list import CloudTasksList

        queue = _given(settings.tasks_queue)
        yield f"the queue {queue}", CloudTasksList(queue, settings.cloud_tasks_emulator_host)
    if settings.spool_project is not None:
        from desk.store.firestore_tasks import FirestoreTasks
        from shared.queue.spool import COLLECTION

        project, database = settings.spool_project, _given(settings.spool_database)
        yield f"the spool in {database} of project {project}", FirestoreTasks(project, database, COLLECTION)


def _parked(settings: RightsSettings, shards: Callable[[str], int]) -> "TaskList":
    """They lie in the store."""
    if settings.store == "firestore":
        from desk.store.firestore_tasks import FirestoreTasks

        return FirestoreTasks(_given(settings.firestore_project), settings.firestore_database, "parked")
    from desk.store.sqlite_dead_letters import SqliteParked

    return SqliteParked(_given(settings.local_folder) / "store.db", shards)


def _outbox(settings: RightsSettings) -> "Outbox | None":
    """That of a local run; a mail relay keeps what it keeps."""
    if settings.local_folder is None:
        return None
    from shared.mail.outbox import Outbox

    return Outbox(settings.local_folder / "outbox", utc_now)


def _with_spool(queue: "TaskQueue", settings: SignSettings) -> "TaskQueue":
    if settings.spool_project is None:
        return queue
    from shared.queue import SpoolingQueue
    from shared.queue.spool import FirestoreSpool

    return SpoolingQueue(queue, FirestoreSpool(settings.spool_project, _given(settings.spool_database)))


def _sweeper(settings: DeliverSettings, queue: "TaskQueue") -> "Sweeper | None":
    if settings.spool_project is None:
        return None
    from shared.queue.sweep import Sweeper

    return Sweeper(settings.spool_project, _given(settings.spool_database), queue)


def _mailer(settings: DeliverSettings) -> "Mailer":
    if settings.mail == "outbox":
        from shared.mail.outbox import Outbox

        return Outbox(_given(settings.local_folder) / "outbox", utc_now)
    from shared.mail.smtp import SmtpMailer

    password = settings.smtp_password
    return SmtpMailer(
        host=_given(settings.smtp_host),
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=password.get_secret_value() if password else None,
        starttls=settings.smtp_starttls,
        now=utc_now,
    )


def _refuse_unready(known: Mapping[str, Campaign]) -> None:
    """Nobody could ever open what was sealed to a key that is lost, or that was made for a local run."""
    if faults := [told for campaign in known.values() for told in campaign.not_ready]:
        faults.append("The file of a campaign that you do not run, such as the example, can be deleted.")
        raise ConfigurationError("\n".join(faults))


def _sealer(campaign: Campaign, throwaway: str | None) -> "Sealer":
    from shared.crypto.sealing import Sealer

    def real(recipient: str) -> str:
        return _given(throwaway) if recipient == THROWAWAY else recipient

    return Sealer(
        [real(recipient) for recipient in campaign.sealing.recipients],
        {slug: real(partner.recipient) for slug, partner in campaign.partners.items() if partner.recipient},
    )


def _given(value: T | None) -> T:
    """A setting that the settings' own check has found present."""
    if value is None:
        raise ConfigurationError("a setting was not checked")
    return value
