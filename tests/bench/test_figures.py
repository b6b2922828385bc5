"""The figures of the benchmark, and how they are compared with targets and earlier runs."""

import json
from pathlib import Path

import pytest

from tests.bench.figures import Figure, Figures, Target, against, as_json, read


@pytest.fixture
def figures() -> Figures:
    taken = Figures()
    for value in (3.0, 1.0, 8.0):
        taken.add("sign/64/cpu_ms", value, "ms")
    return taken


def test_a_figure_is_the_median_of_its_rounds_with_their_spread(figures: Figures) -> None:
    """A single outlier hardly changes it."""
    assert figures["sign/64/cpu_ms"] == Figure("ms", 3.0, 1.0, 8.0)
    assert figures.last("sign/64/cpu_ms") == 8.0


@pytest.mark.parametrize(("bound", "at_most", "met"), [(3, True, True), (2.9, True, False), (3, False, True)])
def test_a_target_is_compared_with_the_median(figures: Figures, bound: float, at_most: bool, met: bool) -> None:
    """The table says whether each measured target is met."""
    target = Target("sign/64/cpu_ms", bound, "sign", at_most=at_most)

    table = against([target, Target("unknown", 1, "not measured")], figures.all())

    assert target.is_met(figures["sign/64/cpu_ms"]) is met
    assert ("| yes |" if met else "| **no** |") in table
    assert "not measured" not in table


def test_figures_survive_writing_and_reading(figures: Figures, tmp_path: Path) -> None:
    """Figures of earlier runs are kept when the parts are measured one by one."""
    file = tmp_path / "bench.json"
    file.write_text(as_json(figures.all()))

    assert read(file) == figures.all()
    assert read(tmp_path / "none.json") == {}


def test_figures_of_another_machine_or_day_are_ignored(figures: Figures, tmp_path: Path) -> None:
    """Comparing them with today's would be meaningless."""
    file = tmp_path / "bench.json"
    content = json.loads(as_json(figures.all()))
    file.write_text(json.dumps({**content, "machine": {**content["machine"], "date": "2019-03-21"}}))

    assert read(file) == {}
