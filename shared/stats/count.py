"""The public counter: what is shown, and how a process keeps it at hand."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ValidationError

from shared import log
from shared.cache import StaleWhileRevalidate
from shared.campaigns.model import Campaign, Initiative
from shared.campaigns.overlay import Overlay
from shared.errors import StoreUnavailable
from shared.models.responses import Count, CountryThreshold, PaperCount, Thresholds
from shared.store import Store
from shared.store.entities import Tally

#: Countries with fewer signatures are folded together, so that nobody is singled out. Signatures that are held are
#: shown in steps of as many: the number would tell a bot, or who knows that somebody has just signed, of each.
MIN_SHOWN = 10
OTHER = "other"
#: An initiative must reach the minimum in this many member states (Regulation (EU) 2019/788, Article 3(1)).
MEMBER_STATES_NEEDED = 7
BASIS = (
    "Petition signatures by the country each signer declared; not statements of support for the initiative, "
    "which are collected by the European Commission."
)
MAX_AGE = timedelta(seconds=5)


def public(campaign: Campaign, snapshot: "Snapshot") -> Count:
    """Return a snapshot as everybody may see it."""
    is_paused = snapshot.overlay is not None and snapshot.overlay.paused
    tally, paper = snapshot.tally, snapshot.overlay.paper_by_country if snapshot.overlay else {}
    return Count(
        campaign=campaign.id,
        total=tally.total,
        held=tally.held // MIN_SHOWN * MIN_SHOWN,
        goal=campaign.goal,
        next_goal=campaign.next_goal(tally.total),
        closed_reason=campaign.closed_reason(snapshot.as_of) or ("campaign_paused" if is_paused else None),
        as_of=snapshot.as_of,
        by_country=fold(tally.by_country, tally.total),
        paper=_paper(paper) if paper else None,
        thresholds=_thresholds(campaign.initiative, tally.by_country) if campaign.initiative else None,
    )


def _paper(by_country: Mapping[str, int]) -> PaperCount:
    total = sum(by_country.values())
    return PaperCount(total=total, by_country=fold(by_country, total))


def etag(count: BaseModel, variant: str = "") -> str:
    """Hash the numbers to a weak entity tag (RFC 9110, 8.8.3): `as_of` alone changes nothing.

    `variant`: tells apart several representations of them.
    """
    numbers = count.model_dump_json(exclude={"as_of"}) + variant
    return f'W/"{hashlib.sha256(numbers.encode()).hexdigest()[:22]}"'


def fold(by_country: Mapping[str, int], total: int) -> dict[str, int]:
    """Fold the small countries together; the sum is `total`."""
    shown = {country: n for country, n in sorted(by_country.items()) if n >= MIN_SHOWN}
    other = total - sum(shown.values())
    return {**shown, OTHER: other} if other else shown


def _thresholds(initiative: Initiative, by_country: Mapping[str, int]) -> Thresholds:
    states = {
        country: CountryThreshold(needed=needed, met=by_country.get(country, 0) >= needed)
        for country, needed in initiative.thresholds.items()
    }
    met = sum(state.met for state in states.values())
    return Thresholds(basis=BASIS, needed=MEMBER_STATES_NEEDED, met=met, by_country=states)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tally and an overlay, and when they were read. `overlay`: None if it never could be."""

    tally: Tally
    overlay: Overlay | None
    as_of: datetime


def snapshots(store: Store) -> StaleWhileRevalidate[Snapshot]:
    """Cache the tally and the overlay of each campaign."""

    async def read(campaign: str, now: datetime, last: Snapshot | None) -> Snapshot:
        tally, overlay = await asyncio.gather(store.tally(campaign), _overlay(store, campaign, last))
        return Snapshot(tally, overlay, now)

    return StaleWhileRevalidate(read, max_age=MAX_AGE, log_event="count_is_stale")


async def _overlay(store: Store, campaign: str, last: Snapshot | None) -> Overlay | None:
    """Read the overlay, or fall back on the last good one: the count goes on."""
    try:
        return await store.overlay(campaign)
    except (StoreUnavailable, ValidationError) as error:
        log.exception("overlay_is_stale", error.__cause__ or error, campaign=campaign)
        return last.overlay if last else None
