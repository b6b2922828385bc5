"""Runs of the model, each decided by a seed."""

from dataclasses import dataclass
from random import Random

from simpy import Environment

from infra.cost import sizes
from infra.cost.usage import Assumptions
from tests.bench.spike.facts import GOOGLE, PEOPLE, People, Platform
from tests.bench.spike.figures import Figures
from tests.bench.spike.journal import Journal
from tests.bench.spike.surroundings import Google
from tests.bench.spike.system import Deployment, System
from tests.bench.spike.traces import Scenario

BIN_SECONDS = 10.0
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


def deployment(mails_per_second: float, vcpu_quota: int) -> Deployment:
    """Return what infra/ deploys for these relays under this quota, with all other settings at their defaults."""
    return Deployment(sizes.functions(vcpu_quota), sizes.queues(mails_per_second, vcpu_quota))


def run(
    scenario: Scenario,
    there: Deployment,
    figures: Figures,
    rng: Random,
    platform: Platform = GOOGLE,
    people: People = PEOPLE,
    usage: Assumptions = USUAL,
) -> Outcome:
    """Simulate a scenario on Google's platform."""
    env, journal = Environment(), Journal(BIN_SECONDS)
    mailing_instances = sizes.mailing_instances(there.functions["deliver"], there.queues)
    google = Google(env, platform, mailing_instances, scenario.mails_per_second, rng)
    system = System(env, there, figures, platform, people, usage, google, journal, rng)
    system.run(scenario.trace, scenario.polls_per_second)
    billed = {name: function.billed_seconds() for name, function in system.functions.items()}
    return Outcome(
        journal,
        peaks={name: function.peak for name, function in system.functions.items()},
        served={name: function.served for name, function in system.functions.items()},
        busy_seconds={name: busy for name, (busy, _) in billed.items()},
        idle_seconds={name: idle for name, (_, idle) in billed.items()},
        alive_seconds={name: function.alive_seconds for name, function in system.functions.items()},
    )
