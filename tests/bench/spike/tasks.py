"""Cloud Tasks: dispatches what is due, oldest first, no faster than its rate and no more at once than its cap."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from simpy import Environment

from infra.cost.sizes import QueueSize
from tests.bench.spike.journal import Journal
from tests.bench.spike.limits import Ramp, Rate
from tests.bench.spike.processor import Steps


class Kind(StrEnum):
    SIGNATURE = "signature"
    #: Of the button in the mail, while the tally was too busy.
    PRESS = "press"


@dataclass(slots=True)
class Task:
    """Of a group of signers who pressed at the same time; one task for each of them. `button_at`: that in the
    mail.
    """

    kind: Kind
    pressed_at: float
    signers: int
    button_at: float = 0
    refusals: int = 0


class CloudTasks:
    """`deliver` handles a task and returns whether that is done; otherwise it is retried.

    Attributes:
        backlog: tasks that are due and not done, of which `at_work` are being delivered.
    """

    def __init__(
        self,
        env: Environment,
        queue: QueueSize,
        burst_seconds: float,
        ramp: Ramp,
        deliver: Callable[[Task], Steps[bool]],
        journal: Journal,
    ) -> None:
        self._env = env
        self._queue = queue
        self._rate = Rate(queue.dispatches_per_second, queue.dispatches_per_second * burst_seconds)
        self._ramp = ramp
        self._deliver = deliver
        self._journal = journal
        self._due: deque[Task] = deque()
        self._woken = env.event()
        self.backlog = 0
        self.at_work = 0
        env.process(self._dispatch())

    def put(self, task: Task) -> None:
        """Put a task that is due now."""
        self.backlog += task.signers
        self._journal.backlog(self._env.now, self.backlog)
        self._due.append(task)
        self._wake()

    def _wake(self) -> None:
        if not self._woken.triggered:
            self._woken.succeed()

    def _dispatch(self) -> Steps[None]:
        while True:
            while not self._due or self.at_work >= self._queue.concurrent_dispatches:
                self._woken = self._env.event()
                yield self._woken
            task = self._due.popleft()
            self.at_work += task.signers
            waits = (limit.wait(self._env.now, task.signers) or 0 for limit in (self._rate, self._ramp))
            if seconds := max(waits):
                yield self._env.timeout(seconds)
            self._env.process(self._attempt(task))

    def _attempt(self, task: Task) -> Steps[None]:
        group = task.signers
        done = yield from self._deliver(task)
        self.at_work -= group
        self.backlog -= group
        self._journal.backlog(self._env.now, self.backlog)
        self._wake()
        if not done:
            self._journal.tried_again += group
            task.refusals += 1
            yield self._env.timeout(self._pause_seconds(task.refusals))
            self.put(task)

    def _pause_seconds(self, refusals: int) -> float:
        doubled = math.ldexp(self._queue.min_backoff_seconds, min(refusals - 1, self._queue.max_doublings))
        return min(doubled, self._queue.max_backoff_seconds)
