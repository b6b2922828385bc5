"""Price a simulated run by infra/cost/prices.toml: no mail, and no free tiers, which a rush uses up."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from infra.cost import usage
from infra.cost.cost import Price
from infra.cost.sizes import FunctionSize
from infra.cost.usage import Assumptions, Driver, Use
from tests.bench.spike.journal import COUNTED, MAILED, Journal
from tests.bench.spike.simulate import Outcome

#: What comes and goes with signers and viewers; the rest of a month's bill is there in any case.
_DRIVERS = {Driver.SIGNATURES, Driver.VIEWERS}


def dollars(outcome: Outcome, prices: Mapping[str, Price], functions: Mapping[str, FunctionSize]) -> float:
    """Return what the run costs; storage is counted for a month."""
    uses = [*_instances(outcome, functions), *_copies(outcome), *_others(outcome, functions)]
    return sum(prices[use.price].cost(use.quantity) for use in uses)


def _others(outcome: Outcome, functions: Mapping[str, FunctionSize]) -> Iterator[Use]:
    """As `make cost` counts them, for those who came; Cloud Run is known better here."""
    journal = outcome.journal
    counted, mailed = journal.times[COUNTED].signers, journal.times[MAILED].signers
    if not counted:
        return
    assumed = replace(Assumptions(), confirmed_share=counted / mailed)
    if journal.views:
        looked_up = journal.reads + journal.views * usage.PAGE_REQUESTS
        assumed = replace(
            assumed,
            polls_a_view=journal.reads / journal.views,
            hit_ratio=1 - min(1, journal.fills / looked_up),
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


def _copies(outcome: Outcome) -> Iterator[Use]:
    """Each process of count and confirm refreshes the tally and the overlay for as long as it is asked."""
    renewals = sum(
        usage.renewals(outcome.served[name], outcome.alive_seconds[name], usage.COUNT_FRESH_SECONDS)
        for name in ("count", "confirm")
    )
    reads = renewals * (tally_reads(outcome.journal) + 1)
    yield Use("Firestore", "reads for fresh copies", "firestore_reads", reads, Driver.AWAKE)


def tally_reads(journal: Journal) -> float:
    """Return how many documents a refresh of the tally reads, on average while signatures are counted.

    The base document, and those that wait to be folded into it.
    """
    counted = journal.series[COUNTED]
    if not counted:
        return 1
    steps = range(min(counted), max(counted) + 1)
    documents = (usage.tally_documents(counted.get(step, 0) / journal.bin_seconds) for step in steps)
    return 1 + sum(documents) / len(steps)
