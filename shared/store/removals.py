"""Notes of what was withdrawn or erased, kept outside the database of the signatures.

A backup still holds what was removed after it. The notes lie in another database, which its restore leaves as it
is, so that `undersign restore` can remove the same again. They hold digests and times, and end with the backups.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

#: Google keeps no backup for longer, 14 weeks (https://cloud.google.com/firestore/docs/backups).
MAX_BACKUP_DAYS = 98
#: A backup may be restored on its last day, and the restore takes its time.
_RESTORE_TIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Removal:
    """One address whose signature was removed `at`.

    `mailbox`: the digest of its mailbox, which was erased as well; None of a withdrawal, which leaves it.
    """

    campaign: str
    digest: str
    mailbox: str | None
    at: datetime
    expire_at: datetime


def expiry(at: datetime, backup_days: int) -> datetime:
    """Return when a note is of no more use: no backup that is older than the removal exists any more."""
    return at + timedelta(days=backup_days) + _RESTORE_TIME


class Removals(Protocol):
    """Implemented by `firestore_removals.FirestoreRemovals`. Each method raises `StoreUnavailable`."""

    async def add(self, removal: Removal) -> None:
        """Note a removal. Of two of one address, the later stays."""

    async def find(self, campaign: str, digest: str) -> Removal | None:
        """Return the note of one address; None if there is none."""

    def all(self) -> AsyncIterator[Removal]:
        """Read all notes. What has expired may still be among them."""

    def close(self) -> None:
        """Close the connection."""
