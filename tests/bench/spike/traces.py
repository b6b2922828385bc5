"""When people press: four rushes, of which one has been seen, two are worse, and one is slow."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from infra.cost.sizes import FULL_VCPU, NEW_PROJECT_VCPU
from tests.bench.spike.facts import GOOGLE, Platform

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Trace:
    """`presses_per_second`: the rate at a moment, in seconds from the begin; over after `seconds`.

    Signers are simulated in groups of `signers_at_once` who press at the same moment and fare alike, so that a
    million takes a minute and not ten. A group fills places, uses processor time and counts against limits as so
    many single signers would; only what happens within the fraction of a second in which they come is blurred.
    """

    seconds: float
    presses_per_second: Callable[[float], float]
    signers_at_once: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """A column of the report: traces under one quota of processors, each of which happens on so many days.

    `shards`: documents of the tally, where they are not those of the campaign files' default. `platform`: where
    one of its limits is thought away.
    """

    title: str
    vcpu_quota: int
    traces: tuple[tuple[float, Trace], ...]
    shards: int | None = None
    platform: Platform = GOOGLE


def parliament(times: float) -> Callable[[float], float]:
    """UK Parliament, 21 March 2019, noon: 1,500 to 2,000 signatures a minute, here for an hour, up and down to it.

    https://www.theguardian.com/politics/2019/mar/21/petitions-site-crashes-after-thousands-back-call-to-revoke-article-50;
    "nearly 2,000 signatures every minute over Thursday lunchtime", said the Petitions Committee. The shape within
    the two hours is made up: half an hour up, an hour between the two rates, half an hour down.
    """

    def rate(seconds: float) -> float:
        shoulder = min(seconds, 2 * HOUR - seconds) / (HOUR / 2)
        waves = (1750 + 250 * math.sin(2 * math.pi * seconds / (20 * MINUTE))) / 60
        return times * waves * min(1.0, max(0.05, shoulder))

    return rate


#: Before it: nothing is warm that is not kept warm.
QUIET_SECONDS = 2 * MINUTE
NEWS_PER_SECOND = 500.0


def news(seconds: float) -> float:
    """The evening news: from nothing to 500 a second within five seconds, ten minutes of it, half each ten
    minutes.
    """
    since = seconds - QUIET_SECONDS
    if since < 0:
        return 0.0
    if since < 10 * MINUTE:
        return NEWS_PER_SECOND * min(1.0, since / 5)
    return NEWS_PER_SECOND * math.exp2(-(since - 10 * MINUTE) / (10 * MINUTE))


def day(presses: float) -> Callable[[float], float]:
    """Spread so many over a day: most in the evening, a tenth of that before dawn."""

    def rate(seconds: float) -> float:
        return presses / DAY * (1 - 0.82 * math.cos(2 * math.pi * (seconds - 4 * HOUR) / DAY))

    return rate


#: A million confirmed in a year, which are 1.25 million presses: quiet days, busy ones, and a few in the news.
YEAR = ((300.0, 1_500.0), (60.0, 8_000.0), (5.0, 64_000.0))

_TEN_TIMES = ((1, Trace(2 * HOUR, parliament(10), 40)),)
_NEWS = ((1, Trace(QUIET_SECONDS + 70 * MINUTE, news, 30)),)
#: The most that a campaign file may ask for.
MOST_SHARDS = 500

SCENARIOS = (
    Scenario("Parliament 2019", NEW_PROJECT_VCPU, ((1, Trace(2 * HOUR, parliament(1), 6)),)),
    Scenario("ten times that", FULL_VCPU, _TEN_TIMES),
    Scenario("ten times that", FULL_VCPU, _TEN_TIMES, MOST_SHARDS),
    Scenario("evening news", NEW_PROJECT_VCPU, _NEWS),
    NEWS_IN_SPIKE_MODE := Scenario("evening news", FULL_VCPU, _NEWS),
    NEWS_WITH_SHARDS := Scenario("evening news", FULL_VCPU, _NEWS, MOST_SHARDS),
    Scenario(
        "a million in a year",
        NEW_PROJECT_VCPU,
        tuple((days, Trace(DAY, day(presses), 1 if presses < 5_000 else 8)) for days, presses in YEAR),
    ),
)

_NO_LIMIT = 1e9
_FREE_QUEUE = replace(GOOGLE, queue_ramp_per_second=_NO_LIMIT)
_FREE_QUEUE_AND_STORE = replace(_FREE_QUEUE, collection_ramp_per_second=_NO_LIMIT)
#: The evening news under the full quota, with one more of the limits that decide thought away in each.
WHAT_IF = {
    "as it is": NEWS_IN_SPIKE_MODE,
    f"with {MOST_SHARDS} documents for the tally": NEWS_WITH_SHARDS,
    "and a queue that need not warm up": Scenario("", FULL_VCPU, _NEWS, MOST_SHARDS, _FREE_QUEUE),
    "and a database that need not warm up": Scenario("", FULL_VCPU, _NEWS, MOST_SHARDS, _FREE_QUEUE_AND_STORE),
}
