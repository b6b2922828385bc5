"""Runs of the model, each decided by a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from simpy import Environment

from infra.cost import sizes
from infra.cost.usage import Assumptions
from shared.campaigns.model import Campaign
from shared.queue import QueueName
from tests.bench.spike.facts import GOOGLE, PEOPLE, People, Platform
from tests.bench.spike.figures import Figures
from tests.bench.spike.journal import Journal, Times
from tests.bench.spike.surroundings import Google
from tests.bench.spike.system import Deployment, System
from tests.bench.spike.traces import Scenario, Trace

BIN_SECONDS = 10.0
#: What all relays take together.
MAILS_PER_SECOND = 100
USUAL = Assumptions()


@dataclass(frozen=True, slots=True)
class Outcome:
    """All by function. `peaks`: the most instances. `served`: requests. `busy_seconds`, `idle_seconds`: for which
    instances are billed. `alive_seconds`: for which they were there.
    """

    journal: Journal
    peaks: dict[str, int]
    served: dict[str, int]
    busy_seconds: dict[str, float]
    idle_seconds: dict[str, float]
    alive_seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario: an outcome of each of its traces, on so many days. `dollars`: of all of them."""

    scenario: Scenario
    shards: int
    outcomes: tuple[tuple[float, Outcome], ...]
    dollars: float

    def times(self, stage: str) -> Times:
        """Of all days together."""
        return Times(
            [
                (seconds, signers * days)
                for days, outcome in self.outcomes
                for seconds, signers in outcome.journal.times[stage].groups
            ]
        )

    def sum(self, number: Callable[[Journal], float]) -> float:
        """Of all days together."""
        return sum(days * number(outcome.journal) for days, outcome in self.outcomes)

    def most(self, number: Callable[[Outcome], float]) -> float:
        """Of any day."""
        return max(number(outcome) for _, outcome in self.outcomes)


def deployment(vcpu_quota: int, shards: int | None = None) -> Deployment:
    """Return what infra/sizes.json says; the tally's documents by the campaign file's default unless given."""
    queue = sizes.queues(MAILS_PER_SECOND, vcpu_quota)[QueueName.SIGNATURES]
    usual: int = Campaign.model_fields["tally_shards"].default
    return Deployment(sizes.functions(vcpu_quota), queue, shards or usual)


def run(
    trace: Trace,
    there: Deployment,
    figures: Figures,
    rng: Random,
    platform: Platform = GOOGLE,
    people: People = PEOPLE,
    usage: Assumptions = USUAL,
) -> Outcome:
    """Simulate one trace on Google's platform."""
    env, journal = Environment(), Journal(BIN_SECONDS)
    google = Google(env, platform, there.queue.dispatches_per_second, there.shards, rng)
    system = System(env, there, figures, platform, people, usage, google, journal, rng)
    system.run(trace)
    billed = {name: function.billed_seconds() for name, function in system.functions.items()}
    return Outcome(
        journal,
        peaks={name: function.peak for name, function in system.functions.items()},
        served={name: function.served for name, function in system.functions.items()},
        busy_seconds={name: busy for name, (busy, _) in billed.items()},
        idle_seconds={name: idle for name, (_, idle) in billed.items()},
        alive_seconds={name: function.alive_seconds for name, function in system.functions.items()},
    )
