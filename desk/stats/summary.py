"""How far a campaign is, and where signatures are lost on the way.

The funnel counts submissions by the day on which they were signed: accepted, mailed, link opened, confirmed. The
count is that of the tally, from which withdrawals have been taken off. Programs that scan mail open links, too.
The funnel is of people who came through: those whose signature is held are among the confirmed.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, computed_field

from desk.terminal.output import pluralize
from desk.workspace import open_campaign
from shared.campaigns.model import Campaign
from shared.models.responses import Count
from shared.stats import count as counter
from shared.stats.funnel import Dimension, median_minutes
from shared.stats.history import Line
from shared.store.entities import FunnelKey


class Breakdown(StrEnum):
    """How a funnel can be divided."""

    DAY = "day"
    COUNTRY = "country"
    PARTNER = "partner"
    SOURCE = "source"
    LANGUAGE = "language"
    MAILBOX = "mailbox"


class Row(BaseModel):
    """How many submissions of one kind have reached each stage."""

    key: str
    accepted: int = 0
    mailed: int = 0
    opened: int = 0
    confirmed: int = 0

    @computed_field
    def confirmation_rate(self) -> float | None:
        """Return the share of the accepted who confirmed; None where nobody was accepted."""
        return round(self.confirmed / self.accepted, 4) if self.accepted else None


class Stats(BaseModel):
    """`count`: as the public sees it; `held`: that number exactly. `since`, `until`: see `gather`.

    `work_since`: since when an automatic proof of work is on; None where it is not.
    """

    title: str
    since: date | None
    until: date | None
    as_of: AwareDatetime
    count: Count
    held: int
    work_since: AwareDatetime | None
    funnel: Row
    median_minutes_to_confirm: int | None
    by: dict[Breakdown, list[Row]]


async def gather(
    campaign: str, days: tuple[date | None, date | None], now: datetime
) -> tuple[Stats, Campaign, Line]:
    """Read a campaign's numbers, and all of the history of its count.

    `days`: on which those counted by the funnel signed, first and last, both included; None for no limit.
    """
    async with open_campaign(campaign) as (known, desk):
        maintenance = desk.maintenance
        tally = await maintenance.tally(campaign)
        overlay = await maintenance.overlay(campaign)
        numbers = await maintenance.funnel(campaign)
        line = Line(await maintenance.history(campaign, date.min), now)
    since, until = days
    work = overlay.work_at(known, now)
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
        count=counter.public(known, counter.Snapshot(tally, overlay, now), line.hours),
        held=tally.held,
        work_since=work.since if work else None,
        funnel=Row(key="all", **_summed(within, Dimension.ALL, "stage")),
        median_minutes_to_confirm=median_minutes(_summed(within, Dimension.MINUTES, "key")),
        by={kind: _rows(within, kind) for kind in Breakdown},
    )
    return found, known, line


def duration(minutes: int) -> str:
    """Return a duration as people say it: "1 minute", "3 hours"."""
    return pluralize(minutes, "minute") if minutes < 120 else pluralize(round(minutes / 60), "hour")


def _summed(numbers: Mapping[FunnelKey, int], dimension: Dimension, by: str) -> Counter[str]:
    """Sum the numbers of one dimension by a field of their keys."""
    sums = Counter[str]()
    for key, number in numbers.items():
        if key.dimension == dimension:
            sums[getattr(key, by)] += number
    return sums


def _rows(numbers: Mapping[FunnelKey, int], by: Breakdown) -> list[Row]:
    """Return the rows of a breakdown: days in their order; of all else, those with most signatures first."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for key, number in numbers.items():
        if by is Breakdown.DAY and key.dimension == Dimension.ALL:
            rows[key.day][key.stage] += number
        elif key.dimension == by.value:
            rows[key.key][key.stage] += number
    found = [Row(key=key, **stages) for key, stages in rows.items()]
    return sorted(found, key=lambda row: row.key if by is Breakdown.DAY else (-row.accepted, row.key))
