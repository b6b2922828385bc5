"""What an attack costs in dollars: us, as `make cost` counts it, and those who send the bots."""

import time
from dataclasses import dataclass

from infra.cost import sizes, usage
from infra.cost.cost import load_prices
from infra.cost.usage import Assumptions, Driver, Use
from tests.support.clock import NOW
from tests.support.work import solved

#: For a year, an assumption: many endings cost less in the first one, and a .com three times as much
#: (https://digitalinformationworld.com/2024/12/cheap-domains-driving-phishing-attacks.html).
DOMAIN_DOLLARS = 2.0
_PRICES = load_prices()
_FUNCTIONS = sizes.functions()
_WORKS = 20


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars. `mail`: what the cheapest and the dearest relay take; `cloud`: everything else that we pay."""

    mail: tuple[float, float]
    cloud: float
    work: float
    domains: float


def bill(*, sent: int, mailed: int, pressed: int, deferrals: int, domains: int, work_seconds: float) -> Bill:
    """Price an attack, without free tiers.

    `sent`, `mailed`, `pressed`: how many signatures got so far. `deferrals`: tasks beyond the two that each takes.
    `work_seconds`: of a processor, for the work that a campaign may ask for with each signature that is sent.
    """
    return Bill(
        mail=(_PRICES["mail_cheapest"].cost(mailed), _PRICES["mail_dearest"].cost(mailed)),
        cloud=_cloud(mailed, pressed, deferrals),
        work=_PRICES["run_cpu"].cost(sent * work_seconds),
        domains=domains * DOMAIN_DOLLARS,
    )


def _cloud(mailed: int, pressed: int, deferrals: int) -> float:
    """Price functions, queue and database. Bots press at once: they open no page, and need no reminder."""
    assumed = Assumptions(
        confirmed_share=pressed / mailed,
        reminded_share=0,
        small_domain_share=1,
        opens_a_mail=0,
        withdrawn_share=0,
        partner_share=0,
    )
    month = usage.month(pressed, 0, _FUNCTIONS, assumed)
    uses = [use for use in month if use.driver is Driver.SIGNATURES]
    return sum(_PRICES[use.price].cost(use.quantity) for use in [*uses, *_waiting(deferrals, assumed)])


def _waiting(deferrals: int, assumed: Assumptions) -> list[Use]:
    """Return what tasks use that come before the caps have room: each is created and delivered, and reads."""
    seconds = deferrals * usage.REQUEST_SECONDS / assumed.requests_at_once
    deliver = _FUNCTIONS["deliver"]
    quantities = {
        "tasks_operations": 2 * deferrals,
        "run_requests": deferrals,
        "run_cpu": seconds * deliver.cpu,
        "run_memory": seconds * deliver.memory_gib,
        "firestore_reads": deferrals * (usage.ADMIT_READS + usage.DOMAIN_READS),
    }
    return [
        Use("deliver", "deferred", price, quantity, Driver.SIGNATURES) for price, quantity in quantities.items()
    ]


def work_seconds() -> float:
    """Measure how long a processor works for one signature, by a program with OpenSSL; on average."""
    began = time.process_time()
    for number in range(_WORKS):
        solved(f"bot{number}@shop.example", NOW)
    return (time.process_time() - began) / _WORKS
