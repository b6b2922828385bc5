"""The composition root of the functions: settings in, wired dependencies out. No other module wires adapters.

Adapters create their clients on first use, inside the event loop that serves: a gRPC client built at import time
would belong to a loop that gunicorn's fork leaves behind. Each adapter is imported only where it is used, so that
a function's bundle need not hold the packages of the others.
"""

import gc
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from shared import settings as environment
from shared.campaigns import Campaign, load_all
from shared.campaigns.live import LiveCampaigns
from shared.campaigns.loader import FOLDER
from shared.campaigns.types import THROWAWAY
from shared.circuit_breaker import CircuitBreaker
from shared.clock import Clock, utc_now
from shared.errors import ConfigurationError, QueueUnavailable, StoreUnavailable
from shared.settings import split_keys

if TYPE_CHECKING:
    from shared.crypto.digest import Digester
    from shared.crypto.sealing import Opener, Sealer
    from shared.crypto.tokens import Tokens
    from shared.mail import Mailer
    from shared.mail.bounce_mailbox import BounceMailbox
    from shared.mail.compose import Composer
    from shared.queue import Spool, TaskQueue
    from shared.queue.envelopes import Envelopes
    from shared.queue.sweep import Sweeper
    from shared.stats.funnel import Funnel
    from shared.store import Store
    from shared.store.removals import Removals
    from shared.store.totals import Totals
    from shared.web.callers import Callers
    from shared.web.network_bursts import NetworkBursts


@dataclass(slots=True, kw_only=True)
class Dependencies:
    """What every function is given. `now`: the clock."""

    public_url: str
    campaigns: Mapping[str, Campaign]
    now: Clock = utc_now


@dataclass(slots=True, kw_only=True)
class SignDependencies(Dependencies):
    envelopes: "Envelopes"
    network_bursts: "NetworkBursts"


@dataclass(slots=True, kw_only=True)
class DeliverDependencies(Dependencies):
    store: "Store"
    funnel: "Funnel"
    envelopes: "Envelopes"
    opener: "Opener"
    digester: "Digester"
    sealers: Mapping[str, "Sealer"]
    tokens: "Tokens"
    composer: "Composer"
    mailer: "Mailer"
    bounce_mailbox: "BounceMailbox | None"
    sweeper: "Sweeper | None"
    removals: "Removals | None"
    totals: "Totals | None"
    callers: "Callers | None"


@dataclass(slots=True, kw_only=True)
class ConfirmDependencies(Dependencies):
    campaigns: LiveCampaigns
    store: "Store"
    funnel: "Funnel"
    envelopes: "Envelopes"
    tokens: "Tokens"


@dataclass(slots=True, kw_only=True)
class CountDependencies(Dependencies):
    store: "Store"


def sign() -> SignDependencies:
    """Wire sign. Raises ConfigurationError, like the others, where a setting or a campaign file is wrong."""
    from shared.queue.envelopes import Envelopes
    from shared.web.network_bursts import NetworkBursts

    settings = environment.load(environment.SignSettings)
    queue = _queue(settings.queue, fails_fast=True)
    if settings.spool:
        queue = _with_spool(queue, settings.spool)
    return SignDependencies(
        public_url=settings.public_url,
        campaigns=_live_campaigns(settings),
        envelopes=Envelopes(queue, settings.deliver_recipient),
        network_bursts=NetworkBursts(settings.trusted_proxies),
    )


def deliver() -> DeliverDependencies:
    """Wire deliver. It refuses to seal to keys that nobody has shown to hold."""
    from shared.crypto.digest import Digester
    from shared.crypto.sealing import Opener
    from shared.crypto.tokens import Tokens
    from shared.mail.compose import Composer
    from shared.queue.envelopes import Envelopes
    from shared.stats.funnel import Funnel

    settings = environment.load(environment.DeliverSettings)
    campaigns = _campaigns(settings)
    if settings.throwaway_recipient is None:
        _refuse_unready(campaigns)
    queue, store = _queue(settings.queue), _store(settings.store)
    tokens = Tokens(split_keys(settings.token_keys))
    return DeliverDependencies(
        public_url=settings.public_url,
        campaigns=campaigns,
        store=store,
        funnel=Funnel(store),
        envelopes=Envelopes(queue, settings.deliver_recipient),
        opener=Opener(split_keys(settings.deliver_identities)),
        digester=Digester(settings.pepper.get_secret_value().encode()),
        sealers={campaign.id: _sealer(campaign, settings.throwaway_recipient) for campaign in campaigns.values()},
        tokens=tokens,
        composer=Composer(tokens, settings.public_url),
        mailer=_mailer(settings.mail),
        bounce_mailbox=_bounce_mailbox(settings.bounces) if settings.bounces else None,
        sweeper=_sweeper(settings.spool, queue) if settings.spool else None,
        removals=_removals(settings.spool) if settings.spool else None,
        totals=_totals(settings.spool) if settings.spool else None,
        callers=_callers(settings),
    )


def confirm() -> ConfirmDependencies:
    """Wire confirm."""
    from shared.crypto.tokens import Tokens
    from shared.queue.envelopes import Envelopes
    from shared.stats.funnel import Funnel

    settings = environment.load(environment.ConfirmSettings)
    campaigns = _campaigns(settings)
    store = _store(settings.store, fails_fast=True)
    return ConfirmDependencies(
        public_url=settings.public_url,
        campaigns=LiveCampaigns(campaigns, store.overlay),
        store=store,
        funnel=Funnel(store),
        envelopes=Envelopes(_queue(settings.queue, fails_fast=True), settings.deliver_recipient),
        tokens=Tokens(split_keys(settings.token_keys)),
    )


def count() -> CountDependencies:
    """Wire count."""
    settings = environment.load(environment.CountSettings)
    campaigns = _campaigns(settings)
    store = _store(settings.store, fails_fast=True)
    return CountDependencies(public_url=settings.public_url, campaigns=campaigns, store=store)


def embed() -> Dependencies:
    """Wire embed."""
    settings = environment.load(environment.EmbedSettings)
    return Dependencies(public_url=settings.public_url, campaigns=_live_campaigns(settings))


def finish_startup() -> None:
    """Do what comes last when a function starts: call it when the function is complete."""
    environment.disable_worker_timeout()
    _exempt_from_garbage_collection()


def _exempt_from_garbage_collection() -> None:
    """Exempt all that start-up made from garbage collection: walking it costs a quarter of an enqueue.

    Nothing is collected first: start-up leaves next to no garbage, and to look for it takes a tenth of the start.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _campaigns(settings: environment.FunctionSettings) -> Mapping[str, Campaign]:
    return load_all(settings.campaigns_folder or FOLDER)


def _live_campaigns(settings: environment.OverlayReaderSettings) -> LiveCampaigns:
    """For functions that may not read the database: count publishes the overlays."""
    from shared.campaigns.overlay_reader import read_overlay

    breaker = CircuitBreaker("count", StoreUnavailable, (StoreUnavailable,))
    read = partial(read_overlay, settings.overlay_url or settings.public_url, breaker)
    return LiveCampaigns(_campaigns(settings), read)


def _store(
    settings: environment.FirestoreSettings | environment.SqliteSettings, *, fails_fast: bool = False
) -> "Store":
    """`fails_fast`: somebody waits, and what they asked for can be done later; for deliver nobody does."""
    if isinstance(settings, environment.FirestoreSettings):
        from shared.databases.firestore import NO_ANSWER, SHORT_TIMEOUT_SECONDS
        from shared.store.firestore import FirestoreStore

        place = settings.firestore_project, settings.firestore_database
        if fails_fast:
            breaker = CircuitBreaker("store", StoreUnavailable, NO_ANSWER)
            return FirestoreStore(*place, SHORT_TIMEOUT_SECONDS, breaker)
        return FirestoreStore(*place)
    from shared.store.sqlite import SqliteStore

    return SqliteStore(settings.file)


def _queue(
    settings: environment.CloudTasksSettings | environment.LocalQueueSettings, *, fails_fast: bool = False
) -> "TaskQueue":
    if isinstance(settings, environment.LocalQueueSettings):
        from shared.queue.local import LocalQueue

        return LocalQueue(settings.file)
    from shared.queue.cloud_tasks import NO_ANSWER, CloudTasksQueue

    return CloudTasksQueue(
        queues=settings.tasks_queues,
        deliver_url=settings.deliver_url,
        audience=settings.deliver_audience,
        service_account=settings.tasks_service_account,
        emulator_host=settings.cloud_tasks_emulator_host,
        breaker=CircuitBreaker("queue", QueueUnavailable, NO_ANSWER) if fails_fast else None,
    )


def _with_spool(queue: "TaskQueue", settings: environment.SpoolSettings) -> "TaskQueue":
    from shared.queue import SpoolingQueue

    def spool() -> "Spool":
        from shared.queue.spool import FirestoreSpool

        return FirestoreSpool(settings.spool_project, settings.spool_database)

    return SpoolingQueue(queue, spool)


def _sweeper(settings: environment.SpoolSettings, queue: "TaskQueue") -> "Sweeper":
    from shared.queue.sweep import Sweeper

    return Sweeper(settings.spool_project, settings.spool_database, queue)


def _removals(settings: environment.SpoolSettings) -> "Removals":
    from shared.store.firestore_removals import FirestoreRemovals

    return FirestoreRemovals(settings.spool_project, settings.spool_database)


def _totals(settings: environment.SpoolSettings) -> "Totals":
    from shared.store.firestore_totals import FirestoreTotals

    return FirestoreTotals(settings.spool_project, settings.spool_database)


def _callers(settings: environment.DeliverSettings) -> "Callers | None":
    """Without accounts nobody is checked, as where the queue is on the same machine and sends no token."""
    if not settings.deliver_callers or isinstance(settings.queue, environment.LocalQueueSettings):
        return None
    from shared.web.callers import Callers

    return Callers(settings.deliver_callers, settings.queue.deliver_audience, utc_now)


def _mailer(settings: environment.SmtpSettings | environment.OutboxSettings) -> "Mailer":
    if isinstance(settings, environment.OutboxSettings):
        from shared.mail.outbox import Outbox

        return Outbox(settings.local_folder / "outbox", utc_now)
    from shared.mail.relays import RelayMailer
    from shared.mail.smtp import SmtpRelay

    # One for all, and not one for each connection: to load the authorities takes longer than ten mails.
    context = ssl.create_default_context()
    relays = [
        SmtpRelay(
            relay.name,
            host=relay.host,
            port=relay.port,
            user=relay.user,
            password=settings.password(relay),
            mails_per_second=relay.mails_per_second,
            connections=relay.connections,
            envelope_sender=relay.envelope_sender,
            tls_context=context if relay.starttls else None,
        )
        for relay in settings.relays
    ]
    return RelayMailer(relays, utc_now)


def _bounce_mailbox(settings: environment.BouncesSettings) -> "BounceMailbox":
    from shared.mail.bounce_mailbox import BounceMailbox

    return BounceMailbox(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.bounces_password.get_secret_value(),
        folder=settings.folder,
        tls_context=ssl.create_default_context(),
    )


def _refuse_unready(campaigns: Mapping[str, Campaign]) -> None:
    """Refuse keys that may be lost, or that were made for a local run: what is sealed to them cannot be opened."""
    if errors := [error for campaign in campaigns.values() for error in campaign.not_ready]:
        errors.append("The file of a campaign that you do not run, such as the example, can be deleted.")
        raise ConfigurationError("\n".join(errors))


def _sealer(campaign: Campaign, throwaway: str | None) -> "Sealer":
    """`throwaway`: the key that stands in for `throwaway` in a local run; elsewhere no campaign names it."""
    from shared.crypto.sealing import Sealer

    def real(recipient: str) -> str:
        return throwaway if throwaway and recipient == THROWAWAY else recipient

    return Sealer(
        [real(recipient) for recipient in campaign.sealing.recipients],
        {slug: real(partner.recipient) for slug, partner in campaign.partners.items() if partner.recipient},
    )
