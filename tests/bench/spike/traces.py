"""When people press: one rush that has been seen, and worse ones."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from infra.cost.usage import Assumptions

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Trace:
    """`presses_per_second`: the rate at a moment, in seconds from the begin; over after `seconds`.

    Signers are simulated in groups who press at the same moment and fare alike: about as many as come in a second,
    and at most `group`, so that millions take a minute and not an hour. A group fills places, uses processor time
    and counts against limits as so many single signers would; only what happens within the fraction of a second in
    which they come is blurred.
    """

    seconds: float
    presses_per_second: Callable[[float], float]
    group: int = 1

    def signers_at(self, seconds: float) -> int:
        """Return how many signers a group has at a moment."""
        return max(1, min(self.group, round(self.presses_per_second(seconds))))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A rush on the default deployment.

    `mails_per_second`: what the relays take together. `polls_per_second`: reads of the count by trackers, on top
    of those by the viewers of pages. `steps`: people come from one moment to the next.
    """

    title: str
    trace: Trace
    mails_per_second: float
    polls_per_second: float = 0
    steps: bool = False


UK_FILE = Path(__file__).with_name("uk2024.csv")
UK_STEP_SECONDS = 300.0
#: Rows of the file before Sunday, 24 November 2024, 6:00 UTC.
_UK_FIRST = 69


@cache
def uk_confirmed_per_second() -> tuple[float, ...]:
    """Return the rates of a day, each for five minutes, from 24 November 2024, 6:00 UTC, on. Source: the file."""
    lines = UK_FILE.read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    day = rows[_UK_FIRST : _UK_FIRST + int(DAY / UK_STEP_SECONDS)]
    return tuple(float(row["confirmed_per_second"]) for row in day)


def uk2024(seconds: float, times: float) -> float:
    """Return presses a second: what was counted, divided by the share of signers who confirm."""
    rates = uk_confirmed_per_second()
    rate = rates[min(int(seconds / UK_STEP_SECONDS), len(rates) - 1)]
    return times * rate / Assumptions().confirmed_share


#: Before a step: nothing is warm.
QUIET_SECONDS = 2 * MINUTE


def step(seconds: float, per_second: float) -> float:
    """Return nothing, and then `per_second`."""
    return per_second if seconds >= QUIET_SECONDS else 0.0


def news(seconds: float, per_second: float) -> float:
    """From nothing to `per_second`, ten minutes of it, half each ten minutes."""
    falling = max(0.0, seconds - QUIET_SECONDS - 10 * MINUTE)
    return step(seconds, per_second) * math.exp2(-falling / (10 * MINUTE))


def day(seconds: float, presses: float) -> float:
    """Spread so many over a day: most in the afternoon, a tenth of that before dawn."""
    return presses / DAY * (1 - 0.82 * math.cos(2 * math.pi * (seconds - 4 * HOUR) / DAY))


_MODERATE = Trace(QUIET_SECONDS + HOUR / 2, partial(step, per_second=50), 5)

SCENARIOS = (
    UK := Scenario("UK 2024", Trace(DAY, partial(uk2024, times=1), 20), 100),
    UK_TIMES_5 := Scenario("UK 2024 × 5", Trace(DAY, partial(uk2024, times=5), 40), 300),
    HOUR_LONG := Scenario(
        "200/s for an hour", Trace(QUIET_SECONDS + HOUR, partial(step, per_second=200), 10), 100, steps=True
    ),
    NEWS := Scenario(
        "evening news, 500/s",
        Trace(QUIET_SECONDS + 80 * MINUTE, partial(news, per_second=500), 20),
        100,
        steps=True,
    ),
    #: As against SOPA, 18 January 2012: Google reported more than 7 million.
    SOPA := Scenario("7 million in a day", Trace(DAY, partial(day, presses=7e6), 40), 150),
    MODERATE := Scenario("50/s for half an hour", _MODERATE, 100, steps=True),
    #: 20,000 viewers, each of whom asks for the count every 500 ms, as fan pages have done.
    TRACKERS := Scenario("the same, and trackers", _MODERATE, 100, polls_per_second=40_000, steps=True),
)
