"""A function on Cloud Run: instances that start, fill up and are removed."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from random import Random

from simpy import Environment
from simpy.events import Event

from infra.cost.sizes import FunctionSize
from tests.bench.spike import chance
from tests.bench.spike.facts import Platform
from tests.bench.spike.processor import Processor, Steps


class Instance:
    """`in_flight`: requests that it is answering."""

    def __init__(self, processor: Processor, now: float) -> None:
        self.processor = processor
        self.in_flight = 0
        #: Since when it has had nothing to do, or something.
        self.since = now
        self.busy_seconds = 0.0

    def take(self, requests: int, now: float) -> None:
        if self.in_flight == 0:
            self.since = now
        self.in_flight += requests

    def give_back(self, requests: int, now: float) -> None:
        self.in_flight -= requests
        if self.in_flight == 0:
            self.busy_seconds += now - self.since
            self.since = now

    def busy_until(self, now: float) -> float:
        """Return the seconds for which it had something to do."""
        return self.busy_seconds + (now - self.since if self.in_flight else 0)


_in_flight = attrgetter("in_flight")


@dataclass(slots=True)
class _Pending:
    """`event` succeeds with the instance, or with None."""

    event: Event
    requests: int
    since: float


class Function:
    """Requests come in groups of `requests`, each of which one instance answers.

    A group is let in where there is room for one more request, so that an instance may hold a few more than its
    concurrency says. Attributes:
        served: requests that found an instance.
        peak: the most instances at a time, those that were starting included.
        alive_seconds: of all its instances together, up to the last request.
    """

    def __init__(
        self,
        env: Environment,
        size: FunctionSize,
        start_seconds: float,
        platform: Platform,
        rng: Random,
        processor: Callable[[], Processor],
    ) -> None:
        self._env = env
        self._size = size
        self._start_seconds = platform.placing_seconds + start_seconds
        self._platform = platform
        self._rng = rng
        self._processor = processor
        self._pending: deque[_Pending] = deque()
        self._pending_requests = 0
        self._starting = 0
        self._grown_at = 0.0
        #: Of instances that are not there any more, and of starting.
        self._gone_busy_seconds = 0.0
        self._gone_cpu_seconds = 0.0
        self.alive_seconds = 0.0
        self._counted_at = 0.0
        self._concurrency_seconds = 0.0
        self._in_flight = 0
        self._metrics: deque[tuple[float, float, float]] = deque([(0.0, 0.0, 0.0)])
        self._watched = False
        self.instances = [Instance(processor(), env.now) for _ in range(size.min_instances)]
        #: So many the autoscaler wants; the others are let run dry.
        self._wanted = max(1, size.min_instances)
        self.served = 0
        self.peak = len(self.instances)
        env.process(self._autoscale())

    @property
    def alive(self) -> int:
        """Instances, those that are starting included."""
        return len(self.instances) + self._starting

    def admit(self, requests: int) -> Steps[Instance | None]:
        """Wait for the instance that answers this group; None if it is refused with 429."""
        instance = self._with_room() if not self._pending else None
        if instance is None:
            instance = yield from self._line_up(requests)
        else:
            self._take(instance, requests)
        return instance

    def release(self, instance: Instance, requests: int) -> None:
        """Note that the group has its answers."""
        self._count()
        self._in_flight -= requests
        instance.give_back(requests, self._env.now)
        self._let_in()

    def billed_seconds(self) -> tuple[float, float]:
        """Return for which seconds instances were starting or answering, and for which the warm ones were idle.

        https://cloud.google.com/run/docs/configuring/billing-settings: request-based billing.
        """
        self._count()
        busy = self._gone_busy_seconds + sum(each.busy_until(self._env.now) for each in self.instances)
        warm = min(self._size.min_instances * self._env.now, self.alive_seconds)
        return busy, max(0, warm - busy)

    def _with_room(self) -> Instance | None:
        """The one with least to do of those that are wanted, or else any."""
        for some in (self.instances[: self._wanted], self.instances[self._wanted :]):
            if some and (least := min(some, key=_in_flight)).in_flight < self._size.concurrency:
                return least
        return None

    def _take(self, instance: Instance, requests: int) -> None:
        self._count()
        self._in_flight += requests
        self.served += requests
        instance.take(requests, self._env.now)

    def _line_up(self, requests: int) -> Steps[Instance | None]:
        self._pending.append(_Pending(self._env.event(), requests, self._env.now))
        self._pending_requests += requests
        mine = self._pending[-1]
        self._start_on_demand()
        if not self._watched:
            self._watched = True
            self._env.process(self._time_out())
        instance: Instance | None = yield mine.event
        return instance

    def _let_in(self) -> None:
        while self._pending and (instance := self._with_room()):
            first = self._pending.popleft()
            self._pending_requests -= first.requests
            self._take(instance, first.requests)
            first.event.succeed(instance)

    def _time_out(self) -> Steps[None]:
        timeout = max(self._platform.pending_seconds, self._platform.pending_starts * self._start_seconds)
        while self._pending:
            oldest = self._pending[0]
            yield self._env.timeout(max(0, oldest.since + timeout - self._env.now))
            while self._pending and self._pending[0].since + timeout <= self._env.now:
                refused = self._pending.popleft()
                self._pending_requests -= refused.requests
                refused.event.succeed(None)
        self._watched = False

    def _start_on_demand(self) -> None:
        """As many as those who wait would fill."""
        while self._pending_requests > self._starting * self._size.concurrency and self._start():
            pass

    def _start(self) -> bool:
        if self.alive >= self._size.max_instances:
            return False
        self._starting += 1
        self.peak = max(self.peak, self.alive)
        self._env.process(self._come_up())
        return True

    def _come_up(self) -> Steps[None]:
        seconds = chance.around(self._rng, self._start_seconds, self._platform.latency_sigma / 2)
        yield self._env.timeout(seconds)
        self._count()
        self._gone_busy_seconds += seconds
        self._starting -= 1
        self._grown_at = self._env.now
        self.instances.append(Instance(self._processor(), self._env.now))
        self._wanted = len(self.instances)
        self._let_in()

    def _autoscale(self) -> Steps[None]:
        """Enough instances for the last minute's processor time and concurrency at the target utilization."""
        while True:
            yield self._env.timeout(self._platform.autoscaler_period_seconds)
            recommended = self._recommended()
            while self.alive < recommended and self._start():
                pass
            # Who has just come up for those who waited is not yet seen in the average.
            if self._env.now - self._grown_at >= self._platform.autoscaler_window_seconds:
                self._wanted = max(recommended, self._size.min_instances, 1)
            self._remove_idle()

    def _recommended(self) -> int:
        self._count()
        now, target = self._env.now, self._platform.target_utilization
        cpu = self._gone_cpu_seconds + sum(each.processor.used_seconds for each in self.instances)
        self._metrics.append((now, cpu, self._concurrency_seconds))
        while self._metrics[0][0] < now - self._platform.autoscaler_window_seconds:
            self._metrics.popleft()
        then, cpu_then, concurrency_then = self._metrics[0]
        if now == then:
            return 0
        busy = (cpu - cpu_then) / (now - then)
        at_once = (self._concurrency_seconds - concurrency_then) / (now - then)
        return math.ceil(max(busy / target, at_once / (target * self._size.concurrency)) - 1e-9)

    def _remove_idle(self) -> None:
        """From the end, for those are not wanted any more."""
        long_ago = self._env.now - self._platform.idle_seconds
        kept = max(self._wanted if self._in_flight else 0, self._size.min_instances)
        for instance in reversed(self.instances[kept:]):
            if instance.in_flight == 0 and instance.since <= long_ago:
                self.instances.remove(instance)
                self._gone_busy_seconds += instance.busy_seconds
                self._gone_cpu_seconds += instance.processor.used_seconds

    def _count(self) -> None:
        """Add up since the last change."""
        passed = self._env.now - self._counted_at
        self.alive_seconds += passed * len(self.instances)
        self._concurrency_seconds += passed * self._in_flight
        self._counted_at = self._env.now
