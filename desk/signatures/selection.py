"""Signatures that may be a bot's: group them, choose some by a rule, and hold, release or drop these.

By labels, hours and digests of mail domains, never an address or a domain. What is interrupted is done again, and
does what is left.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice

from desk.errors import CommandError
from desk.progress import Progress
from desk.runtime import Desk
from desk.store.maintenance import PAGE, expect_lower_total
from shared.clock import utc_now
from shared.models.labels import Label
from shared.store.entities import PRESSED, Signature, Status
from shared.store.transitions import screen

#: An hour, a minute and a second.
_MOMENTS = ("%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
#: How much of a digest is shown, and must be given.
DIGEST_LENGTH = 8
#: Of each table, those with most signatures that are held.
_MAX_ROWS = 30
COLUMNS = {Status.CONFIRMED: "counted", Status.HELD: "held", Status.DROPPED: "dropped"}
UNSUSPECTED = "without labels"

#: From what is stored to what to write; None: leave it as it is.
Choose = Callable[[Signature], Signature | None]
#: How many signatures of each status, by label, hour, domain or country.
Groups = Mapping[str, Counter[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom the options mean: with all of the labels, of one of the domains, confirmed at one of the moments.

    What is empty is no condition.
    """

    labels: frozenset[Label]
    domains: tuple[str, ...]
    moments: tuple[str, ...]

    def matches(self, signature: Signature) -> bool:
        """Return whether a confirmed signature is meant."""
        [kept] = signature.submissions
        return (
            self.labels.issubset(kept.labels)
            and (not self.domains or (kept.domain or "").startswith(self.domains))
            and (not self.moments or f"{signature.confirmed_at:%Y-%m-%dT%H:%M:%S}".startswith(self.moments))
        )

    def to(self, status: Status, now: datetime) -> Choose:
        """Return what holds, releases or drops those that are meant. `status`: HELD, CONFIRMED or DROPPED."""

        def choose(stored: Signature) -> Signature | None:
            changed = screen(stored, status, now)
            return changed if changed and self.matches(changed) else None

        return choose


class Selected:
    """Signatures that were found, by their digests: a million take 53 MB. `are_counted`: some of them are."""

    def __init__(self) -> None:
        self.total = 0
        self.are_counted = False
        self._digests = BytesIO()

    def add(self, digest: str, signature: Signature) -> None:
        """Add one."""
        self.total += 1
        self.are_counted |= signature.status is Status.CONFIRMED
        self._digests.write(f"{digest}\n".encode())

    def pages(self) -> Iterator[Sequence[str]]:
        """Yield their digests, some at a time."""
        self._digests.seek(0)
        while lines := list(islice(self._digests, PAGE)):
            yield [line.decode().rstrip() for line in lines]


def _groups() -> defaultdict[str, Counter[str]]:
    return defaultdict(Counter)


@dataclass(slots=True)
class Overview:
    """How many signatures there are with which labels, in which hours and of which mail domains."""

    labels: defaultdict[str, Counter[str]] = field(default_factory=_groups)
    hours: defaultdict[str, Counter[str]] = field(default_factory=_groups)
    domains: defaultdict[str, Counter[str]] = field(default_factory=_groups)

    def add(self, signature: Signature) -> None:
        """Count one more."""
        [kept] = signature.submissions
        status = COLUMNS[signature.status] if kept.labels else UNSUSPECTED
        self.hours[_hour(signature)][status] += 1
        if kept.labels:
            self.labels[" + ".join(sorted(kept.labels))][status] += 1
        if kept.domain:
            self.domains[kept.domain[:DIGEST_LENGTH]][status] += 1

    @property
    def suspected_hours(self) -> Groups:
        """Return the hours in which anything had a label."""
        return {hour: each for hour, each in self.hours.items() if set(each) != {UNSUSPECTED}}

    @property
    def shared_domains(self) -> Groups:
        """Return the mail domains of several signatures."""
        return {domain: each for domain, each in self.domains.items() if each.total() > 1}


@dataclass(slots=True)
class Preview:
    """Whom a rule concerns. `countries`: how many of each status. `found`: those that are held, and counted."""

    rule: Rule
    countries: defaultdict[str, Counter[str]] = field(default_factory=_groups)
    found: Mapping[Status, Selected] = field(
        default_factory=lambda: {Status.HELD: Selected(), Status.CONFIRMED: Selected(), Status.DROPPED: Selected()}
    )

    def add(self, digest: str, signature: Signature) -> None:
        """Add a signature, if the rule means it."""
        if self.rule.matches(signature):
            self.countries[signature.submissions[0].country][COLUMNS[signature.status]] += 1
            self.found[signature.status].add(digest, signature)

    def changed_by(self, to: Status) -> Selected:
        """Return those that holding, releasing or dropping would change."""
        return self.found[Status.CONFIRMED if to is Status.HELD else Status.HELD]


def parse_domains(given: Sequence[str]) -> tuple[str, ...]:
    """Check digests of mail domains. Raises CommandError where one is too short."""
    for domain in given:
        if len(domain) < DIGEST_LENGTH:
            raise CommandError(f"write {DIGEST_LENGTH} characters, as list shows them, and not {domain}")
    return tuple(given)


def parse_hours(given: Sequence[str]) -> tuple[str, ...]:
    """Parse hours, or minutes or seconds of them, in UTC. Raises CommandError."""
    return tuple(map(_parse_hour, given))


def _parse_hour(given: str) -> str:
    for pattern in _MOMENTS:
        with contextlib.suppress(ValueError):
            return datetime.strptime(given, pattern).replace(tzinfo=UTC).strftime(pattern)
    raise CommandError(f"write an hour in UTC, as in 2026-11-27T14, and not {given}")


def parse_moment(given: str) -> datetime:
    """Parse the moment since which to undo. Raises CommandError."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise CommandError(f"write a moment, as in 2026-11-27T14:03:00Z, and not {given}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def look(desk: Desk, campaign: str, now: datetime, progress: Progress) -> Overview:
    """Group all confirmed signatures. Raises CommandError where they were purged, as all that follow."""
    overview = Overview()
    async for _, signature in _confirmed(desk, campaign, now, progress):
        overview.add(signature)
    return overview


async def preview(desk: Desk, campaign: str, rule: Rule, now: datetime, progress: Progress) -> Preview:
    """Find those that a rule means; changes nothing."""
    found = Preview(rule)
    async for digest, signature in _confirmed(desk, campaign, now, progress):
        found.add(digest, signature)
    return found


async def find(desk: Desk, campaign: str, choose: Choose, now: datetime, progress: Progress) -> Selected:
    """Find the signatures that `choose` would change."""
    found = Selected()
    async for digest, signature in _confirmed(desk, campaign, now, progress):
        if choose(signature):
            found.add(digest, signature)
    return found


async def change(desk: Desk, campaign: str, found: Selected, choose: Choose, progress: Progress) -> int:
    """Change those that were found, and return how many still were to be changed."""
    if found.are_counted:
        await expect_lower_total(desk.maintenance, campaign, utc_now())  # answering may have taken hours
    changed = 0
    progress.begin("Changing", found.total)
    for some in found.pages():
        changed += await desk.maintenance.change(
            campaign, some, lambda _, stored: choose(stored) if stored else None
        )
        progress.advance(len(some))
    return changed


async def _confirmed(
    desk: Desk, campaign: str, now: datetime, progress: Progress
) -> AsyncIterator[tuple[str, Signature]]:
    """Yield the digest of each confirmed signature, counted, held or dropped, and the signature.

    Raises:
        CommandError: they were purged.
    """
    if purged := (await desk.maintenance.overlay(campaign)).purged:
        raise CommandError(f"{campaign} was purged on {purged:%Y-%m-%d}: there is nothing left to look at.")
    progress.begin("Reading")
    async for page in desk.maintenance.scan(campaign):
        for each in page:
            is_expired = each.signature.expire_at is not None and each.signature.expire_at <= now
            if each.signature.status in PRESSED and not is_expired:
                yield each.digest, each.signature
        progress.advance(len(page))


def _hour(signature: Signature) -> str:
    return f"{signature.confirmed_at:%Y-%m-%dT%H}"


def largest(groups: Groups) -> tuple[Groups, int]:
    """Return those groups that have most held signatures, by name, and how many were left out."""
    most = sorted(groups, key=lambda name: (-groups[name]["held"], -groups[name].total(), name))
    return {name: groups[name] for name in sorted(most[:_MAX_ROWS])}, max(0, len(most) - _MAX_ROWS)


def columns(groups: Groups) -> Sequence[str]:
    """Return the statuses that a table of groups has, and those without labels where there are any."""
    has_unsuspected = any(UNSUSPECTED in each for each in groups.values())
    return [*COLUMNS.values(), *([UNSUSPECTED] if has_unsuspected else [])]
