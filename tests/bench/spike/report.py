"""The results as tables, for a terminal and for docs/performance.md, and as JSON."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from infra.cost.sizes import FULL_VCPU
from shared.web.routes import FUNCTIONS
from tests.bench.spike import simulate
from tests.bench.spike.facts import GOOGLE
from tests.bench.spike.journal import BUTTON, STAGES, Journal, Times
from tests.bench.spike.simulate import Result
from tests.bench.spike.traces import Scenario
from tests.bench.spike.validation import HURRY, SECONDS, Comparison, summary

Rows = list[Sequence[str]]

QUANTILES = {"median": 0.5, "95 %": 0.95, "99 %": 0.99, "longest": 1.0}
_WAITS = {
    "accepted": "press to accepted",
    "mailed": "press to mailed",
    "counted": "press to counted",
    BUTTON: "button in the mail to counted",
}


_COUNTS: Mapping[str, Callable[[Journal], float]] = {
    "refused with 429": lambda journal: journal.refused,
    "accepted into the spool": lambda journal: journal.spooled,
    "thanked, and counted later by the queue": lambda journal: journal.counted_later,
    "buttons that had to be pressed again": lambda journal: journal.pressed_again,
    "tasks that came again": lambda journal: journal.tried_again,
}


def results(found: Sequence[Result]) -> Rows:
    """Return a column for each scenario."""
    rows: Rows = [
        ("", *(result.scenario.title for result in found)),
        ("vCPU", *(str(result.scenario.vcpu_quota) for result in found)),
        ("documents of the tally", *(str(result.shards) for result in found)),
        ("presses", *(_number(result.sum(lambda journal: journal.pressed)) for result in found)),
    ]
    for stage, label in _WAITS.items():
        waits = [result.times(stage).quantiles(list(QUANTILES.values())) for result in found]
        for place, name in enumerate(QUANTILES):
            rows.append((f"{label}, {name}", *(seconds(wait[place]) for wait in waits)))
    for label, number in _COUNTS.items():
        rows.append((label, *(_number(result.sum(number)) for result in found)))
    rows.append(("most tasks waiting", *(_number(_backlog(result)) for result in found)))
    rows.append(("peak worked off, after the first press", *(seconds(_drained(result)) for result in found)))
    for name in FUNCTIONS:
        rows.append((f"most instances of {name}", *(_number(_peak(result, name)) for result in found)))
    rows.append(("US dollars, without mail", *(f"{result.dollars:,.2f}" for result in found)))
    return rows


def short(found: Sequence[Result]) -> Rows:
    """Return the same for docs/performance.md: a row for each scenario, and what its readers ask first."""
    waits = {"accepted": "accepted after", "mailed": "mailed after", BUTTON: "button to counted"}
    rows: Rows = [("", "presses", *waits.values(), "most waiting", "peak worked off after", "US dollars")]
    for result in found:
        scenario = result.scenario
        quota = " (200 vCPU)" if scenario.vcpu_quota == FULL_VCPU else ""
        shards = f", {result.shards} documents" if scenario.shards else ""
        rows.append(
            (
                f"{scenario.title}{quota}{shards}",
                _number(result.sum(lambda journal: journal.pressed)),
                *(_in_one_cell(result.times(stage)) for stage in waits),
                _number(_backlog(result)),
                seconds(_drained(result)),
                f"{result.dollars:,.0f}",
            )
        )
    return rows


def _in_one_cell(times: Times) -> str:
    """Median, 95 % and longest."""
    return " / ".join(map(seconds, times.quantiles([0.5, 0.95, 1])))


def what_if(found: Mapping[str, Result]) -> Rows:
    """Return the evening news, with one more limit removed in each row; by the row's title."""
    head = (
        "evening news, 200 vCPU",
        "accepted, 95 %",
        "mailed, median",
        "mailed, 95 %",
        "button, 95 %",
        "peak worked off",
    )
    return [head, *(_what_if(title, result) for title, result in found.items())]


def _what_if(title: str, result: Result) -> Sequence[str]:
    [accepted] = result.times("accepted").quantiles([0.95])
    mailed, late = result.times("mailed").quantiles([0.5, 0.95])
    [button] = result.times(BUTTON).quantiles([0.95])
    return (title, *map(seconds, (accepted, mailed, late, button, _drained(result))))


def comparison(compared: Comparison) -> Rows:
    """Return what was measured on this machine beside what the model says of it."""
    rows: Rows = [("", "measured", "modelled", "modelled / measured")]
    for stage, label in _WAITS.items():
        for name, share in (("median", 0.5), ("95 %", 0.95)):
            measured, modelled = (
                journal.times[stage].quantiles([share])[0] for journal in (compared.measured, compared.modelled)
            )
            ratio = f"{modelled / measured:.2f}" if measured else ""
            rows.append((f"{label}, {name}", seconds(measured), seconds(modelled), ratio))
    journals = (compared.measured, compared.modelled)
    rows.append(("presses", *(_number(journal.pressed) for journal in journals), ""))
    rows.append(("refused", *(_number(journal.refused) for journal in journals), ""))
    return rows


def comparison_notes(compared: Comparison) -> str:
    costs = ", ".join(f"{kind} {ms:.2f} ms" for kind, ms in summary(compared).items())
    busy = compared.others
    warning = " That is much: run it on a quiet machine." if busy > 0.2 else ""
    return (
        f"One process each of sign, deliver and confirm on {compared.cores} cores, {compared.per_second:.0f} "
        f"presses a second for {SECONDS:.0f} seconds, people {HURRY:.0f} times as fast. CPU of each request, "
        f"measured with few signers: {costs}. Other programs kept {busy:.1f} cores busy; in "
        f"the model, {round(busy)} go on doing so.{warning}"
    )


def as_json(found: Mapping[Scenario, Result], compared: Comparison | None) -> dict[str, Any]:
    return {
        "scenarios": [_result(result) for result in found.values()],
        "validation": compared
        and {"measured": _waits(compared.measured.times), "modelled": _waits(compared.modelled.times)},
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "title": result.scenario.title,
        "vcpu_quota": result.scenario.vcpu_quota,
        "tally_shards": result.shards,
        "thought_away": _thought_away(result.scenario),
        "presses": result.sum(lambda journal: journal.pressed),
        "wait_seconds": _waits({stage: result.times(stage) for stage in (*STAGES, BUTTON)}),
        **{label.replace(" ", "_"): result.sum(number) for label, number in _COUNTS.items()},
        "most_tasks_waiting": _backlog(result),
        "peak_worked_off_after_seconds": _finite(_drained(result)),
        "most_instances": {name: _peak(result, name) for name in FUNCTIONS},
        "us_dollars": result.dollars,
        "series": [_series(days, outcome.journal) for days, outcome in result.outcomes],
    }


def _thought_away(scenario: Scenario) -> list[str]:
    there = scenario.platform
    return [each.name for each in fields(there) if getattr(there, each.name) != getattr(GOOGLE, each.name)]


def _waits(times: Mapping[str, Times]) -> dict[str, dict[str, float | None]]:
    return {
        stage: dict(zip(QUANTILES, map(_finite, each.quantiles(list(QUANTILES.values()))), strict=True))
        for stage, each in times.items()
    }


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value


def _series(days: float, journal: Journal) -> dict[str, Any]:
    return {
        "days": days,
        "bin_seconds": journal.bin_seconds,
        **{name: [[step, values[step]] for step in sorted(values)] for name, values in journal.series.items()},
    }


def _backlog(result: Result) -> float:
    return result.most(lambda outcome: outcome.journal.backlog_peak)


def _peak(result: Result, function: str) -> float:
    return result.most(lambda outcome: outcome.peaks[function])


def _drained(result: Result) -> float:
    """Seconds from the first press; NaN where the queue never held more than a minute's work."""
    rate = simulate.deployment(result.scenario.vcpu_quota).queue.dispatches_per_second
    if _backlog(result) < 60 * rate:
        return math.nan
    return result.most(lambda outcome: outcome.journal.drained_at - outcome.journal.first_press_at)


def seconds(value: float) -> str:
    """Format a duration in the unit that a person would use."""
    if math.isnan(value):
        return "–"
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if value >= 2 * length:
            return f"{value / length:,.1f} {unit}"
    return f"{value:.1f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def _number(value: float) -> str:
    return f"{value:,.0f}"
