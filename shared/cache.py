"""A cache that serves what it has while it reads again: readers cost next to nothing, and outages do not show."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from pydantic import ValidationError

from shared import log
from shared.errors import Unavailable

#: So long a request waits for a newer value than the one it could have at once.
TIMEOUT_SECONDS = 3
#: An outage is worth a line a minute for each campaign.
_LOG_EVERY = timedelta(minutes=1)

T = TypeVar("T")


class StaleWhileRevalidate(Generic[T]):
    """The last good value of each campaign; the first request after `max_age` reads it again.

    A source that is unavailable, slow or wrong leaves the last value in place. One event loop's alone.

    Args:
        read: makes a new value, from the campaign, the moment, and the value before it if there is one.
        log_event: what the log says, once a minute, while an old value is served.
        initial: values to begin with, by campaign, which are stale.
    """

    def __init__(
        self,
        read: Callable[[str, datetime, T | None], Awaitable[T]],
        *,
        max_age: timedelta,
        log_event: str,
        initial: Mapping[str, T] | None = None,
    ) -> None:
        self._read = read
        self._max_age = max_age
        self._log_event = log_event
        self._initial = initial or {}
        self._refreshes = dict[str, asyncio.Task[T]]()
        self.clear()

    def clear(self) -> None:
        """Forget everything but the initial values."""
        self._values = dict(self._initial)
        self._tried_at = dict[str, datetime]()
        self._logged_at = dict[str, datetime]()

    async def get(self, campaign: str, now: datetime) -> T:
        """Return the value, after a refresh if it is stale: one request waits for that, the others do not.

        Raises:
            Unavailable, ValidationError: there is no value yet, and the source gives none.
        """
        last = self._values.get(campaign)
        if last is not None and self._is_fresh(campaign, now):
            return last
        refresh = self._refresh(campaign, now)
        try:
            return await asyncio.wait_for(asyncio.shield(refresh), None if last is None else TIMEOUT_SECONDS)
        except (Unavailable, ValidationError, TimeoutError) as error:
            if last is None:
                raise
            self._tried_at[campaign] = now  # one request in `max_age` waits for a source that hangs, not every one
            self._log(campaign, error, now)
            return last

    def peek(self, campaign: str, now: datetime) -> T:
        """Return the last value at once; if it is stale, start a refresh that nobody waits for.

        Raises:
            KeyError: nothing is cached for this campaign.
        """
        last = self._values[campaign]
        if not self._is_fresh(campaign, now):
            self._refresh(campaign, now)
        return last

    async def settled(self) -> None:
        """Wait for the refreshes that are under way."""
        await asyncio.gather(*self._refreshes.values(), return_exceptions=True)

    def _is_fresh(self, campaign: str, now: datetime) -> bool:
        tried_at = self._tried_at.get(campaign)
        return tried_at is not None and now - tried_at < self._max_age

    def _refresh(self, campaign: str, now: datetime) -> asyncio.Task[T]:
        """Return the refresh that is under way, else start one."""
        refresh = self._refreshes.get(campaign)
        if refresh is None or refresh.done():
            self._tried_at[campaign] = now
            refresh = self._refreshes[campaign] = asyncio.create_task(self._renew(campaign, now))
            refresh.add_done_callback(_retrieve_exception)
        return refresh

    async def _renew(self, campaign: str, now: datetime) -> T:
        try:
            value = await self._read(campaign, now, self._values.get(campaign))
        except (Unavailable, ValidationError) as error:
            if campaign in self._values:
                self._log(campaign, error, now)
            raise
        self._values[campaign] = value
        return value

    def _log(self, campaign: str, error: Exception, now: datetime) -> None:
        logged_at = self._logged_at.get(campaign)
        if logged_at is None or now - logged_at >= _LOG_EVERY:
            self._logged_at[campaign] = now
            log.exception(self._log_event, error.__cause__ or error, campaign=campaign)


def _retrieve_exception(refresh: asyncio.Task[T]) -> None:
    """Or asyncio logs "Task exception was never retrieved", for a request that did not wait to the end."""
    if not refresh.cancelled():
        refresh.exception()
