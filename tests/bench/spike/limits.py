"""What holds requests back: rates that may only grow slowly, and documents that take one write at a time.

Each limit says at once how long an arrival has to wait, and reserves that place; an arrival that would time out
before that gets no place.
"""

import math
from random import Random


class Rate:
    """So many a second, first come, first served. `burst`: how many may pass at once after a quiet time."""

    def __init__(self, per_second: float, burst: float = 0) -> None:
        self.per_second = per_second
        self._burst = burst
        #: When the next one is due if all before it had come evenly.
        self._next = 0.0

    def wait(self, now: float, number: float, timeout: float = math.inf) -> float | None:
        """Return the seconds until `number` may pass; None if that is longer than `timeout`."""
        seconds = max(0.0, self._next - now - self._burst / self.per_second)
        if seconds > timeout:
            return None
        self._next = max(self._next, now) + number / self.per_second
        return seconds

    def change(self, now: float, per_second: float) -> None:
        """Change the rate from now on; those who wait are let through at it, too."""
        waiting = max(0.0, self._next - now) * self.per_second
        self.per_second = per_second
        self._next = now + waiting / per_second


class Ramp:
    """A rate that each period may become `growth` times what was used of it, and shrinks as slowly.

    Never below `start_per_second`.
    """

    def __init__(self, start_per_second: float, growth: float, period_seconds: float) -> None:
        self._start = start_per_second
        self._growth = growth
        self._period = period_seconds
        self._rate = Rate(start_per_second)
        self._begun = -math.inf
        self._used = 0.0
        self._slowed = False

    def wait(self, now: float, number: float, timeout: float = math.inf) -> float | None:
        """As `Rate.wait`."""
        if now >= self._begun + self._period:
            self._begin_period(now)
        seconds = self._rate.wait(now, number, timeout)
        if seconds is not None:
            self._used += number
        return seconds

    def slow_down(self, now: float) -> None:
        """Halve the rate, once a period."""
        if not self._slowed:
            self._slowed = True
            self._rate.change(now, max(self._start, self._rate.per_second / 2))

    def _begin_period(self, now: float) -> None:
        passed = now - self._begun
        used = min(self._used / passed, self._rate.per_second)
        shrunk = self._rate.per_second / self._growth ** min(passed / self._period, 100)
        self._rate.change(now, max(self._start, self._growth * used, shrunk))
        self._begun, self._used, self._slowed = now, 0, False


class Documents:
    """The documents of a tally. Each takes so many writes a second, and a few more in a burst."""

    def __init__(self, number: int, writes_per_second: float, burst: float) -> None:
        self._seconds = 1 / writes_per_second
        self._burst_seconds = burst / writes_per_second
        #: As `Rate._next`, of each document; a rush asks for them millions of times.
        self._next = [0.0] * number

    def wait(self, now: float, writes: int, timeout: float, rng: Random) -> list[float]:
        """Return the seconds for each of the writes that find a place, each to a random document."""
        waits = []
        for _ in range(writes):
            document = int(rng.random() * len(self._next))
            seconds = max(0.0, self._next[document] - now - self._burst_seconds)
            if seconds <= timeout:
                self._next[document] = max(self._next[document], now) + self._seconds
                waits.append(seconds)
        return waits
