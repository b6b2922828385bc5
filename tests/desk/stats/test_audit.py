"""The public count, recounted from the records."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from desk import runtime
from desk.store.maintenance import Difference
from desk.store.sqlite import SqliteMaintenance
from shared.errors import StoreUnavailable
from shared.store.entities import Point, TotalAt
from shared.store.firestore_totals import FirestoreTotals
from tests.desk.commands import undersign
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, World


@pytest.fixture
async def here(deployed: World) -> World:
    """A deployment with three confirmed signatures."""
    for email, country in (("a@example.org", "DE"), ("b@example.org", "DE"), ("c@example.org", "FR")):
        await deployed.press(
            await deployed.sign_and_deliver(email=email, country=country, partner="digital-rights")
        )
    return deployed


async def corrupt_tally(name: str, key: str, too_many: int) -> None:
    """Add `too_many` to one number of the tally."""
    records = runtime.desk().maintenance
    await records.repair(CAMPAIGN, [Difference(name, key, counted=too_many, kept=0)])
    records.close()


async def record_snapshot(here: World, at: datetime, total: int) -> None:
    """Record an hourly snapshot."""
    store = here.functions["deliver"].deps.store
    await store.add_to_history(CAMPAIGN, Point(at, total, {"DE": total}))


class TestAudit:
    async def test_passes_when_the_tally_is_right(self, here: World) -> None:
        """The exit status is 0, and the output says that the tally is right."""
        done = await asyncio.to_thread(undersign, "audit", CAMPAIGN)

        assert done.exit_code == 0, done.output
        assert "3 of them confirmed" in done.output
        assert "The tally is right" in done.output

    @pytest.mark.parametrize(
        ("name", "key", "row"),
        [
            ("total", "", "total"),
            ("country", "FR", "country FR"),
            ("country", "XX", "country XX"),
            ("partner", "digital-rights", "partner digital-rights"),
        ],
    )
    async def test_reports_a_wrong_number_and_repairs_it_while_people_sign(
        self, here: World, name: str, key: str, row: str
    ) -> None:
        """It reports the wrong number and by how much; `--repair` fixes it and loses no confirmation."""
        await corrupt_tally(name, key, too_many=7)
        audited = await asyncio.to_thread(undersign, "audit", CAMPAIGN)
        late = [await here.sign_and_deliver(email=f"late{n}@example.org", country="DE") for n in range(5)]

        repairing = asyncio.create_task(asyncio.to_thread(undersign, "audit", CAMPAIGN, "--repair"))
        await asyncio.gather(*(here.press(mail) for mail in late))
        repaired = await repairing

        assert audited.exit_code == 1
        assert row in audited.output
        assert "+7" in audited.output
        assert repaired.exit_code == 0
        after = await asyncio.to_thread(undersign, "audit", CAMPAIGN)
        assert "The tally is right" in after.output
        assert (await here.count())["total"] == 8

    async def test_reports_a_total_that_fell_since_the_last_snapshot(self, here: World) -> None:
        """Records and tally agree where both are gone; the snapshot tells, until the lower total is accepted."""
        await record_snapshot(here, NOW, 100)

        fell = await asyncio.to_thread(undersign, "audit", CAMPAIGN)
        accepted = await asyncio.to_thread(undersign, "audit", CAMPAIGN, "--accept")
        after = await asyncio.to_thread(undersign, "audit", CAMPAIGN)

        assert (fell.exit_code, accepted.exit_code, after.exit_code) == (1, 0, 0)
        assert "The count is 3; the last snapshot, of 2026-11-22 20:00 UTC, said 100." in fell.output
        assert "The total has fallen" in fell.output
        assert "The total has fallen" not in accepted.output + after.output

    async def test_goes_by_the_snapshot_that_no_restore_touches(
        self, here: World, project: str, emulator: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The history came back older with the database; the last total is noted beside the spool."""
        await record_snapshot(here, NOW - timedelta(days=1), 3)
        monkeypatch.setenv("SPOOL_PROJECT", project)
        monkeypatch.setenv("SPOOL_DATABASE", "spool")
        totals = FirestoreTotals(project, "spool")
        await totals.note(CAMPAIGN, TotalAt(NOW, 100))
        totals.close()

        fell = await asyncio.to_thread(undersign, "audit", CAMPAIGN)

        assert fell.exit_code == 1
        assert "of 2026-11-22 20:00 UTC, said 100." in fell.output

    async def test_repairs_a_tally_that_was_much_too_high(self, here: World) -> None:
        """That lowers the total on purpose, so that count and deliver take it for no fault."""
        await corrupt_tally("total", "", too_many=500)
        await record_snapshot(here, NOW, 503)

        repaired = await asyncio.to_thread(undersign, "audit", CAMPAIGN, "--repair")

        assert repaired.exit_code == 0, repaired.output
        assert (await here.count())["total"] == 3

    async def test_repairs_once_although_the_answer_was_lost(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It cannot know whether the repair was done, so it counts again before it repairs anything more."""
        await corrupt_tally("total", "", too_many=7)
        repair = SqliteMaintenance.repair

        async def repair_unanswered(self: SqliteMaintenance, *given: Any) -> None:
            await repair(self, *given)
            raise StoreUnavailable("the answer was lost")

        monkeypatch.setattr(SqliteMaintenance, "repair", repair_unanswered)
        done = await asyncio.to_thread(undersign, "audit", CAMPAIGN, "--repair")

        assert done.exit_code == 0, done.output
        assert done.output.count("records read") == 2
        assert (await here.count())["total"] == 3
