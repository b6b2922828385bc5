"""A line over time, as what pages/charts.html draws: a path in a box that any screen stretches, and its labels.

Labels are evenly spaced, so that the page can lay them out as text of its own: text inside a stretched picture
would be too small on a phone and too large on a desk.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

#: Of the box.
WIDTH, HEIGHT = 1000, 400
_MOST_STEPS = 5

Moment = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Chart:
    """`line`, `area`, `grid`: SVG path data in the box. `steps`: numbers, top first. `marks`: times."""

    line: str
    area: str
    grid: str
    steps: Sequence[int]
    marks: Sequence[datetime]
    first: Moment
    last: Moment


def line(moments: Sequence[Moment]) -> Chart | None:
    """Draw numbers over their moments, oldest first; None where there is no span to draw."""
    if not moments or moments[0][0] == moments[-1][0]:
        return None
    start, end = moments[0][0], moments[-1][0]
    most = max(1, *(number for _, number in moments))
    step = _step(most)
    steps = range(math.ceil(most / step) * step, -1, -step)
    span = (end - start).total_seconds()
    corners = [
        f"{_rounded(WIDTH * (at - start).total_seconds() / span)} {_height(number, steps)}"
        for at, number in moments
    ]
    path = "M" + "L".join(corners)
    return Chart(
        line=path,
        area=f"{path}V{HEIGHT}H0Z",
        grid="".join(f"M0 {_height(number, steps)}H{WIDTH}" for number in steps),
        steps=steps,
        marks=[start, start + (end - start) / 2, end],
        first=moments[0],
        last=moments[-1],
    )


def _height(number: int, steps: range) -> str:
    """Of a number, from the top of the box."""
    return _rounded(HEIGHT * (1 - number / steps[0]))


def _rounded(length: float) -> str:
    return f"{round(length, 1):g}"


def _step(most: int) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 25, 50 … of which a few reach `most`."""
    candidates = (
        int(factor * 10**power) for power in count() for factor in ((1, 2, 2.5, 5) if power else (1, 2, 5))
    )
    return next(step for step in candidates if step * _MOST_STEPS >= most)
