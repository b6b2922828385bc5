"""The evening news as a picture: docs/images/spike.svg. The only module that needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.cost.sizes import FULL_VCPU, NEW_PROJECT_VCPU
from tests.bench.spike.journal import Journal
from tests.bench.spike.simulate import Result
from tests.bench.spike.traces import SCENARIOS as ALL

SCENARIOS = tuple(scenario for scenario in ALL if scenario.title == "evening news")

#: Okabe and Ito's, which people with any kind of colour vision tell apart (https://jfly.uni-koeln.de/color/).
_BLACK, _ORANGE, _SKY, _GREEN, _BLUE, _RED, _PURPLE = (
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"
)  # fmt: skip
_RATES = {"pressed": (_BLACK, ":"), "accepted": (_SKY, "-"), "mailed": (_ORANGE, "-"), "counted": (_GREEN, "-")}
_INSTANCES = {
    "sign": (_SKY, "-"),
    "deliver": (_ORANGE, "-"),
    "confirm": (_GREEN, "-"),
    "count": (_PURPLE, "--"),
    "embed": (_BLUE, ":"),
}
#: Steps of the series that are drawn as one.
_SMOOTH = 6
_HOURS = 6


def draw(results: Sequence[Result], file: Path) -> None:
    """A column for each result: what happens a second, what waits, how many instances there are."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # Text as text would look different on each reader's machine; the rest makes the same picture of the same
    # numbers.
    style: Any = {
        "svg.hashsalt": "undersign",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
    }
    with mpl.rc_context(style):
        figure, axes = pyplot.subplots(
            3, len(results), figsize=(10, 7), sharex=True, sharey="row", layout="constrained", squeeze=False
        )
        for column, result in enumerate(results):
            [(_, outcome)] = result.outcomes
            _column([row[column] for row in axes], outcome.journal)
            documents = f"{result.shards} documents for the tally"
            axes[0][column].set_title(f"{_QUOTAS[result.scenario.vcpu_quota]}\n{documents}", fontsize=10)
        _label(axes)
        figure.savefig(file, facecolor="white", metadata={"Date": None})
        pyplot.close(figure)


_QUOTAS = {NEW_PROJECT_VCPU: "20 vCPU", FULL_VCPU: "200 vCPU"}


def _column(axes: Sequence[Any], journal: Journal) -> None:
    rates, waiting, instances = axes
    for name, (color, line) in _RATES.items():
        hours, values = _smooth(journal.series.get(name, {}), journal)
        rates.plot(
            hours, [value / journal.bin_seconds for value in values], color=color, linestyle=line, label=name
        )
    hours, values = _smooth(journal.series["backlog"], journal)
    waiting.fill_between(hours, [value / 1000 for value in values], color=_RED, linewidth=0)
    for name, (color, line) in _INSTANCES.items():
        instances.plot(*_smooth(journal.series[name], journal), color=color, linestyle=line, label=name)


def _smooth(series: Mapping[int, float], journal: Journal) -> tuple[list[float], list[float]]:
    """Hours since the first press, and means over some steps."""
    last = int(_HOURS * 3600 / journal.bin_seconds)
    begin = int(journal.first_press_at // journal.bin_seconds)
    starts = range(begin, begin + last, _SMOOTH)
    hours = [(start - begin) * journal.bin_seconds / 3600 for start in starts]
    return hours, [sum(series.get(start + step, 0) for step in range(_SMOOTH)) / _SMOOTH for start in starts]


def _label(axes: Any) -> None:
    for row, label in zip(axes, ("signers a second", "tasks waiting, thousands", "instances"), strict=True):
        row[0].set_ylabel(label)
        row[0].set_ylim(bottom=0)
    for plot in axes[-1]:
        plot.set_xlabel("hours since the first press")
        plot.set_xlim(0, _HOURS)
    for row in (axes[0], axes[2]):
        row[-1].legend(frameon=False, loc="upper right")
