"""What the functions depend on: Cloud Tasks, Firestore, the mail relays. Google's here, this machine's in
validation.py.
"""

from collections.abc import Mapping
from random import Random
from typing import Protocol
from weakref import WeakKeyDictionary

from simpy import Environment

from infra.cost import usage
from shared.queue import QueueName
from tests.bench.spike import chance
from tests.bench.spike.facts import Platform
from tests.bench.spike.function import Instance
from tests.bench.spike.limits import Documents, Ramp, Rate
from tests.bench.spike.processor import OwnCore, Processor, Steps

SIGNATURES, MAILBOXES = "signatures", "mailboxes"


class Unavailable(Exception):
    """It did not answer in time."""


class Surroundings(Protocol):
    """Each step waits for as long as a group of `signers` has to.

    Raises:
        Unavailable: from those steps that have a timeout.
    """

    def processor(self) -> Processor:
        """Of a new instance."""

    def send(self, signers: int) -> Steps[None]:
        """The request is on its way to a function."""

    def enqueue(self, queue: QueueName, signers: int) -> Steps[None]: ...

    def dispatch(self, signers: int) -> Steps[None]: ...

    def look_up(self, signers: int) -> Steps[None]:
        """A reminder's task reads whether there is anything to remind of."""

    def admit(self, signers: int) -> Steps[None]: ...

    def mail(self, signers: int, instance: Instance) -> Steps[None]: ...

    def settle(self, signers: int) -> Steps[None]: ...

    def count(self, signers: int) -> Steps[int]:
        """How many of them are in the tally afterwards; the others timed out."""


class Google:
    """The platform's parts, as documented.

    `mailing_instances` share the connections to the relays, which take `mails_per_second` together.
    """

    def __init__(
        self, env: Environment, platform: Platform, mailing_instances: int, mails_per_second: float, rng: Random
    ) -> None:
        self._env = env
        self._platform = platform
        self._rng = rng
        growth, period = platform.ramp_growth, platform.ramp_period_seconds
        self._creations = {name: Ramp(platform.create_ramp_per_second, growth, period) for name in QueueName}
        self._collections = {
            name: Ramp(platform.collection_ramp_per_second, growth, period) for name in (SIGNATURES, MAILBOXES)
        }
        self._tally = Documents(
            platform.tally_documents, platform.document_writes_per_second, platform.document_burst_writes
        )
        self._relays = Rate(mails_per_second, mails_per_second)
        of_each = platform.relay_connections * mails_per_second / platform.relays
        self._connections = platform.relays * max(1, int(of_each / mailing_instances))
        self._connected: WeakKeyDictionary[Instance, Rate] = WeakKeyDictionary()

    def processor(self) -> Processor:
        return OwnCore(self._env)

    def send(self, signers: int) -> Steps[None]:
        """Add nothing: the signer's own connection is not modelled."""
        yield from ()

    def enqueue(self, queue: QueueName, signers: int) -> Steps[None]:
        timeout = self._platform.create_timeout_seconds
        waiting = self._creations[queue].wait(self._env.now, signers, timeout)
        yield from self._answer(waiting, timeout, self._platform.create_task_seconds)

    def dispatch(self, signers: int) -> Steps[None]:
        yield self._env.timeout(self._latency(self._platform.dispatch_seconds))

    def look_up(self, signers: int) -> Steps[None]:
        each = signers * usage.REMINDER_READS / 2
        yield from self._call(self._platform.read_seconds, {SIGNATURES: each, MAILBOXES: each})

    def admit(self, signers: int) -> Steps[None]:
        """One read of two documents, one commit to both."""
        each = signers * usage.ADMIT_READS / 2
        yield from self._call(self._platform.read_seconds, {SIGNATURES: each, MAILBOXES: each})
        each = signers * usage.ADMIT_WRITES / 2
        yield from self._call(self._platform.commit_seconds, {SIGNATURES: each, MAILBOXES: each})

    def mail(self, signers: int, instance: Instance) -> Steps[None]:
        """Wait for one of the instance's own connections, and for the relays."""
        if instance not in self._connected:
            self._connected[instance] = Rate(self._connections / self._platform.relay_seconds, self._connections)
        waits = (limit.wait(self._env.now, signers) or 0 for limit in (self._connected[instance], self._relays))
        yield self._env.timeout(max(waits) + self._latency(self._platform.relay_seconds))

    def settle(self, signers: int) -> Steps[None]:
        yield from self._call(self._platform.commit_seconds, {MAILBOXES: signers * usage.SETTLE_WRITES})

    def count(self, signers: int) -> Steps[int]:
        """One read, one commit to the signature and a document of the tally; the slowest holds up the group."""
        yield from self._call(self._platform.read_seconds, {SIGNATURES: signers * usage.CONFIRM_READS})
        timeout = self._platform.call_timeout_seconds
        waits = self._tally.wait(self._env.now, signers, timeout, self._rng)
        if not waits:
            yield self._env.timeout(timeout)
            return 0
        yield self._env.timeout(max(waits))
        writes = len(waits) * (usage.CONFIRM_WRITES - 1)
        yield from self._call(self._platform.commit_seconds, {SIGNATURES: writes})
        return len(waits)

    def _call(self, latency: float, operations: Mapping[str, float]) -> Steps[None]:
        timeout = self._platform.call_timeout_seconds
        waits = [
            self._collections[name].wait(self._env.now, number, timeout) for name, number in operations.items()
        ]
        late = [seconds for seconds in waits if seconds is not None]
        yield from self._answer(max(late) if len(late) == len(waits) else None, timeout, latency)

    def _answer(self, waiting: float | None, timeout: float, latency: float) -> Steps[None]:
        if waiting is None:
            yield self._env.timeout(timeout)
            raise Unavailable
        yield self._env.timeout(waiting + self._latency(latency))

    def _latency(self, median: float) -> float:
        return chance.around(self._rng, median, self._platform.latency_sigma)
