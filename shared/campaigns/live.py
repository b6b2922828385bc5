"""Campaigns with their overlays, which are refreshed in the background."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping

from pydantic import ValidationError

from shared import log
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import PublishedOverlay, apply_overlay
from shared.errors import Unavailable

#: Seconds after which a copy is read anew.
FRESH_SECONDS = 10
_COMPLAIN_SECONDS = 300


class LiveCampaigns(Mapping[str, Campaign]):
    """The campaigns of the files, each with its overlay as `read` gave it last. One event loop's alone.

    Looking up a campaign whose copy is older than `FRESH_SECONDS` starts a reading that nobody waits for. Until
    the first one has come, and for as long as none comes, the file and the last good copy hold.
    """

    def __init__(
        self,
        files: Mapping[str, Campaign],
        read: Callable[[str], Awaitable[PublishedOverlay]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._read = read
        self._clock = clock
        self._applied = dict(files)
        self._begun = dict[str, float]()
        self._readings = dict[str, asyncio.Task[None]]()
        self._complained = -float(_COMPLAIN_SECONDS)

    def __getitem__(self, campaign: str) -> Campaign:
        found = self._applied[campaign]
        self._look(campaign)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    async def settled(self) -> None:
        """Wait for the readings that are under way."""
        await asyncio.gather(*self._readings.values())

    def _look(self, campaign: str) -> None:
        now = self._clock()
        is_fresh = now - self._begun.get(campaign, -float(FRESH_SECONDS)) < FRESH_SECONDS
        if is_fresh or campaign in self._readings:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # a program that is starting up
        self._begun[campaign] = now
        reading = self._readings[campaign] = loop.create_task(self._apply(campaign))
        reading.add_done_callback(lambda _: self._readings.pop(campaign, None))

    async def _apply(self, campaign: str) -> None:
        try:
            overlay = await self._read(campaign)
        except (Unavailable, ValidationError) as fault:
            self._complain(campaign, fault)
            return
        self._applied[campaign] = apply_overlay(self._files[campaign], overlay)

    def _complain(self, campaign: str, fault: Exception) -> None:
        now = self._clock()
        if now - self._complained >= _COMPLAIN_SECONDS:
            self._complained = now
            log.exception("overlay_is_stale", fault.__cause__ or fault, campaign=campaign)
