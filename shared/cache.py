"""A cache that serves what it has while it reads again: readers cost next to nothing, and outages do not show."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from pydantic import ValidationError

from shared import log
from shared.errors import Unavailable

#: How long a request waits for a newer value than the one it could have at once. A cold start of count with its
#: first read takes about a second, and a signer who is kept for more than two wonders whether the button works.
TIMEOUT_SECONDS = 2
#: Between requests the platform takes the processor away, and a refresh under way stands still. A value that has
#: not been checked for so many times its `max_age` is therefore not served before a refresh was waited for.
_MAX_AGES_UNCHECKED = 6
#: An outage is worth a line a minute for each campaign.
_LOG_EVERY = timedelta(minutes=1)
_NEVER = datetime.min.replace(tzinfo=UTC)

T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    """The value of one campaign. Times are those at which a refresh began.

    `read_at`: of the one that gave `value`; `checked_at`: of the last one that ended, well or not; `tried_at`: of
    the last one.
    """

    value: T | None = None
    read_at: datetime = _NEVER
    checked_at: datetime = _NEVER
    tried_at: datetime = _NEVER
    logged_at: datetime = _NEVER
    refresh: asyncio.Task[T] | None = None


class StaleWhileRevalidate(Generic[T]):
    """The last good value of each campaign; the first request after `max_age` reads it again.

    A source that is unavailable, slow or wrong leaves the last value in place. One event loop's alone.

    Args:
        read: makes a new value, from the campaign, the moment, and the value before it if there is one.
        log_event: what the log says, once a minute, while there is no new value.
    """

    def __init__(
        self,
        read: Callable[[str, datetime, T | None], Awaitable[T]],
        *,
        max_age: timedelta,
        log_event: str,
    ) -> None:
        self._read = read
        self._max_age = max_age
        self._max_unchecked = _MAX_AGES_UNCHECKED * max_age
        self._log_event = log_event
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._entries = defaultdict[str, _Entry[T]](_Entry)

    async def get(self, campaign: str, now: datetime) -> T:
        """Return the value, after a refresh if it is stale: one request waits for that, the others do not.

        All wait where nothing has been checked for long, as after a freeze, see `wait`.

        Raises:
            Unavailable, ValidationError: there is no value yet, and the source gives none.
        """
        entry = self._entry(campaign, now)
        is_fresh = now - entry.tried_at < self._max_age and self._is_checked(entry, now)
        if entry.value is not None and is_fresh:
            return entry.value
        refresh = self._refresh(campaign, entry, now)
        try:
            return await asyncio.wait_for(
                asyncio.shield(refresh), None if entry.value is None else TIMEOUT_SECONDS
            )
        except (Unavailable, ValidationError, TimeoutError) as error:
            if entry.value is None:
                raise
            # One request in `max_age` waits for a source that hangs, not every one.
            entry.tried_at = entry.checked_at = now
            self._log(campaign, entry, error, now)
            return entry.value

    async def wait(self, campaign: str, now: datetime) -> None:
        """Wait for a refresh where none has ended for long: at first, or after a freeze. Never raises.

        For `TIMEOUT_SECONDS` at most. While the source is unavailable, one refresh after the other ends without a
        value, and nobody waits.
        """
        entry = self._entry(campaign, now)
        if self._is_checked(entry, now):
            return
        done, _ = await asyncio.wait([self._refresh(campaign, entry, now)], timeout=TIMEOUT_SECONDS)
        if not done:
            entry.checked_at = now  # or every request would wait for a source that hangs

    def peek(self, campaign: str, now: datetime) -> T | None:
        """Return the last value at once, None before the first; if it is stale, start a refresh."""
        entry = self._entry(campaign, now)
        if now - entry.tried_at >= self._max_age:
            self._refresh(campaign, entry, now)
        return entry.value

    async def settled(self) -> None:
        """Wait for the refreshes that are under way."""
        refreshes = [entry.refresh for entry in self._entries.values() if entry.refresh]
        await asyncio.gather(*refreshes, return_exceptions=True)

    def _entry(self, campaign: str, now: datetime) -> _Entry[T]:
        entry = self._entries[campaign]
        if entry.tried_at - now > self._max_age:  # the clock was set back, and no time holds any more
            entry.read_at = entry.checked_at = entry.tried_at = entry.logged_at = _NEVER
        return entry

    def _is_checked(self, entry: _Entry[T], now: datetime) -> bool:
        return now - entry.checked_at < self._max_unchecked

    def _refresh(self, campaign: str, entry: _Entry[T], now: datetime) -> asyncio.Task[T]:
        """Return the refresh that is under way, else start one."""
        refresh = entry.refresh
        # One that began long ago was frozen with the process, and its connection may have ended meanwhile.
        if refresh is None or refresh.done() or now - entry.tried_at >= self._max_unchecked:
            entry.tried_at = now
            refresh = entry.refresh = asyncio.create_task(self._renew(campaign, entry, now))
            refresh.add_done_callback(_retrieve_exception)
        return refresh

    async def _renew(self, campaign: str, entry: _Entry[T], now: datetime) -> T:
        try:
            value = await self._read(campaign, now, entry.value)
        except (Unavailable, ValidationError) as error:
            self._log(campaign, entry, error, now)
            raise
        finally:
            entry.checked_at = max(entry.checked_at, now)
        if now >= entry.read_at:  # one that was frozen may end after a later one
            entry.value, entry.read_at = value, now
        return value

    def _log(self, campaign: str, entry: _Entry[T], error: Exception, now: datetime) -> None:
        if now - entry.logged_at >= _LOG_EVERY:
            entry.logged_at = now
            log.exception(self._log_event, error.__cause__ or error, campaign=campaign)


def _retrieve_exception(refresh: asyncio.Task[T]) -> None:
    """Or asyncio logs "Task exception was never retrieved", for a request that did not wait to the end."""
    if not refresh.cancelled():
        refresh.exception()
