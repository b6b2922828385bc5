"""Waiting for another process, without guessing how long it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.05


def until(look: Callable[[], T | None], patience: float = PATIENCE_SECONDS) -> T:
    """What `look` finds, as soon as it finds something; an AssertionError if it never does."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        if found := look():
            return found
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError("waited in vain")


async def until_async(look: Callable[[], Awaitable[T | None]]) -> T:
    """The same for what has to be awaited."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        if found := await look():
            return found
        await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("waited in vain")
