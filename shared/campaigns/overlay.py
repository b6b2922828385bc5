"""The overlay: what changes about a campaign between two deployments.

One small document per campaign, written by the organisers' desk. `paused` and `partners` are published by count,
so that functions without a database learn of them; each function reads them in the background, and a request uses
the last good copy. `paper`, `hand_overs` and `purged` stay inside, but for the numbers that the counter shows.

The overlay names no age recipient: whoever can write to the database must not be able to have signers' data sealed
to a key of their own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared import log
from shared.campaigns import Campaign, Country, OneLine, Origin, Partner, Slug
from shared.errors import Unavailable

#: Seconds after which a copy is read anew.
FRESH_SECONDS = 10
_MOST = 1000
_MOST_ON_PAPER = 10_000_000
_COMPLAIN_SECONDS = 300


def _check_number(number: int) -> int:
    if number == 0 or abs(number) > _MOST_ON_PAPER:
        raise ValueError(f"write a whole number up to {_MOST_ON_PAPER:,}, below nought to take some off")
    return number


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class AdmittedPartner(_Part):
    """A partner that is not in the campaign file yet, or further origins of one that is."""

    name: OneLine
    origins: tuple[Origin, ...] = Field(min_length=1, max_length=100)
    country: Country | None = None


class Paper(_Part):
    """Signatures on paper: `number` people of `country`, or fewer than was thought where it is negative."""

    country: Country
    number: Annotated[int, AfterValidator(_check_number)]
    note: OneLine
    added_at: AwareDatetime


class HandOver(_Part):
    """That signatures were given to their addressee. `sha256`: of the file that was handed over."""

    to: OneLine
    signatures: int
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    at: AwareDatetime


class PublishedOverlay(_Part):
    """What everybody may know, and every function does."""

    paused: bool = False
    partners: Mapping[Slug, AdmittedPartner] = Field(default={}, max_length=_MOST)


class Overlay(PublishedOverlay):
    """All of it. `purged`: when the signatures were removed; from then on the tally is the final count."""

    paper: tuple[Paper, ...] = ()
    hand_overs: tuple[HandOver, ...] = ()
    purged: AwareDatetime | None = None

    @property
    def published(self) -> PublishedOverlay:
        return PublishedOverlay(paused=self.paused, partners=self.partners)

    @property
    def paper_by_country(self) -> Mapping[str, int]:
        """The sum of all entries; countries that come to nothing are left out."""
        sums = dict[str, int]()
        for entry in self.paper:
            sums[entry.country] = sums.get(entry.country, 0) + entry.number
        return {country: number for country, number in sorted(sums.items()) if number}


def applied(campaign: Campaign, overlay: PublishedOverlay) -> Campaign:
    """The campaign as it is now. What its file says of a partner or an origin cannot be taken away."""
    owners = campaign.partner_by_origin
    partners = dict(campaign.partners)
    for slug, admitted in overlay.partners.items():
        known = partners.get(slug)
        free = tuple(origin for origin in admitted.origins if origin not in owners)
        if known:
            partners[slug] = known.model_copy(update={"origins": known.origins + free})
        elif free:
            partners[slug] = Partner(name=admitted.name, origins=free, country=admitted.country)
    return campaign.changed(partners=partners, paused=overlay.paused)


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
        self._applied[campaign] = applied(self._files[campaign], overlay)

    def _complain(self, campaign: str, fault: Exception) -> None:
        now = self._clock()
        if now - self._complained >= _COMPLAIN_SECONDS:
            self._complained = now
            log.fault("overlay_is_stale", fault.__cause__ or fault, campaign=campaign)
