"""A circuit breaker: while a service does not answer, callers take their other way at once instead of waiting.

Only what Google's client or a socket reports as "no answer" opens it; an answer that one call is wrong does not.
No library: purgatory measures with the wall clock, and it and circuitbreaker let every caller probe; pybreaker
does not know asyncio.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared import log
from shared.errors import Unavailable

#: It opens when attempts have failed for so long. A connection that breaks is replaced in less, and a service that
#: refuses connections at once is still given that long.
FAILING_SECONDS = 1.5
#: While it is open, one attempt in so many seconds finds out whether the service is back.
PROBE_EVERY_SECONDS = 10.0
#: For that attempt, behind which somebody waits as well. Long enough for a service that is slow and works: if all
#: ways were shut out for that, sign would turn everybody away.
PROBE_TIMEOUT_SECONDS = 2.0

Monotonic = Callable[[], float]


class CircuitBreaker:
    """Guards the attempts to call one service. One event loop's alone.

    Args:
        service: its name, for the log.
        error: what is raised while it is open.
        no_answer: the exceptions of an attempt that say that the service does not answer.
        monotonic: a clock in seconds that is never set.
    """

    def __init__(
        self,
        service: str,
        error: type[Unavailable],
        no_answer: tuple[type[Exception], ...],
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._service = service
        self._error = error
        self._no_answer = no_answer
        self._monotonic = monotonic
        #: When the first failure since the last success was seen.
        self._failing_since: float | None = None
        self._opened_at: float | None = None
        self._next_probe_at = 0.0

    @contextmanager
    def attempt(self, timeout_seconds: float) -> Iterator[float]:
        """Yield the seconds that an attempt may take, and note how it ends.

        Raises:
            Unavailable: of the kind `error`, at once, while the breaker is open.
        """
        began = self._monotonic()
        if self._opened_at is not None:
            if began < self._next_probe_at:
                raise self._error("circuit breaker")
            self._next_probe_at = began + PROBE_EVERY_SECONDS
            timeout_seconds = min(timeout_seconds, PROBE_TIMEOUT_SECONDS)
        try:
            yield timeout_seconds
        except self._no_answer as error:
            self._note_failure(began, error)
            raise
        self._note_success()

    def _note_failure(self, began: float, error: Exception) -> None:
        now = self._monotonic()
        if self._failing_since is None:
            self._failing_since = now
        # Attempts that were under way at the first failure may have met the same dead connection: they prove
        # nothing. One that began later had another.
        elif (
            self._opened_at is None
            and began >= self._failing_since
            and now - self._failing_since >= FAILING_SECONDS
        ):
            self._opened_at = now
            self._next_probe_at = now + PROBE_EVERY_SECONDS
            log.event("breaker_opened", "WARNING", service=self._service, error=type(error).__qualname__)

    def _note_success(self) -> None:
        if self._opened_at is not None:
            seconds = round(self._monotonic() - self._opened_at)
            log.event("breaker_closed", service=self._service, seconds=seconds)
        self._failing_since = self._opened_at = None
