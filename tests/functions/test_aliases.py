"""The count in shapes of other petitions' systems: programs that read those read ours.

Each reader here reads what a public program reads, by the names in its source.
"""

from typing import Any

import pytest

from desk import runtime
from tests.functions.test_count import confirm_many
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, COUNT, PUBLIC_URL, World

#: In place of https://eci.ec.europa.eu/045/public/api and https://petition.parliament.uk/petitions/700143.
ECI, UK = f"/v1/campaigns/{CAMPAIGN}/eci", f"/v1/campaigns/{CAMPAIGN}/uk"


async def get(deployed: World, address: str) -> Any:
    await deployed.count()
    response = await deployed.client.get(address, headers={"Origin": "https://tracker.example"})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    return response.json()


async def test_readers_of_the_commissions_progression_read_ours(deployed: World) -> None:
    """As skgpt.rs of IAmTheNerdNextDoor/StopKillingGamesPetitionTracker, into unsigned numbers of these names."""
    await confirm_many(deployed, {"DE": 3})

    progress = await get(deployed, f"{ECI}/report/progression")

    assert progress == {"signatureCount": 3, "goal": 1_000_000}


async def test_readers_of_the_commissions_map_read_ours(deployed: World) -> None:
    """As main.js of sxyseo/StopKillingGamesTracker, which sorts by percentage and shows these fields of each."""
    await confirm_many(deployed, {"MT": 10, "DE": 11, "FR": 9, "BR": 12})

    rows = (await get(deployed, f"{ECI}/report/map"))["signatureCountryCount"]

    by_percentage = sorted(rows, key=lambda row: row["percentage"], reverse=True)
    shown = [(row["countryCode"], row["totalCount"], row["treshold"], row["percentage"]) for row in by_percentage]
    assert shown[:2] == [("mt", 10, 4_230, 0.23), ("de", 11, 67_680, 0.01)]
    assert ("fr", 0, 55_695, 0) in shown
    assert len(shown) == 27


async def test_older_readers_of_the_commissions_map_read_ours(deployed: World) -> None:
    """Programs of 2020 read `count`, find a country by its small letters, and note when the numbers were read."""
    await confirm_many(deployed, {"DE": 11})

    content = await get(deployed, f"{ECI}/report/map")

    [german] = [row for row in content["signatureCountryCount"] if row["countryCode"] == "de"]
    assert (german["count"], content["lastUpdate"]) == (11, "2026-11-22T20:00:00Z")


async def test_readers_of_uk_parliaments_count_read_ours(deployed: World) -> None:
    """As IAmTheNerdNextDoor/StopKillingGamesPetitionTracker, which reads one number."""
    await confirm_many(deployed, {"DE": 3})

    assert (await get(deployed, f"{UK}/count.json"))["signature_count"] == 3


async def test_readers_of_uk_parliaments_petitions_read_ours(deployed: World) -> None:
    """By the names that alphagov/e-petitions writes: the texts, the numbers, and lists that programs sort."""
    await confirm_many(deployed, {"GB": 10, "DE": 11, "FR": 9})

    content = await get(deployed, f"{UK}.json?lang=en")

    data, attributes = content["data"], content["data"]["attributes"]
    assert content["links"]["self"] == f"{PUBLIC_URL}{UK}.json"
    assert (data["type"], data["id"], attributes["state"]) == ("petition", CAMPAIGN, "open")
    assert attributes["action"].startswith("Ban")
    assert attributes["background"]
    assert (attributes["opened_at"], attributes["closed_at"]) == ("2026-11-01T00:00:00Z", None)
    by_country = {
        row["code"]: (row["name"], row["signature_count"]) for row in attributes["signatures_by_country"]
    }
    assert by_country == {
        "DE": ("Germany", 11),
        "GB": ("United Kingdom", 10),
        "other": ("All other countries", 9),
    }
    assert sum(number for _, number in by_country.values()) == attributes["signature_count"] == 30
    assert sorted(attributes["signatures_by_constituency"] + attributes["signatures_by_region"]) == []
    assert attributes["government_response"] is attributes["debate"] is attributes["rejection"] is None


async def test_a_petition_that_has_closed_is_closed(deployed: World) -> None:
    """And one that is paused, or has not opened yet, is not."""
    records = runtime.desk().maintenance
    await records.change_overlay(CAMPAIGN, lambda overlay: overlay.model_copy(update={"paused": True}))
    records.close()
    paused = await get(deployed, f"{UK}.json?lang=en")
    deployed.now = NOW.replace(year=2028)
    closed = await get(deployed, f"{UK}.json?lang=en")
    deployed.now = NOW.replace(year=2025)
    not_yet_open = await get(deployed, f"{UK}.json?lang=en")

    states = [each["data"]["attributes"]["state"] for each in (paused, closed, not_yet_open)]
    assert states == ["open", "closed", "open"]
    assert not_yet_open["data"]["attributes"]["closed_at"] is None
    assert closed["data"]["attributes"]["closed_at"] == "2027-11-01T00:00:00Z"


@pytest.mark.parametrize(
    "address",
    [f"{ECI}/report/progression", f"{ECI}/report/map", f"{UK}.json?lang=en", f"{UK}/count.json", f"{COUNT}.svg"],
)
async def test_the_same_numbers_have_the_same_tag(deployed: World, address: str) -> None:
    """Though the answer says when they were read."""
    first = await deployed.client.get(address)
    deployed.now = NOW.replace(hour=21)

    later = await deployed.client.get(address, headers={"If-None-Match": first.headers["etag"]})

    assert later.status_code == 304
