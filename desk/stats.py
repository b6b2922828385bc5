"""`undersign stats`: how far a campaign is, and where signatures are lost on the way.

The funnel counts submissions by the day on which they were signed: accepted, mailed, link opened, confirmed. The
count is that of the tally, from which withdrawals have been taken off. Programs that scan mail open links, too.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import AwareDatetime, BaseModel, computed_field
from rich.markup import escape
from rich.table import Table

from desk import files, report, where
from desk.asking import out
from shared import count as counter
from shared.campaigns import Campaign
from shared.funnel import Dimension, Stage, median_minutes
from shared.history import Line
from shared.models import Count
from shared.runtime import utc_now
from shared.store import FunnelKey


class By(StrEnum):
    DAY = "day"
    COUNTRY = "country"
    PARTNER = "partner"
    SOURCE = "source"
    LANGUAGE = "language"
    MAILBOX = "mailbox"


class Row(BaseModel):
    """How many of one kind have come to each stage."""

    key: str
    accepted: int = 0
    mailed: int = 0
    opened: int = 0
    confirmed: int = 0

    @computed_field
    def confirmation_rate(self) -> float | None:
        """Of those who were accepted; None where nobody was."""
        return round(self.confirmed / self.accepted, 4) if self.accepted else None


class Stats(BaseModel):
    """`count`: as the public sees it. `since`, `until`: days of signing, both included; None for all."""

    title: str
    since: date | None
    until: date | None
    as_of: AwareDatetime
    count: Count
    funnel: Row
    median_minutes_to_confirm: int | None
    by: dict[By, list[Row]]


def stats(
    campaign: Annotated[str, typer.Argument(help="The campaign's id.")],
    by: Annotated[
        list[By] | None, typer.Option(help="Divide the funnel; may be given several times.", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Signed on this day or later.", formats=["%Y-%m-%d"])
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Signed on this day or earlier.", formats=["%Y-%m-%d"])
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a report with charts to this file.", show_default=False)
    ] = None,
) -> None:
    """Show how far a campaign is, and how many were accepted, mailed, opened the link and confirmed."""
    days = (since and since.date(), until and until.date())
    found, known, line = asyncio.run(_stats(campaign, days, utc_now()))
    if html:
        files.replace(html, report.html(found, known, line))
        out.print(f"Written to {html}. It holds small numbers, too: it is for the organisers' eyes.")
    elif as_json:
        out.print(found.model_dump_json(indent=2), markup=False)
    else:
        _print(found, by or [])


async def _stats(
    campaign: str, days: tuple[date | None, date | None], now: datetime
) -> tuple[Stats, Campaign, Line]:
    async with where.opened(campaign) as (known, records):
        snapshot = counter.Snapshot(await records.tally(campaign), await records.overlay(campaign), now)
        numbers = await records.funnel(campaign)
        points = await records.history(campaign, date.min)
    since, until = days
    within = {
        key: number
        for key, number in numbers.items()
        if (since or date.min) <= date.fromisoformat(key.day) <= (until or date.max)
    }
    found = Stats(
        title=known.text(known.default_language).title,
        since=since,
        until=until,
        as_of=now,
        count=counter.public(known, snapshot),
        funnel=_whole(within),
        median_minutes_to_confirm=median_minutes(_minutes(within)),
        by={kind: _rows(within, kind) for kind in By},
    )
    return found, known, Line(points, now)


def _whole(numbers: Mapping[FunnelKey, int]) -> Row:
    stages = Counter[str]()
    for key, number in numbers.items():
        if key.dimension == Dimension.ALL:
            stages[key.stage] += number
    return Row(key="all", **stages)


def _minutes(numbers: Mapping[FunnelKey, int]) -> Counter[str]:
    minutes = Counter[str]()
    for key, number in numbers.items():
        if key.dimension == Dimension.MINUTES:
            minutes[key.key] += number
    return minutes


def _rows(numbers: Mapping[FunnelKey, int], by: By) -> list[Row]:
    """Days in their order; of all else, those with most signatures first."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for key, number in numbers.items():
        if by is By.DAY and key.dimension == Dimension.ALL:
            rows[key.day][key.stage] += number
        elif key.dimension == by.value:
            rows[key.key][key.stage] += number
    found = [Row(key=key, **stages) for key, stages in rows.items()]
    return sorted(found, key=lambda row: row.key if by is By.DAY else (-row.accepted, row.key))


def _print(found: Stats, by: Sequence[By]) -> None:
    out.print(f"[bold]{escape(found.title)}[/], {found.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    for line in _progress(found.count):
        out.print(line)
    out.print(_funnel(found.funnel))
    if found.median_minutes_to_confirm is not None:
        out.print(f"Half of those who confirm do so within {found.median_minutes_to_confirm:,} minutes.")
    for kind in by:
        out.print(_divided(kind, found.by[kind]))
    if not by:
        out.print(f"More with --by {', '.join(By)}; --html FILE writes a report with charts.")


def _progress(count: Count) -> Iterator[str]:
    yield (
        f"[green]{count.total:,} signatures[/], {count.total / count.goal:.1%} of {count.goal:,}; "
        f"next goal {count.next_goal:,}."
    )
    if count.paper:
        yield f"{count.paper.total:,} more on paper."
    if count.thresholds:
        yield f"{count.thresholds.met} of {count.thresholds.needed} countries needed are over their threshold."


def _funnel(whole: Row) -> Table:
    table = Table("stage", "submissions", "of accepted", title="From the form to the count")
    for stage in Stage:
        number: int = getattr(whole, stage)
        table.add_row(stage, f"{number:,}", _percent(number, whole.accepted))
    return _right(table)


def _divided(by: By, rows: Sequence[Row]) -> Table:
    table = Table(by, *Stage, "rate", title=f"By {by}")
    for row in rows:
        numbers = (f"{getattr(row, stage):,}" for stage in Stage)
        table.add_row(row.key, *numbers, _percent(row.confirmed, row.accepted))
    return _right(table)


def _right(table: Table) -> Table:
    """Numbers stand on the right."""
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
