"""The funnel: how many were accepted, mailed, opened their link and confirmed, to see where signatures are lost.

Numbers only, by day of signing and one dimension at a time; of an address, only its provider's class. Each process
adds them up and writes every few seconds, at the end of the request that makes it due, for between requests the
platform takes the processor away; and what is left when it is asked to stop. A signature must not fail with
statistics, nor wait for them for more than a second. Numbers that a killed process had not written are missing
here, never in the tally.
"""

import asyncio
import math
import secrets
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from shared import log
from shared.clock import Clock, utc_now
from shared.shutdown import before_shutdown
from shared.store import Store
from shared.store.entities import MAX_FUNNEL_COUNTS, Confirmed, FunnelKey, Submission

WRITE_SECONDS = 5
#: `source` can be any text; a process counts this many of them a day, and all others together.
MAX_SOURCES = 300
#: Opened links that a process remembers, so that a reloaded page counts once.
_MAX_OPENED = 10_000
#: How long a request waits for a write, and a process that is asked to stop.
_REQUEST_SECONDS = 1.0
_SHUTDOWN_SECONDS = 5.0
_LOG_EVERY_SECONDS = 300.0
#: Neither can be a `source`, which has no brackets.
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
    #: When it happened, see `ten_minutes`; of MAILED and CONFIRMED alone.
    TEN_MINUTES = "ten_minutes"


@dataclass(frozen=True, slots=True)
class Cohort:
    """The dimensions of a submission. `day`: of signing (UTC), as in 2026-11-22.

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
        """Return the cohort of a submission."""
        return cls(
            day=f"{submission.signed_at:%Y-%m-%d}",
            country=submission.country,
            partner=submission.partner,
            source=submission.source,
            language=submission.locale.split("-")[0].lower(),
            mailbox=submission.mailbox_class,
        )


def bucket(minutes: int) -> str:
    """Return the upper bound of the bucket: of a minute for an hour, then of ten, from a day on of sixty."""
    step = 1 if minutes < 60 else 10 if minutes < 24 * 60 else 60
    return str((max(0, minutes) // step + 1) * step)


TEN_MINUTES = timedelta(minutes=10)


def ten_minutes(at: datetime) -> str:
    """Return the begin of the ten minutes (UTC) that a moment lies in, as in 2026-11-22T10:20."""
    return f"{at:%Y-%m-%dT%H}:{at.minute // 10}0"


def median_minutes(minutes: Mapping[str, int]) -> int | None:
    """Return the median from the counts by `bucket`; None without any."""
    total, seen = sum(minutes.values()), 0
    for minute, number in sorted((int(minute), number) for minute, number in minutes.items()):
        seen += number
        if 2 * seen >= total > 0:
            return minute
    return None


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one commit adds. `id`: the same in every attempt, so that a commit whose answer was lost adds once."""

    campaign: str
    counts: Mapping[FunnelKey, int]
    id: str = field(default_factory=lambda: secrets.token_hex(16))


class Funnel:
    """Counts in this process and writes to `store`. Used from one event loop only.

    `monotonic`: a clock in seconds that is never set, by which writes are due.
    """

    def __init__(
        self, store: Store, now: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._counts = dict[str, Counter[FunnelKey]]()
        #: Those that a write has begun with, oldest first.
        self._batches = deque[_Batch]()
        self._sources = dict[str, set[str]]()
        self._opened = OrderedDict[str, None]()
        self._written_at = self._logged_at = -math.inf
        self._one_writer = asyncio.Lock()
        self._is_used = self._is_stopping = False

    def accepted(self, campaign: str, submission: Submission) -> None:
        """Count a submission that was stored just now."""
        self._count(campaign, Stage.ACCEPTED, Cohort.of(submission))

    def mailed(self, campaign: str, submission: Submission, at: datetime) -> None:
        """Count a submission whose link was mailed. `at`: when (UTC)."""
        self._count(campaign, Stage.MAILED, Cohort.of(submission), {Dimension.TEN_MINUTES: ten_minutes(at)})

    def opened(self, campaign: str, submission_id: str, cohort: Cohort) -> None:
        """Count a link opened by its reader or by a mail scanner, once in this process.

        No record is read: the link was opened, whatever has become of the signature since the mail.
        """
        if submission_id in self._opened:
            return
        self._opened[submission_id] = None
        if len(self._opened) > _MAX_OPENED:
            self._opened.popitem(last=False)
        self._count(campaign, Stage.OPENED, cohort)

    def confirmed(self, campaign: str, confirmed: Confirmed) -> None:
        """Count a signature that was confirmed just now."""
        submission = confirmed.submission
        minutes = int((confirmed.at - submission.signed_at).total_seconds() // 60)
        times = {Dimension.MINUTES: bucket(minutes), Dimension.TEN_MINUTES: ten_minutes(confirmed.at)}
        self._count(campaign, Stage.CONFIRMED, Cohort.of(submission), times)

    def _count(self, campaign: str, stage: Stage, cohort: Cohort, times: Mapping[Dimension, str] = {}) -> None:
        # For the alerts, which must notice within the hour that a provider rejects our mail. A line is 1 KiB
        # as Cloud Logging counts: four stages of a million signatures are 4 GiB, of which 50 a month are free, and
        # each further one costs 0.50 dollars (https://cloud.google.com/stackdriver/pricing).
        log.event("funnel", campaign=campaign, stage=stage, provider=cohort.mailbox)
        reached = {
            Dimension.ALL: ALL,
            Dimension.COUNTRY: cohort.country,
            Dimension.PARTNER: cohort.partner or NONE,
            Dimension.SOURCE: self._source(cohort.day, cohort.source),
            Dimension.LANGUAGE: cohort.language,
            Dimension.MAILBOX: cohort.mailbox,
            **times,
        }
        counts = self._counts.setdefault(campaign, Counter())
        counts.update(FunnelKey(cohort.day, stage, dimension, key) for dimension, key in reached.items())
        if not self._is_used:
            self._is_used = True
            before_shutdown(self._stop)

    async def write_if_due(self) -> None:
        """Write the counts once in `WRITE_SECONDS`, with each request once the process is to stop; never raise.

        For the end of a request, which waits for a second at most.
        """
        is_due = self._is_stopping or self._monotonic() - self._written_at >= WRITE_SECONDS
        if is_due and (self._counts or self._batches):
            await self.write(_REQUEST_SECONDS)

    async def write(self, timeout_seconds: float = _SHUTDOWN_SECONDS) -> None:
        """Write the counts; those that cannot be written now are kept for the next time. Never raise."""
        try:
            async with asyncio.timeout(timeout_seconds), self._one_writer:
                self._written_at = self._monotonic()
                await self._write_batches()  # those of the last time as they were then
                self._batches.extend(self._cut())
                await self._write_batches()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the request its answer
            # Seldom: an unavailable database is unavailable to every request.
            if self._monotonic() - self._logged_at >= _LOG_EVERY_SECONDS:
                self._logged_at = self._monotonic()
                log.exception("funnel_not_written", error.__cause__ or error)

    def _cut(self) -> Iterator[_Batch]:
        """Move the counts into batches of what one commit takes."""
        counted, self._counts = self._counts, {}
        for campaign, counts in counted.items():
            for part in _parts(counts):
                yield _Batch(campaign, part)

    async def _write_batches(self) -> None:
        while self._batches:
            batch = self._batches[0]
            await self._store.add_to_funnel(batch.campaign, batch.counts, batch.id, self._now())
            self._batches.popleft()

    async def _stop(self) -> None:
        self._is_stopping = True
        await self.write()

    def _source(self, day: str, source: str | None) -> str:
        if source is None:
            return NONE
        if day not in self._sources and len(self._sources) > 2:
            self._sources.clear()  # of past days
        known = self._sources.setdefault(day, set())
        if source not in known and len(known) >= MAX_SOURCES:
            return OTHER
        known.add(source)
        return source


def _parts(counts: Mapping[FunnelKey, int]) -> Iterator[dict[FunnelKey, int]]:
    """Split into what one commit takes: counts of one day, at most `MAX_FUNNEL_COUNTS` of them."""
    for day in sorted({key.day for key in counts}):
        of_day = [(key, number) for key, number in counts.items() if key.day == day]
        for start in range(0, len(of_day), MAX_FUNNEL_COUNTS):
            yield dict(of_day[start : start + MAX_FUNNEL_COUNTS])
