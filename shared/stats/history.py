"""How the count has grown: an hourly snapshot of the tally, as everybody may see it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.cache import StaleWhileRevalidate
from shared.models.responses import History, HistoryPoint
from shared.stats.count import fold
from shared.store import Store
from shared.store.entities import Day, Point, TotalAt

#: A new point comes once an hour.
MAX_AGE = timedelta(minutes=1)
#: For this long each hour can be asked for; before that, the last hour of each day.
HOURS_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Line:
    """All days of a campaign, oldest first, and when they were read."""

    stored: Sequence[Day]
    as_of: datetime

    @property
    def days(self) -> Sequence[Point]:
        """Return the last point of each day (UTC)."""
        return [day.last for day in self.stored]

    @property
    def hours(self) -> Sequence[TotalAt]:
        """Return the last of each hour of the last `HOURS_KEPT_DAYS`."""
        since = self.as_of - timedelta(days=HOURS_KEPT_DAYS)
        every = (hour for day in self.stored for _, hour in sorted(day.hours.items()))
        return [hour for hour in every if hour.at > since]


def lines(store: Store) -> StaleWhileRevalidate[Line]:
    """Cache the history of each campaign. What is older than a day does not change, so it is read once."""

    async def read(campaign: str, now: datetime, last: Line | None) -> Line:
        since = (last.as_of - timedelta(days=1)).date() if last else date.min
        known = [day for day in last.stored if day.last.at.date() < since] if last else []
        return Line([*known, *await store.history(campaign, since)], now)

    return StaleWhileRevalidate(read, max_age=MAX_AGE, log_event="history_is_stale")


def by_day(campaign: str, line: Line) -> History:
    """Return the point of each day, with its countries folded like the counter's."""
    points = [
        HistoryPoint(at=point.at, total=point.total, by_country=fold(point.by_country, point.total))
        for point in line.days
    ]
    return History(campaign=campaign, as_of=line.as_of, points=points)


def by_hour(campaign: str, line: Line) -> History:
    """Return the total of each hour, without countries."""
    points = [HistoryPoint(at=hour.at, total=hour.total) for hour in line.hours]
    return History(campaign=campaign, as_of=line.as_of, points=points)


def as_csv(history: History) -> str:
    """Write a row for each point, a column for each country (RFC 4180); empty where it was folded into `other`."""
    countries = sorted({country for point in history.points for country in point.by_country or {}})
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(["at", "total", *countries])
    for point in history.points:
        numbers = ((point.by_country or {}).get(country, "") for country in countries)
        table.writerow([f"{point.at:%Y-%m-%dT%H:%M:%SZ}", point.total, *numbers])
    return written.getvalue()
