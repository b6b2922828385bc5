"""Campaigns with their overlays, which are refreshed in the background."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta

from shared.cache import StaleWhileRevalidate
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import PublishedOverlay, apply_overlay
from shared.clock import Clock, utc_now

MAX_AGE = timedelta(seconds=10)


class LiveCampaigns(Mapping[str, Campaign]):
    """The campaigns of the files, each with its overlay as `read` gave it last. One event loop's alone.

    A lookup answers at once: with the file until the first overlay has come, with the last good copy while none
    comes. If that is older than `MAX_AGE`, it starts a refresh that nobody waits for. A request first waits in
    `refresh`, or the first answers of a cold instance would know nothing of a pause.
    """

    def __init__(
        self,
        files: Mapping[str, Campaign],
        read: Callable[[str], Awaitable[PublishedOverlay]],
        now: Clock = utc_now,
    ) -> None:
        async def renewed(campaign: str, _now: datetime, _last: Campaign | None) -> Campaign:
            return apply_overlay(files[campaign], await read(campaign))

        self.files = files
        self._now = now
        self._cache = StaleWhileRevalidate(renewed, max_age=MAX_AGE, log_event="overlay_is_stale")

    async def refresh(self, campaign: str) -> bool:
        """Wait for the overlay where this process has just started, or was frozen; tell whether one is known.

        For at most `cache.TIMEOUT_SECONDS`, and not in each request: a signature is worth more than an overlay
        that does not come. What the file alone says must not be cached.
        """
        now = self._now()
        await self._cache.wait(campaign, now)
        return self._cache.peek(campaign, now) is not None

    def __getitem__(self, campaign: str) -> Campaign:
        file = self.files[campaign]
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return file  # a program that is starting up
        return self._cache.peek(campaign, self._now()) or file

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    async def settled(self) -> None:
        """Wait for the refreshes that are under way."""
        await self._cache.settled()
