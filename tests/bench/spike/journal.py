"""What happened in a simulated run, or in a real one."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

#: What signers wait for: from the press on; and from the button in the mail until they are counted.
STAGES = ("accepted", "mailed", "counted")
BUTTON = "button"


@dataclass(slots=True)
class Times:
    """How long each of many signers waited, in groups that waited equally long: seconds, and how many."""

    groups: list[tuple[float, float]] = field(default_factory=list)

    def add(self, seconds: float, signers: float) -> None:
        self.groups.append((seconds, signers))

    @property
    def signers(self) -> float:
        return sum(signers for _, signers in self.groups)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return the seconds within which each share had it; 1 is the longest. NaN where there is nobody."""
        ordered = sorted(self.groups)
        sums, so_far = [], 0.0
        for _, signers in ordered:
            sums.append(so_far := so_far + signers)
        if not ordered:
            return [float("nan")] * len(shares)
        return [ordered[min(bisect.bisect_left(sums, share * so_far), len(ordered) - 1)][0] for share in shares]


@dataclass(slots=True)
class Journal:
    """`bin_seconds`: the length of a step in `series`, whose values are sums over it, or levels at its begin."""

    bin_seconds: float
    pressed: float = 0
    first_press_at: float = math.inf
    refused: float = 0
    #: Accepted into the second database, because Cloud Tasks took too long.
    spooled: float = 0
    #: Presses of the button in the mail that were thanked and put into the queue, for the tally took too long.
    counted_later: float = 0
    #: Answers 429 to a button in the mail; who got one presses again.
    pressed_again: float = 0
    #: Attempts of the queue that deliver did not carry out.
    tried_again: float = 0
    views: float = 0
    reads: float = 0
    filled: float = 0
    backlog_peak: float = 0
    #: When the queue was down to a hundredth of its peak, for the first time since; in seconds from the begin.
    drained_at: float = 0
    times: dict[str, Times] = field(default_factory=lambda: {stage: Times() for stage in (*STAGES, BUTTON)})
    series: dict[str, dict[int, float]] = field(default_factory=dict)

    def press(self, now: float, signers: int) -> None:
        self.pressed += signers
        self.first_press_at = min(self.first_press_at, now)
        self._sum("pressed", now, signers)

    def reach(self, stage: str, pressed_at: float, now: float, signers: int) -> None:
        """Note that so many signers are accepted, mailed or counted."""
        self.times[stage].add(now - pressed_at, signers)
        self._sum(stage, now, signers)

    def level(self, name: str, now: float, value: float) -> None:
        self.series.setdefault(name, {})[int(now // self.bin_seconds)] = value

    def backlog(self, now: float, tasks: int) -> None:
        """Note that so many tasks are due, and not done."""
        if tasks > self.backlog_peak:
            self.backlog_peak, self.drained_at = tasks, math.inf
        elif tasks <= self.backlog_peak / 100 and self.drained_at == math.inf:
            self.drained_at = now

    def _sum(self, name: str, now: float, signers: int) -> None:
        series, step = self.series.setdefault(name, {}), int(now // self.bin_seconds)
        series[step] = series.get(step, 0) + signers
