"""The public counter: what is shown, and how a process keeps it at hand."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from shared import log
from shared.cache import StaleWhileRevalidate
from shared.campaigns.model import Campaign, Initiative, Partner
from shared.campaigns.overlay import Overlay
from shared.errors import StoreUnavailable
from shared.models.responses import (
    Count,
    CountryThreshold,
    Forecast,
    PaperCount,
    PartnerCount,
    Rate,
    Thresholds,
)
from shared.stats import fall, pace
from shared.store import Store
from shared.store.entities import Tally, TotalAt

#: Countries with fewer signatures are folded together, and partners with fewer into the rest of the total, so that
#: nobody is singled out. Signatures that are held are shown in steps of as many: the number would tell a bot, or
#: who knows that somebody has just signed, of each. The minute of the last signature is shown where so many came
#: in the last hour, or it would tell of one person.
MIN_SHOWN = 10
OTHER = "other"
#: An initiative must reach the minimum in this many member states (Regulation (EU) 2019/788, Article 3(1)).
MEMBER_STATES_NEEDED = 7
BASIS = (
    "Petition signatures by the country each signer declared; not statements of support for the initiative, "
    "which are collected by the European Commission."
)
MAX_AGE = timedelta(seconds=5)
#: A rise of the total between two reads further apart than this cannot be told to the minute.
_MINUTE = timedelta(minutes=1)
#: For this long after it was read, the last total is shown in place of one that has fallen for no known reason:
#: time for somebody to look. Then the database is believed, for no wrong number may be shown for ever.
KEPT_AFTER_FALL = timedelta(hours=2)


def public(campaign: Campaign, snapshot: "Snapshot", hours: Sequence[TotalAt]) -> Count:
    """Return a snapshot as everybody may see it. `hours`: those of the history, oldest first, none if unknown."""
    is_paused = snapshot.overlay is not None and snapshot.overlay.paused
    tally, paper = snapshot.tally, snapshot.overlay.paper_by_country if snapshot.overlay else {}
    closed_reason = campaign.closed_reason(snapshot.as_of) or ("campaign_paused" if is_paused else None)
    lowered_at = snapshot.overlay.lowered_at if snapshot.overlay else None
    latest = TotalAt(snapshot.as_of, tally.total)
    points = pace.comparable(hours, latest, campaign.opens_at, lowered_at)
    rate = _rate(points, campaign)
    return Count(
        campaign=campaign.id,
        data_license=campaign.data_license,
        total=tally.total,
        held=tally.held // MIN_SHOWN * MIN_SHOWN,
        goal=campaign.goal,
        next_goal=campaign.next_goal(tally.total),
        closed_reason=closed_reason,
        as_of=snapshot.as_of,
        rate=rate,
        last_confirmed_at=_last_confirmed_at(snapshot, rate),
        forecast=None if closed_reason else _forecast(points, campaign),
        by_country=fold(tally.by_country, tally.total),
        by_partner=_by_partner(campaign.counted_partners, tally.by_partner) or None,
        paper=_paper(paper) if paper else None,
        thresholds=_thresholds(campaign.initiative, tally.by_country) if campaign.initiative else None,
    )


def _rate(points: Sequence[TotalAt], campaign: Campaign) -> Rate | None:
    rate = Rate(
        last_hour=pace.growth(points, pace.HOUR, campaign.opens_at),
        last_24_hours=pace.growth(points, pace.DAY, campaign.opens_at),
    )
    return None if rate == Rate() else rate


def _last_confirmed_at(snapshot: "Snapshot", rate: Rate | None) -> datetime | None:
    if snapshot.rose_at is None or rate is None or (rate.last_hour or 0) < MIN_SHOWN:
        return None
    return snapshot.rose_at.replace(second=0, microsecond=0)


def _forecast(points: Sequence[TotalAt], campaign: Campaign) -> Forecast | None:
    next_goal = campaign.next_goal(points[-1].total)
    forecast = Forecast(
        goal=pace.forecast(points, campaign.goal, campaign.closes_at),
        next_goal=pace.forecast(points, next_goal, campaign.closes_at),
    )
    return None if forecast == Forecast() else forecast


def _paper(by_country: Mapping[str, int]) -> PaperCount:
    total = sum(by_country.values())
    return PaperCount(total=total, by_country=fold(by_country, total))


#: Where answers say when their numbers were read: the count and the history, and the shapes in `aliases`.
_AS_OF: Any = {"as_of": True, "last_update": True, "data": {"attributes": {"updated_at": True}}}


def etag(content: BaseModel | str, variant: str = "") -> str:
    """Hash numbers, or a text made of them, to a weak entity tag (RFC 9110, 8.8.3); their time changes nothing.

    `variant`: tells apart several representations of the same numbers.
    """
    text = content if isinstance(content, str) else content.model_dump_json(exclude=_AS_OF)
    return f'W/"{hashlib.sha256((text + variant).encode()).hexdigest()[:22]}"'


def fold(by_country: Mapping[str, int], total: int) -> dict[str, int]:
    """Fold the small countries together; the sum is `total`."""
    shown = {country: n for country, n in sorted(by_country.items()) if n >= MIN_SHOWN}
    other = total - sum(shown.values())
    return {**shown, OTHER: other} if other else shown


def _by_partner(counted: Mapping[str, Partner], totals: Mapping[str, int]) -> list[PartnerCount]:
    shown = [
        PartnerCount(id=slug, name=partner.name, total=totals[slug])
        for slug, partner in counted.items()
        if totals.get(slug, 0) >= MIN_SHOWN
    ]
    return sorted(shown, key=lambda each: (-each.total, each.name))


def _thresholds(initiative: Initiative, by_country: Mapping[str, int]) -> Thresholds:
    states = {
        country: _threshold(needed, by_country.get(country, 0))
        for country, needed in initiative.thresholds.items()
    }
    met = sum(state.met for state in states.values())
    return Thresholds(basis=BASIS, needed=MEMBER_STATES_NEEDED, met=met, by_country=states)


def _threshold(needed: int, signatures: int) -> CountryThreshold:
    # Rounded down, so that 1 is never shown before the minimum is met.
    share = signatures * 10_000 // needed / 10_000 if signatures >= MIN_SHOWN else None
    return CountryThreshold(needed=needed, met=signatures >= needed, share=share)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tally and an overlay, and when the tally was read. `overlay`: None if it never could be.

    `rose_at`: when this process last saw the total rise, to the minute; None if it has not, or cannot say when.
    `has_fallen`: the tally is an older one, because the newest has fallen by more than withdrawals explain.
    """

    tally: Tally
    overlay: Overlay | None
    as_of: datetime
    rose_at: datetime | None = None
    has_fallen: bool = False


def snapshots(store: Store, max_age: timedelta = MAX_AGE) -> StaleWhileRevalidate[Snapshot]:
    """Cache the tally and the overlay of each campaign, read again once they are older than `max_age`."""

    async def read(campaign: str, now: datetime, last: Snapshot | None) -> Snapshot:
        tally, overlay = await asyncio.gather(store.tally(campaign), _overlay(store, campaign, last))
        new = Snapshot(tally, overlay, now, _rose_at(tally, now, last))
        last = last or await _last_of_history(store, campaign, now)
        return _without_fall(campaign, new, last) if last else new

    return StaleWhileRevalidate(read, max_age=max_age, log_event="count_is_stale")


def _rose_at(tally: Tally, now: datetime, last: Snapshot | None) -> datetime | None:
    if last is None or tally.total <= last.tally.total:
        return last.rose_at if last else None
    return now if now - last.as_of <= _MINUTE else None


def _without_fall(campaign: str, new: Snapshot, last: Snapshot) -> Snapshot:
    """Return the new snapshot, or the last tally where the new one has fallen by more than withdrawals explain."""
    lowered_at = new.overlay.lowered_at if new.overlay else None
    is_fall = fall.is_unexplained(new.tally.total, last.tally.total, last.as_of, lowered_at)
    if not is_fall or new.as_of - last.as_of >= KEPT_AFTER_FALL:
        return new
    if not last.has_fallen:
        log.event("count_fell", "ERROR", campaign=campaign)
    return replace(last, overlay=new.overlay, has_fallen=True)


async def _last_of_history(store: Store, campaign: str, now: datetime) -> Snapshot | None:
    """Return the last snapshot of the history, for a process that has none: it shows a tally that was damaged.

    A database that came back empty or older has no later one: this process then knows no better.
    """
    try:
        days = await store.history(campaign, (now - KEPT_AFTER_FALL).date())
    except StoreUnavailable:
        return None  # the tally could be read, and is worth showing alone
    point = days[-1].last if days else None
    return Snapshot(Tally(point.total, point.by_country), None, point.at) if point else None


async def _overlay(store: Store, campaign: str, last: Snapshot | None) -> Overlay | None:
    """Read the overlay, or fall back on the last good one: the count goes on."""
    try:
        return await store.overlay(campaign)
    except (StoreUnavailable, ValidationError) as error:
        log.exception("overlay_is_stale", error.__cause__ or error, campaign=campaign)
        return last.overlay if last else None
