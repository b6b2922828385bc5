"""A queue of Cloud Tasks: dispatches what is due, oldest first, within its rate, its ramp and its cap."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from simpy import Environment

from infra.cost.sizes import QueueSize
from shared.queue import QueueName
from tests.bench.spike.facts import Platform
from tests.bench.spike.journal import Journal
from tests.bench.spike.limits import Ramp, Rate
from tests.bench.spike.processor import Steps


@dataclass(slots=True)
class Task:
    """Of a group of signers who pressed at the same time; one task for each of them.

    `button_at`: when they pressed that in the mail. `due_at`: when it was put into the queue for the first time.
    """

    pressed_at: float
    signers: int
    button_at: float = 0
    due_at: float | None = None
    refusals: int = 0


class Answer(StrEnum):
    """What deliver answers; `RETRY` is a 4xx that concerns this task alone, `OVERLOADED` a 429 or a 503."""

    DONE = "done"
    RETRY = "retry"
    OVERLOADED = "overloaded"


class CloudTasks:
    """`deliver` handles a task; what is not done is retried. `backlog`: signers whose task is due and not done."""

    def __init__(
        self,
        env: Environment,
        name: QueueName,
        queue: QueueSize,
        platform: Platform,
        deliver: Callable[[Task], Steps[Answer]],
        journal: Journal,
    ) -> None:
        self._env = env
        self._name = name
        self._queue = queue
        self._rate = Rate(queue.dispatches_per_second, queue.dispatches_per_second * platform.queue_burst_seconds)
        self._ramp = Ramp(
            platform.dispatch_ramp_per_second, platform.ramp_growth, platform.dispatch_ramp_period_seconds
        )
        self._deliver = deliver
        self._journal = journal
        self._due: deque[Task] = deque()
        self._woken = env.event()
        self._at_work = 0
        self.backlog = 0
        env.process(self._dispatch())

    def put(self, task: Task) -> None:
        """Put a task that is due now."""
        if task.due_at is None:
            task.due_at = self._env.now
        self.backlog += task.signers
        self._due.append(task)
        self._wake()

    def _wake(self) -> None:
        if not self._woken.triggered:
            self._woken.succeed()

    def _dispatch(self) -> Steps[None]:
        while True:
            while not self._due or self._at_work >= self._queue.concurrent_dispatches:
                self._woken = self._env.event()
                yield self._woken
            task = self._due.popleft()
            self._at_work += task.signers
            waits = (limit.wait(self._env.now, task.signers) or 0 for limit in (self._rate, self._ramp))
            if seconds := max(waits):
                yield self._env.timeout(seconds)
            self._env.process(self._attempt(task))

    def _attempt(self, task: Task) -> Steps[None]:
        group = task.signers
        answer = yield from self._deliver(task)
        self._at_work -= group
        self.backlog -= group
        self._wake()
        if answer is Answer.DONE:
            self._journal.done(self._name, self._env.now - (task.due_at or 0))
            return
        if answer is Answer.OVERLOADED:
            self._ramp.slow_down(self._env.now)
        self._journal.retried += group
        task.refusals += 1
        yield self._env.timeout(self._backoff_seconds(task.refusals))
        self.put(task)

    def _backoff_seconds(self, refusals: int) -> float:
        doubled = math.ldexp(self._queue.min_backoff_seconds, min(refusals - 1, self._queue.max_doublings))
        return min(doubled, self._queue.max_backoff_seconds)
