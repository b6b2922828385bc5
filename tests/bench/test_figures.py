"""What the benchmark says of its figures."""

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
    """One round that went wrong moves it little."""
    assert figures["sign/64/cpu_ms"] == Figure("ms", 3.0, 1.0, 8.0)
    assert figures.last("sign/64/cpu_ms") == 8.0


@pytest.mark.parametrize(("bound", "at_most", "met"), [(3, True, True), (2.9, True, False), (3, False, True)])
def test_a_target_is_held_against_the_median(figures: Figures, bound: float, at_most: bool, met: bool) -> None:
    """And the table says plainly where it is missed."""
    target = Target("sign/64/cpu_ms", bound, "sign", at_most=at_most)

    table = against([target, Target("unknown", 1, "not measured")], figures.all())

    assert target.is_met(figures["sign/64/cpu_ms"]) is met
    assert ("| yes |" if met else "| **no** |") in table
    assert "not measured" not in table


def test_figures_are_read_as_they_were_written(figures: Figures, tmp_path: Path) -> None:
    """For those who measure one part after the other."""
    file = tmp_path / "bench.json"
    file.write_text(as_json(figures.all()))

    assert read(file) == figures.all()
    assert read(tmp_path / "none.json") == {}


def test_figures_of_another_machine_or_day_are_not_mixed_with_todays(figures: Figures, tmp_path: Path) -> None:
    """A ratio of the two would say nothing."""
    file = tmp_path / "bench.json"
    content = json.loads(as_json(figures.all()))
    file.write_text(json.dumps({**content, "machine": {**content["machine"], "date": "2019-03-21"}}))

    assert read(file) == {}
