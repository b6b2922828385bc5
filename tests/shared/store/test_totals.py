"""The last total of a campaign, which a restore of the signatures' database leaves as it is."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.store.entities import TotalAt
from shared.store.firestore_totals import FirestoreTotals
from tests.support.clock import NOW


@pytest.fixture
async def totals(project: str, emulator: str) -> AsyncIterator[FirestoreTotals]:
    made = FirestoreTotals(project, "spool")
    yield made
    made.close()


async def test_the_last_total_that_was_noted_stays(totals: FirestoreTotals) -> None:
    """Each campaign has its own, and one that has none yet has no total."""
    await totals.note("swifts", TotalAt(NOW, 1000))
    await totals.note("swifts", TotalAt(NOW + timedelta(hours=1), 900))

    assert await totals.last("swifts") == TotalAt(NOW + timedelta(hours=1), 900)
    assert await totals.last("bees") is None
