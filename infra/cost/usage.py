"""How much of what Google bills a campaign uses up, counted from what the code does.

Where a number depends on people, it is an assumption, named and open to be set otherwise; where it depends on the
code, a test holds it against the code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from infra.cost.sizes import FunctionSize

GIB = 2**30
HOURS_A_MONTH = 730
SECONDS_A_MONTH = HOURS_A_MONTH * 3600

# What stands in the code as well; tests/infra/test_cost.py holds them together.

#: Documents of one campaign's tally in a rush, each of which is a read (`firestore.TALLY_DOCUMENTS`). A process
#: adds to as many as it has counted signatures in `SPREAD_SECONDS`; every `FOLD_SECONDS` they become one.
TALLY_DOCUMENTS, SPREAD_SECONDS, FOLD_SECONDS = 500, 10, 600
#: A process reads the tally and the overlay again after so long (`count.MAX_AGE`), the overlay alone
#: (`live.MAX_AGE`), and writes what it has counted of the funnel (`funnel.WRITE_SECONDS`).
COUNT_FRESH_SECONDS = 5
OVERLAY_FRESH_SECONDS = 10
FUNNEL_WRITE_SECONDS = 5

# Documents read and written by each step, as Firestore bills them: one that is not there is a read, too.

#: deliver admits a submission: reads the signature and the mailbox, writes both; then notes that the mail is out.
ADMIT_READS, ADMIT_WRITES, SETTLE_WRITES = 2, 2, 1
#: A reminder's task reads both; only where it is due it writes the mailbox.
REMINDER_READS, REMINDER_WRITES = 2, 1
#: At a mail domain that is no large provider's, each reads the domain, and the first writes it.
DOMAIN_READS, DOMAIN_WRITES = 1, 1
#: confirm: reads the signature, writes it and a shard of the tally; so does withdrawing.
CONFIRM_READS, CONFIRM_WRITES = 1, 2
#: The desk goes through all of them: `audit`, `export`, `purge`.
DESK_READS = 3

# Sizes on the wire, measured against the development server with `reclaim-your-face`, headers included.

#: Page, script, texts, badge and first count (tests/browser/test_weight.py: under 30 KB), and the requests for all
#: but the count.
PAGE_BYTES, PAGE_REQUESTS = 29_000, 4
#: The count, with all countries in it.
COUNT_BYTES = 1_500
#: The answer to a signature, and the request that brings it.
SIGN_BYTES = 2_500
#: The pages behind the links, which are never compressed.
LINK_PAGE_BYTES = 17_500
#: A mail of 7 KB, and what TLS and SMTP add.
MAIL_BYTES = 11_000
#: A log line of 120 bytes, and what the platform says around it.
LOG_ENTRY_BYTES = 800
#: What is stored of an address: its signature (902 of 1,289 bytes are sealed), and its mailbox.
ADDRESS_BYTES = 1_700

# Seconds for which an instance is billed. Handlers take less; the platform rounds up to a tenth of a second.

REQUEST_SECONDS = 0.1
#: The relay takes its time for its answers; a connection that has to be opened first takes most of it.
MAIL_SECONDS = 0.6

# What is there in any month, by the plan of production.

#: prices.toml has the price of the first five forwarding rules; those of IPv6, as many again, are free.
FORWARDING_RULES, CERTIFICATES, SCHEDULER_JOBS = 2, 1, 3
#: One more policy with two rules while somebody is blocked, and one more rule in each of the others.
ARMOR_POLICIES, ARMOR_RULES = 2, 4
#: Each secret is kept, and paid for, in two places.
SECRET_REPLICAS = 10
#: `backup_days` of the tfvars.
BACKUP_DAYS = 14
ALERT_CONDITIONS, ALERT_INTERVAL_SECONDS = 28, 60

# What goes on in any month.

#: Instances start so often, and each of deliver's reads five secrets, with two relays.
STARTS_A_DAY, SECRETS_A_START = 50, 5
SNAPSHOTS_A_MONTH = HOURS_A_MONTH
SWEEPS_A_MONTH = HOURS_A_MONTH * 12
FOLDS_A_MONTH = HOURS_A_MONTH * 3600 / FOLD_SECONDS
#: Processes that count signatures from one fold to the next, each beginning with another document.
COUNTING_PROCESSES = 3
#: Images of five functions, the last revisions of each.
IMAGES_GB = 3
#: Each condition of an alert reads a handful of series.
ALERT_SERIES = 5


# A tracker storm: fan pages that ask for the count twice a second for each of their viewers.

STORM_VIEWERS, STORM_POLLS_A_SECOND = 20_000, 2
#: Places at which the CDN keeps a copy, each of which asks count for a fresh one.
CDN_LOCATIONS = 100


# After `make retire`: people who still come in a month, and all pages in 24 languages, with their older versions.

LATE_VIEWERS = 10_000
ANSWERS_GIB = 0.1


class Driver(StrEnum):
    """What makes a cost rise."""

    MONTH = "every month"
    SIGNATURES = "signatures"
    VIEWERS = "viewers"
    #: Processes refresh the tally for as long as anybody asks for it, however many ask.
    AWAKE = "while people come"


def _assumed(value: float, why: str) -> float:
    # Typed as what it becomes, as `dataclasses.field` itself is.
    assumed: float = field(default=value, metadata={"why": why})
    return assumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """About people. `why` in each one's metadata is what `--help` tells."""

    confirmed_share: float = _assumed(0.8, "of those who sign confirm; `undersign stats` shows your share")
    reminded_share: float = _assumed(0.25, "of those who sign have not confirmed a day later, and are reminded")
    small_domain_share: float = _assumed(0.2, "of those who sign have an address at a domain of few people")
    opens_a_mail: float = _assumed(1.2, "times the link in a mail is opened, by its reader or by mail scanners")
    withdrawn_share: float = _assumed(0.005, "of signatures are withdrawn")
    partner_share: float = _assumed(
        0.5, "of those who sign do so on a partner's page, where the browser sends a preflight request"
    )
    polls_a_view: float = _assumed(
        10, "counts read by a viewer: at once, every 10 seconds for a minute, and some in a tab left open"
    )
    redirected_share: float = _assumed(
        0.5, "of viewers arrive at an address without a language, whose redirect is not cacheable"
    )
    hit_ratio: float = _assumed(
        0.95, "of cacheable requests are answered by the CDN; a count lives five seconds in each of its locations"
    )
    requests_at_once: float = _assumed(
        2, "requests share an instance on average; more in a rush, which makes each cheaper"
    )
    awake_share: float = _assumed(1, "of the month, during which somebody is always looking or signing")
    busy_days: float = _assumed(
        10, "days of the month over which the signatures are spread: on the others, daily free quotas go unused"
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value, is_share = getattr(self, each.name), each.name.endswith(("_share", "_ratio"))
            if value < 0 or (is_share and value > 1):
                raise ValueError(f"{each.name}: {value} cannot be")
        if self.confirmed_share == 0 or self.requests_at_once < 1 or self.busy_days > 31:
            raise ValueError("confirmed_share is above 0, requests_at_once at least 1, busy_days at most 31")


@dataclass(frozen=True, slots=True)
class Use:
    """`quantity`: in the unit of the price that `price` names."""

    service: str
    what: str
    price: str
    quantity: float
    driver: Driver


class _People:
    """How often each thing happens in the month."""

    def __init__(self, signatures: float, viewers: float, assumed: Assumptions) -> None:
        self.signatures = signatures
        self.assumed = assumed
        self.submissions = signatures / assumed.confirmed_share
        self.at_small_domains = self.submissions * assumed.small_domain_share
        self.unconfirmed = self.submissions - signatures
        self.reminded = self.submissions * assumed.reminded_share
        self.mails = self.submissions + self.reminded
        self.opened = self.mails * assumed.opens_a_mail
        self.withdrawn = signatures * assumed.withdrawn_share
        self.sign_requests = self.submissions * (1 + assumed.partner_share)
        self.link_requests = self.opened + signatures + 2 * self.withdrawn
        counts = viewers * assumed.polls_a_view
        redirects = viewers * assumed.redirected_share
        cacheable = counts + viewers * PAGE_REQUESTS
        self.lookups = cacheable + redirects
        self.missed_counts = counts * (1 - assumed.hit_ratio)
        self.misses = cacheable * (1 - assumed.hit_ratio) + redirects
        self.viewed_bytes = viewers * (PAGE_BYTES + max(0, assumed.polls_a_view - 1) * COUNT_BYTES)


def mails(signatures: float, assumed: Assumptions) -> float:
    """Return how many mails go out until so many signatures are confirmed."""
    return _People(signatures, 0, assumed).mails


def month(
    signatures: float, viewers: float, functions: Mapping[str, FunctionSize], assumed: Assumptions
) -> Iterator[Use]:
    """Yield all that is used in a month with so many confirmed signatures and viewers of a page with the count.

    What is there in any month comes first: free tiers go to it before the rest.
    """
    people = _People(signatures, viewers, assumed)
    for driver, uses in (
        (Driver.MONTH, _standing(functions)),
        (Driver.SIGNATURES, _signing(people, functions)),
        (Driver.VIEWERS, _viewing(people, functions)),
        (Driver.AWAKE, _awake(people)),
    ):
        for service, what, price, quantity in uses:
            yield Use(service, what, price, quantity, driver)


_Uses = Iterator[tuple[str, str, str, float]]


def _standing(functions: Mapping[str, FunctionSize]) -> _Uses:
    calls = SNAPSHOTS_A_MONTH + SWEEPS_A_MONTH + FOLDS_A_MONTH
    rules = f"{FORWARDING_RULES} forwarding rules, and those of IPv6"
    yield "Load balancer", rules, "forwarding_rules", HOURS_A_MONTH
    yield "Certificate Manager", "certificates", "certificates", CERTIFICATES
    yield "Cloud Armor", "policies", "armor_policies", ARMOR_POLICIES
    yield "Cloud Armor", "rules", "armor_rules", ARMOR_RULES
    yield "Secret Manager", "secrets, in each place", "secret_versions", SECRET_REPLICAS
    yield "Secret Manager", "read at start", "secret_accesses", STARTS_A_DAY * SECRETS_A_START * 365 / 12
    yield "Cloud Scheduler", "snapshot, fold and sweep", "scheduler_jobs", SCHEDULER_JOBS
    yield from _run("requests of the schedule", calls, calls * REQUEST_SECONDS, functions)
    # A query that finds nothing is a read, too. A fold also reads the overlay.
    yield "Firestore", "reads of the schedule", "firestore_reads", calls + FOLDS_A_MONTH
    yield "Firestore", "writes of the history", "firestore_writes", SNAPSHOTS_A_MONTH
    yield "Logging", "lines of the sweep", "log_storage", SWEEPS_A_MONTH * LOG_ENTRY_BYTES / GIB
    yield "Monitoring", "alert conditions", "alert_conditions", ALERT_CONDITIONS
    points = ALERT_CONDITIONS * ALERT_SERIES * SECONDS_A_MONTH / ALERT_INTERVAL_SECONDS
    yield "Monitoring", "points they look at", "alert_points", points
    yield "Artifact Registry", "images", "image_storage", IMAGES_GB


def _signing(people: _People, functions: Mapping[str, FunctionSize]) -> _Uses:
    signatures, submissions, reminded = people.signatures, people.submissions, people.reminded
    public = people.sign_requests + people.link_requests
    seconds = people.mails * MAIL_SECONDS + REQUEST_SECONDS * (public + submissions - reminded)
    seconds /= people.assumed.requests_at_once
    yield from _run("requests of signers and the queue", public + 2 * submissions, seconds, functions)
    # The signature's task and its reminder's: each is created once and delivered once.
    yield "Cloud Tasks", "created and delivered", "tasks_operations", 4 * submissions

    reads = (
        submissions * (ADMIT_READS + REMINDER_READS)
        + people.at_small_domains * 2 * DOMAIN_READS
        + signatures * (CONFIRM_READS + DESK_READS)
        + people.withdrawn * CONFIRM_READS
    )
    writes = (
        submissions * (ADMIT_WRITES + SETTLE_WRITES)
        + people.at_small_domains * DOMAIN_WRITES
        + reminded * (REMINDER_WRITES + SETTLE_WRITES)
        + (signatures + people.withdrawn) * CONFIRM_WRITES
    )
    yield "Firestore", "reads", "firestore_reads", reads
    yield "Firestore", "writes", "firestore_writes", writes
    # Mailboxes, what was never confirmed, and tombstones.
    expired = submissions + people.unconfirmed + people.withdrawn
    yield "Firestore", "deleted by expiry", "firestore_ttl_deletes", expired
    yield "Firestore", "deleted by `purge`", "firestore_deletes", signatures - people.withdrawn
    stored = submissions * ADDRESS_BYTES / GIB
    yield "Firestore", "storage", "firestore_storage", stored
    yield "Firestore", "point-in-time recovery", "firestore_recovery", stored
    yield "Firestore", f"{BACKUP_DAYS} daily backups", "firestore_backups", stored * BACKUP_DAYS

    answered = (people.sign_requests * SIGN_BYTES + people.link_requests * LINK_PAGE_BYTES) / GIB
    yield "Load balancer", "data of signers", "balancer_data", answered
    yield "Internet", "answers and mails", "internet_transfer", answered + people.mails * MAIL_BYTES / GIB
    yield "Cloud Armor", "requests of signers", "armor_requests", public
    lines = submissions * 3 + signatures + people.withdrawn
    yield "Logging", "lines", "log_storage", lines * LOG_ENTRY_BYTES / GIB


def _viewing(people: _People, functions: Mapping[str, FunctionSize]) -> _Uses:
    missed = people.viewed_bytes * (1 - people.assumed.hit_ratio) / GIB
    yield "CDN", "requests", "cdn_lookups", people.lookups
    yield "CDN", "data to viewers", "cdn_transfer", people.viewed_bytes / GIB
    yield "CDN", "data into the cache", "cdn_fill", missed
    yield "Load balancer", "data into the cache", "balancer_data", missed
    yield "Cloud Armor", "requests the cache misses", "armor_requests", people.misses
    seconds = people.misses * REQUEST_SECONDS / people.assumed.requests_at_once
    yield from _run("requests the cache misses", people.misses, seconds, functions)


def _awake(people: _People) -> _Uses:
    seconds = SECONDS_A_MONTH * people.assumed.awake_share
    # One process each of count and confirm; confirm's needs the tally to tell signers their number.
    tallies = sum(
        renewals(asked, seconds, COUNT_FRESH_SECONDS) for asked in (people.missed_counts, people.signatures)
    )
    overlays = renewals(people.link_requests, seconds, OVERLAY_FRESH_SECONDS)
    busy = people.assumed.busy_days * 24 * 3600
    documents = 1 + min(1, busy / SECONDS_A_MONTH) * tally_documents(people.signatures / busy)
    yield "Firestore", "reads for fresh copies", "firestore_reads", tallies * (documents + 1) + overlays
    # One process each of deliver and confirm.
    funnel = sum(
        renewals(counted, seconds, FUNNEL_WRITE_SECONDS)
        for counted in (people.submissions, people.opened + people.signatures)
    )
    # Each with a marker, which says that it was done and expires.
    yield "Firestore", "writes of the funnel", "firestore_writes", 2 * funnel
    yield "Firestore", "markers deleted by expiry", "firestore_ttl_deletes", funnel
    # sign and embed may not read the database: they ask count, by the public way.
    asked = sum(renewals(calls, seconds, OVERLAY_FRESH_SECONDS) for calls in (people.sign_requests, people.misses))
    yield "CDN", "requests of sign and embed", "cdn_lookups", asked


def storm(functions: Mapping[str, FunctionSize], seconds: float = 3600) -> Iterator[Use]:
    """Yield what a tracker storm of `seconds` uses: all of it of the CDN, but for the copies that go stale."""
    reads = STORM_VIEWERS * STORM_POLLS_A_SECOND * seconds
    fetched = CDN_LOCATIONS * renewals(reads / CDN_LOCATIONS, seconds, COUNT_FRESH_SECONDS)
    for service, what, price, quantity in (
        ("CDN", "requests", "cdn_lookups", reads),
        ("CDN", "data to viewers", "cdn_transfer", reads * COUNT_BYTES / GIB),
        ("CDN", "data into the cache", "cdn_fill", fetched * COUNT_BYTES / GIB),
        ("Cloud Armor", "requests the cache misses", "armor_requests", fetched),
        *_run("requests the cache misses", fetched, fetched * REQUEST_SECONDS, functions),
    ):
        yield Use(service, what, price, quantity, Driver.VIEWERS)


def retired() -> Iterator[Use]:
    """Yield what a month uses once `make retire` has left a bucket in the place of everything."""
    requests = LATE_VIEWERS * (1 + PAGE_REQUESTS)
    for service, what, price, quantity in (
        ("Load balancer", "forwarding rules", "forwarding_rules", HOURS_A_MONTH),
        ("Certificate Manager", "certificates", "certificates", CERTIFICATES),
        ("Cloud Storage", "storage", "bucket_storage", ANSWERS_GIB),
        ("Cloud Storage", "requests the cache misses", "bucket_reads", requests),
        ("CDN", "requests", "cdn_lookups", requests),
        ("CDN", "data to viewers", "cdn_transfer", LATE_VIEWERS * (PAGE_BYTES + COUNT_BYTES) / GIB),
    ):
        yield Use(service, what, price, quantity, Driver.MONTH)


def tally_documents(confirmed_per_second: float) -> float:
    """Return how many documents of the tally wait to be folded, at most, while so many confirm."""
    spread = max(1, confirmed_per_second * SPREAD_SECONDS) * COUNTING_PROCESSES
    return min(TALLY_DOCUMENTS, spread, confirmed_per_second * FOLD_SECONDS)


def renewals(calls: float, seconds: float, fresh_seconds: float) -> float:
    """Return how often a copy with a TTL of `fresh_seconds` is renewed by `calls` spread over `seconds`.

    After a renewal, the copy holds for its time, and then until the next call comes: 1 / rate on average.
    """
    return calls / (1 + calls * fresh_seconds / seconds) if seconds else 0


def _run(what: str, requests: float, seconds: float, functions: Mapping[str, FunctionSize]) -> _Uses:
    """`seconds`: for which an instance is billed, those of the largest of them."""
    cpu = max(function.cpu for function in functions.values())
    memory_gib = max(function.memory_gib for function in functions.values())
    yield "Cloud Run", what, "run_requests", requests
    yield "Cloud Run", "processor for them", "run_cpu", seconds * cpu
    yield "Cloud Run", "memory for them", "run_memory", seconds * memory_gib
