"""The alert for mails to strangers, played on rushes that were seen: it counts what nobody confirms."""

import math
import random
import re
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from itertools import accumulate

import pytest

from infra.cost.usage import Assumptions
from tests.bench.spike.facts import PEOPLE
from tests.bench.spike.traces import news, step, uk2024
from tests.infra.test_watch import ALERTS, keys

Rate = Callable[[float], float]
MINUTES_A_DAY = 24 * 60


def quiet(_: float) -> float:
    """A campaign that a few find each hour."""
    return 0.01


def delays() -> list[float]:
    """Minutes from mail to button of a thousand who confirm, sorted; as drawn for `make spike`."""
    chance = random.Random(1)
    median, sigma = PEOPLE.opening_median_seconds, PEOPLE.opening_sigma
    drawn = (chance.lognormvariate(math.log(median), sigma) + PEOPLE.reading_seconds for _ in range(1000))
    return sorted(each / 60 for each in drawn)


def least_and_share() -> tuple[int, float]:
    """Return more than how many mails an hour the alert asks for, and up to which share that is confirmed."""
    [least] = re.findall(r"\[1h]\)\) > (\d+)\n", ALERT)
    [share] = re.findall(r"\[1h]\)\) > (0\.\d+)\n", ALERT)
    return int(least), float(share)


def play(genuine: Rate, strangers: Rate) -> tuple[list[float], list[float]]:
    """Play a day of mails a second; return how many are mailed in each minute, and how many are confirmed."""
    confirming = [60 * genuine(60 * minute) * Assumptions().confirmed_share for minute in range(MINUTES_A_DAY)]
    within = [bisect_right(DELAYS, minute) / len(DELAYS) for minute in range(MINUTES_A_DAY + 1)]
    confirmed = [0.0] * MINUTES_A_DAY
    for begin, number in enumerate(confirming):
        for minute in range(begin, MINUTES_A_DAY if number else begin):
            confirmed[minute] += number * (within[minute - begin + 1] - within[minute - begin])
    return [60 * (genuine(60 * minute) + strangers(60 * minute)) for minute in range(MINUTES_A_DAY)], confirmed


def alarms(genuine: Rate, strangers: Rate) -> list[int]:
    """Play a day of mails a second; return the minutes in which the alert rings, by the numbers of its query."""
    [seconds] = re.findall(r'for += "(\d+)s"', ALERT)
    least, share = least_and_share()
    sums = [[0.0, *accumulate(each)] for each in play(genuine, strangers)]
    is_true = [False] * int(int(seconds) / 60)
    for minute in range(1, MINUTES_A_DAY + 1):
        of_mails, of_confirmed = (each[minute] - each[max(0, minute - 60)] for each in sums)
        is_true.append(of_mails > least and not of_confirmed / of_mails > share)
    window = int(int(seconds) / 60)
    return [minute for minute in range(MINUTES_A_DAY) if all(is_true[minute : minute + window + 1])]


DELAYS = delays()
ALERT = keys(ALERTS, "alerts")["mails-unconfirmed"]
RUSHES = [
    partial(uk2024, times=1),
    partial(uk2024, times=5),
    partial(step, per_second=200),
    partial(news, per_second=500),
    quiet,
]


@pytest.mark.parametrize("rush", RUSHES)
def test_a_rush_never_rings(rush: Rate) -> None:
    """Those who want to sign confirm as they always do, however many they are and however suddenly they come."""
    assert alarms(rush, lambda _: 0) == []


@pytest.mark.parametrize("genuine", [quiet, partial(step, per_second=1)])
def test_mails_to_twice_as_many_strangers_ring_within_the_hour(genuine: Rate) -> None:
    """Whether or not others sign at the same time."""
    noon = 12 * 60

    rang = alarms(genuine, lambda seconds: 2 if seconds >= 60 * noon else 0)

    assert noon < rang[0] <= noon + 60
