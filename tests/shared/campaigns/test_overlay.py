"""What changes about a campaign between two deployments, and how every function learns of it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.campaigns.live import MAX_AGE, LiveCampaigns
from shared.campaigns.loader import load_all
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import (
    AdmittedPartner,
    Overlay,
    Paper,
    PublishedOverlay,
    apply_overlay,
)
from shared.campaigns.overlay_reader import read_overlay
from shared.errors import StoreUnavailable
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN
from tests.support.smtp_receiver import serving

NEW = "https://new.example.org"


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return load_all()[CAMPAIGN]


def admitted(*origins: str, name: str = "New Partner") -> AdmittedPartner:
    return AdmittedPartner(name=name, origins=origins, country="FR")


class TestApplied:
    def test_admits_a_new_partner(self, campaign: Campaign) -> None:
        """Its pages may show the form; the file's partners stay."""
        changed = apply_overlay(campaign, Overlay(partners={"new": admitted(NEW)}))

        assert changed.partner_by_origin == {**campaign.partner_by_origin, NEW: "new"}
        assert (changed.partners["new"].name, changed.partners["new"].country) == ("New Partner", "FR")

    def test_adds_an_origin_to_a_partner_of_the_file(self, campaign: Campaign) -> None:
        """Everything else about it is as in the file, its key above all."""
        changed = apply_overlay(
            campaign, Overlay(partners={"digital-rights": admitted(NEW, name="Somebody Else")})
        )

        before, after = campaign.partners["digital-rights"], changed.partners["digital-rights"]
        assert after == before.model_copy(update={"origins": (*before.origins, NEW)})
        assert changed.partner_by_origin[NEW] == "digital-rights"

    def test_takes_no_origin_from_a_partner_of_the_file(self, campaign: Campaign) -> None:
        """Anybody who can write to the database cannot claim another's page."""
        taken = campaign.partners["libertes-ouvertes"].origins[0]

        changed = apply_overlay(campaign, Overlay(partners={"thief": admitted(taken)}))

        assert changed.partner_by_origin == campaign.partner_by_origin
        assert "thief" not in changed.partners

    def test_pauses(self, campaign: Campaign) -> None:
        """A closed campaign is closed, paused or not; the original is left alone."""
        changed = apply_overlay(campaign, Overlay(paused=True))

        assert (changed.closed_reason(NOW), campaign.closed_reason(NOW)) == ("campaign_paused", None)
        assert changed.closed_reason(NOW.replace(year=2030)) == "campaign_closed"
        assert apply_overlay(changed, Overlay()).closed_reason(NOW) is None


@pytest.mark.parametrize(
    "written",
    [
        {"partners": {"new": {"name": "New", "origins": [NEW], "recipient": "age1" + "q" * 58}}},
        {"partners": {"new": {"name": "New", "origins": ["https://new.example.org/path"]}}},
        {"partners": {"new": {"name": "New", "origins": ["*"]}}},
        {"partners": {"new": {"name": "New\nBcc: x", "origins": [NEW]}}},
        {"partners": {"../new": {"name": "New", "origins": [NEW]}}},
        {"partners": {f"p{n}": {"name": "New", "origins": [NEW]} for n in range(1001)}},
        {"paused": "perhaps"},
        {"goal": 1},
        [],
    ],
    ids=["key", "path", "any", "header", "slug", "many", "type", "unknown", "list"],
)
def test_an_overlay_that_is_none_is_refused_whole(written: object) -> None:
    """A key above all: anybody who can write to the database must not have data sealed to their own."""
    with pytest.raises(ValidationError):
        PublishedOverlay.model_validate(written)


def test_paper_adds_up_by_country() -> None:
    """A correction takes off; a country that comes to nothing is not shown."""
    entries = [("DE", 100), ("FR", 5), ("DE", -40), ("FR", -5)]

    paper = Overlay(paper=tuple(Paper(country=c, number=n, note="x", added_at=NOW) for c, n in entries))

    assert paper.paper_by_country == {"DE": 60}


class Source:
    """Gives an overlay, or a fault, once it is let."""

    def __init__(self) -> None:
        self.given: PublishedOverlay | Exception = PublishedOverlay()
        self.open = asyncio.Event()
        self.open.set()
        self.reads = 0

    async def read(self, _campaign: str) -> PublishedOverlay:
        self.reads += 1
        await self.open.wait()
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


class TestLiveCampaigns:
    @pytest.fixture(autouse=True)
    def _live(self) -> None:
        self.now = NOW
        self.source = Source()
        self.campaigns = LiveCampaigns(load_all(), self.source.read, lambda: self.now)

    def is_paused(self) -> bool:
        return self.campaigns[CAMPAIGN].paused

    async def test_nobody_waits_for_a_reading(self) -> None:
        """While it hangs, everybody is served by the file; then by what it gave."""
        self.source.open.clear()
        self.source.given = PublishedOverlay(paused=True)

        assert [self.is_paused() for _ in range(100)] == [False] * 100
        await asyncio.sleep(0)
        self.source.open.set()
        await self.campaigns.settled()

        assert self.is_paused()
        assert self.source.reads == 1

    async def test_a_copy_is_read_anew_when_it_is_old(self) -> None:
        """And not before, however many ask."""
        second = timedelta(seconds=1)
        for passing, reads in ((0 * second, 1), (MAX_AGE - second, 1), (second, 2), (MAX_AGE, 3)):
            self.now += passing
            for _ in range(10):
                self.is_paused()
            await self.campaigns.settled()
            assert self.source.reads == reads

    @pytest.mark.parametrize("fault", [StoreUnavailable("away"), ValidationError.from_exception_data("no", [])])
    async def test_the_last_good_copy_is_kept(self, fault: Exception, capsys: pytest.CaptureFixture[str]) -> None:
        """For as long as it takes; the log says so once in a while."""
        self.source.given = PublishedOverlay(paused=True)
        self.is_paused()
        await self.campaigns.settled()
        self.source.given = fault
        for _ in range(5):
            self.now += MAX_AGE
            assert self.is_paused()
            await self.campaigns.settled()

        assert self.is_paused()
        assert capsys.readouterr().out.count("overlay_is_stale") == 1

    async def test_a_reading_that_hangs_is_not_repeated(self) -> None:
        """Or a source that is away would be asked more and more."""
        self.source.open.clear()
        for _ in range(5):
            self.is_paused()
            self.now += MAX_AGE
            await asyncio.sleep(0)

        assert self.source.reads == 1
        self.source.open.set()
        await self.campaigns.settled()

    def test_a_program_that_starts_up_reads_the_files(self) -> None:
        """Without an event loop nothing is read in the background."""
        assert list(self.campaigns) == [CAMPAIGN]
        assert not self.is_paused()
        assert self.source.reads == 0


Answer = Callable[[], Response]


class TestPublishedOverlays:
    """As sign and embed read it, through HTTP."""

    async def read(self, content: bytes, status: int = 200) -> PublishedOverlay:
        async def answer(_request: Request) -> Response:
            return Response(content, status)

        async with serving(Starlette(routes=[Route(f"/v1/campaigns/{CAMPAIGN}/overlay", answer)])) as url:
            return await read_overlay(url, CAMPAIGN)

    async def test_are_what_count_publishes(self) -> None:
        """Byte for byte the model of both sides."""
        published = PublishedOverlay(paused=True, partners={"new": admitted(NEW)})

        assert await self.read(published.model_dump_json().encode()) == published

    @pytest.mark.parametrize(("content", "status"), [(b"{}", 404), (b"{}", 500), (b" " * 600_000, 200)])
    async def test_of_a_fault_are_away(self, content: bytes, status: int) -> None:
        """An error's body is no overlay, and what is too large is not read."""
        with pytest.raises(StoreUnavailable):
            await self.read(content, status)

    @pytest.mark.parametrize("content", [b"", b"<html>", b'{"paused": 7}', b"\xff"])
    async def test_of_nonsense_are_refused(self, content: bytes) -> None:
        """A captive portal, or a cache that answers for somebody else."""
        with pytest.raises(ValidationError):
            await self.read(content)

    async def test_where_nobody_listens_are_away(self) -> None:
        """As during a deployment."""
        with pytest.raises(StoreUnavailable):
            await read_overlay("http://127.0.0.1:1", CAMPAIGN)
