"""A Cloud Tasks server that loses attempts and answers, and delivers late, twice and out of order.

It never loses a task, as Cloud Tasks promises: https://cloud.google.com/tasks/docs/dual-overview
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from google.cloud.tasks_v2 import Task

from tests.support.cloud_tasks_server import CloudTasksServer

_TICK_SECONDS = 0.02
_AT_ONCE = 60
_HELD = timedelta(seconds=0.2)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2


class UnreliableTasks(CloudTasksServer):
    """Delivers by `clock`, which may jump.

    Attributes:
        delayed, doubled, attempts_lost, answers_lost: the share of tasks, or of attempts, that this befalls.
        held: the queues that stand still.
        at_once: how many tasks are delivered at the same time; with one, they come in the order of their times.
    """

    def __init__(self, clock: Callable[[], datetime], chance: random.Random) -> None:
        super().__init__(clock=clock)
        self._chance = chance
        self._waiting: list[tuple[datetime, int, Task]] = []
        self._numbers = itertools.count()
        self.at_once = asyncio.Semaphore(_AT_ONCE)
        self._running = 0
        self.reset()

    def reset(self) -> None:
        """Be reliable."""
        self.delayed = self.doubled = self.attempts_lost = self.answers_lost = 0.0
        self.held: Collection[str] = ()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._dispatcher = asyncio.create_task(self._dispatch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dispatcher.cancel()
        await asyncio.gather(self._dispatcher, return_exceptions=True)
        await super().__aexit__(kind, error, trace)

    @property
    def is_idle(self) -> bool:
        """Whether no task is due or being delivered."""
        return not self._running and not (self._waiting and self._waiting[0][0] <= self._clock())

    @property
    def next_due(self) -> datetime | None:
        """When the next task is due; None if nothing waits."""
        return self._waiting[0][0] if self._waiting else None

    def _accept(self, task: Task) -> None:
        copies = 2 if self._chance.random() < self.doubled else 1
        for _ in range(copies):
            late = self._chance.uniform(0, 3) if self._chance.random() < self.delayed else 0
            self._put(task, task.schedule_time + timedelta(seconds=late))

    def _put(self, task: Task, due: datetime) -> None:
        heapq.heappush(self._waiting, (due, next(self._numbers), task))

    async def _dispatch(self) -> None:
        while True:
            while self._waiting and self._waiting[0][0] <= self._clock():
                task = heapq.heappop(self._waiting)[2]
                if task.name.split("/")[-3] in self.held:
                    self._put(task, self._clock() + _HELD)
                    continue
                self._running += 1
                delivery = asyncio.create_task(self._deliver_task(task))
                self._deliveries.add(delivery)
                delivery.add_done_callback(self._deliveries.discard)
            await asyncio.sleep(_TICK_SECONDS)

    async def _deliver_task(self, task: Task) -> None:
        pause, attempts = _FIRST_PAUSE_SECONDS, 0
        while not await self._attempt_is_answered(task, attempts):
            attempts += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self._running -= 1

    async def _attempt_is_answered(self, task: Task, attempts: int) -> bool:
        """Attempt to deliver a task; return whether the queue has heard that it was done."""
        if self._chance.random() < self.attempts_lost:
            return False
        async with self.at_once:
            status = await self._attempt(task, attempts, attempts)
        is_done = status is not None and 200 <= status < 300
        return is_done and self._chance.random() >= self.answers_lost
