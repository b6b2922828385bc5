"""The evening news as a picture: docs/images/spike.svg. The only module that needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.queue import QueueName
from tests.bench.spike.journal import Journal
from tests.bench.spike.report import Result

#: Okabe and Ito's, which people with any kind of colour vision tell apart (https://jfly.uni-koeln.de/color/).
_BLACK, _ORANGE, _SKY, _GREEN, _BLUE, _RED, _PURPLE = (
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"
)  # fmt: skip
_RATES = {"pressed": (_BLACK, ":"), "accepted": (_SKY, "-"), "mailed": (_ORANGE, "-"), "counted": (_GREEN, "-")}
_QUEUES = {QueueName.SIGNATURES: (_RED, "-"), QueueName.PRESSES: (_BLUE, "--")}
_INSTANCES = {
    "sign": (_SKY, "-"),
    "deliver": (_ORANGE, "-"),
    "confirm": (_GREEN, "-"),
    "count": (_PURPLE, "--"),
    "embed": (_BLUE, ":"),
}
#: Steps of the series that are drawn as one.
_SMOOTH = 6
_HOURS = 3
_STYLE: Mapping[str, Any] = {
    # Text as text would look different on each reader's machine; the salt makes the same picture of the same
    # numbers.
    "svg.hashsalt": "undersign",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
}


def draw(results: Sequence[Result], file: Path) -> None:
    """A column for each result: what happens a second, what waits, how many instances there are."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    with mpl.rc_context(dict(_STYLE)):
        figure, axes = pyplot.subplots(
            3, len(results), figsize=(10, 7), sharex=True, sharey="row", layout="constrained", squeeze=False
        )
        for column, result in enumerate(results):
            _column([row[column] for row in axes], result.outcome.journal)
            axes[0][column].set_title(f"{result.vcpu} vCPU", fontsize=10)
        _label(axes)
        figure.savefig(file, facecolor="white", metadata={"Date": None})
        pyplot.close(figure)


def _column(axes: Sequence[Any], journal: Journal) -> None:
    rates, waiting, instances = axes
    for name, (color, line) in _RATES.items():
        hours, values = _smooth(name, journal)
        rates.plot(
            hours, [value / journal.bin_seconds for value in values], color=color, linestyle=line, label=name
        )
    for name, (color, line) in _QUEUES.items():
        hours, values = _smooth(f"{name} waiting", journal)
        waiting.plot(hours, [value / 1000 for value in values], color=color, linestyle=line, label=name)
    for name, (color, line) in _INSTANCES.items():
        instances.plot(*_smooth(name, journal), color=color, linestyle=line, label=name)


def _smooth(name: str, journal: Journal) -> tuple[list[float], list[float]]:
    """Hours since the first press, and means over some steps."""
    series, last = journal.series[name], int(_HOURS * 3600 / journal.bin_seconds)
    begin = int(journal.first_press_at // journal.bin_seconds)
    starts = range(begin, begin + last, _SMOOTH)
    hours = [(start - begin) * journal.bin_seconds / 3600 for start in starts]
    return hours, [sum(series.get(start + step, 0) for step in range(_SMOOTH)) / _SMOOTH for start in starts]


def _label(axes: Any) -> None:
    for row, label in zip(axes, ("signers a second", "tasks waiting, thousands", "instances"), strict=True):
        row[0].set_ylabel(label)
        row[0].set_ylim(bottom=0)
        row[-1].legend(frameon=False, loc="upper right")
    for plot in axes[-1]:
        plot.set_xlabel("hours since the first press")
        plot.set_xlim(0, _HOURS)
