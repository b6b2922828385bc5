"""The funnel: how many were accepted, mailed, opened their link and confirmed, to see what is lost.

Numbers only, by the day on which people signed and along one dimension at a time; of an address, the class of its
provider. They are added up in each process and written every few seconds, off every request's path: a signature
must not wait for statistics, nor fail with them. What a process had not written when it was killed is missing
here, never in the tally.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from shared import log
from shared.errors import StoreUnavailable
from shared.store import Store
from shared.store.entities import MAX_FUNNEL_COUNTS, Confirmed, FunnelKey, Submission

WRITE_SECONDS = 5
#: Anybody can write anything into `source`; a process counts so many of them a day, and the others together.
MAX_SOURCES = 300
#: Links that a process remembers as opened, so that a page that is loaded anew counts once.
_MAX_OPENED = 10_000
_COMPLAIN_SECONDS = 300
#: Not what anybody could write into `source`.
OTHER = "(other)"
NONE = "(none)"
ALL = "all"


class Stage(StrEnum):
    ACCEPTED = "accepted"
    MAILED = "mailed"
    OPENED = "opened"
    CONFIRMED = "confirmed"


class Dimension(StrEnum):
    ALL = "all"
    COUNTRY = "country"
    PARTNER = "partner"
    SOURCE = "source"
    LANGUAGE = "language"
    MAILBOX = "mailbox"
    #: From signing to confirming, see `bucket`; of CONFIRMED alone.
    MINUTES = "minutes"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a submission is counted by. `day`: on which it was signed (UTC), as in 2026-11-22.

    `language`: of the signer's locale, without its region. `mailbox`: the class of its provider.
    """

    day: str
    country: str
    partner: str | None
    source: str | None
    language: str
    mailbox: str

    @classmethod
    def of(cls, submission: Submission) -> Self:
        return cls(
            day=f"{submission.signed_at:%Y-%m-%d}",
            country=submission.country,
            partner=submission.partner,
            source=submission.source,
            language=submission.locale.split("-")[0].lower(),
            mailbox=submission.mailbox_class,
        )


def bucket(minutes: int) -> str:
    """Within how many minutes of signing: exact for an hour, then to ten minutes, from a day on to hours."""
    step = 1 if minutes < 60 else 10 if minutes < 24 * 60 else 60
    return str((max(0, minutes) // step + 1) * step)


def median_minutes(minutes: Mapping[str, int]) -> int | None:
    """From the counts by `bucket`; None where there are none."""
    total, seen = sum(minutes.values()), 0
    for minute, number in sorted((int(minute), number) for minute, number in minutes.items()):
        seen += number
        if 2 * seen >= total > 0:
            return minute
    return None


class Funnel:
    """Counts in this process, and writes to `store`. One event loop's alone."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._counts = dict[str, Counter[FunnelKey]]()
        self._sources = dict[str, set[str]]()
        self._opened = OrderedDict[str, None]()
        self._written = -float(WRITE_SECONDS)
        self._complained = -float(_COMPLAIN_SECONDS)
        self._writing: asyncio.Task[None] | None = None
        self._one_writer = asyncio.Lock()

    def count(self, campaign: str, stage: Stage, submission: Submission) -> None:
        """One submission has come so far: ACCEPTED or MAILED."""
        self._count(campaign, stage, Counted.of(submission))

    def opened(self, campaign: str, submission_id: str, counted: Counted) -> None:
        """A link was opened, by its reader or by a scanner of mail. What this process has seen counts once.

        No record is read for it: whatever has become of the signature since the mail, its link was opened.
        """
        if submission_id in self._opened:
            return
        self._opened[submission_id] = None
        if len(self._opened) > _MAX_OPENED:
            self._opened.popitem(last=False)
        self._count(campaign, Stage.OPENED, counted)

    def confirmed(self, campaign: str, confirmed: Confirmed) -> None:
        """This address has just been counted."""
        submission = confirmed.submission
        minutes = int((confirmed.at - submission.signed_at).total_seconds() // 60)
        self._count(campaign, Stage.CONFIRMED, Counted.of(submission), minutes)

    def _count(self, campaign: str, stage: Stage, counted: Counted, minutes: int | None = None) -> None:
        # For the alerts, which must hear the same hour that one provider turns our mail away. A line is 1 KiB
        # as Cloud Logging counts: four stages of a million signatures are 4 GiB, of which 50 a month are free, and
        # each further one costs 0.50 dollars (https://cloud.google.com/stackdriver/pricing).
        log.event("funnel", campaign=campaign, stage=stage, provider=counted.mailbox)
        reached = {
            Dimension.ALL: ALL,
            Dimension.COUNTRY: counted.country,
            Dimension.PARTNER: counted.partner or NONE,
            Dimension.SOURCE: self._source(counted.day, counted.source),
            Dimension.LANGUAGE: counted.language,
            Dimension.MAILBOX: counted.mailbox,
        }
        if minutes is not None:
            reached[Dimension.MINUTES] = bucket(minutes)
        counts = self._counts.setdefault(campaign, Counter())
        counts.update(FunnelKey(counted.day, stage, dimension, key) for dimension, key in reached.items())
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_when_due())

    async def write(self) -> None:
        """Write what has been counted; what cannot be written now is kept for the next time."""
        async with self._one_writer:
            self._written = self._clock()
            counted, self._counts = self._counts, {}
            for campaign, counts in counted.items():
                for part in _parts(counts):
                    await self._add(campaign, part)

    async def _add(self, campaign: str, counts: Mapping[FunnelKey, int]) -> None:
        try:
            await self._store.add_to_funnel(campaign, counts)
        except StoreUnavailable as away:
            if self._may_complain():
                log.exception("funnel_not_written", away.__cause__ or away, campaign=campaign)
            self._counts.setdefault(campaign, Counter()).update(counts)

    async def aclose(self) -> None:
        """Write what is left, and end."""
        await self.write()
        if self._writing:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    def _source(self, day: str, source: str | None) -> str:
        if source is None:
            return NONE
        if day not in self._sources and len(self._sources) > 2:
            self._sources.clear()  # of days gone by
        known = self._sources.setdefault(day, set())
        if source not in known and len(known) >= MAX_SOURCES:
            return OTHER
        known.add(source)
        return source

    async def _write_when_due(self) -> None:
        # At once after a quiet while: an instance without requests is hardly given a processor to write later.
        await asyncio.sleep(max(0, self._written + WRITE_SECONDS - self._clock()))
        await self.write()

    def _may_complain(self) -> bool:
        """Once in a while: a database that is away is away for everybody."""
        now = self._clock()
        if now - self._complained < _COMPLAIN_SECONDS:
            return False
        self._complained = now
        return True


def _parts(counts: Mapping[FunnelKey, int]) -> Iterator[dict[FunnelKey, int]]:
    """As much as one commit takes: numbers of one day, at most `MAX_FUNNEL_COUNTS` of them."""
    for day in sorted({key.day for key in counts}):
        of_day = [(key, number) for key, number in counts.items() if key.day == day]
        for start in range(0, len(of_day), MAX_FUNNEL_COUNTS):
            yield dict(of_day[start : start + MAX_FUNNEL_COUNTS])
