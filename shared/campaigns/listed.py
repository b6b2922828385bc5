"""Which campaigns readers are led to who name none."""

from collections.abc import Mapping
from datetime import datetime

from shared.campaigns.model import CANARY, Campaign


def listed(campaigns: Mapping[str, Campaign], now: datetime) -> list[Campaign]:
    """List the open campaigns, by name; where none is open, all of them."""
    everyones = [campaigns[name] for name in sorted(campaigns) if name != CANARY]
    return [campaign for campaign in everyones if not campaign.closed_reason(now)] or everyones
