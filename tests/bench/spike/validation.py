"""The model against reality: a load run on this machine, and the same run simulated for this machine.

The model is given what each part costs, as measured with few signers; how it fares when there are too many for one
part is what it has to foretell. Everything shares the machine's cores, the load generator and the test's Cloud
Tasks included, so the model lets them.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from simpy import Environment, Resource

from infra.cost.sizes import FunctionSize, QueueSize
from infra.cost.usage import Assumptions
from shared.queue import QueueName
from shared.web.routes import FUNCTIONS
from tests.bench.spike import chance, facts, rehearsal, tasks_server
from tests.bench.spike.facts import People, Platform
from tests.bench.spike.figures import Figures
from tests.bench.spike.function import Instance
from tests.bench.spike.journal import COUNTED, Journal
from tests.bench.spike.processor import Processor, SharedCores, Steps
from tests.bench.spike.rehearsal import Run, Signer
from tests.bench.spike.system import Deployment, System
from tests.bench.spike.traces import Trace

SECONDS = 20.0
#: To measure what each part costs.
FEW_SECONDS, FEW_PER_SECOND = 10.0, 40.0
#: So many times what deliver can do, or all parts together can.
TOO_MANY = 1.2
#: People are this much faster here than in `People`.
HURRY = 600.0
PEOPLE = People(
    opening_median_seconds=facts.PEOPLE.opening_median_seconds / HURRY,
    opening_longest_seconds=10,
    reading_seconds=0,
    views_a_press=0,
)
#: Reminders are due tomorrow.
USAGE = replace(Assumptions(), opens_a_mail=0, reminded_share=0)
#: Requests of a signer whom the load generator serves: the press, the link, the button.
_REQUESTS = 3


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds of one request of each kind, on this machine."""

    figures: Figures
    #: The test's Cloud Tasks, for a task to be created or delivered; and the load generator, for a request.
    task_seconds: float
    load_seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of the same run. `per_second`: presses. `others`: cores that anything else kept busy."""

    measured: Journal
    modelled: Journal
    per_second: float
    cores: int
    others: float
    costs: Costs


def compare(figures: Figures, seed: int) -> Comparison:
    """Run both. It takes about a minute, and all cores.

    `figures`: only for how confirm's CPU time divides between its page and its button.
    """
    few = rehearsal.run(_signers(FEW_PER_SECOND, FEW_SECONDS, Random(seed)))
    costs = _costs(few, figures)
    cores = os.cpu_count() or 1
    together = sum(few.cpu_seconds.values()) / few.journal.pressed
    # Others that compete for the cores will have to yield about half of what they took alone.
    free = cores - few.others / 2
    per_second = TOO_MANY * min(1 / costs.figures.cpu_seconds["deliver"], free / together)
    measured = rehearsal.run(_signers(per_second, SECONDS, Random(seed + 1)))
    modelled = simulate(costs, per_second, cores, measured.others, SECONDS, Random(seed + 2))
    return Comparison(measured.journal, modelled, per_second, cores, measured.others, costs)


def _signers(per_second: float, seconds: float, rng: Random) -> Sequence[Signer]:
    signers, now = [], rng.expovariate(per_second)
    while now < seconds:
        confirms = rng.random() < USAGE.confirmed_share
        delay = chance.around(rng, PEOPLE.opening_median_seconds, PEOPLE.opening_sigma)
        signers.append(Signer(now, min(delay, PEOPLE.opening_longest_seconds) if confirms else None))
        now += rng.expovariate(per_second)
    return signers


def _costs(few: Run, figures: Figures) -> Costs:
    """Divide what the parts used by what they did."""
    pressed, counted = few.journal.pressed, few.journal.times[COUNTED].signers
    page, button = figures.cpu_seconds["confirm_page"], figures.cpu_seconds["confirm"]
    confirm = few.cpu_seconds["confirm"] / counted
    cpu = {
        "sign": few.cpu_seconds["sign"] / pressed,
        "deliver": few.cpu_seconds["deliver"] / pressed,
        "confirm": confirm * button / (page + button),
        "confirm_page": confirm * page / (page + button),
        "count": 0.0,
        "redirect": 0.0,
    }
    return Costs(
        replace(figures, cpu_seconds=cpu),
        task_seconds=few.cpu_seconds["tasks"] / (2 * pressed),
        load_seconds=few.cpu_seconds["load"] / (pressed + (_REQUESTS - 1) * counted),
    )


def simulate(costs: Costs, per_second: float, cores: int, others: float, seconds: float, rng: Random) -> Journal:
    """Simulate the run, while other processes go on using their cores."""
    env, journal = Environment(), Journal(bin_seconds=1)
    shared = Resource(env, cores)
    for _ in range(round(others)):
        env.process(SharedCores(env, shared).work(1, math.inf))
    one = FunctionSize(cpu=1, memory_gib=0.5, concurrency=1_000_000, min_instances=1, max_instances=1)
    queue = QueueSize(1_000_000, tasks_server.AT_ONCE, 0.01, 0.05, 3)
    there = Deployment(dict.fromkeys(FUNCTIONS, one), dict.fromkeys(QueueName, queue))
    around = ThisMachine(env, shared, costs)
    platform = Platform(dispatch_ramp_per_second=1_000_000)
    system = System(env, there, costs.figures, platform, PEOPLE, USAGE, around, journal, rng)
    system.run(Trace(seconds, lambda _: per_second))
    return journal


class ThisMachine:
    """Everything takes processor time of the same cores, and nothing else. A store or an outbox is part of
    deliver.
    """

    def __init__(self, env: Environment, cores: Resource, costs: Costs) -> None:
        self._env = env
        self._cores = cores
        self._costs = costs
        self._load, self._tasks = self.processor(), self.processor()

    def processor(self) -> Processor:
        return SharedCores(self._env, self._cores)

    def send(self, signers: int) -> Steps[None]:
        yield from self._load.work(signers, self._costs.load_seconds)

    def enqueue(self, queue: QueueName, signers: int) -> Steps[None]:
        """Let the test's Cloud Tasks work; deliver's own queue, for reminders, is a file, and part of deliver."""
        if queue is not QueueName.REMINDERS:
            yield from self._tasks.work(signers, self._costs.task_seconds)

    def dispatch(self, signers: int) -> Steps[None]:
        yield from self._tasks.work(signers, self._costs.task_seconds)

    def look_up(self, signers: int) -> Steps[None]:
        yield from ()

    def admit(self, signers: int) -> Steps[None]:
        yield from ()

    def mail(self, signers: int, instance: Instance) -> Steps[None]:
        yield from ()

    def settle(self, signers: int) -> Steps[None]:
        yield from ()

    def count(self, signers: int) -> Steps[int]:
        yield from ()
        return signers


def summary(comparison: Comparison) -> Mapping[str, float]:
    """Return the CPU milliseconds that were measured, by part."""
    costs = comparison.costs
    return {
        **{kind: 1000 * seconds for kind, seconds in costs.figures.cpu_seconds.items() if seconds},
        "a task": 1000 * costs.task_seconds,
        "the load generator's request": 1000 * costs.load_seconds,
    }
