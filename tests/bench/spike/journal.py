"""What happened in a simulated run, or in a real one."""

import bisect
import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

#: What signers wait for, from the press on; and from the button in the mail until they are counted.
ACCEPTED, MAILED, COUNTED, BUTTON = "accepted", "mailed", "counted", "button"
#: Parts of `ACCEPTED`: who pressed within a minute of the first press, and all others.
FIRST_MINUTE, LATER = "first minute", "later"


@dataclass(slots=True)
class Times:
    """How many signers waited how many seconds, to three digits."""

    signers_by_wait: dict[float, float] = field(default_factory=partial(defaultdict, float))

    def add(self, seconds: float, signers: float) -> None:
        self.signers_by_wait[float(f"{seconds:.3g}")] += signers

    @property
    def signers(self) -> float:
        return sum(self.signers_by_wait.values())

    def quantile(self, share: float) -> float:
        """Return the seconds within which this share had it; 1 is the longest. NaN where there is nobody."""
        waits = sorted(self.signers_by_wait.items())
        if not waits:
            return math.nan
        sums = list(accumulate(signers for _, signers in waits))
        return waits[min(bisect.bisect_left(sums, share * sums[-1]), len(waits) - 1)][0]


@dataclass(slots=True)
class Journal:
    """`bin_seconds`: the length of a step in `series`, whose values are sums over it, or levels at its begin."""

    bin_seconds: float
    pressed: float = 0
    first_press_at: float = math.inf
    refused: float = 0
    #: Accepted into the second database, because Cloud Tasks took too long.
    spooled: float = 0
    #: Signers who were mailed, and press the button in the mail.
    confirmed: float = 0
    #: Presses of the button in the mail that were thanked and put into the queue, for the tally took too long.
    deferred: float = 0
    #: Answers 429 to a button in the mail; who got one presses again.
    pressed_again: float = 0
    #: Attempts of the queues that deliver did not carry out.
    retried: float = 0
    reminded: float = 0
    views: float = 0
    #: Viewers of pages, and readers of the count, who were answered with 429.
    readers_refused: float = 0
    #: Counts that were read at the edge, and those among them that reached the functions.
    reads: float = 0
    fills: float = 0
    #: Seconds from when a task was due until it was done: the longest of each queue.
    oldest: dict[str, float] = field(default_factory=dict)
    times: dict[str, Times] = field(default_factory=partial(defaultdict, Times))
    series: dict[str, dict[int, float]] = field(default_factory=partial(defaultdict, partial(defaultdict, float)))

    def press(self, now: float, signers: int) -> None:
        self.pressed += signers
        self.first_press_at = min(self.first_press_at, now)
        self._sum("pressed", now, signers)

    def accept(self, pressed_at: float, now: float, signers: int) -> None:
        """Note that so many signers are accepted."""
        self.reach(ACCEPTED, pressed_at, now, signers)
        part = FIRST_MINUTE if pressed_at < self.first_press_at + 60 else LATER
        self.times[part].add(now - pressed_at, signers)

    def reach(self, stage: str, pressed_at: float, now: float, signers: int) -> None:
        """Note that so many signers are accepted, mailed or counted."""
        self.times[stage].add(now - pressed_at, signers)
        self._sum(stage, now, signers)

    def done(self, queue: str, age: float) -> None:
        """Note that a task of this age, in seconds, is done."""
        self.oldest[queue] = max(self.oldest.get(queue, 0), age)

    def level(self, name: str, now: float, value: float) -> None:
        self.series[name][int(now // self.bin_seconds)] = value

    def per_second(self, name: str, begin: float, end: float) -> float:
        """Return the mean rate of what a series sums up, over the steps from `begin` to `end`, in seconds."""
        first, last = (int(moment // self.bin_seconds) for moment in (begin, end))
        series = self.series[name]
        return sum(series.get(step, 0) for step in range(first, last)) / ((last - first) * self.bin_seconds)

    @property
    def lost(self) -> float:
        """Return how many were accepted and not mailed, or pressed the button and are not counted."""
        accepted, mailed = self.times[ACCEPTED].signers, self.times[MAILED].signers
        return accepted - mailed + self.confirmed - self.times[COUNTED].signers

    def _sum(self, name: str, now: float, signers: int) -> None:
        self.series[name][int(now // self.bin_seconds)] += signers
