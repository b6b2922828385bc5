"""Draws from a random generator that is passed in, so that a seed decides everything."""

import math
from random import Random


def around(rng: Random, median: float, sigma: float) -> float:
    """Draw from a lognormal distribution."""
    return rng.lognormvariate(math.log(median), sigma) if median > 0 else 0


def poisson(rng: Random, mean: float) -> int:
    """Draw how many come when `mean` are expected; from the normal distribution where they are many."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    number, left = 0, rng.expovariate(1)
    while left < mean:
        number += 1
        left += rng.expovariate(1)
    return number


def share(rng: Random, number: int, probability: float) -> int:
    """Draw how many of `number` do what each does with `probability`."""
    return sum(rng.random() < probability for _ in range(number))
