"""A signature's path through the system: pressed, accepted, mailed, opened, counted."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from simpy import Environment

from infra.cost.sizes import FunctionSize, QueueSize
from infra.cost.usage import COUNT_FRESH_SECONDS, Assumptions
from tests.bench.spike import chance
from tests.bench.spike.facts import People, Platform
from tests.bench.spike.figures import Figures
from tests.bench.spike.function import Function
from tests.bench.spike.journal import BUTTON, Journal
from tests.bench.spike.limits import Ramp
from tests.bench.spike.processor import Steps
from tests.bench.spike.surroundings import Surroundings, Unavailable
from tests.bench.spike.tasks import CloudTasks, Kind, Task
from tests.bench.spike.traces import DAY, Trace

#: Readers come in groups of this many; each of them costs little.
READERS_AT_ONCE = 100
_GIVE_UP_SECONDS = 3 * DAY


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed: the sizes under one quota, and the documents of the campaign's tally."""

    functions: Mapping[str, FunctionSize]
    queue: QueueSize
    shards: int


class System:
    """All functions and the queue between them. What happens is written into `journal`."""

    def __init__(
        self,
        env: Environment,
        deployment: Deployment,
        figures: Figures,
        platform: Platform,
        people: People,
        usage: Assumptions,
        surroundings: Surroundings,
        journal: Journal,
        rng: Random,
    ) -> None:
        self._env = env
        self._cpu = {kind: seconds / platform.vcpu_speed for kind, seconds in figures.cpu_seconds.items()}
        self._platform = platform
        self._people = people
        self._usage = usage
        self._around = surroundings
        self._journal = journal
        self._rng = rng
        self.functions = {
            name: Function(env, size, figures.start_seconds[name], platform, rng, surroundings.processor)
            for name, size in deployment.functions.items()
        }
        ramp = Ramp(platform.queue_ramp_per_second, platform.ramp_growth, platform.ramp_period_seconds)
        self.queue = CloudTasks(env, deployment.queue, platform.queue_burst_seconds, ramp, self._deliver, journal)
        #: Signers who are neither counted nor known to never confirm.
        self._under_way = 0

    def run(self, trace: Trace) -> None:
        """Run until everybody who came has been counted, or is known not to confirm.

        Raises:
            RuntimeError: some have come to neither in days.
        """
        self._env.process(self._presses(trace))
        self._env.process(self._readers(trace))
        self._env.process(self._watch())
        self._env.run(trace.seconds)
        while self._under_way:
            if self._env.now > trace.seconds + _GIVE_UP_SECONDS:
                raise RuntimeError(f"{self._under_way} signers got lost")
            self._env.run(self._env.now + self._journal.bin_seconds)

    def _presses(self, trace: Trace) -> Steps[None]:
        # Of their own chance, so that the same signers come whatever happens to them.
        for pressed_at in arrivals(trace, Random(self._rng.getrandbits(64))):
            yield self._env.timeout(pressed_at - self._env.now)
            self._under_way += trace.signers_at_once
            self._env.process(self._sign(trace.signers_at_once))

    def _sign(self, signers: int) -> Steps[None]:
        pressed_at = self._env.now
        self._journal.press(pressed_at, signers)
        yield from self._around.send(signers)
        sign = self.functions["sign"]
        instance = yield from sign.admit(signers)
        if instance is None:
            self._journal.refused += signers
            self._under_way -= signers
            return
        yield from instance.processor.work(signers, self._cpu["sign"])
        task = Task(Kind.SIGNATURE, pressed_at, signers)
        try:
            yield from self._around.enqueue(signers)
        except Unavailable:
            self._journal.spooled += signers
            self._env.process(self._sweep(task))
        else:
            self.queue.put(task)
        sign.release(instance, signers)
        self._journal.reach("accepted", pressed_at, self._env.now, signers)

    def _sweep(self, task: Task) -> Steps[None]:
        yield self._env.timeout(self._rng.uniform(0, self._platform.sweep_seconds))
        self.queue.put(task)

    def _deliver(self, task: Task) -> Steps[bool]:
        group = task.signers
        yield from self._around.dispatch(group)
        deliver = self.functions["deliver"]
        instance = yield from deliver.admit(group)
        if instance is None:
            return False
        try:
            if task.kind is Kind.PRESS:
                yield from instance.processor.work(group, self._cpu["confirm"])
                return (yield from self._count(task))
            yield from instance.processor.work(group, self._cpu["deliver"])
            yield from self._mail(task)
        except Unavailable:
            return False
        finally:
            deliver.release(instance, group)
        return True

    def _mail(self, task: Task) -> Steps[None]:
        yield from self._around.admit(task.signers)
        yield from self._around.mail(task.signers)
        self._journal.reach("mailed", task.pressed_at, self._env.now, task.signers)
        self._env.process(self._confirm(task.pressed_at, task.signers))
        # A claim that could not be settled, or a reminder that could not be put off, is repaired by the
        # task's retry; it mails nothing, so it is left out here.
        try:
            yield from self._around.settle(task.signers)
            yield from self._around.remind(task.signers)
        except Unavailable:
            return

    def _confirm(self, pressed_at: float, mailed: int) -> Steps[None]:
        """Open the link, read, press the button. Scanners of mail open it at once, and press nothing."""
        signers = chance.share(self._rng, mailed, self._usage.confirmed_share)
        self._under_way -= mailed - signers
        opened = round(mailed * self._usage.opens_a_mail)
        if opened > signers:
            self._env.process(self._open(opened - signers))
        if not signers:
            return
        yield self._env.timeout(self._opening_seconds())
        yield from self._open(signers)
        yield self._env.timeout(self._people.reading_seconds)
        yield from self._press(Task(Kind.PRESS, pressed_at, signers))

    def _opening_seconds(self) -> float:
        seconds = chance.around(self._rng, self._people.opening_median_seconds, self._people.opening_sigma)
        return min(seconds, self._people.opening_longest_seconds)

    def _open(self, readers: int) -> Steps[None]:
        yield from self._around.send(readers)
        confirm = self.functions["confirm"]
        while (instance := (yield from confirm.admit(readers))) is None:
            self._journal.pressed_again += readers
            yield self._env.timeout(self._people.again_seconds)
        yield from instance.processor.work(readers, self._cpu["confirm_page"])
        confirm.release(instance, readers)

    def _press(self, press: Task) -> Steps[None]:
        press.button_at = self._env.now
        yield from self._around.send(press.signers)
        confirm, group = self.functions["confirm"], press.signers
        while (instance := (yield from confirm.admit(group))) is None:
            self._journal.pressed_again += group
            yield self._env.timeout(self._people.again_seconds)
        yield from instance.processor.work(group, self._cpu["confirm"])
        try:
            done = yield from self._count(press)
        except Unavailable:
            done = False
        if not done:
            self._journal.counted_later += press.signers
            yield from self._enqueue_press(press)
        confirm.release(instance, group)

    def _enqueue_press(self, press: Task) -> Steps[None]:
        """Enqueue a press; who cannot be enqueued either presses again."""
        while True:
            try:
                yield from self._around.enqueue(press.signers)
            except Unavailable:
                self._journal.pressed_again += press.signers
                yield self._env.timeout(self._people.again_seconds)
            else:
                self.queue.put(press)
                return

    def _count(self, press: Task) -> Steps[bool]:
        """Whether all of them are counted now; those who are not stay in `press`."""
        counted = yield from self._around.count(press.signers)
        if counted:
            self._journal.reach("counted", press.pressed_at, self._env.now, counted)
            self._journal.times[BUTTON].add(self._env.now - press.button_at, counted)
            self._under_way -= counted
        press.signers -= counted
        return press.signers == 0

    def _readers(self, trace: Trace) -> Steps[None]:
        """Those of a second: redirects that no cache may keep, and each cache's own copy of the count."""
        usage, places = self._usage, self._platform.cache_places
        while self._env.now < trace.seconds:
            views = chance.poisson(self._rng, trace.presses_per_second(self._env.now) * self._people.views_a_press)
            reads = views * usage.polls_a_view
            fills = min(reads, chance.poisson(self._rng, places / COUNT_FRESH_SECONDS))
            self._journal.views += views
            self._journal.reads += reads
            self._journal.filled += fills
            self._ask("embed", "page", round(views * usage.redirected_share))
            self._ask("count", "count", round(fills))
            yield self._env.timeout(1)

    def _ask(self, function: str, kind: str, readers: int) -> None:
        for first in range(0, readers, READERS_AT_ONCE):
            group = min(READERS_AT_ONCE, readers - first)
            self._env.process(self._read(self.functions[function], group, self._cpu[kind]))

    def _read(self, function: Function, readers: int, cpu_seconds: float) -> Steps[None]:
        instance = yield from function.admit(readers)
        if instance:
            yield from instance.processor.work(readers, cpu_seconds)
            function.release(instance, readers)

    def _watch(self) -> Steps[None]:
        while True:
            for name, function in self.functions.items():
                self._journal.level(name, self._env.now, len(function.instances))
            self._journal.level("backlog", self._env.now, self.queue.backlog)
            yield self._env.timeout(self._journal.bin_seconds)


def arrivals(trace: Trace, rng: Random) -> Iterator[float]:
    """Yield when each group of `signers_at_once` presses: when its last one came, a Poisson stream."""
    now, step = 0.0, min(1.0, trace.seconds)
    needed = rng.gammavariate(trace.signers_at_once, 1)
    while now < trace.seconds:
        rate = trace.presses_per_second(now)
        until = min((math.floor(now / step) + 1) * step, trace.seconds)
        if rate * (until - now) < needed:
            needed -= rate * (until - now)
            now = until
            continue
        now += needed / rate
        needed = rng.gammavariate(trace.signers_at_once, 1)
        yield now
