"""`undersign screen`: look at signatures that may be a bot's, and hold, release or drop them.

It shows labels, hours and digests of mail domains, never an address or a domain. A command that is interrupted is
run again, and does what is left.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Annotated

import typer
from rich.table import Table

from desk.errors import CommandError
from desk.runtime import Desk
from desk.settings import command
from desk.store.maintenance import PAGE, expect_lower_total
from desk.terminal.output import out, pluralize, print_text, table
from desk.terminal.progress import ProgressBar
from desk.workspace import CampaignId, open_campaign
from shared.clock import utc_now
from shared.models.labels import Label
from shared.store.entities import PRESSED, Signature, Status
from shared.store.transitions import screen, undo_screening

app = typer.Typer(
    help="Signatures that may be a bot's: look at them, hold, release or drop them.", no_args_is_help=True
)

#: An hour, a minute and a second.
_MOMENTS = ("%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
#: How much of a digest is shown, and must be given.
_DIGEST_LENGTH = 8
#: Of each table, those with most signatures that are held.
_MAX_ROWS = 30
_COLUMNS = {Status.CONFIRMED: "counted", Status.HELD: "held", Status.DROPPED: "dropped"}
_UNSUSPECTED = "without labels"
_VERBS = {Status.HELD: "Hold", Status.CONFIRMED: "Release", Status.DROPPED: "Drop"}

_Labels = Annotated[
    list[Label] | None,
    typer.Option("--label", help="Only those with this label; given several times, with all of these labels."),
]
_Domains = Annotated[
    list[str] | None,
    typer.Option("--domain", metavar="DIGEST", help="Only those of this mail domain, as list names it."),
]
_Hours = Annotated[
    list[str] | None,
    typer.Option(
        "--hour",
        metavar="HOUR",
        help="Only those confirmed in this hour (UTC), as in 2026-11-27T14, or minute or second of it, as in "
        "2026-11-27T14:03:21, which access shows.",
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")]

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


class _Found:
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


def _parse_rule(
    labels: Sequence[Label] | None, domains: Sequence[str] | None, hours: Sequence[str] | None
) -> Rule:
    """Check the options.

    Raises:
        CommandError: a digest is too short, or an hour cannot be read.
    """
    for domain in domains or ():
        if len(domain) < _DIGEST_LENGTH:
            raise CommandError(
                f"--domain: write {_DIGEST_LENGTH} characters, as list shows them, and not {domain}"
            )
    return Rule(frozenset(labels or ()), tuple(domains or ()), tuple(map(_parse_hour, hours or ())))


def _parse_hour(given: str) -> str:
    for pattern in _MOMENTS:
        with contextlib.suppress(ValueError):
            return datetime.strptime(given, pattern).replace(tzinfo=UTC).strftime(pattern)
    raise CommandError(f"--hour: write an hour in UTC, as in 2026-11-27T14, and not {given}")


def _parse_moment(given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise CommandError(f"--since: write a moment, as in 2026-11-27T14:03:00Z, and not {given}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@app.command("list")
def list_groups(campaign: CampaignId) -> None:
    """Show how many signatures there are with which labels, in which hours and of which mail domains."""
    asyncio.run(_list(campaign, utc_now()))


@app.command()
def preview(campaign: CampaignId, label: _Labels = None, domain: _Domains = None, hour: _Hours = None) -> None:
    """Show what hold, release and drop would do with these options. Changes nothing."""
    asyncio.run(_preview(campaign, _parse_rule(label, domain, hour), utc_now()))


@app.command()
def hold(
    campaign: CampaignId,
    label: Annotated[
        list[Label], typer.Option(help="The label they have; given several times, all of these labels.")
    ],
    domain: _Domains = None,
    hour: _Hours = None,
    yes: _Yes = False,
) -> None:
    """Take counted signatures off the count, until you release or drop them."""
    asyncio.run(_screen(campaign, _parse_rule(label, domain, hour), Status.HELD, utc_now(), yes=yes))


@app.command()
def release(
    campaign: CampaignId, label: _Labels = None, domain: _Domains = None, hour: _Hours = None, yes: _Yes = False
) -> None:
    """Count signatures that are held; without options, all of them."""
    asyncio.run(_screen(campaign, _parse_rule(label, domain, hour), Status.CONFIRMED, utc_now(), yes=yes))


@app.command()
def drop(
    campaign: CampaignId, label: _Labels = None, domain: _Domains = None, hour: _Hours = None, yes: _Yes = False
) -> None:
    """Drop signatures that are held; without options, all. After 30 days they are deleted."""
    asyncio.run(_screen(campaign, _parse_rule(label, domain, hour), Status.DROPPED, utc_now(), yes=yes))


@app.command()
def undo(
    campaign: CampaignId,
    since: Annotated[
        str, typer.Option(metavar="MOMENT", help="As hold, release and drop name it: 2026-11-27T14:03:00Z.")
    ],
    yes: _Yes = False,
) -> None:
    """Undo what was held, released and dropped since a moment: of each signature, the last step."""
    asyncio.run(_undo(campaign, _parse_moment(since), utc_now(), yes=yes))


async def _list(campaign: str, now: datetime) -> None:
    labels, hours, domains = (defaultdict[str, Counter[str]](Counter) for _ in range(3))
    async with open_campaign(campaign) as (_, desk):
        async for _, signature in _confirmed(desk, campaign, now):
            [kept] = signature.submissions
            status = _COLUMNS[signature.status] if kept.labels else _UNSUSPECTED
            hours[_hour(signature)][status] += 1
            if kept.labels:
                labels[" + ".join(sorted(kept.labels))][status] += 1
            if kept.domain:
                domains[kept.domain[:_DIGEST_LENGTH]][status] += 1
    if not labels:
        out.print("No signature has a label, which would say that it may be a bot's.")
        return
    out.print(_table("labels", labels))
    out.print(_table("hour (UTC)", {hour: each for hour, each in hours.items() if set(each) != {_UNSUSPECTED}}))
    if shared := {domain: each for domain, each in domains.items() if each.total() > 1}:
        out.print(_table("mail domain", shared))


async def _preview(campaign: str, rule: Rule, now: datetime) -> None:
    countries = defaultdict[str, Counter[str]](Counter)
    async with open_campaign(campaign) as (_, desk):
        async for _, signature in _confirmed(desk, campaign, now):
            if rule.matches(signature):
                countries[signature.submissions[0].country][_COLUMNS[signature.status]] += 1
    sums = sum(countries.values(), Counter[str]())
    out.print(_table("country", countries))
    out.print(
        f"With these options, hold would take {sums['counted']:,} off the count; release would count, and drop "
        f"would drop, {sums['held']:,}. {sums['dropped']:,} are dropped already."
    )


async def _screen(campaign: str, rule: Rule, to: Status, now: datetime, *, yes: bool) -> None:
    def choose(stored: Signature) -> Signature | None:
        changed = screen(stored, to, now)
        return changed if changed and rule.matches(changed) else None

    hint = f"To undo it: {command()} screen undo {campaign} --since {now:%Y-%m-%dT%H:%M:%SZ}"
    await _change(campaign, choose, _VERBS[to], hint, now, yes=yes)


async def _undo(campaign: str, since: datetime, now: datetime, *, yes: bool) -> None:
    choose = partial(undo_screening, since=since, now=now)
    await _change(campaign, choose, "Undo the last step of", None, now, yes=yes)


async def _change(campaign: str, choose: Choose, verb: str, hint: str | None, now: datetime, *, yes: bool) -> None:
    """Find whom it concerns, ask, and change them. `hint`: how to undo it.

    Raises:
        CommandError: the signatures were purged.
    """
    async with open_campaign(campaign) as (_, desk):
        found = await _find(desk, campaign, choose, now)
        if not found.total:
            out.print("There is no such signature: nothing was changed.")
            return
        if not yes:
            typer.confirm(
                f"{verb} {pluralize(found.total, 'signature')} of {campaign} in {desk.place}?", abort=True
            )
        if hint:  # first, for those who interrupt it
            out.print(hint, markup=False)
        if found.are_counted:
            await expect_lower_total(desk.maintenance, campaign, utc_now())  # answering may have taken hours
        changed = 0
        with ProgressBar() as bar:
            bar.begin("Changing", found.total)
            for some in found.pages():
                changed += await desk.maintenance.change(
                    campaign, some, lambda _, stored: choose(stored) if stored else None
                )
                bar.advance(len(some))
        held = (await desk.maintenance.tally(campaign)).held
    print_text(
        "[green]{changed} changed[/] in {place}; the counter shows it within seconds. {held} are held now.",
        changed=pluralize(changed, "signature"),
        place=desk.place,
        held=f"{held:,}",
    )


async def _find(desk: Desk, campaign: str, choose: Choose, now: datetime) -> _Found:
    """Find the signatures that `choose` would change. Raises CommandError as `_confirmed`."""
    found = _Found()
    async for digest, signature in _confirmed(desk, campaign, now):
        if choose(signature):
            found.add(digest, signature)
    return found


async def _confirmed(desk: Desk, campaign: str, now: datetime) -> AsyncIterator[tuple[str, Signature]]:
    """Yield the digest of each confirmed signature, counted, held or dropped, and the signature.

    Raises:
        CommandError: they were purged.
    """
    if purged := (await desk.maintenance.overlay(campaign)).purged:
        raise CommandError(f"{campaign} was purged on {purged:%Y-%m-%d}: there is nothing left to look at.")
    with ProgressBar() as bar:
        bar.begin("Reading")
        async for page in desk.maintenance.scan(campaign):
            for each in page:
                is_expired = each.signature.expire_at is not None and each.signature.expire_at <= now
                if each.signature.status in PRESSED and not is_expired:
                    yield each.digest, each.signature
            bar.advance(len(page))


def _hour(signature: Signature) -> str:
    return f"{signature.confirmed_at:%Y-%m-%dT%H}"


def _table(heading: str, groups: Groups) -> Table:
    """Return a table of those groups that have most held signatures; hours in their order."""
    columns = [*_COLUMNS.values()]
    if any(_UNSUSPECTED in each for each in groups.values()):
        columns.append(_UNSUSPECTED)
    most = sorted(groups, key=lambda name: (-groups[name]["held"], -groups[name].total(), name))
    left_out = len(most) - _MAX_ROWS
    rows = table(heading, *columns, title=f"{left_out:,} more are not shown" if left_out > 0 else None)
    for name in sorted(most[:_MAX_ROWS]):
        rows.add_row(name, *(f"{groups[name][column]:,}" for column in columns))
    return rows
