"""The results as tables, for a terminal and for docs/performance.md, and as JSON."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.queue import QueueName
from shared.web.routes import FUNCTIONS
from tests.bench.spike import traces
from tests.bench.spike.journal import ACCEPTED, BUTTON, COUNTED, FIRST_MINUTE, LATER, MAILED, Journal
from tests.bench.spike.simulate import Outcome
from tests.bench.spike.traces import Scenario
from tests.bench.spike.validation import HURRY, SECONDS, Comparison, summary

#: Those that hold anything where no work is asked for.
_QUEUES = QueueName.SIGNATURES, QueueName.PRESSES, QueueName.REMINDERS

Rows = list[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario under a quota of processors. `dollars`: without mail."""

    scenario: Scenario
    vcpu: int
    outcome: Outcome
    dollars: float

    @property
    def journal(self) -> Journal:
        return self.outcome.journal

    def wait(self, stage: str, share: float) -> float:
        """Return within how many seconds this share of signers had it."""
        return self.journal.times[stage].quantile(share)

    @property
    def mail_rate(self) -> float:
        """Return the mean of fresh mails a second until the last one, as a share of what the relays take."""
        journal = self.journal
        last = max(journal.series[MAILED], default=0) * journal.bin_seconds
        return journal.per_second(MAILED, journal.first_press_at, last) / self.scenario.mails_per_second

    @property
    def fills_per_second(self) -> float:
        """Return how often the functions are asked for the count, while people press."""
        return self.journal.fills / (self.scenario.trace.seconds - self.journal.first_press_at)


#: By their scenarios' titles, under one quota.
Found = Mapping[str, Result]


def seconds(value: float) -> str:
    """Format a duration in the unit that a person would use."""
    if math.isnan(value):
        return "–"
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if value >= 2 * length:
            return f"{value / length:,.1f} {unit}"
    return f"{value:.1f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _number(value: float) -> str:
    return f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class Target:
    """What `figure` of a scenario may be at most, or at least."""

    scenario: Scenario
    name: str
    bound: float
    figure: Callable[[Found], float]
    show: Callable[[float], str] = seconds
    at_least: bool = False

    def cell(self, found: Found) -> str:
        """Return the figure, in bold where the target is not met."""
        value = self.figure(found)
        met = value >= self.bound if self.at_least else value <= self.bound
        return self.show(value) if met else f"**{self.show(value)}**"


def _waits(scenario: Scenario, name: str, stage: str, share: float, most: float) -> Target:
    return Target(
        scenario, f"{name}, {100 * share:.0f} %", most, lambda found: found[scenario.title].wait(stage, share)
    )


def _oldest(scenario: Scenario, queue: QueueName, most: float) -> Target:
    return Target(
        scenario, f"oldest task of {queue}", most, lambda found: found[scenario.title].journal.oldest.get(queue, 0)
    )


def _lost(scenario: Scenario) -> Target:
    return Target(scenario, "lost", 0, lambda found: found[scenario.title].journal.lost, _number)


def _slower(stage: str) -> Target:
    """Of the rush with trackers and that without, the 95 % of one minus that of the other."""

    def figure(found: Found) -> float:
        trackers, alone = (found[scenario.title] for scenario in (traces.TRACKERS, traces.MODERATE))
        return max(0.0, trackers.wait(stage, 0.95) - alone.wait(stage, 0.95))

    return Target(traces.TRACKERS, f"{stage} later than without them, 95 %", 0.1, figure)


TARGETS = (
    _waits(traces.UK, "accepted", ACCEPTED, 0.95, 1),
    _waits(traces.UK, "mailed", MAILED, 0.95, 5),
    _waits(traces.UK, "button to counted", BUTTON, 0.95, 1),
    _lost(traces.UK),
    _waits(traces.UK_TIMES_5, "mailed", MAILED, 0.95, 60),
    _waits(traces.UK_TIMES_5, "button to counted", BUTTON, 0.95, 5),
    _waits(traces.NEWS, "accepted in the first minute", FIRST_MINUTE, 0.99, 10),
    _waits(traces.NEWS, "accepted after it", LATER, 0.99, 1),
    Target(
        traces.NEWS,
        "mails a second, of what the relays take",
        0.95,
        lambda found: found[traces.NEWS.title].mail_rate,
        _share,
        at_least=True,
    ),
    _waits(traces.NEWS, "button to counted", BUTTON, 0.95, 5),
    _oldest(traces.NEWS, QueueName.PRESSES, 300),
    _oldest(traces.SOPA, QueueName.PRESSES, 300),
    Target(
        traces.TRACKERS,
        "counts a second that reach the functions",
        100,
        lambda found: found[traces.TRACKERS.title].fills_per_second,
        _number,
    ),
    *(_slower(stage) for stage in (ACCEPTED, MAILED, BUTTON)),
)


def targets(by_quota: Mapping[int, Found]) -> Rows:
    """Return a row for each target."""
    rows: Rows = [("rush", "figure", "target", *(f"{vcpu} vCPU" for vcpu in by_quota))]
    for target in TARGETS:
        bound = f"{'≥' if target.at_least else '≤'} {target.show(target.bound)}"
        cells = (target.cell(found) for found in by_quota.values())
        rows.append((target.scenario.title, target.name, bound, *cells))
    return rows


def waits(results: Sequence[Result]) -> Rows:
    """Return a row for each result: how long people and tasks waited."""
    head = (
        "rush, relays, vCPU",
        "accepted",
        "in the first minute",
        "mailed",
        "button to counted",
        "oldest tasks",
        "lost",
    )
    return [head, *(_waits_row(result) for result in results)]


def _waits_row(result: Result) -> Sequence[str]:
    scenario = result.scenario
    first = _quantiles(result, FIRST_MINUTE, 0.99) if scenario.steps else ""
    return (
        f"{scenario.title}, {scenario.mails_per_second:.0f}/s, {result.vcpu}",
        _quantiles(result, ACCEPTED, 0.99),
        first,
        _quantiles(result, MAILED, 1),
        _quantiles(result, BUTTON, 1),
        " / ".join(seconds(result.journal.oldest.get(queue, 0)) for queue in _QUEUES),
        _number(result.journal.lost),
    )


def _quantiles(result: Result, stage: str, last: float) -> str:
    return " / ".join(seconds(result.wait(stage, share)) for share in (0.5, 0.95, last))


def loads(results: Sequence[Result]) -> Rows:
    """Return a row for each result: how many came, what was turned away, and what it took."""
    rows: Rows = [("rush, vCPU", "presses", *_COUNTS, "most instances", "US dollars")]
    for result in results:
        rows.append(
            (
                f"{result.scenario.title}, {result.vcpu}",
                _number(result.journal.pressed),
                *(_number(count(result.journal)) for count in _COUNTS.values()),
                " / ".join(str(result.outcome.peaks[name]) for name in FUNCTIONS),
                _number(result.dollars),
            )
        )
    return rows


_COUNTS: Mapping[str, Callable[[Journal], float]] = {
    "refused": lambda journal: journal.refused,
    "spooled": lambda journal: journal.spooled,
    "counted by the queue": lambda journal: journal.deferred,
    "tasks retried": lambda journal: journal.retried,
    "reminded": lambda journal: journal.reminded,
    "page views": lambda journal: journal.views,
    "refused to viewers": lambda journal: journal.readers_refused,
}


def sensitivity(by_ramp: Mapping[str, Found]) -> Rows:
    """Return what follows from how Cloud Tasks adapts to a rush, a row for each assumption."""
    news, moderate = traces.NEWS.title, traces.MODERATE.title
    rows: Rows = [
        ("dispatches", f"{moderate}: mailed", f"{news}: accepted later, 99 %", "mails, of the relays' rate")
    ]
    for title, found in by_ramp.items():
        later, rate = found[news].wait(LATER, 0.99), found[news].mail_rate
        rows.append((title, _quantiles(found[moderate], MAILED, 1), seconds(later), _share(rate)))
    return rows


_STAGES = {
    ACCEPTED: "press to accepted",
    MAILED: "press to mailed",
    COUNTED: "press to counted",
    BUTTON: "button in the mail to counted",
}


def comparison(compared: Comparison) -> Rows:
    """Return what was measured on this machine beside what the model says of it."""
    rows: Rows = [("", "measured", "modelled", "modelled / measured")]
    journals = (compared.measured, compared.modelled)
    for stage, label in _STAGES.items():
        for name, share in (("median", 0.5), ("95 %", 0.95)):
            measured, modelled = (journal.times[stage].quantile(share) for journal in journals)
            ratio = f"{modelled / measured:.2f}" if measured else ""
            rows.append((f"{label}, {name}", seconds(measured), seconds(modelled), ratio))
    rows.append(("presses", *(_number(journal.pressed) for journal in journals), ""))
    rows.append(("refused", *(_number(journal.refused) for journal in journals), ""))
    return rows


def comparison_notes(compared: Comparison) -> str:
    """Describe the run that the model was compared with."""
    costs = ", ".join(f"{kind} {ms:.2f} ms" for kind, ms in summary(compared).items())
    busy = compared.others
    warning = " That is much: run it on a quiet machine." if busy > 0.2 else ""
    return (
        f"One process each of sign, deliver and confirm on {compared.cores} cores, {compared.per_second:.0f} "
        f"presses a second for {SECONDS:.0f} seconds, people {HURRY:.0f} times as fast. CPU of each request, "
        f"measured with few signers: {costs}. Other programs kept {busy:.1f} cores busy; in "
        f"the model, {round(busy)} go on doing so.{warning}"
    )


_QUANTILES = {"median": 0.5, "95 %": 0.95, "99 %": 0.99, "longest": 1.0}


def as_json(results: Sequence[Result], compared: Comparison | None) -> dict[str, Any]:
    """Return everything, with NaN as null."""
    return {
        "scenarios": [_result(result) for result in results],
        "validation": compared
        and {"measured": _wait_seconds(compared.measured), "modelled": _wait_seconds(compared.modelled)},
    }


def _result(result: Result) -> dict[str, Any]:
    journal = result.journal
    return {
        "title": result.scenario.title,
        "vcpu": result.vcpu,
        "mails_per_second": result.scenario.mails_per_second,
        "presses": journal.pressed,
        "lost": journal.lost,
        "wait_seconds": _wait_seconds(journal),
        "oldest_task_seconds": journal.oldest,
        **{label.replace(" ", "_"): count(journal) for label, count in _COUNTS.items()},
        "most_instances": result.outcome.peaks,
        "us_dollars": result.dollars,
        "series": {"bin_seconds": journal.bin_seconds, **journal.series},
    }


def _wait_seconds(journal: Journal) -> dict[str, dict[str, float | None]]:
    return {
        stage: {name: _finite(times.quantile(share)) for name, share in _QUANTILES.items()}
        for stage, times in journal.times.items()
    }


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
