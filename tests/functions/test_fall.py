"""A database that comes back empty or older is noticed, and its total neither shown nor recorded as right."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from desk import runtime
from desk.store.maintenance import Difference, expect_lower_total
from shared.stats import fall
from shared.stats.count import KEPT_AFTER_FALL, MAX_AGE
from shared.store.entities import TotalAt
from tests.desk.commands import run
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, COUNT, World

HISTORY = f"/v1/campaigns/{CAMPAIGN}/history/hours"
HOUR = timedelta(hours=1)
FELL = {"severity": "ERROR", "event": "count_fell", "campaign": CAMPAIGN}


class NotedTotals:
    """The last totals, in memory."""

    def __init__(self) -> None:
        self.noted = dict[str, TotalAt]()

    async def note(self, campaign: str, total: TotalAt) -> None:
        self.noted[campaign] = total

    async def last(self, campaign: str) -> TotalAt | None:
        return self.noted.get(campaign)

    def close(self) -> None:
        pass


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], int]:
    """How many lines of the log have said, since the last call, that the count fell."""

    def count_lines() -> int:
        return sum(json.loads(line) == FELL for line in capsys.readouterr().out.splitlines() if line[:1] == "{")

    return count_lines


async def add(number: int) -> None:
    """Add to the total, or take off it, behind the functions' backs."""
    records = runtime.desk().maintenance
    lacking = [Difference(name, key, counted=number, kept=0) for name, key in (("total", ""), ("country", "DE"))]
    await records.repair(CAMPAIGN, lacking)
    records.close()


async def expect_lower() -> None:
    """Lower the total on purpose, as the desk does."""
    records = runtime.desk().maintenance
    await expect_lower_total(records, CAMPAIGN, NOW)
    records.close()


def empty(deployed: World) -> None:
    """Let the database come back empty."""
    with closing(sqlite3.connect(deployed.folder / "store.db")) as database, database:
        database.executescript(
            "DELETE FROM signatures; DELETE FROM tally; DELETE FROM history; DELETE FROM overlays;"
        )


async def shown(deployed: World) -> int:
    """The total that this process of count shows once its cache is stale."""
    deployed.now += MAX_AGE
    await deployed.client.get(COUNT)
    await deployed.functions["count"].snapshots.settled()
    total: int = (await deployed.client.get(COUNT)).json()["total"]
    return total


async def history(deployed: World) -> list[int]:
    """The totals of the history."""
    deployed.functions["count"].lines.clear()
    return [point["total"] for point in (await deployed.client.get(HISTORY)).json()["points"]]


class TestCount:
    async def test_shows_its_last_total_after_a_fall(self, deployed: World, lines: Callable[[], int]) -> None:
        """It says as of when that was, logs the fall once, and shows the new total once it is right again."""
        await add(1000)
        assert await shown(deployed) == 1000
        before = (await deployed.client.get(COUNT)).json()["as_of"]

        empty(deployed)
        after = [await shown(deployed), await shown(deployed)]
        count = (await deployed.client.get(COUNT)).json()
        await add(1001)

        assert after == [1000, 1000]
        assert (count["as_of"], lines()) == (before, 1)
        assert await shown(deployed) == 1001

    @pytest.mark.parametrize(("total", "withdrawn"), [(1000, fall.MAX_WITHDRAWN), (100_000, 1000), (3, 3)])
    async def test_shows_what_is_left_after_withdrawals(
        self, deployed: World, lines: Callable[[], int], total: int, withdrawn: int
    ) -> None:
        """A few, or a small share of a large total, are no fault."""
        await add(total)
        assert await shown(deployed) == total

        await add(-withdrawn)

        assert await shown(deployed) == total - withdrawn
        assert lines() == 0

    async def test_shows_a_total_that_was_lowered_on_purpose(
        self, deployed: World, lines: Callable[[], int]
    ) -> None:
        """At once, and in several steps, as a command may work in batches."""
        await add(1000)
        assert await shown(deployed) == 1000

        await expect_lower()
        await add(-300)
        first = await shown(deployed)
        await add(-300)

        assert (first, await shown(deployed), lines()) == (700, 400, 0)

    async def test_believes_the_database_after_two_hours(self, deployed: World) -> None:
        """No wrong number is shown for ever, even if nobody looks."""
        await add(1000)
        assert await shown(deployed) == 1000

        empty(deployed)
        kept = await shown(deployed)
        deployed.now += KEPT_AFTER_FALL

        assert (kept, await shown(deployed)) == (1000, 0)

    async def test_learns_of_a_pause_while_it_keeps_a_total(self, deployed: World) -> None:
        """Who looks into a fall may have to stop the signing."""
        await add(1000)
        await shown(deployed)
        empty(deployed)
        records = runtime.desk().maintenance
        await records.change_overlay(CAMPAIGN, lambda overlay: overlay.model_copy(update={"paused": True}))
        records.close()

        total = await shown(deployed)

        assert total == 1000
        assert (await deployed.client.get(COUNT)).json()["closed_reason"] == "campaign_paused"

    async def test_of_a_new_process_goes_by_the_last_snapshot(self, deployed: World) -> None:
        """It has no copy of its own; the snapshot is as the history shows it."""
        await add(1000)
        await deployed.snapshot()

        await add(-900)
        count = await deployed.count()

        assert (count["total"], count["by_country"]) == (1000, {"DE": 1000})
        deployed.now += KEPT_AFTER_FALL
        assert (await deployed.count())["total"] == 100


class TestSnapshot:
    async def test_records_no_fall(self, deployed: World, lines: Callable[[], int]) -> None:
        """The history has a hole rather than a number that is wrong; the log says why, each time."""
        await add(1000)
        await deployed.snapshot()
        await add(-900)
        deployed.now += HOUR
        await deployed.snapshot()
        await deployed.client.post("/v1/tasks/fold")

        assert await history(deployed) == [1000]
        assert lines() == 2

    async def test_notices_a_database_that_came_back_empty(
        self, deployed: World, lines: Callable[[], int]
    ) -> None:
        """The history went with it, but the last total is noted elsewhere."""
        deployed.functions["deliver"].deps.totals = NotedTotals()
        await add(1000)
        await deployed.snapshot()
        empty(deployed)
        deployed.now += HOUR

        await deployed.snapshot()

        assert await history(deployed) == []
        assert lines() == 1

    async def test_records_a_total_that_the_desk_has_accepted(
        self, deployed: World, lines: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`undersign audit --accept` is the way on; what falls after that is noticed again."""
        monkeypatch.setattr("desk.stats.audit.utc_now", lambda: deployed.now)
        await add(1000)
        await deployed.snapshot()
        empty(deployed)
        await deployed.sign(email="ann@example.org")
        await deployed.deliver()
        deployed.functions["deliver"].deps.totals = totals = NotedTotals()
        totals.noted[CAMPAIGN] = TotalAt(NOW, 1000)

        await run("audit", CAMPAIGN, "--accept")
        deployed.now += HOUR
        await deployed.snapshot()

        assert (await history(deployed), totals.noted[CAMPAIGN].total) == ([0], 0)
        assert lines() == 0
