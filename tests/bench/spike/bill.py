"""Price a simulated run by infra/cost/prices.toml: no mail, and no free tiers, which a rush uses up."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from infra.cost import usage
from infra.cost.cost import Price
from infra.cost.sizes import FunctionSize
from infra.cost.usage import Assumptions, Driver, Use
from tests.bench.spike.simulate import Outcome

#: What comes and goes with signers and viewers; the rest of a month's bill is there in any case.
_DRIVERS = {Driver.SIGNATURES, Driver.VIEWERS}


def dollars(
    outcome: Outcome, shards: int, prices: Mapping[str, Price], functions: Mapping[str, FunctionSize]
) -> float:
    """Return what the run costs; storage is counted for a month."""
    uses = [*_instances(outcome, functions), *_copies(outcome, shards), *_others(outcome, functions)]
    return sum(prices[use.price].cost(use.quantity) for use in uses)


def standing(months: float, prices: Mapping[str, Price], functions: Mapping[str, FunctionSize]) -> float:
    """Return what is charged whether anybody comes or not."""
    uses = usage.month(0, 0, functions, Assumptions())
    return months * sum(prices[use.price].cost(use.quantity) for use in uses if use.driver is Driver.MONTH)


def _others(outcome: Outcome, functions: Mapping[str, FunctionSize]) -> Iterator[Use]:
    """As `make cost` counts them, for those who came; Cloud Run is known better here."""
    journal = outcome.journal
    counted, mailed = journal.times["counted"].signers, journal.times["mailed"].signers
    if not counted:
        return
    usual = Assumptions()
    looked_up = journal.reads + journal.views * usage.PAGE_REQUESTS
    assumed = replace(
        usual,
        confirmed_share=counted / mailed,
        hit_ratio=1 - min(1, journal.filled / looked_up) if looked_up else usual.hit_ratio,
    )
    for use in usage.month(counted, journal.views, functions, assumed):
        if use.driver in _DRIVERS and use.service != "Cloud Run":
            yield use


def _instances(outcome: Outcome, functions: Mapping[str, FunctionSize]) -> Iterator[Use]:
    for name, size in functions.items():
        busy, idle = outcome.busy_seconds[name], outcome.idle_seconds[name]
        for price, seconds in (("run_", busy), ("run_idle_", idle)):
            yield _run(f"{price}cpu", seconds * size.cpu)
            yield _run(f"{price}memory", seconds * size.memory_gib)
        yield _run("run_requests", outcome.served[name])


def _run(price: str, quantity: float) -> Use:
    return Use("Cloud Run", "instances", price, quantity, Driver.SIGNATURES)


def _copies(outcome: Outcome, shards: int) -> Iterator[Use]:
    """Each process of count and confirm refreshes the tally and the overlay for as long as it is asked."""
    renewals = sum(
        usage.renewals(outcome.served[name], outcome.alive_seconds[name], usage.COUNT_FRESH_SECONDS)
        for name in ("count", "confirm")
    )
    reads = renewals * (shards + 1)
    yield Use("Firestore", "reads for fresh copies", "firestore_reads", reads, Driver.AWAKE)
