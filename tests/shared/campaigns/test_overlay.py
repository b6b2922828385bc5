"""Changes to a campaign between two deployments, and how every function gets them."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Literal

import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shared import cache
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
from shared.circuit_breaker import CircuitBreaker
from shared.errors import StoreUnavailable
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN
from tests.support.http_receiver import serving

NEW = "https://new.example.org"


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return load_all()[CAMPAIGN]


def breaker() -> CircuitBreaker:
    return CircuitBreaker("count", StoreUnavailable, (StoreUnavailable,))


def admitted(*origins: str, name: str = "New Partner") -> AdmittedPartner:
    return AdmittedPartner(name=name, origins=origins, country="FR")


class TestApplied:
    def test_admits_a_new_partner(self, campaign: Campaign) -> None:
        """The new partner's origins may show the form; the campaign file's partners stay."""
        changed = apply_overlay(campaign, Overlay(partners={"new": admitted(NEW)}))

        assert changed.partner_by_origin == {**campaign.partner_by_origin, NEW: "new"}
        assert (changed.partners["new"].name, changed.partners["new"].country) == ("New Partner", "FR")

    @pytest.mark.parametrize(("overlaid", "asks"), [(None, False), ("on", True), ("off", False)])
    def test_goes_by_the_file_about_work_unless_it_says_otherwise(
        self, campaign: Campaign, overlaid: Literal["on", "off"] | None, asks: bool
    ) -> None:
        """So that a deployment can say what is usual, and the overlay what is true now."""
        usual = campaign.model_copy(update={"proof_of_work": "off" if asks or overlaid is None else "on"})

        assert apply_overlay(usual, Overlay(proof_of_work=overlaid)).asks_for_work is asks

    def test_adds_an_origin_to_a_partner_of_the_file(self, campaign: Campaign) -> None:
        """Everything else about the partner, above all its key, stays as in the file."""
        changed = apply_overlay(
            campaign, Overlay(partners={"digital-rights": admitted(NEW, name="Somebody Else")})
        )

        before, after = campaign.partners["digital-rights"], changed.partners["digital-rights"]
        assert after == before.model_copy(update={"origins": (*before.origins, NEW)})
        assert changed.partner_by_origin[NEW] == "digital-rights"

    def test_takes_no_origin_from_a_partner_of_the_file(self, campaign: Campaign) -> None:
        """Even somebody who can write to the database cannot take over a partner's page."""
        taken = campaign.partners["libertes-ouvertes"].origins[0]

        changed = apply_overlay(campaign, Overlay(partners={"thief": admitted(taken)}))

        assert changed.partner_by_origin == campaign.partner_by_origin
        assert "thief" not in changed.partners

    def test_pauses_the_campaign(self, campaign: Campaign) -> None:
        """A paused campaign is closed to signers; one that is over says so instead; the original is unchanged."""
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
def test_an_invalid_overlay_is_refused_as_a_whole(written: object) -> None:
    """Above all, a key: somebody who can write to the database must not have data sealed to their own."""
    with pytest.raises(ValidationError):
        PublishedOverlay.model_validate(written)


def test_paper_adds_up_by_country() -> None:
    """Corrections are subtracted; a country whose sum is zero is left out."""
    entries = [("DE", 100), ("FR", 5), ("DE", -40), ("FR", -5)]

    paper = Overlay(paper=tuple(Paper(country=c, number=n, note="x", added_at=NOW) for c, n in entries))

    assert paper.paper_by_country == {"DE": 60}


class Source:
    """Returns an overlay, or raises an error, while `open` is set."""

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


@pytest.fixture
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up waiting for a source that hangs at once."""
    monkeypatch.setattr(cache, "TIMEOUT_SECONDS", 0.001)


class TestLiveCampaigns:
    @pytest.fixture(autouse=True)
    def _live(self) -> None:
        self.now = NOW
        self.source = Source()
        self.campaigns = LiveCampaigns(load_all(), self.source.read, lambda: self.now)

    def is_paused(self) -> bool:
        return self.campaigns[CAMPAIGN].paused

    async def test_no_lookup_waits_for_a_read(self) -> None:
        """While a read hangs, the campaign is that of the file; afterwards the overlay applies."""
        self.source.open.clear()
        self.source.given = PublishedOverlay(paused=True)

        assert [self.is_paused() for _ in range(100)] == [False] * 100
        await asyncio.sleep(0)
        self.source.open.set()
        await self.campaigns.settled()

        assert self.is_paused()
        assert self.source.reads == 1

    async def test_an_overlay_is_read_again_after_its_maximum_age(self) -> None:
        """It is not read before, however many requests there are."""
        second = timedelta(seconds=1)
        for passing, reads in ((0 * second, 1), (MAX_AGE - second, 1), (second, 2), (MAX_AGE, 3)):
            self.now += passing
            for _ in range(10):
                self.is_paused()
            await self.campaigns.settled()
            assert self.source.reads == reads

    @pytest.mark.parametrize(
        "error", [StoreUnavailable("unavailable"), ValidationError.from_exception_data("no", [])]
    )
    async def test_the_last_valid_overlay_is_kept(
        self, error: Exception, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """While reads fail, it stays in force, and the log says once that it is stale."""
        self.source.given = PublishedOverlay(paused=True)
        self.is_paused()
        await self.campaigns.settled()
        self.source.given = error
        for _ in range(5):
            self.now += MAX_AGE
            assert self.is_paused()
            await self.campaigns.settled()

        assert self.is_paused()
        assert capsys.readouterr().out.count("overlay_is_stale") == 1

    async def test_no_second_read_starts_while_one_hangs(self) -> None:
        """Otherwise requests would pile up at a source that does not answer."""
        self.source.open.clear()
        for _ in range(5):
            self.is_paused()
            self.now += MAX_AGE
            await asyncio.sleep(0)

        assert self.source.reads == 1
        self.source.open.set()
        await self.campaigns.settled()

    async def test_the_first_request_waits_for_the_first_overlay(self) -> None:
        """So a process that has just started knows of a pause before it answers."""
        self.source.given = PublishedOverlay(paused=True)

        assert await self.campaigns.refresh(CAMPAIGN)

        assert self.is_paused()

    @pytest.mark.usefixtures("_short_timeout")
    async def test_only_the_first_request_waits_for_a_source_that_hangs(self) -> None:
        """After the timeout the file applies, and nobody waits until the overlay comes."""
        self.source.open.clear()
        self.source.given = PublishedOverlay(paused=True)

        assert not await self.campaigns.refresh(CAMPAIGN)
        self.now += MAX_AGE
        assert not await self.at_once(self.campaigns.refresh(CAMPAIGN))
        assert not self.is_paused()

        self.source.open.set()
        await self.campaigns.settled()
        assert await self.at_once(self.campaigns.refresh(CAMPAIGN))
        assert self.is_paused()

    async def test_only_the_first_request_waits_for_a_source_that_is_unavailable(self) -> None:
        """Requests keep looking for the overlay in the background."""
        self.source.given = StoreUnavailable("unavailable")
        assert not await self.campaigns.refresh(CAMPAIGN)
        for _ in range(20):
            self.now += MAX_AGE
            assert not await self.at_once(self.campaigns.refresh(CAMPAIGN))
            await self.campaigns.settled()

        assert self.source.reads == 21

    async def test_the_first_request_after_a_freeze_waits_again(self) -> None:
        """The platform stops a process that has no requests, and its overlay may be hours old when it goes on."""
        await self.campaigns.refresh(CAMPAIGN)
        self.source.given = PublishedOverlay(paused=True)

        self.now += timedelta(minutes=1)
        await self.campaigns.refresh(CAMPAIGN)

        assert self.is_paused()

    async def test_a_read_that_was_frozen_is_not_waited_for(self) -> None:
        """Its connection may have ended meanwhile; what it brings after all does not replace what is newer."""
        await self.campaigns.refresh(CAMPAIGN)
        self.now += MAX_AGE
        frozen = self.source.open = asyncio.Event()
        self.is_paused()
        await asyncio.sleep(0)
        self.source.open = asyncio.Event()
        self.source.open.set()

        self.now += timedelta(hours=1)
        self.source.given = PublishedOverlay(paused=True)
        await self.campaigns.refresh(CAMPAIGN)
        assert self.is_paused()

        self.source.given = PublishedOverlay()
        frozen.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert self.is_paused()

    async def at_once(self, refreshing: Coroutine[None, None, bool]) -> bool:
        """Return the result, and fail if it is not there without waiting."""
        task = asyncio.create_task(refreshing)
        await asyncio.sleep(0)
        assert task.done()
        return task.result()

    def test_before_the_event_loop_runs_the_files_apply(self) -> None:
        """Without an event loop nothing is read in the background."""
        assert list(self.campaigns) == [CAMPAIGN]
        assert not self.is_paused()
        assert self.source.reads == 0


Answer = Callable[[], Response]


class TestPublishedOverlays:
    """Overlays as sign and embed read them, over HTTP."""

    async def read(self, content: bytes, status: int = 200) -> PublishedOverlay:
        async def answer(_request: Request) -> Response:
            return Response(content, status)

        async with serving(Starlette(routes=[Route(f"/v1/campaigns/{CAMPAIGN}/overlay", answer)])) as url:
            return await read_overlay(url, breaker(), CAMPAIGN)

    async def test_are_what_count_publishes(self) -> None:
        """Parsing what count serialises gives the same overlay."""
        published = PublishedOverlay(paused=True, partners={"new": admitted(NEW)})

        assert await self.read(published.model_dump_json().encode()) == published

    @pytest.mark.parametrize(("content", "status"), [(b"{}", 404), (b"{}", 500), (b" " * 600_000, 200)])
    async def test_are_unavailable_after_an_error(self, content: bytes, status: int) -> None:
        """The body of an error is not an overlay, and one that is too large is not read."""
        with pytest.raises(StoreUnavailable):
            await self.read(content, status)

    async def test_of_an_unknown_campaign_say_nothing_about_the_others(self) -> None:
        """A count of before knows no new campaign, and goes on answering for those it knows."""
        clock = itertools.count(0, 2)  # two seconds later each time
        guard = CircuitBreaker("count", StoreUnavailable, (StoreUnavailable,), clock.__next__)
        published = PublishedOverlay(paused=True)
        known = Route(f"/v1/campaigns/{CAMPAIGN}/overlay", lambda _: Response(published.model_dump_json()))

        async with serving(Starlette(routes=[known])) as url:
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await read_overlay(url, guard, "new")
            assert await read_overlay(url, guard, CAMPAIGN) == published

    @pytest.mark.parametrize(
        "content",
        [
            b'{"paused": true, "closes_early": true}',
            b'{"paused": true, "partners": {"new": {"name": "New", "origins": ["https://new.org"], "until": 7}}}',
        ],
        ids=["field", "field-of-a-partner"],
    )
    async def test_of_a_newer_count_pause_an_older_function_all_the_same(
        self, content: bytes, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What it does not know is ignored, and logged."""
        assert (await self.read(content)).paused
        assert "overlay_has_unknown_fields" in capsys.readouterr().out

    @pytest.mark.parametrize("content", [b"", b"<html>", b'{"paused": 7}', b"\xff"])
    async def test_are_refused_if_they_are_invalid(self, content: bytes) -> None:
        """The answer may come from a captive portal or a misconfigured cache."""
        with pytest.raises(ValidationError):
            await self.read(content)

    async def test_are_unavailable_behind_a_redirect(self) -> None:
        """A captive portal, or another host: nobody else may say which partners are admitted."""
        overlay = f"/v1/campaigns/{CAMPAIGN}/overlay"
        published = PublishedOverlay(paused=True).model_dump()
        routes = [
            Route(overlay, lambda _: RedirectResponse("/elsewhere")),
            Route("/elsewhere", lambda _: JSONResponse(published)),
        ]

        async with serving(Starlette(routes=routes)) as url:
            with pytest.raises(StoreUnavailable):
                await read_overlay(url, breaker(), CAMPAIGN)

    async def test_are_unavailable_if_nothing_listens(self) -> None:
        """A refused connection, as during a deployment, is `StoreUnavailable`."""
        with pytest.raises(StoreUnavailable):
            await read_overlay("http://127.0.0.1:1", breaker(), CAMPAIGN)
