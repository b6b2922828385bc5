"""The last total of each campaign, kept outside the database of the signatures.

The history is in that database, and comes back empty or older with it. This number does not, and
so shows the fall.
"""

from typing import Protocol

from shared.store.entities import TotalAt


class Totals(Protocol):
    """Implemented by `firestore_totals.FirestoreTotals`. Each method raises `StoreUnavailable`."""

    async def note(self, campaign: str, total: TotalAt) -> None:
        """Note the total of a campaign in place of the one before."""

    async def last(self, campaign: str) -> TotalAt | None:
        """Return the total that was noted last; None if none was."""

    def close(self) -> None:
        """Close the connection."""
