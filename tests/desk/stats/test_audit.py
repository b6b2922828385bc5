"""The number that everybody sees, recounted from the records."""

import asyncio

import pytest

from desk import runtime
from desk.store.maintenance import Difference
from tests.desk.commands import undersign
from tests.support.deployment import CAMPAIGN, World


@pytest.fixture
async def here(deployed: World) -> World:
    """A deployment with three confirmed signatures."""
    for email, country in (("a@example.org", "DE"), ("b@example.org", "DE"), ("c@example.org", "FR")):
        await deployed.press(
            await deployed.sign_and_deliver(email=email, country=country, partner="digital-rights")
        )
    return deployed


async def plant(name: str, key: str, too_many: int) -> None:
    """Make the tally say more than there is."""
    records = runtime.desk().maintenance
    await records.repair(CAMPAIGN, [Difference(name, key, counted=too_many, kept=0)])
    records.close()


class TestAudit:
    async def test_finds_nothing_where_nothing_is_wrong(self, here: World) -> None:
        """And ends well."""
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
    async def test_names_what_is_wrong_and_repairs_it_while_people_sign(
        self, here: World, name: str, key: str, row: str
    ) -> None:
        """In all, in a country, in a partner: by how many."""
        await plant(name, key, too_many=7)
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
