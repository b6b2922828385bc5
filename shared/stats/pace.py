"""How fast a total grows, and when it reaches a goal at that pace: from the hourly history and the total of now.

What counts is the change of the total. Withdrawals lower it, and held signatures raise it when the organisers
release them. Where the total fell by more than withdrawals explain, or was lowered on purpose, what was before
says nothing about what comes after: the numbers begin again there.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

from shared.stats import fall
from shared.store.entities import TotalAt

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: The total between two points is guessed by a straight line. One missing snapshot is no reason not to; with more
#: of them, a burst of a few minutes would look like hours of steady growth.
_MAX_GAP = timedelta(hours=2, minutes=30)
#: The forecast goes by the growth in this time, and needs at least `DAY` of it: one evening says little of a week.
_PACE_WINDOW = timedelta(days=7)
_MAX_FORECAST = timedelta(days=3652)


def comparable(
    hours: Sequence[TotalAt], latest: TotalAt, opens_at: datetime, lowered_at: datetime | None
) -> Sequence[TotalAt]:
    """Return the points that can be compared with `latest`, oldest first; it is the last of them.

    `opens_at`: the total is 0 then, unless the history begins before it. `lowered_at`: see `Overlay`.
    """
    points = [*(hour for hour in hours if hour.at < latest.at), latest]
    if opens_at < points[0].at:
        points.insert(0, TotalAt(opens_at, 0))
    if lowered_at:
        points = [point for point in points[:-1] if point.at >= lowered_at + fall.LOWERING_TIME] + [latest]
    falls = [
        index
        for index, (before, after) in enumerate(pairwise(points), 1)
        if fall.is_unexplained(after.total, before.total, before.at, lowered_at=None)
    ]
    return points[falls[-1] :] if falls else points


def growth(points: Sequence[TotalAt], span: timedelta, opens_at: datetime) -> int | None:
    """Return by how much the total grew in the last `span`, to the minute, 0 where it fell; None if unknown."""
    latest = points[-1]
    since = max(latest.at.replace(second=0, microsecond=0) - span, opens_at)
    total = _total_at(points, since) if since <= latest.at else None
    return None if total is None else max(0, latest.total - total)


def _total_at(points: Sequence[TotalAt], moment: datetime) -> int | None:
    index = bisect_left(points, moment, key=lambda point: point.at)
    after = points[index]
    if after.at == moment:
        return after.total
    if index == 0 or after.at - points[index - 1].at > _MAX_GAP:
        return None
    before = points[index - 1]
    return before.total + round((after.total - before.total) * ((moment - before.at) / (after.at - before.at)))


def forecast(points: Sequence[TotalAt], goal: int, closes_at: datetime) -> date | None:
    """Return the day (UTC) on which the total reaches `goal` at the pace of the last week.

    None where there are not yet 24 hours to go by, where the total does not grow or has reached the goal, and
    where that day comes after the close or in more than ten years. A day, because a week's pace says no more.
    """
    latest = points[-1]
    first = next(point for point in points if point.at >= latest.at - _PACE_WINDOW)
    grown, elapsed, missing = latest.total - first.total, latest.at - first.at, goal - latest.total
    if elapsed < DAY or grown <= 0 or missing <= 0:
        return None
    left = min(closes_at - latest.at, _MAX_FORECAST)
    return (latest.at + elapsed * (missing / grown)).date() if missing / grown <= left / elapsed else None
