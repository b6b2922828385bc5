"""A run: acts in which people sign while things fail. Between them it is calm, and the clock jumps some hours."""

import asyncio
import itertools
import math
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from desk.store.firestore import FirestoreMaintenance
from shared.crypto.digest import Digester
from shared.store.entities import Status, Tally
from shared.web.routes import DeliverPath
from tests.chaos.adversary import Adversary, Outage
from tests.chaos.ledgers import HELD, Answer, Findings, Ledgers, check
from tests.chaos.signers import Press, Signers
from tests.chaos.system import PROJECT, System, system
from tests.support.deployment import CAMPAIGN, COUNT
from tests.support.polling import until_async

_SCHEDULE_SECONDS = 1
_MAX_BUSY = 150
_SETTLE_SECONDS = 300
#: deliver's jitter, by which the tasks of one hour are spread.
_SPREAD = timedelta(minutes=15)
#: After an outage has begun, the time that it may take to be noticed.
NOTICED_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """How much there is of what. `seconds`: of an act. `longest`: seconds that a fault takes at most."""

    seed: int
    signatures: int
    per_second: float
    seconds: float
    faults_per_act: int
    longest: float

    @property
    def acts(self) -> int:
        """How many acts it takes until so many have arrived."""
        return math.ceil(self.signatures / self.per_second / self.seconds)


SHORT = Plan(seed=7, signatures=200, per_second=7, seconds=10, faults_per_act=8, longest=2)


def long(seed: int, signatures: int) -> Plan:
    """Return the plan of the long form."""
    return Plan(seed, signatures, per_second=15, seconds=60, faults_per_act=16, longest=20)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has shown. `faults`: by kind."""

    plan: Plan
    accepted: int
    confirmed: int
    withdrawn: int
    held: int
    mails: int
    faults: Mapping[str, int]
    ledgers: Ledgers
    findings: Findings
    presses: Sequence[Press]
    outages: Sequence[Outage]

    def availability(self, *dependencies: str) -> tuple[int, int]:
        """Return how many pressed sign while exactly these were down, and how many of them were told 202."""
        pressed = [each.is_answered for each in self._during("sign", dependencies)]
        return len(pressed), sum(pressed)

    def p95(self, function: str, *dependencies: str) -> float | None:
        """Return in how many seconds 95 % had an answer, of those who pressed when an outage had gone on for long.

        None where nobody did.
        """
        seconds = sorted(each.seconds for each in self._during(function, dependencies, NOTICED_SECONDS))
        return seconds[math.ceil(0.95 * len(seconds)) - 1] if seconds else None

    def _during(self, function: str, dependencies: Sequence[str], after: float = 0) -> list[Press]:
        outages = [each for each in self.outages if each.dependencies == frozenset(dependencies)]
        return [
            press
            for press in self.presses
            if press.function == function
            and any(outage.began + after <= press.began < outage.ended for outage in outages)
        ]


async def run(plan: Plan, folder: Path) -> Outcome:
    """Run to the end. `folder`: where everything lies."""
    chance = random.Random(plan.seed)
    async with system(folder, random.Random(chance.random())) as made:
        adversary = Adversary(made, random.Random(chance.random()), plan.longest)
        async with Signers(made, random.Random(chance.random())) as signers, scheduler(made):
            for _ in range(plan.acts):
                await asyncio.gather(_arrivals(signers, plan), adversary.attack(plan.faults_per_act))
                await settle(made, signers)
                made.clocks.jump(timedelta(minutes=chance.uniform(50, 130)))
            await drain(made, signers)
        return await _outcome(plan, made, signers, adversary)


@asynccontextmanager
async def scheduler(system: System) -> AsyncIterator[None]:
    """Call deliver regularly, as infra/scheduler.tf does, if more often."""

    async def call() -> None:
        for path in itertools.cycle((DeliverPath.SWEEP, DeliverPath.FOLD, DeliverPath.SNAPSHOT)):
            await system.call(path)
            await asyncio.sleep(_SCHEDULE_SECONDS)

    calling = asyncio.create_task(call())
    yield
    calling.cancel()


async def _arrivals(signers: Signers, plan: Plan) -> None:
    """Let people arrive, but no more than the machine can take: its proxies must not be what fails."""
    arrived = 0
    while arrived < plan.per_second * plan.seconds:
        await asyncio.sleep(1 / plan.per_second)
        if signers.busy < _MAX_BUSY:
            signers.arrive()
            arrived += 1


async def settle(system: System, signers: Signers) -> None:
    """Wait until nobody acts and no task is due, and the spool is empty.

    Raises:
        TimeoutError: that does not come about.
    """
    async with asyncio.timeout(_SETTLE_SECONDS):
        quiet = 0
        while quiet < 3:
            await system.call(DeliverPath.SWEEP)
            await asyncio.sleep(0.1)
            quiet = quiet + 1 if system.queue.is_idle and not signers.busy else 0


async def drain(system: System, signers: Signers) -> None:
    """Let the time pass until no queue holds anything, whenever that is due."""
    await settle(system, signers)
    while due := system.queue.next_due:
        system.clocks.jump(due - system.clocks.now() + _SPREAD)
        await asyncio.sleep(0.1)
        await settle(system, signers)


async def ledgers(system: System, signers: Signers) -> Ledgers:
    """Close the books."""
    stored = dict[str, Status]()
    with mock.patch.dict(os.environ, FIRESTORE_EMULATOR_HOST=system.database.host):
        store = FirestoreMaintenance(PROJECT, "(default)")
        statuses = {each.digest: each.signature.status async for page in store.scan(CAMPAIGN) for each in page}
        recount = await store.recount(CAMPAIGN, lambda _: None)
        store.close()
    digester = Digester(system.environment["PEPPER"].encode())
    for address in {each.address for each in signers.heard}:
        if status := statuses.get(digester.address(CAMPAIGN, address).digest):
            stored[address] = status
    return Ledgers(
        heard=signers.heard,
        mailed=system.inbox.mailed,
        stored=stored,
        recounted=_numbers(recount.tally),
        tally=_numbers(recount.kept_tally),
        shown=await _shown(system),
    )


def _numbers(tally: Tally) -> Mapping[str, int]:
    return {**tally.by_country, HELD: tally.held}


async def _shown(system: System) -> int:
    """Return the public count, once it is as of now."""
    now = system.clocks.now()
    async with httpx.AsyncClient(trust_env=False, timeout=30, base_url=system.url("count")) as client:

        async def look() -> dict[str, Any] | None:
            response = await client.get(COUNT)
            content: dict[str, Any] = response.json()
            is_new = response.is_success and datetime.fromisoformat(content["as_of"]) >= now
            return content if is_new else None

        return int((await until_async(look))["total"])


async def _outcome(plan: Plan, system: System, signers: Signers, adversary: Adversary) -> Outcome:
    books = await ledgers(system, signers)
    heard = Counter(each.answer for each in books.heard)
    return Outcome(
        plan,
        accepted=heard[Answer.ACCEPTED],
        confirmed=heard[Answer.CONFIRMED],
        withdrawn=heard[Answer.WITHDRAWN],
        held=books.tally[HELD],
        mails=len(books.mailed),
        faults=adversary.counts,
        ledgers=books,
        findings=check(books),
        presses=signers.presses,
        outages=adversary.outages,
    )
