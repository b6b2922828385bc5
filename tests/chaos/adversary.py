"""The adversary: faults of all kinds, drawn from a seed, each of which ends.

None does what the platform promises not to do: a task that was accepted is not lost, and neither is a document.
"""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from shared.queue import QueueName
from tests.chaos.proxy import Mode
from tests.chaos.system import Instance, System

MAX_SKEW = timedelta(seconds=90)
#: Less than browsers wait: what a late press to withdraw may do is in docs/architecture.md, "Late presses".
_MAX_PAUSE_SECONDS = 15
_SHARE = 0.4

Fault = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Outage:
    """When some of the dependencies were down. Times are by the monotonic clock."""

    dependencies: frozenset[str]
    began: float
    ended: float


class Adversary:
    """Makes the parts of a system fail. `longest`: seconds that a fault takes at most.

    Attributes:
        counts: the faults so far, by kind.
        outages: of the dependencies.
    """

    def __init__(self, system: System, chance: random.Random, longest: float) -> None:
        self.counts = Counter[str]()
        self.outages: list[Outage] = []
        self._system = system
        self._chance = chance
        self._longest = longest
        self._faults: Sequence[Sequence[Fault]] = (
            [self._down, self._hanging, self._without_answers, self._restarted_database, self._relay_refuses],
            [self._killed, self._paused, self._restarted, self._tasks, self._visitors_cut, self._wrong_clock],
        )

    async def attack(self, faults: int) -> None:
        """Make so many faults, always two at a time: one of the dependencies, and one of everything else."""
        await asyncio.gather(
            self._inject(self._faults[0], faults // 2), self._inject(self._faults[1], -(-faults // 2))
        )

    async def _inject(self, kinds: Sequence[Fault], faults: int) -> None:
        # In turn, so that a short run has every kind, and each in an order of its own.
        order = [kind for _ in range(-(-faults // len(kinds))) for kind in self._chance.sample(kinds, len(kinds))]
        for fault in order[:faults]:
            await fault(self._chance.uniform(self._longest / 3, self._longest))
            await asyncio.sleep(self._chance.uniform(0, self._longest / 3))

    # Dependencies

    async def _down(self, seconds: float) -> None:
        """One dependency refuses all connections, or two do."""
        names = self._chance.choice(
            [["database"], ["queue"], ["spool"], ["queue", "database"], ["queue", "spool"], ["first", "second"]]
        )
        await self._proxies(names, Mode.REFUSE, seconds, f"{' and '.join(names)} down")

    async def _hanging(self, seconds: float) -> None:
        names = self._chance.choice([["database"], ["queue"], ["first"], ["first", "second"]])
        await self._proxies(names, Mode.HANG, seconds, f"{' and '.join(names)} not answering")

    async def _without_answers(self, seconds: float) -> None:
        name = self._chance.choice(["database", "database", "queue", "spool", "first", "second"])
        mode = self._chance.choice([Mode.CUT_REQUESTS, Mode.CUT_ANSWERS])
        await self._proxies([name], mode, seconds, f"{name}: {mode.name.lower().replace('_', ' ')}")

    async def _restarted_database(self, _seconds: float) -> None:
        self.counts["database restarted with its data"] += 1
        async with self._outage(["database", "spool"]):
            fronts = [self._system.fronts[name] for name in ("database", "spool")]
            for front in fronts:
                front.become(Mode.REFUSE)
            await asyncio.sleep(0.5)  # for commits that have arrived there
            host = await self._system.database.restart()
            for front in fronts:
                front.upstreams = [host]
                front.become(Mode.PASS)

    async def _relay_refuses(self, seconds: float) -> None:
        """A relay is there, and turns mail away at one stage: for now, by hanging up, or after it has taken it."""
        relay = self._system.relays[self._chance.choice(list(self._system.relays))]
        stage, answer = self._chance.choice(
            [
                ("at_mail", "451 4.3.2 later"),
                ("at_rcpt", "450 4.2.0 greylisted"),
                ("at_data", "451 4.3.0 later"),
                ("at_data", "554 5.7.1 looks like spam"),
                ("drops_at_rcpt", True),
                ("drops_at_data", True),
                ("gate", asyncio.Event()),
            ]
        )
        kinds = {"gate": "slow after DATA", "drops_at_data": "cut after DATA", "drops_at_rcpt": "cut at RCPT"}
        self.counts[f"relay: {kinds.get(stage, answer)}"] += 1
        usual = getattr(relay, stage)
        setattr(relay, stage, answer)
        await asyncio.sleep(seconds)
        setattr(relay, stage, usual)
        if isinstance(answer, asyncio.Event):
            answer.set()

    async def _proxies(self, names: Sequence[str], mode: Mode, seconds: float, kind: str) -> None:
        self.counts[kind] += 1
        async with self._outage(names):
            for name in names:
                self._system.fronts[name].become(mode)
            await asyncio.sleep(seconds)
            for name in names:
                self._system.fronts[name].become(Mode.PASS)

    @asynccontextmanager
    async def _outage(self, names: Sequence[str]) -> AsyncIterator[None]:
        began = time.monotonic()
        yield
        self.outages.append(Outage(frozenset(names), began, time.monotonic()))

    # Processes, tasks and visitors

    async def _killed(self, seconds: float) -> None:
        instance = self._instance("process killed")
        instance.send(signal.SIGKILL)
        await instance.stop()
        await asyncio.sleep(self._chance.uniform(0, seconds))
        await self._system.start(instance)

    async def _paused(self, seconds: float) -> None:
        instance = self._instance("process paused")
        instance.send(signal.SIGSTOP)
        await asyncio.sleep(min(seconds, _MAX_PAUSE_SECONDS))
        instance.send(signal.SIGCONT)

    async def _restarted(self, _seconds: float) -> None:
        await self._system.restart(self._instance("process restarted"))

    def _instance(self, kind: str) -> Instance:
        instance = self._chance.choice(list(self._system.instances.values()))
        self.counts[f"{kind}: {instance.function}"] += 1
        return instance

    async def _tasks(self, seconds: float) -> None:
        kind = self._chance.choice(["delayed", "doubled", "attempts_lost", "answers_lost", "held"])
        self.counts[f"tasks {kind.replace('_', ' ')}"] += 1
        value = {self._chance.choice(list(QueueName))} if kind == "held" else _SHARE
        setattr(self._system.queue, kind, value)
        await asyncio.sleep(seconds)
        self._system.queue.reset()

    async def _visitors_cut(self, seconds: float) -> None:
        function = self._chance.choice(["sign", "deliver", "confirm"])
        mode = self._chance.choice([Mode.CUT_REQUESTS, Mode.CUT_ANSWERS])
        self.counts[f"{function}: {mode.name.lower().replace('_', ' ')}"] += 1
        self._system.fronts[function].become(mode)
        await asyncio.sleep(seconds)
        self._system.fronts[function].become(Mode.PASS)

    async def _wrong_clock(self, seconds: float) -> None:
        """The clock of one process jumps.

        Meanwhile nobody withdraws or signs again: docs/architecture.md says what is not promised then.
        """
        by = MAX_SKEW * self._chance.choice([-1, 1])
        async with self._system.clocks.wrong(self._instance("clock wrong").name, by):
            await asyncio.sleep(seconds)
