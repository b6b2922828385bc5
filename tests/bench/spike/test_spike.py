"""The model of a rush: what holds whatever the numbers are, and each limit for itself."""

import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from simpy import Environment, Resource

from infra.cost import cost, sizes, usage
from infra.cost.sizes import FULL_VCPU, NEW_PROJECT_VCPU, FunctionSize, QueueSize
from infra.cost.usage import Assumptions, Driver
from shared.web.routes import FUNCTIONS
from tests.bench.spike import bill, figures, report, simulate, traces
from tests.bench.spike.facts import GOOGLE, PEOPLE, Platform
from tests.bench.spike.figures import Figures
from tests.bench.spike.function import Function
from tests.bench.spike.journal import BUTTON, Times
from tests.bench.spike.limits import Ramp, Rate, Shards
from tests.bench.spike.processor import OwnCore, Processor, SharedCores, Steps
from tests.bench.spike.simulate import Outcome
from tests.bench.spike.system import Deployment
from tests.bench.spike.traces import DAY, HOUR, YEAR, Scenario, Trace

FIGURES = Figures(
    cpu_seconds={
        "sign": 0.0005,
        "deliver": 0.006,
        "confirm": 0.0025,
        "confirm_page": 0.001,
        "count": 0.0001,
        "page": 0.0006,
    },
    start_seconds=dict.fromkeys(FUNCTIONS, 0.5),
    measured="nowhere",
)
#: Nobody waits long to open the mail, everybody confirms, and nobody else looks.
HASTY = replace(PEOPLE, opening_median_seconds=1, opening_sigma=0.1, views_a_press=0)
ALL_CONFIRM = replace(Assumptions(), confirmed_share=1)


def size(concurrency: int, min_instances: int, max_instances: int) -> FunctionSize:
    return FunctionSize(1, 0.5, concurrency, min_instances, max_instances)


SIZE = size(80, 0, 20)


def there(
    *,
    shards: int = 1000,
    rate: float = 400,
    at_once: int = 1500,
    every: FunctionSize = SIZE,
    sign: FunctionSize | None = None,
    deliver: FunctionSize | None = None,
    confirm: FunctionSize | None = None,
) -> Deployment:
    """A deployment that is large enough, but for what a test makes small."""
    own = {"sign": sign, "deliver": deliver, "confirm": confirm}
    functions = {name: own.get(name) or every for name in FUNCTIONS}
    return Deployment(functions, QueueSize(rate, at_once, 5, 3600, 10), shards)


def rush(per_second: float, seconds: float, at_once: int = 1) -> Trace:
    return Trace(seconds, lambda _: per_second, at_once)


def simulated(trace: Trace, deployment: Deployment, platform: Platform = GOOGLE, seed: int = 1) -> Outcome:
    return simulate.run(trace, deployment, FIGURES, Random(seed), platform, HASTY, ALL_CONFIRM)


def longest(outcome: Outcome, stage: str) -> float:
    return outcome.journal.times[stage].quantiles([1])[0]


@pytest.mark.parametrize(
    "deployment",
    [
        pytest.param(there(), id="large enough"),
        pytest.param(there(shards=2), id="a tally that is too busy"),
        pytest.param(there(rate=10), id="a slow queue"),
        pytest.param(there(sign=size(2, 0, 1)), id="too few instances of sign"),
        pytest.param(there(deliver=size(2, 0, 1)), id="too few instances of deliver"),
        pytest.param(there(confirm=size(1, 0, 1)), id="too few instances of confirm"),
    ],
)
def test_what_is_accepted_is_mailed_and_counted_exactly_once(deployment: Deployment) -> None:
    """Whatever is too small for the rush; and what is not accepted is refused."""
    journal = simulated(rush(60, 20, 5), deployment).journal

    accepted, mailed, counted = (journal.times[stage].signers for stage in ("accepted", "mailed", "counted"))
    assert accepted > 0
    assert accepted + journal.refused == journal.pressed
    assert accepted == mailed == counted


def test_some_never_confirm() -> None:
    """As many as is assumed."""
    journal = simulate.run(rush(100, 30, 5), there(), FIGURES, Random(1), people=HASTY).journal

    share = journal.times["counted"].signers / journal.times["mailed"].signers
    assert share == pytest.approx(Assumptions().confirmed_share, abs=0.03)


def test_the_same_seed_makes_the_same_run() -> None:
    """And another one another."""
    first, again, other = (simulated(rush(20, 20), there(), seed=seed).journal for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_queue_at_half_the_rate_takes_twice_as_long_to_drain() -> None:
    """While it is the queue that everybody waits for."""
    fast, slow = (simulated(rush(50, 20, 5), there(rate=rate)).journal for rate in (20, 10))

    assert slow.drained_at == pytest.approx(2 * fast.drained_at, rel=0.05)


def test_the_queue_has_no_more_at_work_than_its_cap() -> None:
    """So that a cap of one makes every mail wait for the one before."""
    one, many = (simulated(rush(5, 20), there(at_once=at_once)) for at_once in (1, 100))

    assert many.peaks["deliver"] >= one.peaks["deliver"] == 1
    assert one.journal.drained_at > one.journal.pressed * GOOGLE.relay_seconds > many.journal.drained_at


@pytest.mark.parametrize("stage", ["accepted", "mailed", "counted"])
def test_more_warm_instances_never_make_anybody_wait_longer(stage: str) -> None:
    """From none to as many as there may be."""
    sized = [size(20, warm, 10) for warm in (0, 1, 3, 10)]
    even = replace(GOOGLE, latency_sigma=0)

    waits = [longest(simulated(rush(40, 10, 2), there(every=each), even), stage) for each in sized]

    assert all(more <= fewer + 0.01 for fewer, more in pairwise(waits)), waits
    assert waits[0] > waits[-1] + GOOGLE.placing_seconds / 2


def test_no_more_instances_than_allowed() -> None:
    """However many come."""
    outcome = simulated(rush(500, 10, 5), there(deliver=replace(SIZE, max_instances=3)))

    assert outcome.peaks["deliver"] == 3


def test_who_waits_too_long_for_an_instance_is_refused() -> None:
    """After ten seconds, as the platform documents it; all who are accepted are accepted by then."""
    slow = replace(GOOGLE, create_task_seconds=5, latency_sigma=0)

    outcome = simulated(rush(10, 20), there(sign=size(1, 1, 1)), slow)

    assert outcome.journal.refused > 100
    assert longest(outcome, "accepted") <= GOOGLE.pending_seconds + 5.01


def test_instances_go_when_nobody_has_come_for_a_quarter_of_an_hour() -> None:
    """All but those that are kept warm. Thirty requests at ten an instance fill five of them by 60 %."""
    env = Environment()
    function = _function(env, size(10, 1, 5))
    for _ in range(30):
        env.process(_answer(env, function, seconds=10))

    env.run(60)
    busy = len(function.instances)
    env.run(60 + GOOGLE.idle_seconds + 60)

    assert (busy, len(function.instances)) == (5, 1)


def _function(env: Environment, sized: FunctionSize) -> Function:
    return Function(env, sized, 0.5, GOOGLE, Random(1), lambda: OwnCore(env))


def _answer(env: Environment, function: Function, seconds: float) -> Steps[None]:
    instance = yield from function.admit(1)
    assert instance
    yield env.timeout(seconds)
    function.release(instance, 1)


def test_an_instance_is_added_when_the_others_are_busier_than_the_target() -> None:
    """Though nobody waits for one: at 80 % of a processor, for the target is 60 %."""
    env = Environment()
    function = _function(env, size(1000, 1, 5))
    env.process(_keep_busy(env, function))

    env.run(120)

    assert len(function.instances) == 2


def _keep_busy(env: Environment, function: Function) -> Steps[None]:
    while True:
        env.process(_work(function))
        yield env.timeout(0.1)


def _work(function: Function) -> Steps[None]:
    instance = yield from function.admit(1)
    assert instance
    yield from instance.processor.work(1, 0.08)
    function.release(instance, 1)


def test_the_ramp_lets_500_a_second_through_and_half_as_much_again_after_five_minutes() -> None:
    """What goes over waits; what has been used may grow."""
    ramp = Ramp(500, 1.5, 300)

    in_first, in_second = (_through(ramp, range(begin, begin + 300)) for begin in (0, 300))

    assert in_first / 300 == pytest.approx(500, rel=0.02)
    assert in_second / 300 == pytest.approx(750, rel=0.02)


def _through(ramp: Ramp, moments: range) -> float:
    """How many pass if a thousand knock each second, none of whom waits for longer than one."""
    groups = ((now + tenth / 10, 100) for now in moments for tenth in range(10))
    return sum(number for now, number in groups if ramp.wait(now, number, timeout=1) is not None)


def test_a_ramp_that_was_not_used_starts_again() -> None:
    """What is cold has to warm up again."""
    ramp = Ramp(500, 1.5, 300)
    _through(ramp, range(600))

    assert _through(ramp, range(2000, 2300)) / 300 == pytest.approx(500, rel=0.02)


def test_a_new_collection_holds_back_what_goes_over_its_ramp() -> None:
    """Mails come late by it, and in time where the rule is thought away."""
    warm_queue = replace(GOOGLE, queue_ramp_per_second=1e9)
    bound, free = (
        simulated(
            rush(300, 10, 10),
            there(every=size(80, 10, 20)),
            replace(warm_queue, collection_ramp_per_second=limit),
        )
        for limit in (500, 1e9)
    )

    assert longest(free, "mailed") < 5
    assert longest(bound, "mailed") > 2 * longest(free, "mailed")


def test_a_document_takes_a_few_writes_at_once_and_then_one_a_second() -> None:
    """So that ten more take ten seconds."""
    one = Shards(1, writes_per_second=1, burst=5)

    waits = one.wait(0, 16, math.inf, Random(1))

    assert waits[:6] == [0] * 6
    assert waits[6:] == list(range(1, 11))


def test_more_documents_count_faster() -> None:
    """A tally of two cannot count sixty a second: its signers are thanked, and the queue counts them later."""
    few, many = (simulated(rush(60, 20, 5), there(shards=shards)).journal for shards in (2, 1000))

    assert (few.counted_later > 0, many.counted_later) == (True, 0)
    assert few.times[BUTTON].quantiles([0.5]) > many.times[BUTTON].quantiles([0.5])


def test_a_rate_that_changes_lets_those_who_wait_through_sooner() -> None:
    """Ten wait for a second each; at ten a second, it is one second for all."""
    rate = Rate(1)
    rate.wait(0, 10)

    rate.change(0, 10)

    assert rate.wait(0, 1) == pytest.approx(1)


def test_who_times_out_takes_nobodys_place() -> None:
    """The next one waits no longer for it."""
    rate = Rate(1)
    rate.wait(0, 10)

    assert rate.wait(0, 10, timeout=5) is None
    assert rate.wait(0, 1) == 10


def test_a_task_that_is_refused_comes_again_after_growing_pauses() -> None:
    """At least five seconds later, and in the end it is done."""
    outcome = simulated(rush(20, 10), there(deliver=size(1, 0, 1)))

    assert outcome.journal.tried_again > 0
    assert longest(outcome, "mailed") > GOOGLE.pending_seconds + 5


def test_one_core_does_one_thing_after_the_other() -> None:
    """Two requests of a second each are done after one and after two."""
    env = Environment()
    core = OwnCore(env)

    assert _done(env, [core, core]) == [1, 2]


def test_shared_cores_are_shared() -> None:
    """Three processes of a second each on two cores are done when one and a half seconds are over."""
    env = Environment()
    cores = Resource(env, 2)

    done = _done(env, [SharedCores(env, cores) for _ in range(3)])

    assert done == pytest.approx([1.5] * 3, abs=0.01)


def _done(env: Environment, processors: list[Processor]) -> list[float]:
    """When each of them has done a second's work."""
    ends = []

    def work(processor: Processor) -> Steps[None]:
        yield from processor.work(1, 1)
        ends.append(env.now)

    for processor in processors:
        env.process(work(processor))
    env.run()
    return ends


def test_groups_of_signers_fare_like_single_ones() -> None:
    """A simulation of ten at a time is a shorter way to the same answer."""
    waits = [
        simulated(rush(40, 30, at_once), there(every=size(80, 2, 9))).journal.times["mailed"].quantiles([0.5])[0]
        for at_once in (1, 10)
    ]

    assert waits[0] == pytest.approx(waits[1], rel=0.1)


@pytest.mark.parametrize("vcpu_quota", [NEW_PROJECT_VCPU, FULL_VCPU])
def test_nobody_costs_nothing(vcpu_quota: int) -> None:
    """No instance is kept warm, however many may start."""
    deployment = simulate.deployment(vcpu_quota)

    outcome = simulate.run(rush(0, HOUR), deployment, FIGURES, Random(1))

    assert bill.dollars(outcome, 32, cost.load_prices(), deployment.functions) == 0


def test_twice_as_many_cost_more() -> None:
    """And no more than twice as much."""
    prices, functions = cost.load_prices(), sizes.functions(FULL_VCPU)

    few, many = (bill.dollars(simulated(rush(rate, 60), there()), 32, prices, functions) for rate in (10, 20))

    assert few < many < 2.2 * few


def test_signers_cost_what_make_cost_says() -> None:
    """Beside the instances, of which the simulation knows more."""
    prices, functions = cost.load_prices(), sizes.functions(FULL_VCPU)
    outcome = simulated(rush(20, 60), there())

    signers = outcome.journal.times["counted"].signers
    said = sum(
        prices[use.price].cost(use.quantity)
        for use in usage.month(signers, 0, functions, ALL_CONFIRM)
        if use.driver is Driver.SIGNATURES and use.service != "Cloud Run"
    )
    assert said < bill.dollars(outcome, 32, prices, functions) < 2 * said


def test_the_sizes_are_those_of_terraform() -> None:
    """And the tally's documents those of a campaign that says nothing about them."""
    new, full = (simulate.deployment(vcpu_quota) for vcpu_quota in (NEW_PROJECT_VCPU, FULL_VCPU))

    assert (new.functions["sign"].max_instances, full.functions["sign"].max_instances) == (6, 60)
    assert (new.queue.dispatches_per_second, full.queue.dispatches_per_second) == (95, 95)
    assert new.shards == 32


def test_the_figures_that_are_committed_are_complete() -> None:
    """So that one can simulate before one has measured."""
    assert figures.load(figures.FILES[1:]).cpu_seconds["sign"] > 0


def test_a_missing_figure_names_itself(tmp_path: Path) -> None:
    """With the file it is missing in."""
    content = json.loads(figures.FILES[1].read_text(encoding="utf-8"))
    del content["figures"]["deliver/cpu_ms"], content["figures"]["cold/sign/wall_s"]
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(content))

    with pytest.raises(figures.Unusable, match=r"bench\.json: no figure deliver/cpu_ms, cold/sign/wall_s$"):
        figures.load((file,))


def test_without_any_file_it_says_what_to_do(tmp_path: Path) -> None:
    """Instead of made-up numbers."""
    with pytest.raises(figures.Unusable, match="make bench"):
        figures.load((tmp_path / "nowhere.json",))


def test_presses_come_at_the_rate_of_their_trace() -> None:
    """Also while it changes."""
    trace = Trace(HOUR, lambda seconds: seconds / 100, 4)

    journal = simulated(Trace(600, trace.presses_per_second, 4), there()).journal

    assert journal.pressed == pytest.approx(600 * 600 / 200, rel=0.08)


@pytest.mark.parametrize(
    ("rate", "begin", "end", "least", "most"),
    [
        pytest.param(traces.parliament(1), HOUR / 2, 1.5 * HOUR, 25, 100 / 3, id="parliament"),
        pytest.param(traces.parliament(10), HOUR / 2, 1.5 * HOUR, 250, 1000 / 3, id="ten times that"),
        pytest.param(traces.news, 0, traces.QUIET_SECONDS - 1, 0, 0, id="before the news"),
        pytest.param(traces.news, traces.QUIET_SECONDS + 5, traces.QUIET_SECONDS + 600, 500, 500, id="the news"),
    ],
)
def test_traces_are_what_they_are_called(
    rate: Callable[[float], float], begin: float, end: float, least: float, most: float
) -> None:
    """1,500 to 2,000 signatures a minute, and nothing before 500 a second."""
    seen = [rate(begin + (end - begin) * step / 100) for step in range(101)]

    assert [min(seen), max(seen)] == pytest.approx([least, most], rel=0.01)


def test_a_year_has_365_days_and_a_million_confirmed() -> None:
    """And each day as many as it says."""
    assert sum(days for days, _ in YEAR) == 365
    assert sum(days * presses for days, presses in YEAR) * Assumptions().confirmed_share == pytest.approx(
        1e6, rel=0.01
    )
    rate = traces.day(1000)
    assert sum(rate(minute * 60) * 60 for minute in range(int(DAY / 60))) == pytest.approx(1000)


def test_scenarios_differ() -> None:
    """So that each is simulated once."""
    assert len(set(traces.SCENARIOS)) == len(traces.SCENARIOS)
    assert set(traces.WHAT_IF.values()) - set(traces.SCENARIOS)


def test_quantiles_weigh_each_group_by_its_signers() -> None:
    """Nine waited a second, one a minute."""
    times = Times([(60, 1), (1, 9)])

    assert times.quantiles([0.5, 0.9, 0.95, 1]) == [1, 1, 60, 60]
    assert all(map(math.isnan, Times().quantiles([0.5, 1])))


def test_days_weigh_as_often_as_they_happen() -> None:
    """A quiet day a hundred times, a busy one once."""
    quiet, busy = (simulated(rush(rate, 20), there()) for rate in (1, 10))
    scenario = Scenario("both", NEW_PROJECT_VCPU, ())
    result = simulate.Result(scenario, 32, ((100, quiet), (1, busy)), dollars=0)

    presses = result.sum(lambda journal: journal.pressed)
    assert presses == 100 * quiet.journal.pressed + busy.journal.pressed
    assert result.times("accepted").signers == presses


def test_a_queue_that_hardly_holds_anything_is_not_said_to_drain() -> None:
    """A minute's work of it is what counts as waiting."""
    small, large = (
        simulate.Result(
            Scenario("a rush", NEW_PROJECT_VCPU, ()), 32, ((1, simulated(rush(rate, 40, 10), there(rate=50))),), 0
        )
        for rate in (10, 200)
    )

    rows = {label: cells for label, *cells in report.results([small, large])}

    held_back, worked_off = rows["peak worked off, after the first press"]
    assert held_back == "–"
    assert worked_off.endswith("min")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0204, "20 ms"), (1.26, "1.3 s"), (119, "119.0 s"), (240, "4.0 min"), (9000, "2.5 h"), (math.nan, "–")],
)
def test_times_are_told_in_the_unit_that_a_person_would_use(seconds: float, said: str) -> None:
    """Milliseconds to days."""
    assert report.seconds(seconds) == said


def test_an_outcome_travels_between_processes() -> None:
    """For scenarios are simulated side by side."""
    outcome = simulated(rush(5, 5), there())

    assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301 - our own


def test_the_report_has_a_column_for_each_scenario() -> None:
    """With as many cells in each row, and the same numbers in its JSON, which holds no NaN."""
    scenario = Scenario("a rush", NEW_PROJECT_VCPU, ())
    outcome = simulated(rush(10, 20), there())
    result = simulate.Result(scenario, 32, ((1, outcome),), dollars=1.5)

    rows = report.results([result, result])
    content = json.dumps(report.as_json({scenario: result}, None), allow_nan=False)

    assert {len(row) for row in rows} == {3}
    assert ("US dollars, without mail", "1.50", "1.50") in rows
    assert json.loads(content)["scenarios"][0]["presses"] == outcome.journal.pressed
