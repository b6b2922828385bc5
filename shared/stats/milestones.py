"""The goals on the way that a total has reached, and when: as the hourly history says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.stats import fall
from shared.stats.history import Line
from shared.store.entities import TotalAt


@dataclass(frozen=True, slots=True)
class Milestone:
    """A goal that was reached. `at`: of the first snapshot that shows it, up to an hour later than it was."""

    goal: int
    at: datetime


def reached(line: Line, goals: Sequence[int]) -> Sequence[Milestone]:
    """Return the goals that were reached, the lowest first; withdrawals after that take none of them back.

    A fall that withdrawals do not explain does, whether the total was wrong or lowered on purpose: such a goal
    counts from when it is reached again.
    """
    found = dict[int, datetime]()
    last = None
    for hour in _hours(line):
        if last and fall.is_unexplained(hour.total, last.total, last.at, lowered_at=None):
            found = {goal: at for goal, at in found.items() if goal <= hour.total}
        for goal in goals:
            if goal <= hour.total:
                found.setdefault(goal, hour.at)
        last = hour
    return [Milestone(goal, at) for goal, at in sorted(found.items())]


def _hours(line: Line) -> Iterator[TotalAt]:
    """Yield all hours since the start, oldest first."""
    for day in line.stored:
        hours = {*day.hours.values(), TotalAt(day.last.at, day.last.total)}
        yield from sorted(hours, key=lambda hour: hour.at)
