"""A service that does not answer keeps a few callers waiting, and then nobody but a probe now and then."""

import json

import pytest

from shared.circuit_breaker import FAILING_SECONDS, PROBE_EVERY_SECONDS, PROBE_TIMEOUT_SECONDS, CircuitBreaker
from shared.errors import QueueUnavailable

#: Of a usual attempt.
TIMEOUT = 2.0


class Service:
    """Attempts to call a service, each of which takes `seconds` and raises `error`, if there is one."""

    def __init__(self) -> None:
        self.now = 100.0
        self.breaker = CircuitBreaker("queue", QueueUnavailable, (TimeoutError,), lambda: self.now)

    def call(self, error: Exception | None = None, *, seconds: float = TIMEOUT) -> float:
        """Return the seconds that the attempt may take."""
        with self.breaker.attempt(TIMEOUT) as limit:
            self.now += min(seconds, limit)
            if error:
                raise error
            return limit

    def fail(self) -> None:
        with pytest.raises(TimeoutError):
            self.call(TimeoutError())

    def is_open(self) -> bool:
        try:
            self.call(seconds=0)
        except QueueUnavailable:
            return True
        return False


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def away() -> Service:
    """A service whose breaker has just opened."""
    service = Service()
    service.fail()
    service.fail()
    return service


def test_a_service_that_answers_may_take_its_time(service: Service) -> None:
    """The breaker changes nothing."""
    assert [service.call() for _ in range(3)] == [TIMEOUT] * 3


def test_one_timeout_does_not_open_it(service: Service) -> None:
    """The connection may have died, and the next attempt has another."""
    service.fail()

    assert not service.is_open()


def test_the_timeout_of_a_second_attempt_opens_it(away: Service) -> None:
    """From then on callers are refused at once."""
    before = away.now

    assert away.is_open()
    assert away.now == before


def test_an_answer_between_two_timeouts_keeps_it_closed(service: Service) -> None:
    """A service that is slow now and then is not away."""
    service.fail()
    service.call()
    service.fail()

    assert not service.is_open()


def test_attempts_that_were_under_way_together_are_one_failure(service: Service) -> None:
    """A hundred that met one dead connection say nothing about another connection."""
    with pytest.raises(TimeoutError):
        _fail_one_after_the_other(service)

    assert not service.is_open()


def _fail_one_after_the_other(service: Service) -> None:
    with service.breaker.attempt(TIMEOUT):
        service.fail()
        service.now += TIMEOUT
        raise TimeoutError


def test_refused_connections_open_it_after_a_while(service: Service) -> None:
    """They fail at once, so that several attempts say no more than one."""
    for _ in range(5):
        with pytest.raises(TimeoutError):
            service.call(TimeoutError(), seconds=0.01)

    service.now += FAILING_SECONDS
    service.fail()

    assert service.is_open()


def test_what_is_wrong_with_one_call_neither_opens_nor_closes_it(service: Service, away: Service) -> None:
    """Such as a body that is too large: the next call may be right, and the service was not asked."""
    for _ in range(5):
        with pytest.raises(ValueError, match="too large"):
            service.call(ValueError("too large"))
    away.now += PROBE_EVERY_SECONDS
    with pytest.raises(ValueError, match="too large"):
        away.call(ValueError("too large"))

    assert not service.is_open()
    assert away.is_open()


def test_one_attempt_probes_while_it_is_open(away: Service) -> None:
    """It has less time than usual, for somebody waits; the others are refused meanwhile."""
    away.now += PROBE_EVERY_SECONDS
    with away.breaker.attempt(TIMEOUT) as limit:
        others = away.is_open()

    assert (limit, others) == (PROBE_TIMEOUT_SECONDS, True)


def test_a_probe_that_is_answered_closes_it(away: Service) -> None:
    """Everybody may call the service again, and take the usual time."""
    away.now += PROBE_EVERY_SECONDS
    away.call(seconds=0.1)

    assert [away.call() for _ in range(3)] == [TIMEOUT] * 3


def test_a_probe_that_is_not_answered_leaves_it_open_until_the_next(away: Service) -> None:
    """There is one in `PROBE_EVERY_SECONDS`, however many callers there are."""
    probes = 0
    until = away.now + 10 * PROBE_EVERY_SECONDS
    while away.now < until:
        away.now += 0.1
        try:
            away.call(TimeoutError())
        except TimeoutError:
            probes += 1
        except QueueUnavailable:
            pass

    assert 8 <= probes <= 10


def test_a_probe_that_is_cancelled_does_not_leave_it_open_for_ever(away: Service) -> None:
    """Its client may hang up; the next one probes again."""
    away.now += PROBE_EVERY_SECONDS
    with pytest.raises(GeneratorExit), away.breaker.attempt(TIMEOUT):
        raise GeneratorExit

    away.now += PROBE_EVERY_SECONDS

    assert not away.is_open()


def test_opening_and_closing_are_logged_once(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """With the service, so that an operator sees which one was away, and for how long."""
    service.fail()
    service.fail()
    service.is_open()
    service.now += 60
    service.call(seconds=0)

    opened, closed = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert opened == {
        "severity": "WARNING",
        "event": "breaker_opened",
        "service": "queue",
        "error": "TimeoutError",
    }
    assert closed == {"severity": "INFO", "event": "breaker_closed", "service": "queue", "seconds": 60}
