"""A copy of something in the store that a process keeps at hand, so that readers cost next to nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared import log
from shared.errors import StoreUnavailable

_PATIENCE_SECONDS = 3

T = TypeVar("T")


class Copies(Generic[T]):
    """The last copy of each campaign; every `fresh` one request reads it again, and the others need not wait.

    While the store is away, or slow, the last copy is served; it says itself how old it is.

    Args:
        read: makes a new copy, from the campaign, the moment, and the copy before it if there is one.
        complaint: what the log says when an old copy is served.
    """

    def __init__(
        self, read: Callable[[str, datetime, T | None], Awaitable[T]], fresh: timedelta, complaint: str
    ) -> None:
        self._read = read
        self._fresh = fresh
        self._complaint = complaint
        self._last: dict[str, T] = {}
        self._reading: dict[str, asyncio.Task[T]] = {}
        self._begun: dict[str, datetime] = {}

    async def get(self, campaign: str, now: datetime) -> T:
        """
        Raises:
            StoreUnavailable: the store is away, and this process has not read this before.
        """
        last = self._last.get(campaign)
        if last is not None and now - self._begun[campaign] < self._fresh:
            return last
        reading = self._read_once(campaign, now)
        try:
            return await asyncio.wait_for(asyncio.shield(reading), None if last is None else _PATIENCE_SECONDS)
        except (StoreUnavailable, TimeoutError) as away:
            if last is None:
                raise
            self._begun[campaign] = now  # one in `fresh` loses patience with a reading that hangs, not everybody
            log.exception(self._complaint, away, campaign=campaign)
            return last

    def _read_once(self, campaign: str, now: datetime) -> asyncio.Task[T]:
        """The reading that is under way, else a new one."""
        reading = self._reading.get(campaign)
        if reading is None or reading.done():
            self._begun[campaign] = now
            reading = self._reading[campaign] = asyncio.create_task(self._renew(campaign, now))
            reading.add_done_callback(_look_at)
        return reading

    async def _renew(self, campaign: str, now: datetime) -> T:
        copy = self._last[campaign] = await self._read(campaign, now, self._last.get(campaign))
        return copy


def _look_at(reading: asyncio.Task[T]) -> None:
    """Whoever waited may have lost patience; asyncio would complain that nobody looked at the failure."""
    if not reading.cancelled():
        reading.exception()
