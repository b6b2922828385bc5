"""Where a function's code runs: one request's burst of work after the other, as in an event loop."""

from collections.abc import Generator
from typing import Any, Protocol, TypeVar

from simpy import Environment, Resource
from simpy.events import Event

T = TypeVar("T")
#: What a process of the simulation yields, and what it returns.
Steps = Generator[Event, Any, T]


class Processor(Protocol):
    """`used_seconds`: so much it has worked."""

    used_seconds: float

    def work(self, requests: int, seconds: float) -> Steps[None]:
        """Of a group of requests, `seconds` for each. Waits until all that came before is done, and then for one
        of them: in reality they come one by one, and none waits for the rest of its group.
        """


class OwnCore:
    """A core for one process alone, as an instance of the platform has it."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._free_at = 0.0
        self.used_seconds = 0.0

    def work(self, requests: int, seconds: float) -> Steps[None]:
        begin = max(self._free_at, self._env.now)
        self._free_at = begin + requests * seconds
        yield self._env.timeout(begin + seconds - self._env.now)
        self.used_seconds += requests * seconds


#: After so long, the next one that waits for the core gets it, as with a fair scheduler.
_SLICE_SECONDS = 0.001


class SharedCores:
    """A process that shares the machine's cores with others; it uses one at a time."""

    def __init__(self, env: Environment, cores: Resource) -> None:
        self._env = env
        self._cores = cores
        self._turn = Resource(env)
        self.used_seconds = 0.0

    def work(self, requests: int, seconds: float) -> Steps[None]:
        left = requests * seconds
        self.used_seconds += left
        with self._turn.request() as turn:
            yield turn
            while left > 0:
                with self._cores.request() as core:
                    yield core
                    yield self._env.timeout(min(left, _SLICE_SECONDS))
                left -= _SLICE_SECONDS
