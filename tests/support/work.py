"""Proof of work, done as a browser does it."""

from datetime import datetime
from itertools import count, islice
from typing import Any

from shared.crypto.proof_of_work import challenge, is_hit
from tests.support.deployment import CAMPAIGN


def solved(email: str, now: datetime, campaign: str = CAMPAIGN) -> dict[str, Any]:
    """Return the field `work` for an address, as of today."""
    asked = challenge(now)
    hits = (nonce for nonce in count() if is_hit(campaign, asked.day, email, nonce))
    return {"day": asked.day, "nonces": list(islice(hits, asked.nonces))}
