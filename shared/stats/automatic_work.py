"""Automatic proof of work: browsers are asked for work while confirmations fall far behind mails.

A program that fills in addresses of strangers has mails sent that nobody confirms. People confirm within minutes,
so a rush does not look like that, however large it is. The rule is that of the alert mails-unconfirmed
(infra/alerts.tf), but by the numbers of the funnel, of those who signed on this day or the day before.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from shared import log
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay, WorkPeriod
from shared.stats.funnel import TEN_MINUTES, Dimension, Stage, ten_minutes
from shared.store import Store
from shared.store.entities import FunnelKey

#: In an hour, of which not more than this share are confirmed.
MIN_MAILS = 300
MIN_CONFIRMED_SHARE = 0.4
#: How long it stays on after the rule has last held. Work keeps such programs away, and the rule then no longer
#: holds: with less, it would be on and off by turns.
WORK_TIME = timedelta(hours=6)


def is_far_behind(numbers: Mapping[FunnelKey, int], now: datetime) -> bool:
    """Return whether confirmations are far behind the mails of an hour. `numbers`: of TEN_MINUTES.

    That hour ended ten to twenty minutes ago, and confirmations count until now: at the start of a rush they are
    some minutes behind.
    """
    newest_first = [ten_minutes(now - number * TEN_MINUTES) for number in range(8)]
    mailed = sum(numbers[key] for key in numbers if key.stage == Stage.MAILED and key.key in newest_first[2:])
    confirmed = sum(numbers[key] for key in numbers if key.stage == Stage.CONFIRMED and key.key in newest_first)
    return mailed > MIN_MAILS and confirmed <= MIN_CONFIRMED_SHARE * mailed


async def update(store: Store, campaign: Campaign, now: datetime) -> None:
    """Turn a campaign's work on, prolong it or turn it off, where that is automatic; for every few minutes.

    Twice at once does no harm, nor does a change by the desk meanwhile. `campaign`: of the file.
    """
    overlay = await store.overlay(campaign.id)
    is_needed = overlay.is_automatic(campaign) and is_far_behind(await read_numbers(store, campaign.id, now), now)
    if not is_needed and overlay.work == overlay.work_at(campaign, now):
        return
    before = overlay

    def change(overlay: Overlay) -> Overlay:
        nonlocal before
        before = overlay
        return overlay.model_copy(update={"work": _work(overlay, campaign, now, is_needed=is_needed)})

    try:
        after = await store.change_overlay(campaign.id, change)
    except ValidationError:  # what a newer desk has written, and this version would lose: the desk has to decide
        log.event("overlay_has_unknown_fields", "WARNING", campaign=campaign.id)
        return
    if bool(before.work) != bool(after.work):
        log.event("work_turned_on" if after.work else "work_turned_off", "WARNING", campaign=campaign.id)


def _work(overlay: Overlay, campaign: Campaign, now: datetime, *, is_needed: bool) -> WorkPeriod | None:
    work = overlay.work_at(campaign, now)
    if not is_needed or not overlay.is_automatic(campaign):
        return work
    return WorkPeriod(since=work.since if work else now, until=now + WORK_TIME)


async def read_numbers(store: Store, campaign: str, now: datetime) -> Mapping[FunnelKey, int]:
    """Read what `is_far_behind` goes by."""
    days = [f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in range(2)]
    return await store.funnel_of(campaign, days, [Stage.MAILED, Stage.CONFIRMED], Dimension.TEN_MINUTES)
