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
from shared.store.entities import Address, FunnelKey, Mailbox, Signature, Tally
from shared.store.tally import numbers_of, tally_of

#: Documents that are read, or removed, at a time: what the desk holds in memory.
PAGE = 500


@dataclass(frozen=True, slots=True)
class StoredSignature:
    """One signature and where it is stored."""

    digest: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is stored of one address. `signature`: None if it has not signed."""

    signature: Signature | None
    mailbox: Mailbox

    def __bool__(self) -> bool:
        return bool(self.signature or self.mailbox.claims)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where tally and records disagree. `field`: total, held, country or partner; `key`: which of the last two."""

    field: str
    key: str
    counted: int
    kept: int


@dataclass(slots=True)
class Recount:
    """The tally's numbers by field and key: as `counted` from the records, as `kept` in the tally.

    Both as of one moment, so that a difference between them is not one of the signatures that come in meanwhile.
    """

    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: int = 0

    def count(self, signature: Signature) -> None:
        """Count one more record, whether the tally should hold it or not."""
        self.records += 1
        self.counted.update(numbers_of(signature))

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
        return tally_of(self.counted)

    @property
    def kept_tally(self) -> Tally:
        """Return what the tally says."""
        return tally_of(self.kept)


class Maintenance(Store, Protocol):
    """A store, and what only the desk does with it. Each raises `StoreUnavailable`, as those of Store do."""

    def close(self) -> None:
        """Close the file or the connection."""

    async def may_write(self) -> bool:
        """Return whether the desk may change what is stored; changes nothing."""

    def scan(self, campaign: str, after: str = "") -> AsyncIterator[Sequence[StoredSignature]]:
        """Read all documents of a campaign in the order of their digests, beginning after digest `after`.

        In pages of at most `PAGE`, each as it is when it is read. What has expired may still be among them.
        """

    async def campaigns(self) -> Sequence[str]:
        """List every campaign of which signatures or mailboxes are stored, by id, whether it has a file or not.

        There may be some more, of which nothing but a count is left.
        """

    async def find(self, address: Address) -> Kept:
        """Read all that is stored of one address, expired or not."""

    async def forget(self, address: Address) -> Kept:
        """Remove all that is stored of one address, and what it added to the tally, in one commit; return it.

        Traces of it may be left until the next `overwrite`.
        """

    async def overwrite(self) -> None:
        """Overwrite the traces of what was removed, where the database keeps any."""

    async def recount(self, campaign: str, progress: Callable[[int], None]) -> Recount:
        """Count the records of a campaign. `progress` is called with how many more documents were read."""

    async def overlay(self, campaign: str) -> Overlay:
        """Read the overlay as a function does, but refuse a field that only a newer version knows.

        Or `change_overlay` would write the overlay back without it.

        Raises:
            ValidationError: what is stored was written by a newer version, or is no overlay.
        """

    async def funnel(self, campaign: str) -> Mapping[FunnelKey, int]:
        """Read all numbers of the funnel."""

    async def repair(self, campaign: str, differences: Sequence[Difference]) -> None:
        """Add to the tally what it lacks, in one commit, whatever has been counted in the meantime.

        After `StoreUnavailable` it may have been done: recount before repairing again.
        """

    async def change(
        self,
        campaign: str,
        digests: Sequence[str],
        choose: Callable[[str, Signature | None], Signature | None],
    ) -> int:
        """Change signatures, and the tally with them, and return how many; a repeat changes what is left.

        Some at a time, each time in one commit. `choose`: from a digest and what is stored there, if anything, to
        what to write; None: leave it as it is. It may be called several times.
        """

    async def purge(self, campaign: str, progress: Callable[[int], None]) -> int:
        """Remove the signatures, mailboxes and domains of a campaign, and return how many; the tally stays."""


async def expect_lower_total(maintenance: Maintenance, campaign: str, now: datetime) -> None:
    """Note that the total falls on purpose within the hour, so that count and deliver do not take it for a fault.

    For whatever lowers the total by more than single withdrawals do (`shared/stats/fall.py`).
    """
    await maintenance.change_overlay(campaign, lambda overlay: overlay.model_copy(update={"lowered_at": now}))
