"""Notes of what was withdrawn or erased, which a restore of the signatures' database leaves as they are."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.store.firestore_removals import FirestoreRemovals
from shared.store.removals import Removal, expiry
from tests.support.clock import NOW

WITHDRAWN = Removal("swifts", "digest", None, NOW, expiry(NOW, 14))
ERASED = Removal("swifts", "digest", "mailbox", NOW + timedelta(hours=1), expiry(NOW, 14))


@pytest.fixture
async def removals(project: str, emulator: str) -> AsyncIterator[FirestoreRemovals]:
    made = FirestoreRemovals(project, "spool")
    yield made
    made.close()


@pytest.mark.parametrize("order", [(WITHDRAWN, ERASED), (ERASED, WITHDRAWN)])
async def test_the_later_removal_of_an_address_stays(
    removals: FirestoreRemovals, order: tuple[Removal, ...]
) -> None:
    """In whichever order they arrive: a task that was late must not turn an erasure into a withdrawal."""
    for removal in (*order, *order):
        await removals.add(removal)

    assert [each async for each in removals.all()] == [ERASED]
    assert await removals.find("swifts", "digest") == ERASED


async def test_an_address_that_was_never_removed_has_no_note(removals: FirestoreRemovals) -> None:
    """Nor has the same address in another campaign."""
    await removals.add(WITHDRAWN)

    assert await removals.find("bees", "digest") is None


def test_a_note_outlives_every_backup_that_holds_what_was_removed() -> None:
    """The last one is made just before the removal, and may be restored on its last day."""
    assert expiry(NOW, backup_days=14) > NOW + timedelta(days=14)
