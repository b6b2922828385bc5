"""Simulate all scenarios, draw them, and compare the model with this machine: `make spike`."""

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from random import Random

from infra.cost import cost, sizes
from tests.bench.spike import bill, figures, picture, report, simulate, validation
from tests.bench.spike.figures import ROOT, Figures
from tests.bench.spike.simulate import Outcome, Result
from tests.bench.spike.traces import SCENARIOS, WHAT_IF, Scenario
from tests.bench.spike.validation import Comparison

JSON = ROOT / "build" / "spike.json"
PICTURE = ROOT / "docs" / "images" / "spike.svg"
_WIDTH = 115


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make spike", description="How the deployed system fares in a rush.")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (%(default)s)")
    parser.add_argument("--markdown", action="store_true", help="print tables as docs/performance.md has them")
    parser.add_argument("--no-validation", action="store_true", help="do not run the real functions, for a minute")
    given = parser.parse_args(arguments)
    try:
        measured = figures.load()
    except figures.Unusable as fault:
        parser.exit(1, f"{fault}\n")

    found = _simulate_all(measured, given.seed)
    compared = None if given.no_validation else validation.compare(measured, given.seed)
    JSON.parent.mkdir(exist_ok=True)
    JSON.write_text(json.dumps(report.as_json(found, compared)), encoding="utf-8")
    picture.draw([found[scenario] for scenario in picture.SCENARIOS], PICTURE)
    sys.stdout.write(text(measured, found, compared, markdown=given.markdown))


def _simulate_all(measured: Figures, seed: int) -> dict[Scenario, Result]:
    """On all cores; each scenario is decided by the seed alone, whatever ran before it."""
    scenarios = list(dict.fromkeys([*SCENARIOS, *WHAT_IF.values()]))
    with ProcessPoolExecutor() as pool:
        jobs = {
            scenario: [pool.submit(_simulate, number, day, measured, seed) for day in range(len(scenario.traces))]
            for number, scenario in enumerate(scenarios)
        }
        return {scenario: _result(scenario, [job.result() for job in days]) for scenario, days in jobs.items()}


def _simulate(number: int, day: int, measured: Figures, seed: int) -> Outcome:
    """Take numbers, for the functions in a trace cannot be pickled."""
    scenario = list(dict.fromkeys([*SCENARIOS, *WHAT_IF.values()]))[number]
    there = simulate.deployment(scenario.vcpu_quota, scenario.shards)
    return simulate.run(scenario.traces[day][1], there, measured, Random(seed), scenario.platform)


def _result(scenario: Scenario, outcomes: Sequence[Outcome]) -> Result:
    prices, functions = cost.load_prices(), sizes.functions(scenario.vcpu_quota)
    shards = simulate.deployment(scenario.vcpu_quota, scenario.shards).shards
    days = [times for times, _ in scenario.traces]
    dollars = sum(
        times * bill.dollars(outcome, shards, prices, functions)
        for times, outcome in zip(days, outcomes, strict=True)
    )
    if sum(days) > 1:
        dollars += bill.standing(12 * sum(days) / 365, prices, functions)
    return Result(scenario, shards, tuple(zip(days, outcomes, strict=True)), dollars)


def text(
    measured: Figures,
    found: Mapping[Scenario, Result],
    compared: Comparison | None,
    *,
    markdown: bool,
) -> str:
    """For a terminal, or for docs/performance.md."""
    table = cost.markdown_table if markdown else cost.table
    columns = [found[scenario] for scenario in SCENARIOS]
    parts = [
        f"Simulated with what `make bench` measured on {measured.measured}, and with the sizes of infra/.",
        table(report.short(columns) if markdown else report.results(columns), words=1),
        "What holds up the evening news under the full quota: in each row, one limit more is thought away.",
        table(report.what_if({title: found[scenario] for title, scenario in WHAT_IF.items()}), words=1),
    ]
    if compared:
        parts += [
            "The model against the real functions on this machine:",
            table(report.comparison(compared), words=1),
            textwrap.fill(report.comparison_notes(compared), _WIDTH),
        ]
    else:
        parts.append("The model was not compared with the real functions.")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
