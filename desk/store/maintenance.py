"""What the organisers' desk does with the store: read everything, compare it with the tally, remove for good.

No function needs this. Implemented by `sqlite.SqliteMaintenance` and by
`firestore.FirestoreMaintenance`, which are stores as well.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.campaigns.overlay import Overlay
from shared.store import Store
from shared.store.entities import Address, Delta, FunnelKey, Mailbox, Signature, Status, Tally

#: Documents that are read, or removed, at a time: what the desk holds in memory.
PAGE = 500


@dataclass(frozen=True, slots=True)
class StoredSignature:
    """One signature and where it is stored."""

    digest: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Found:
    """All that is stored of one address. `signature`: None where there is none."""

    signature: Signature | None
    mailbox: Mailbox

    def __bool__(self) -> bool:
        return bool(self.signature or self.mailbox.claims)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where tally and records disagree. `field`: total, country or partner; `key`: which, "" for the total."""

    field: str
    key: str
    counted: int
    kept: int


@dataclass(slots=True)
class Recount:
    """Confirmed signatures by field and key: as `counted` from the records, as `kept` in the tally.

    Both as of one moment, so that a difference between them is not one of the signatures that come in meanwhile.
    """

    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: int = 0

    def count(self, signature: Signature) -> None:
        """Count one more record, whether the tally should hold it or not."""
        self.records += 1
        delta = delta_of(signature, +1)
        if delta is None:
            return
        self.counted.update([("total", ""), ("country", delta.country)])
        if delta.partner:
            self.counted["partner", delta.partner] += 1

    def differences(self) -> list[Difference]:
        """Return every difference, by field and key."""
        places = sorted(self.counted.keys() | self.kept.keys())
        return [
            Difference(*place, counted=self.counted[place], kept=self.kept[place])
            for place in places
            if self.counted[place] != self.kept[place]
        ]

    @property
    def tally(self) -> Tally:
        """Return what was counted."""
        return _as_tally(self.counted)

    @property
    def kept_tally(self) -> Tally:
        """Return what the tally says."""
        return _as_tally(self.kept)


def _as_tally(values: Mapping[tuple[str, str], int]) -> Tally:
    def by(wanted: str) -> dict[str, int]:
        return {key: number for (name, key), number in values.items() if name == wanted and number}

    return Tally(values.get(("total", ""), 0), by("country"), by("partner"))


class Maintenance(Store, Protocol):
    """A store, and what only the desk does with it. Each raises `StoreUnavailable`, as those of Store do."""

    def close(self) -> None:
        """Close the file or the connection."""

    def scan(self, campaign: str, after: str = "") -> AsyncIterator[Sequence[StoredSignature]]:
        """Read all documents of a campaign in the order of their digests, beginning after digest `after`.

        In pages of at most `PAGE`, each as it is when it is read. What has expired may still be among them.
        """

    async def campaigns(self) -> Sequence[str]:
        """List every campaign of which signatures or mailboxes are stored, by id, whether it has a file or not.

        There may be some more, of which nothing but a count is left.
        """

    async def find(self, address: Address) -> Found:
        """Read all that is stored of one address, expired or not."""

    async def forget(self, address: Address) -> Found:
        """Remove all that is stored of one address, and what it added to the tally, in one commit; return it.

        Traces of it may be left until the next `overwrite`.
        """

    async def overwrite(self) -> None:
        """Overwrite the traces of what was removed, where the database keeps any."""

    async def recount(self, campaign: str, progress: Callable[[int], None]) -> Recount:
        """Count the records of a campaign. `progress` is called with how many more documents were read."""

    async def change_overlay(self, campaign: str, change: Callable[[Overlay], Overlay]) -> Overlay:
        """Read the overlay, `change` it and write it, so that of two changes at once neither is lost; return it.

        `change` may be called several times, and raises what keeps the change from being made.
        """

    async def funnel(self, campaign: str) -> Mapping[FunnelKey, int]:
        """Read all numbers of the funnel."""

    async def repair(self, campaign: str, differences: Sequence[Difference]) -> None:
        """Add to the tally what it lacks, in one commit, whatever has been counted in the meantime.

        After `StoreUnavailable` it may have been done: recount before repairing again.
        """

    async def purge(self, campaign: str, progress: Callable[[int], None]) -> int:
        """Remove all signatures and mailboxes of a campaign, and return how many; the tally stays."""


class Restorable(Maintenance, Protocol):
    """A database that Google has restored. Implemented by `firestore.FirestoreMaintenance` alone."""

    async def merge(
        self,
        campaign: str,
        signatures: Sequence[StoredSignature],
        choose: Callable[[Signature | None, StoredSignature], Signature | None],
    ) -> int:
        """Merge signatures of another database into this one and its tally, and return how many were written.

        `choose`: from what is stored here, if anything, and what is there, to what to write; None: nothing.
        """


async def expect_lower_total(maintenance: Maintenance, campaign: str, now: datetime) -> None:
    """Note that the total falls on purpose within the hour, so that count and deliver do not take it for a fault.

    For whatever lowers the total by more than single withdrawals do (`shared/stats/fall.py`).
    """
    await maintenance.change_overlay(campaign, lambda overlay: overlay.model_copy(update={"lowered_at": now}))


def delta_of(signature: Signature | None, by: int) -> Delta | None:
    """Return what this document adds to the tally, or takes off; None where it is not counted."""
    if signature is None or signature.status is not Status.CONFIRMED:
        return None
    kept = signature.submissions[0]
    return Delta(by, kept.country, kept.partner)
