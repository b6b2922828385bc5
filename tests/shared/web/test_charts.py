"""A line chart over time: its corners, and the labels of its axes."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web import charts
from tests.support.clock import NOW

HOUR = timedelta(hours=1)


def test_runs_from_the_lower_left_to_the_upper_right() -> None:
    """The chart is 1000 wide and 400 high; y is counted from the top."""
    chart = charts.line([(NOW, 0), (NOW + HOUR, 50), (NOW + 4 * HOUR, 100)])

    assert chart
    assert chart.line == "M0 400L250 200L1000 0"
    assert chart.area == "M0 400L250 200L1000 0V400H0Z"
    assert list(chart.steps) == [100, 80, 60, 40, 20, 0]
    assert list(chart.marks) == [NOW, NOW + 2 * HOUR, NOW + 4 * HOUR]


@pytest.mark.parametrize(
    ("most", "steps"),
    [
        (0, [1, 0]),
        (1, [1, 0]),
        (7, [8, 6, 4, 2, 0]),
        (412_345, [500_000, 400_000, 300_000, 200_000, 100_000, 0]),
        (1_000_000, [1_000_000, 800_000, 600_000, 400_000, 200_000, 0]),
        (1_010_000, [1_250_000, 1_000_000, 750_000, 500_000, 250_000, 0]),
    ],
)
def test_labels_its_axis_with_round_numbers(most: int, steps: list[int]) -> None:
    """There are at most six, and the highest is just above the line."""
    chart = charts.line([(NOW, 0), (NOW + HOUR, most)])

    assert chart
    assert list(chart.steps) == steps


def test_is_none_where_there_is_nothing_to_draw() -> None:
    """A petition on its first day has no chart: a line needs two points."""
    assert charts.line([]) is None
    assert charts.line([(NOW, 7)]) is None


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=50))
def test_never_leaves_its_box(numbers: list[int]) -> None:
    """Any numbers stay inside, also falling ones, since people withdraw."""
    chart = charts.line([(NOW + n * HOUR, number) for n, number in enumerate(numbers)])

    assert chart
    corners = [tuple(map(float, corner.split())) for corner in re.split("[ML]", chart.line)[1:]]
    assert len(corners) == len(numbers)
    assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y in corners)
