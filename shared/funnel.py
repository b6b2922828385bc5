"""The funnel: how many were accepted, mailed, opened their link and confirmed, to see what is lost.

Numbers only, by the day on which people signed and along one dimension at a time; of an address, the class of its
provider. They are added up in each process and written every few seconds, off every request's path: a signature
must not wait for statistics, nor fail with them. What a process had not written when it was killed is missing
here, never in the tally.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from shared import log
from shared.errors import StoreUnavailable
from shared.store import MAX_FUNNEL_COUNTS, Confirmed, FunnelKey, Signature, Store, Submission

WRITE_SECONDS = 5
#: Anybody can write anything into `source`; a process counts so many of them a day, and the others together.
MAX_SOURCES = 300
#: Links that a process remembers as opened, so that a page that is loaded anew counts once.
_MAX_OPENED = 10_000
#: Records that a process reads for the funnel at a time.
_MAX_LOOKING = 100
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
        self._tasks = set[asyncio.Task[None]]()
        self._writing: asyncio.Task[None] | None = None
        self._one_writer = asyncio.Lock()

    def count(self, campaign: str, stage: Stage, submission: Submission, at: datetime | None = None) -> None:
        """One submission has come so far. `at`: for CONFIRMED, when the button was pressed."""
        # For the alerts, which must hear the same hour that one provider turns our mail away. A line is 1 KiB
        # as Cloud Logging counts: four stages of a million signatures are 4 GiB, of which 50 a month are free, and
        # each further one costs 0.50 dollars (https://cloud.google.com/stackdriver/pricing).
        log.event("funnel", campaign=campaign, stage=stage, provider=submission.mailbox_class)
        day = f"{submission.signed_at:%Y-%m-%d}"
        reached = {
            Dimension.ALL: ALL,
            Dimension.COUNTRY: submission.country,
            Dimension.PARTNER: submission.partner or NONE,
            Dimension.SOURCE: self._source(day, submission.source),
            Dimension.LANGUAGE: submission.locale.split("-")[0].lower(),
            Dimension.MAILBOX: submission.mailbox_class,
        }
        if at:
            reached[Dimension.MINUTES] = bucket(int((at - submission.signed_at).total_seconds() // 60))
        counts = self._counts.setdefault(campaign, Counter())
        counts.update(FunnelKey(day, stage, dimension, key) for dimension, key in reached.items())
        if self._writing is None or self._writing.done():
            self._writing = self._start(self._write_when_due)

    def opened(self, campaign: str, digest: str, submission_id: str) -> None:
        """A link was opened, by its reader or by a scanner of mail. What this process has seen counts once."""
        if submission_id in self._opened:
            return
        self._opened[submission_id] = None
        if len(self._opened) > _MAX_OPENED:
            self._opened.popitem(last=False)

        def count(signature: Signature) -> None:
            if submission := signature.submission(submission_id):
                self.count(campaign, Stage.OPENED, submission)

        self._look(campaign, digest, count)

    def confirmed(self, campaign: str, confirmed: Confirmed) -> None:
        """This address has just been counted."""
        self.count(campaign, Stage.CONFIRMED, confirmed.submission, confirmed.at)

    def _look(self, campaign: str, digest: str, count: Callable[[Signature], None]) -> None:
        """Read a record, which nobody waits for. While the database does not keep up, go without."""
        if len(self._tasks) >= _MAX_LOOKING:
            return

        async def look() -> None:
            try:
                signature = await self._store.signature(campaign, digest)
            except StoreUnavailable as away:
                if self._may_complain():
                    log.fault("funnel_not_counted", away.__cause__ or away, campaign=campaign)
            else:
                if signature:
                    count(signature)

        self._start(look)

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
                log.fault("funnel_not_written", away.__cause__ or away, campaign=campaign)
            self._counts.setdefault(campaign, Counter()).update(counts)

    async def settled(self) -> None:
        """Wait for what is being looked up, and write."""
        await asyncio.gather(*(task for task in self._tasks if task is not self._writing))
        await self.write()

    async def aclose(self) -> None:
        """Write what is left, and end."""
        await self.settled()
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

    def _start(self, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

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
