"""The model of a rush: what holds whatever the numbers are, and each limit for itself."""

import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from simpy import Environment, Resource

from infra.cost import cost, sizes, usage
from infra.cost.sizes import FunctionSize, QueueSize
from infra.cost.usage import Assumptions, Driver
from shared.queue import QueueName
from shared.web.routes import FUNCTIONS
from tests.bench.spike import __main__ as command
from tests.bench.spike import bill, figures, report, simulate, traces, validation
from tests.bench.spike.facts import GOOGLE, PEOPLE, Platform
from tests.bench.spike.figures import Figures
from tests.bench.spike.function import Function
from tests.bench.spike.journal import ACCEPTED, BUTTON, COUNTED, LATER, MAILED, Journal, Times
from tests.bench.spike.limits import Documents, Ramp, Rate
from tests.bench.spike.processor import OwnCore, Processor, SharedCores, Steps
from tests.bench.spike.report import Result
from tests.bench.spike.simulate import Outcome
from tests.bench.spike.system import Deployment
from tests.bench.spike.tasks import Answer, CloudTasks, Task
from tests.bench.spike.traces import DAY, HOUR, Scenario, Trace
from tests.bench.spike.validation import Costs

FIGURES = Figures(
    cpu_seconds={
        "sign": 0.0005,
        "deliver": 0.006,
        "confirm": 0.0025,
        "confirm_page": 0.001,
        "count": 0.0001,
        "redirect": 0.0002,
    },
    start_seconds=dict.fromkeys(FUNCTIONS, 0.5),
    measured="nowhere",
)
#: Nobody waits long to open the mail, everybody confirms, nobody else looks, and reminders are due after minutes.
HASTY = replace(PEOPLE, opening_median_seconds=1, opening_sigma=0.1, views_a_press=0, reminded_after_seconds=300)
ALL_CONFIRM = replace(Assumptions(), confirmed_share=1)


def size(concurrency: int, min_instances: int, max_instances: int) -> FunctionSize:
    return FunctionSize(1, 0.5, concurrency, min_instances, max_instances)


SIZE = size(80, 0, 20)
ALL_WARM = size(80, 5, 20)
#: Nothing adapts slowly.
ADAPTED = replace(GOOGLE, dispatch_ramp_per_second=1e9, create_ramp_per_second=1e9, collection_ramp_per_second=1e9)


def there(
    *,
    rate: float = 400,
    at_once: int = 1500,
    reminders: float = 100,
    every: FunctionSize = SIZE,
    sign: FunctionSize | None = None,
    deliver: FunctionSize | None = None,
    confirm: FunctionSize | None = None,
) -> Deployment:
    """A deployment that is large enough, but for what a test makes small."""
    own = {"sign": sign, "deliver": deliver, "confirm": confirm}
    functions = {name: own.get(name) or every for name in FUNCTIONS}
    usual = QueueSize(rate, at_once, 5, 3600, 10)
    queues = dict.fromkeys(QueueName, usual) | {
        QueueName.REMINDERS: replace(usual, dispatches_per_second=reminders)
    }
    return Deployment(functions, queues)


def rush(per_second: float, seconds: float, at_once: int = 1, mails_per_second: float = 400) -> Scenario:
    trace = Trace(seconds, partial(_steady, per_second=per_second), at_once)
    return Scenario("a rush", trace, mails_per_second)


def _steady(_: float, per_second: float) -> float:
    return per_second


def simulated(scenario: Scenario, deployment: Deployment, platform: Platform = GOOGLE, seed: int = 1) -> Outcome:
    return simulate.run(scenario, deployment, FIGURES, Random(seed), platform, HASTY, ALL_CONFIRM)


def longest(outcome: Outcome, stage: str) -> float:
    return outcome.journal.times[stage].quantile(1)


@pytest.mark.parametrize(
    ("deployment", "platform"),
    [
        pytest.param(there(), GOOGLE, id="large enough"),
        pytest.param(there(), replace(GOOGLE, tally_documents=2), id="a tally that is too busy"),
        pytest.param(there(rate=10), GOOGLE, id="a slow queue"),
        pytest.param(there(reminders=5), GOOGLE, id="slow reminders"),
        pytest.param(there(sign=size(2, 0, 1)), GOOGLE, id="too few instances of sign"),
        pytest.param(there(deliver=size(2, 0, 1)), GOOGLE, id="too few instances of deliver"),
        pytest.param(there(confirm=size(1, 0, 1)), GOOGLE, id="too few instances of confirm"),
    ],
)
def test_what_is_accepted_is_mailed_and_counted_exactly_once(deployment: Deployment, platform: Platform) -> None:
    """Whatever is too small for the rush; and what is not accepted is refused."""
    journal = simulated(rush(60, 20, 5), deployment, platform).journal

    accepted, mailed, counted = (journal.times[stage].signers for stage in (ACCEPTED, MAILED, COUNTED))
    assert accepted > 0
    assert accepted + journal.refused == journal.pressed
    assert accepted == mailed == counted
    assert journal.lost == 0


def test_some_never_confirm_and_are_reminded() -> None:
    """As many as is assumed."""
    journal = simulate.run(rush(100, 30, 5), there(), FIGURES, Random(1), people=HASTY).journal

    mailed = journal.times[MAILED].signers
    assert journal.times[COUNTED].signers / mailed == pytest.approx(Assumptions().confirmed_share, abs=0.03)
    assert journal.reminded / mailed == pytest.approx(Assumptions().reminded_share, abs=0.03)


def test_the_same_seed_makes_the_same_run() -> None:
    """And another one another."""
    first, again, other = (simulated(rush(20, 20), there(), seed=seed).journal for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_queue_at_half_the_rate_takes_twice_as_long() -> None:
    """While it is the queue that everybody waits for."""
    oldest = [
        simulated(rush(100, 20, 5), there(rate=rate), ADAPTED).journal.oldest[QueueName.SIGNATURES]
        for rate in (20, 10)
    ]

    assert 20 + oldest[1] == pytest.approx(2 * (20 + oldest[0]), rel=0.05)


def test_a_queue_has_no_more_at_work_than_its_cap() -> None:
    """So that a cap of one makes every mail wait for the one before."""
    one, many = (simulated(rush(10, 20), there(at_once=at_once), ADAPTED) for at_once in (1, 100))

    assert many.peaks["deliver"] >= one.peaks["deliver"] == 1
    assert longest(one, MAILED) > 10 * GOOGLE.relay_seconds > longest(many, MAILED) - 2 * GOOGLE.placing_seconds


def test_reminders_delay_nobody() -> None:
    """However slow their queue is, and though their relays are those of fresh signatures."""
    long = Scenario("twenty minutes", Trace(1200, partial(_steady, per_second=1)), 400)

    fast, slow = (simulated(long, there(reminders=rate), ADAPTED) for rate in (100, 0.5))

    assert slow.journal.oldest[QueueName.REMINDERS] > 600 > fast.journal.oldest[QueueName.REMINDERS]
    assert slow.journal.oldest[QueueName.SIGNATURES] < 10
    assert slow.journal.times[MAILED].quantile(0.95) == pytest.approx(
        fast.journal.times[MAILED].quantile(0.95), rel=0.1
    )


def test_a_503_slows_down_the_queue_and_a_4xx_does_not() -> None:
    """The task itself is retried either way; the others wait only after a 503."""
    done, retry, overloaded = (_drained(answer) for answer in Answer)

    assert retry == done
    assert overloaded > done + 5


def _drained(answer: Answer) -> float:
    """Return when a thousand tasks are done, one of which is answered like this at first; without that one."""
    env, ends = Environment(), []
    odd = Task(0, 1)

    def deliver(task: Task) -> Steps[Answer]:
        yield env.timeout(0)
        if task is odd:
            return Answer.DONE if task.refusals else answer
        ends.append(env.now)
        return Answer.DONE

    tasks = CloudTasks(env, QueueName.SIGNATURES, QueueSize(400, 1000, 5, 3600, 10), GOOGLE, deliver, Journal(1))
    for number in range(1000):
        tasks.put(odd if number == 500 else Task(0, 1))
    env.run(200)
    assert len(ends) == 999
    return round(max(ends), 1)


@pytest.mark.parametrize("stage", [ACCEPTED, MAILED, COUNTED])
def test_more_warm_instances_never_make_anybody_wait_longer(stage: str) -> None:
    """From none to as many as there may be."""
    sized = [size(20, warm, 10) for warm in (0, 1, 3, 10)]
    even = replace(ADAPTED, latency_sigma=0)

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
    assert longest(outcome, ACCEPTED) <= GOOGLE.pending_seconds + 5.01


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


def test_an_idle_queue_starts_slowly() -> None:
    """Ten a second at first, so that fifty that are suddenly there are not all mailed at once."""
    slow, adapted = (simulated(rush(50, 40), there(every=ALL_WARM), platform) for platform in (GOOGLE, ADAPTED))

    assert longest(adapted, MAILED) < 2
    assert 10 < longest(slow, MAILED) < 40


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
    bound, free = (
        simulated(
            rush(300, 10, 10), there(every=size(80, 10, 20)), replace(ADAPTED, collection_ramp_per_second=limit)
        )
        for limit in (500, 1e9)
    )

    assert longest(free, MAILED) < 5
    assert longest(bound, MAILED) > 2 * longest(free, MAILED)


def test_mails_wait_for_a_connection_to_the_relay() -> None:
    """One connection of each of two relays in one instance, which takes a fifth of a second for a mail."""
    one = there(every=ALL_WARM, deliver=size(200, 1, 1))

    few, enough = (
        simulated(rush(40, 10), one, replace(ADAPTED, relay_connections=each, latency_sigma=0))
        for each in (0.005, 1)
    )

    assert longest(enough, MAILED) < 1
    assert longest(few, MAILED) == pytest.approx(400 / 10 - 10, rel=0.2)


def test_a_document_takes_a_few_writes_at_once_and_then_one_a_second() -> None:
    """So that ten more take ten seconds."""
    one = Documents(1, writes_per_second=1, burst=5)

    waits = one.wait(0, 16, math.inf, Random(1))

    assert waits[:6] == [0] * 6
    assert waits[6:] == list(range(1, 11))


def test_more_documents_count_faster() -> None:
    """A tally of two cannot count sixty a second: its signers are thanked, and the queue counts them later."""
    few, many = (
        simulated(rush(60, 20, 5), there(), replace(GOOGLE, tally_documents=documents)).journal
        for documents in (2, 1000)
    )

    assert (few.deferred > 0, many.deferred) == (True, 0)
    assert few.times[BUTTON].quantile(0.5) > many.times[BUTTON].quantile(0.5)


def test_five_hundred_documents_count_330_a_second_in_time() -> None:
    """With a few writes in a burst each, none of them has to be waited for over a second."""
    rng, tally = Random(1), Documents(500, GOOGLE.document_writes_per_second, GOOGLE.document_burst_writes)

    waits = [wait for tick in range(600) for wait in tally.wait(tick / 10, 33, math.inf, rng)]

    assert sorted(waits)[int(0.99 * len(waits))] < 1


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

    assert outcome.journal.retried > 0
    assert longest(outcome, MAILED) > GOOGLE.pending_seconds + 5


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
        simulated(rush(40, 30, at_once), there(every=size(80, 2, 9)), ADAPTED).journal.times[MAILED].quantile(0.5)
        for at_once in (1, 10)
    ]

    assert waits[0] == pytest.approx(waits[1], rel=0.1)


def test_trackers_hardly_reach_the_functions() -> None:
    """Each cache asks for the count once in five seconds, however many ask the cache; and no signer waits."""
    alone = rush(20, 60)
    quiet, busy = (simulated(replace(alone, polls_per_second=polls), there()).journal for polls in (0, 40_000))

    assert busy.reads > 60 * 39_000
    assert quiet.fills == 0 < busy.fills < 60 * 2 * GOOGLE.caches / usage.COUNT_FRESH_SECONDS
    assert busy.times[ACCEPTED].quantile(0.95) == pytest.approx(quiet.times[ACCEPTED].quantile(0.95), rel=0.1)


def test_nobody_costs_nothing() -> None:
    """While nobody comes, there is no instance."""
    nobody = Scenario("nobody", Trace(HOUR, partial(_steady, per_second=0)), 100)

    outcome = simulate.run(nobody, simulate.deployment(100, 20), FIGURES, Random(1))

    assert bill.dollars(outcome, cost.load_prices(), sizes.functions()) == 0


def test_twice_as_many_cost_more() -> None:
    """And no more than twice as much."""
    few, many = (_dollars(simulated(rush(rate, 60), there())) for rate in (10, 20))

    assert few < many < 2.2 * few


def _dollars(outcome: Outcome) -> float:
    return bill.dollars(outcome, cost.load_prices(), sizes.functions())


def test_signers_cost_what_make_cost_says() -> None:
    """Beside the instances, of which the simulation knows more."""
    prices, outcome = cost.load_prices(), simulated(rush(20, 60), there())

    said = sum(
        prices[use.price].cost(use.quantity)
        for use in usage.month(outcome.journal.times[COUNTED].signers, 0, sizes.functions(), ALL_CONFIRM)
        if use.driver is Driver.SIGNATURES and use.service != "Cloud Run"
    )
    assert said < _dollars(outcome) < 2 * said, (said, _dollars(outcome))


def test_a_refresh_of_the_tally_reads_what_waits_to_be_folded() -> None:
    """Hardly more than the base document when few confirm; nearly all documents in a rush, and never more."""
    quiet, rushed = Journal(10), Journal(10)
    for tick in range(100):
        quiet.reach(COUNTED, 0, 3600 * tick, 1)
        rushed.reach(COUNTED, 0, 10 * tick, 500)

    assert bill.tally_reads(Journal(10)) == 1
    assert bill.tally_reads(quiet) < 2
    assert bill.tally_reads(rushed) == GOOGLE.tally_documents + 1


def test_the_sizes_are_those_of_terraform() -> None:
    """With as many instances as the quota has processors, and queues that send what the relays take."""
    for quota in command.QUOTAS:
        deployed = simulate.deployment(100, quota)
        assert sum(size.max_instances for size in deployed.functions.values()) <= quota
        assert deployed.queues[QueueName.REMINDERS].dispatches_per_second < (
            deployed.queues[QueueName.SIGNATURES].dispatches_per_second
        )


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
    """Also while it changes, and in groups that grow with it."""
    rising = Scenario("rising", Trace(600, lambda seconds: seconds / 100, 4), 400)

    journal = simulated(rising, there()).journal

    assert journal.pressed == pytest.approx(600 * 600 / 200, rel=0.08)


@pytest.mark.parametrize(
    ("rate", "begin", "end", "least", "most"),
    [
        pytest.param(traces.UK.trace.presses_per_second, 4 * HOUR, 15 * HOUR, 28, 54, id="UK 2024"),
        pytest.param(traces.UK_TIMES_5.trace.presses_per_second, 4 * HOUR, 15 * HOUR, 140, 270, id="times five"),
        pytest.param(traces.HOUR_LONG.trace.presses_per_second, 120, 3720, 200, 200, id="an hour"),
        pytest.param(traces.NEWS.trace.presses_per_second, 0, 119, 0, 0, id="before the news"),
        pytest.param(traces.NEWS.trace.presses_per_second, 120, 720, 500, 500, id="the news"),
        pytest.param(traces.NEWS.trace.presses_per_second, 1320, 1920, 125, 250, id="after the news"),
    ],
)
def test_traces_are_what_they_are_called(
    rate: Callable[[float], float], begin: float, end: float, least: float, most: float
) -> None:
    """Between these rates from begin to end."""
    seen = [rate(begin + (end - begin) * step / 100) for step in range(101)]

    assert least * 0.99 <= min(seen) <= max(seen) <= most * 1.01


def test_the_trace_of_2024_is_as_large_as_its_counter() -> None:
    """1.56 million were counted from Sunday morning to Monday morning; more pressed the button."""
    presses = sum(traces.UK.trace.presses_per_second(minute * 60) * 60 for minute in range(int(DAY / 60)))

    assert presses * Assumptions().confirmed_share == pytest.approx(1.56e6, rel=0.02)


def test_seven_million_come_in_a_day() -> None:
    """As many as it is called."""
    presses = sum(traces.SOPA.trace.presses_per_second(minute * 60) * 60 for minute in range(int(DAY / 60)))

    assert presses == pytest.approx(7e6)


def test_quantiles_weigh_each_group_by_its_signers() -> None:
    """Nine waited a second, one a minute."""
    times = Times()
    times.add(60, 1)
    times.add(1, 9)

    assert [times.quantile(share) for share in (0.5, 0.9, 0.95, 1)] == [1, 1, 60, 60]
    assert math.isnan(Times().quantile(0.5))


def test_the_first_minute_is_reported_apart() -> None:
    """Signers of the first minute wait for an instance; later ones do not."""
    journal = simulated(rush(20, 120), there()).journal

    assert journal.times[LATER].signers == pytest.approx(20 * 60, rel=0.1)
    assert journal.times[LATER].quantile(1) < GOOGLE.placing_seconds < journal.times[ACCEPTED].quantile(1)


def test_mails_go_out_at_the_relays_rate_while_any_wait() -> None:
    """Of twice as many presses as the relays take mails, from the first press to the last mail."""
    scenario = rush(100, 120, 5, mails_per_second=50)

    result = Result(scenario, 20, simulated(scenario, there(rate=50, every=ALL_WARM), ADAPTED), 0)

    assert result.mail_rate == pytest.approx(0.97, abs=0.03)


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


def test_the_report_shows_every_target_under_each_quota() -> None:
    """In bold where it is not met, with the same numbers in its JSON, which holds no NaN."""
    outcome = simulated(rush(10, 20), there())
    late = replace(outcome, journal=replace(outcome.journal, pressed=1))
    late.journal.times = outcome.journal.times | {MAILED: Times({3600.0: 1})}
    results = [
        Result(scenario, vcpu, each, dollars=1.5)
        for scenario in traces.SCENARIOS
        for vcpu, each in zip(command.QUOTAS, (outcome, late), strict=True)
    ]
    by_ramp = {ramp: {each.scenario.title: each for each in results} for ramp in command.RAMPS}

    said = command.text(FIGURES, results, by_ramp, None, markdown=True)
    content = json.loads(json.dumps(report.as_json(results, None), allow_nan=False))

    mailed = next(line for line in said.splitlines() if line.startswith("| UK 2024 | mailed, 95 %"))
    assert mailed.count("**") == 2
    assert mailed.endswith("**60.0 min** |")
    assert all(f"| {target.name} |" in said for target in report.TARGETS)
    assert len(content["scenarios"]) == len(results)


def test_the_model_of_this_machine_ends_when_all_are_counted() -> None:
    """It does not wait for reminders, while other processes go on using the cores."""
    costs = Costs(FIGURES, task_seconds=0.001, load_seconds=0.001)

    journal = validation.simulate(costs, 20, cores=2, others=1.0, seconds=1, rng=Random(1))

    assert journal.lost == 0
    assert journal.times[COUNTED].signers > 0


def test_the_page_has_a_place_for_the_report() -> None:
    """Between two comments."""
    page = command.PAGE.read_text(encoding="utf-8")

    assert page.index(command.BEGIN) < page.index(command.END)
