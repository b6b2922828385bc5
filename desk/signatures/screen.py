"""`undersign screen`: look at signatures that may be a bot's, and hold, release or drop them.

It shows labels, hours and digests of mail domains, never an address or a domain. A command that is interrupted is
run again, and does what is left.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from desk.errors import CommandError
from desk.settings import command
from desk.signatures import selection
from desk.signatures.selection import Choose, Groups, Rule, parse_domains, parse_hours, parse_moment
from desk.terminal.output import out, pluralize, print_text, table
from desk.terminal.progress import ProgressBar
from desk.workspace import CampaignId, open_campaign
from shared.clock import utc_now
from shared.models.labels import Label
from shared.store.entities import Status
from shared.store.transitions import undo_screening

app = typer.Typer(
    help="Signatures that may be a bot's: look at them, hold, release or drop them.", no_args_is_help=True
)

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


@app.command("list")
def list_groups(campaign: CampaignId) -> None:
    """Show how many signatures there are with which labels, in which hours and of which mail domains."""
    asyncio.run(_list(campaign, utc_now()))


@app.command()
def preview(campaign: CampaignId, label: _Labels = None, domain: _Domains = None, hour: _Hours = None) -> None:
    """Show what hold, release and drop would do with these options. Changes nothing."""
    asyncio.run(_preview(campaign, _rule(label, domain, hour), utc_now()))


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
    asyncio.run(_screen(campaign, _rule(label, domain, hour), Status.HELD, utc_now(), yes=yes))


@app.command()
def release(
    campaign: CampaignId, label: _Labels = None, domain: _Domains = None, hour: _Hours = None, yes: _Yes = False
) -> None:
    """Count signatures that are held; without options, all of them."""
    asyncio.run(_screen(campaign, _rule(label, domain, hour), Status.CONFIRMED, utc_now(), yes=yes))


@app.command()
def drop(
    campaign: CampaignId, label: _Labels = None, domain: _Domains = None, hour: _Hours = None, yes: _Yes = False
) -> None:
    """Drop signatures that are held; without options, all. After 30 days they are deleted."""
    asyncio.run(_screen(campaign, _rule(label, domain, hour), Status.DROPPED, utc_now(), yes=yes))


@app.command()
def undo(
    campaign: CampaignId,
    since: Annotated[
        str, typer.Option(metavar="MOMENT", help="As hold, release and drop name it: 2026-11-27T14:03:00Z.")
    ],
    yes: _Yes = False,
) -> None:
    """Undo what was held, released and dropped since a moment: of each signature, the last step."""
    with _naming("--since"):
        moment = parse_moment(since)
    asyncio.run(_undo(campaign, moment, utc_now(), yes=yes))


def _rule(labels: list[Label] | None, domains: list[str] | None, hours: list[str] | None) -> Rule:
    with _naming("--domain"):
        digests = parse_domains(domains or ())
    with _naming("--hour"):
        moments = parse_hours(hours or ())
    return Rule(frozenset(labels or ()), digests, moments)


@contextmanager
def _naming(option: str) -> Iterator[None]:
    """Let an error say which option it is about."""
    try:
        yield
    except CommandError as error:
        raise CommandError(f"{option}: {error}") from None


async def _list(campaign: str, now: datetime) -> None:
    async with open_campaign(campaign) as (_, desk):
        with ProgressBar() as bar:
            overview = await selection.look(desk, campaign, now, bar)
    if not overview.labels:
        out.print("No signature has a label, which would say that it may be a bot's.")
        return
    out.print(_table("labels", overview.labels))
    out.print(_table("hour (UTC)", overview.suspected_hours))
    if overview.shared_domains:
        out.print(_table("mail domain", overview.shared_domains))


async def _preview(campaign: str, rule: Rule, now: datetime) -> None:
    async with open_campaign(campaign) as (_, desk):
        with ProgressBar() as bar:
            found = await selection.preview(desk, campaign, rule, now, bar)
    sums = sum(found.countries.values(), Counter[str]())
    out.print(_table("country", found.countries))
    out.print(
        f"With these options, hold would take {sums['counted']:,} off the count; release would count, and drop "
        f"would drop, {sums['held']:,}. {sums['dropped']:,} are dropped already."
    )


async def _screen(campaign: str, rule: Rule, to: Status, now: datetime, *, yes: bool) -> None:
    hint = f"To undo it: {command()} screen undo {campaign} --since {now:%Y-%m-%dT%H:%M:%SZ}"
    await _change(campaign, rule.to(to, now), _VERBS[to], hint, now, yes=yes)


async def _undo(campaign: str, since: datetime, now: datetime, *, yes: bool) -> None:
    choose = partial(undo_screening, since=since, now=now)
    await _change(campaign, choose, "Undo the last step of", None, now, yes=yes)


async def _change(campaign: str, choose: Choose, verb: str, hint: str | None, now: datetime, *, yes: bool) -> None:
    """Find whom it concerns, ask, and change them. `hint`: how to undo it."""
    async with open_campaign(campaign) as (_, desk):
        with ProgressBar() as bar:
            found = await selection.find(desk, campaign, choose, now, bar)
        if not found.total:
            out.print("There is no such signature: nothing was changed.")
            return
        if not yes:
            typer.confirm(
                f"{verb} {pluralize(found.total, 'signature')} of {campaign} in {desk.place}?", abort=True
            )
        if hint:  # first, for those who interrupt it
            out.print(hint, markup=False)
        with ProgressBar() as bar:
            changed = await selection.change(desk, campaign, found, choose, bar)
        held = (await desk.maintenance.tally(campaign)).held
    print_text(
        "[green]{changed} changed[/] in {place}; the counter shows it within seconds. {held} are held now.",
        changed=pluralize(changed, "signature"),
        place=desk.place,
        held=f"{held:,}",
    )


def _table(heading: str, groups: Groups) -> Table:
    """Return a table of those groups that have most held signatures; hours in their order."""
    shown, left_out = selection.largest(groups)
    columns = selection.columns(groups)
    rows = table(heading, *columns, title=f"{left_out:,} more are not shown" if left_out else None)
    for name, numbers in shown.items():
        rows.add_row(name, *(f"{numbers[column]:,}" for column in columns))
    return rows
