"""A signature's path through the system: pressed, accepted, mailed, opened, counted."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from simpy import Environment

from infra.cost.sizes import FunctionSize, QueueSize
from infra.cost.usage import COUNT_FRESH_SECONDS, Assumptions, renewals
from shared.queue import QueueName
from tests.bench.spike import chance
from tests.bench.spike.facts import People, Platform
from tests.bench.spike.figures import Figures
from tests.bench.spike.function import Function, Instance
from tests.bench.spike.journal import BUTTON, COUNTED, MAILED, Journal
from tests.bench.spike.processor import Steps
from tests.bench.spike.surroundings import Surroundings, Unavailable
from tests.bench.spike.tasks import Answer, CloudTasks, Task
from tests.bench.spike.traces import DAY, Trace

#: Readers come in groups of this many; each of them costs little.
READERS_AT_ONCE = 100
_GIVE_UP_SECONDS = 60 * DAY


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed: the sizes of functions and queues."""

    functions: Mapping[str, FunctionSize]
    queues: Mapping[QueueName, QueueSize]


class System:
    """All functions and the queues between them. What happens is written into `journal`."""

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
        delivering: Mapping[QueueName, Callable[[Task, Instance], Steps[bool]]] = {
            QueueName.SIGNATURES: self._mail,
            QueueName.PRESSES: self._count_deferred,
            QueueName.REMINDERS: self._remind,
            QueueName.WITHOUT_WORK: self._mail,
        }
        self.queues = {
            name: CloudTasks(env, name, size, platform, self._deliver(delivering[name]), journal)
            for name, size in deployment.queues.items()
        }
        #: Signers who are not counted, nor known to never confirm, or whose reminder is not done.
        self._under_way = 0
        #: When they are due, and how many.
        self._reminders: deque[tuple[float, int]] = deque()

    def run(self, trace: Trace, polls_per_second: float = 0) -> None:
        """Run until everybody who came has been counted, or is known not to confirm.

        Raises:
            RuntimeError: some have come to neither in weeks.
        """
        self._env.process(self._presses(trace))
        self._env.process(self._readers(trace, polls_per_second))
        self._env.process(self._watch())
        self._env.run(trace.seconds)
        while self._under_way:
            if self._env.now > trace.seconds + _GIVE_UP_SECONDS:
                raise RuntimeError(f"{self._under_way} signers got lost")
            self._env.run(self._env.now + self._journal.bin_seconds)

    def _presses(self, trace: Trace) -> Steps[None]:
        # Of their own chance, so that the same signers come whatever happens to them.
        for pressed_at, signers in arrivals(trace, Random(self._rng.getrandbits(64))):
            yield self._env.timeout(pressed_at - self._env.now)
            self._under_way += signers
            self._env.process(self._sign(signers))

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
        task = Task(pressed_at, signers)
        try:
            yield from self._around.enqueue(QueueName.SIGNATURES, signers)
        except Unavailable:
            self._journal.spooled += signers
            self._env.process(self._sweep(task))
        else:
            self.queues[QueueName.SIGNATURES].put(task)
        sign.release(instance, signers)
        self._journal.accept(pressed_at, self._env.now, signers)

    def _sweep(self, task: Task) -> Steps[None]:
        yield self._env.timeout(self._rng.uniform(0, self._platform.sweep_seconds))
        self.queues[QueueName.SIGNATURES].put(task)

    def _deliver(self, handle: Callable[[Task, Instance], Steps[bool]]) -> Callable[[Task], Steps[Answer]]:
        def deliver(task: Task) -> Steps[Answer]:
            group = task.signers
            yield from self._around.dispatch(group)
            instance = yield from self.functions["deliver"].admit(group)
            if instance is None:
                return Answer.OVERLOADED
            try:
                done = yield from handle(task, instance)
            except Unavailable:
                return Answer.OVERLOADED
            finally:
                self.functions["deliver"].release(instance, group)
            return Answer.DONE if done else Answer.RETRY

        return deliver

    def _mail(self, task: Task, instance: Instance) -> Steps[bool]:
        yield from instance.processor.work(task.signers, self._cpu["deliver"])
        yield from self._around.admit(task.signers)
        yield from self._around.mail(task.signers, instance)
        self._journal.reach(MAILED, task.pressed_at, self._env.now, task.signers)
        self._env.process(self._confirm(task.pressed_at, task.signers))
        # A claim that could not be settled, or a reminder that could not be put off, is repaired by the
        # task's retry; it mails nothing, so it is left out here.
        try:
            yield from self._around.settle(task.signers)
            yield from self._around.enqueue(QueueName.REMINDERS, task.signers)
        except Unavailable:
            return True
        if self._usage.reminded_share:
            self._remind_later(task.signers)
        return True

    def _remind_later(self, signers: int) -> None:
        self._under_way += signers
        self._reminders.append((self._env.now + self._people.reminded_after_seconds, signers))
        if len(self._reminders) == 1:
            self._env.process(self._put_reminders())

    def _put_reminders(self) -> Steps[None]:
        while self._reminders:
            due_at, signers = self._reminders[0]
            yield self._env.timeout(due_at - self._env.now)
            self._reminders.popleft()
            self.queues[QueueName.REMINDERS].put(Task(due_at, signers))

    def _remind(self, task: Task, instance: Instance) -> Steps[bool]:
        """Mail those who have not confirmed; what they do then is not simulated."""
        yield from self._around.look_up(task.signers)
        if mails := chance.share(self._rng, task.signers, self._usage.reminded_share):
            yield from instance.processor.work(mails, self._cpu["deliver"])
            yield from self._around.admit(mails)
            yield from self._around.mail(mails, instance)
            self._journal.reminded += mails
        self._under_way -= task.signers
        return True

    def _confirm(self, pressed_at: float, mailed: int) -> Steps[None]:
        """Open the link, read, press the button. Scanners of mail open it at once, and press nothing."""
        signers = chance.share(self._rng, mailed, self._usage.confirmed_share)
        self._under_way -= mailed - signers
        opened = round(mailed * self._usage.opens_a_mail)
        if opened > signers:
            self._env.process(self._open(opened - signers))
        if not signers:
            return
        self._journal.confirmed += signers
        yield self._env.timeout(self._opening_seconds())
        yield from self._open(signers)
        yield self._env.timeout(self._people.reading_seconds)
        yield from self._press(Task(pressed_at, signers, button_at=self._env.now))

    def _opening_seconds(self) -> float:
        seconds = chance.around(self._rng, self._people.opening_median_seconds, self._people.opening_sigma)
        return min(seconds, self._people.opening_longest_seconds)

    def _open(self, readers: int) -> Steps[None]:
        instance = yield from self._ask_confirm(readers, "confirm_page")
        self.functions["confirm"].release(instance, readers)

    def _ask_confirm(self, signers: int, kind: str) -> Steps[Instance]:
        """Ask until there is an instance, and let it work."""
        yield from self._around.send(signers)
        while (instance := (yield from self.functions["confirm"].admit(signers))) is None:
            self._journal.pressed_again += signers
            yield self._env.timeout(self._people.again_seconds)
        yield from instance.processor.work(signers, self._cpu[kind])
        return instance

    def _press(self, press: Task) -> Steps[None]:
        group = press.signers
        instance = yield from self._ask_confirm(group, "confirm")
        try:
            done = yield from self._count(press)
        except Unavailable:
            done = False
        if not done:
            self._journal.deferred += press.signers
            yield from self._defer(press)
        self.functions["confirm"].release(instance, group)

    def _defer(self, press: Task) -> Steps[None]:
        """Enqueue a press; signers whose press cannot be enqueued either press again."""
        while True:
            try:
                yield from self._around.enqueue(QueueName.PRESSES, press.signers)
            except Unavailable:
                self._journal.pressed_again += press.signers
                yield self._env.timeout(self._people.again_seconds)
            else:
                self.queues[QueueName.PRESSES].put(press)
                return

    def _count_deferred(self, press: Task, instance: Instance) -> Steps[bool]:
        yield from instance.processor.work(press.signers, self._cpu["confirm"])
        return (yield from self._count(press))

    def _count(self, press: Task) -> Steps[bool]:
        """Whether all of them are counted now; those who are not stay in `press`."""
        counted = yield from self._around.count(press.signers)
        if counted:
            self._journal.reach(COUNTED, press.pressed_at, self._env.now, counted)
            self._journal.times[BUTTON].add(self._env.now - press.button_at, counted)
            self._under_way -= counted
        press.signers -= counted
        return press.signers == 0

    def _readers(self, trace: Trace, polls_per_second: float) -> Steps[None]:
        """Those of a second: redirects that no cache may keep, and each cache's own copy of the count."""
        usage, caches = self._usage, self._platform.caches
        while self._env.now < trace.seconds:
            views = chance.poisson(self._rng, trace.presses_per_second(self._env.now) * self._people.views_a_press)
            reads = views * usage.polls_a_view + polls_per_second * (self._env.now >= self._journal.first_press_at)
            fills = chance.poisson(self._rng, caches * renewals(reads / caches, 1, COUNT_FRESH_SECONDS))
            self._journal.views += views
            self._journal.reads += reads
            self._journal.fills += fills
            self._ask("embed", "redirect", round(views * usage.redirected_share))
            self._ask("count", "count", fills)
            yield self._env.timeout(1)

    def _ask(self, function: str, kind: str, readers: int) -> None:
        for first in range(0, readers, READERS_AT_ONCE):
            group = min(READERS_AT_ONCE, readers - first)
            self._env.process(self._read(self.functions[function], group, self._cpu[kind]))

    def _read(self, function: Function, readers: int, cpu_seconds: float) -> Steps[None]:
        instance = yield from function.admit(readers)
        if instance is None:
            self._journal.readers_refused += readers
            return
        yield from instance.processor.work(readers, cpu_seconds)
        function.release(instance, readers)

    def _watch(self) -> Steps[None]:
        while True:
            for name, function in self.functions.items():
                self._journal.level(name, self._env.now, len(function.instances))
            for queue, tasks in self.queues.items():
                self._journal.level(f"{queue} waiting", self._env.now, tasks.backlog)
            yield self._env.timeout(self._journal.bin_seconds)


def arrivals(trace: Trace, rng: Random) -> Iterator[tuple[float, int]]:
    """Yield when each group of signers presses, and how many: when its last one came, a Poisson stream."""
    now, step = 0.0, min(1.0, trace.seconds)
    group = trace.signers_at(now)
    needed = rng.gammavariate(group, 1)
    while now < trace.seconds:
        rate = trace.presses_per_second(now)
        until = min((math.floor(now / step) + 1) * step, trace.seconds)
        if rate * (until - now) < needed:
            needed -= rate * (until - now)
            now = until
            continue
        now += needed / rate
        yield now, group
        group = trace.signers_at(now)
        needed = rng.gammavariate(group, 1)
