"""Poll another process until it is ready, without guessing how long it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.05


def until(look: Callable[[], T | None], patience: float = PATIENCE_SECONDS) -> T:
    """Poll `look` until it returns something; raise an AssertionError if it does not in time."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        if found := look():
            return found
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError("waited in vain")


async def until_async(look: Callable[[], Awaitable[T | None]], patience: float = PATIENCE_SECONDS) -> T:
    """Poll `look` in the same way, and await it."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        if found := await look():
            return found
        await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("waited in vain")
