"""How the count has grown: an hourly snapshot of the tally, as everybody may see it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.copies import Copies
from shared.count import fold
from shared.models import History, HistoryPoint
from shared.store import Point, Store

#: A new point comes once an hour.
FRESH = timedelta(minutes=1)
#: For so long each hour can be asked for; before that, the last hour of each day.
HOURS_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Line:
    """All points of a campaign, oldest first, and when they were read."""

    points: Sequence[Point]
    as_of: datetime

    def by_day(self) -> Sequence[Point]:
        """The last point of each day (UTC)."""
        return list({point.at.date(): point for point in self.points}.values())

    def by_hour(self) -> Sequence[Point]:
        """Each of the last `HOURS_KEPT_DAYS`."""
        return [point for point in self.points if point.at > self.as_of - timedelta(days=HOURS_KEPT_DAYS)]


def lines(store: Store) -> Copies[Line]:
    """The history of each campaign. What is older than a day does not change, so it is read once."""

    async def read(campaign: str, now: datetime, last: Line | None) -> Line:
        since = (last.as_of - timedelta(days=1)).date() if last else date.min
        known = [point for point in last.points if point.at.date() < since] if last else []
        return Line([*known, *await store.history(campaign, since)], now)

    return Copies(read, FRESH, "history_is_stale")


def public(campaign: str, line: Line, points: Sequence[Point]) -> History:
    """`points` of the line as everybody may see them."""
    shown = [
        HistoryPoint(at=point.at, total=point.total, by_country=fold(point.by_country, point.total))
        for point in points
    ]
    return History(campaign=campaign, as_of=line.as_of, points=shown)


def as_csv(history: History) -> str:
    """A row for each point, a column for each country (RFC 4180); empty where it was folded into `other`."""
    countries = sorted({country for point in history.points for country in point.by_country})
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(["at", "total", *countries])
    for point in history.points:
        numbers = (point.by_country.get(country, "") for country in countries)
        table.writerow([f"{point.at:%Y-%m-%dT%H:%M:%SZ}", point.total, *numbers])
    return written.getvalue()
