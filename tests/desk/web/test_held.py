"""Signatures that may be a bot's, on the desk: looked at, held, released and dropped as by the command."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk.progress import Progress
from desk.signatures import selection
from desk.store.sqlite import SqliteMaintenance
from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.jobs import Job, Jobs
from desk.web.session import Session
from shared.clock import utc_now
from shared.errors import StoreUnavailable
from shared.models.labels import Label
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, World, world

HOST = "127.0.0.1:8123"
ORIGIN = {"Origin": f"http://{HOST}"}
HELD = f"/campaigns/{CAMPAIGN}/held"
HOUR = f"{NOW + timedelta(hours=1):%Y-%m-%dT%H}"


async def confirm(here: World, email: str, *labels: Label) -> None:
    await here.press(await here.sign_with_labels(*labels, email=email))


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A counted signature without labels, one in a burst of a network, and an hour later three that are held."""
    monkeypatch.chdir(tmp_path)
    async with world(tmp_path / "var", monkeypatch) as made:
        await confirm(made, "ann@example.org")
        await confirm(made, "bea@example.org", Label.NETWORK_BURST)
        made.now += timedelta(hours=1)
        for name in ("c", "d"):
            await confirm(made, f"{name}@bots.example", Label.TOO_FAST)
        await confirm(made, "e@gmail.com", Label.NO_PAGE, Label.NETWORK_BURST)
        yield made


class Visitor:
    """An organiser with the pages in a browser."""

    def __init__(self, client: httpx.AsyncClient, jobs: Jobs) -> None:
        self._client = client
        self._jobs = jobs

    async def get(self, page: str = "") -> str:
        return (await self._client.get(HELD + page)).text

    async def post(self, page: str, fields: Mapping[str, str]) -> httpx.Response:
        """Press a button, and look at the page to which it leads once that has done its work."""
        pressed = await self._client.post(HELD + page, data=dict(fields), headers=ORIGIN, follow_redirects=False)
        for job in self._jobs.running:
            await job.wait(None)
        return await self._client.send(pressed.next_request) if pressed.next_request else pressed

    async def press_look(self) -> str:
        return (await self._client.post(f"{HELD}/look", headers=ORIGIN)).text

    async def close_desk(self) -> str:
        return (await self._client.post("/end", headers=ORIGIN)).text

    async def look(self) -> str:
        return (await self.post("/look", {})).text

    async def choose(self, *ticked: str) -> str:
        return (await self.post("/choose", dict.fromkeys(ticked, "on"))).text

    async def press(self, verb: str, page: str) -> httpx.Response:
        """Press a button of the page that shows a choice."""
        [choice] = re.findall(r'name="choice" value="(\w+)"', page)
        return await self.post("/change", {"choice": choice, "verb": verb})


@asynccontextmanager
async def opened() -> AsyncIterator[Visitor]:
    session = Session(8123, utc_now())
    app = create_app(session, HOST, lambda: None)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN["Origin"], follow_redirects=True) as client:
        await client.get(LINK, params={"token": session.link_token})
        yield Visitor(client, app.state.jobs)


@pytest.fixture
async def visitor(here: World) -> AsyncIterator[Visitor]:
    async with opened() as made:
        yield made


async def numbers(here: World) -> tuple[int, int]:
    """How many are counted, and how many are held."""
    tally = await here.functions["count"].deps.store.tally(CAMPAIGN)
    return tally.total, tally.held


class TestLook:
    async def test_shows_labels_hours_and_digests_and_nobody(self, visitor: Visitor) -> None:
        """No name, address or domain; and nothing is read before somebody asks for it."""
        before = await visitor.get()
        shown = await visitor.look()

        assert "3 held" in before
        assert "network_burst + no_page" not in before
        assert "network_burst + no_page" in shown
        assert f'name="hour.{HOUR}"' in shown
        assert re.search(r'name="domain\.[a-z2-7]{8}"', shown)
        assert not re.search(r"bots|gmail|Ann|ann@", shown)

    async def test_goes_on_beside_other_pages_and_ends_with_the_desk(
        self, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It takes minutes of a million signatures; a second press begins nothing."""
        begun = list[Progress]()

        async def look(*given: object) -> None:
            progress = given[-1]
            assert isinstance(progress, Job)
            progress.begin("Reading", 1000)
            progress.advance(500)
            begun.append(progress)
            await asyncio.Event().wait()

        monkeypatch.setattr(selection, "look", look)

        shown = await visitor.press_look()
        again = await visitor.press_look()
        closed = await visitor.close_desk()

        for page in (shown, again):
            assert "reading, 500 of 1,000" in page
            assert '<progress aria-label="Look at the signatures' in page
            assert "held/look" not in page
        assert len(begun) == 1
        assert f"Not finished: Look at the signatures of {CAMPAIGN}." in closed


class TestChoice:
    async def test_is_shown_before_anything_is_changed(self, here: World, visitor: Visitor) -> None:
        """The buttons say how many, and where; volume alone can hold nobody."""
        all_held = await visitor.choose()
        labelled = await visitor.choose("label.network_burst")

        assert re.findall(r"<button[^>]*>(.*? signatures? .*?)<", all_held) == [
            "Release 3 signatures on this machine",
            "Drop 3 signatures on this machine",
        ]
        assert "Hold 1 signature on this machine" in labelled
        assert "Release 1 signature on this machine" in labelled
        assert await numbers(here) == (2, 3)

    @pytest.mark.parametrize(
        "ticked", ["label.nonsense", "hour.today", "domain.abc"], ids=["label", "hour", "domain"]
    )
    async def test_of_something_unknown_is_refused(self, visitor: Visitor, ticked: str) -> None:
        """A form may come from an older page."""
        assert "That did not work" in await visitor.choose(ticked)


class TestChange:
    async def test_is_done_and_undone(self, here: World, visitor: Visitor) -> None:
        """Undoing asks once more, too."""
        done = await visitor.press("Release", await visitor.choose("label.too_fast", f"hour.{HOUR}"))
        released = await numbers(here)
        [since] = re.findall(r'name="since" value="(.+?)"', done.text)
        asked = await visitor.post("/undo", {"since": since})
        asked_about = await numbers(here)
        await visitor.press("Undo the last step of", asked.text)

        assert "2 signatures released on this machine" in done.text
        assert (released, asked_about) == ((4, 1), (4, 1))
        assert "Undo the last step of 2 signatures on this machine" in asked.text
        assert await numbers(here) == (2, 3)

    async def test_that_failed_halfway_offers_to_undo_what_is_done(
        self, here: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some are released already, and nothing says which; it was not "nothing"."""
        change = SqliteMaintenance.change

        async def broken(*given: Any) -> int:
            await change(*given)
            raise StoreUnavailable("DeadlineExceeded")

        choice = await visitor.choose("label.too_fast")
        with monkeypatch.context() as away:
            away.setattr(SqliteMaintenance, "change", broken)
            failed = (await visitor.press("Release", choice)).text
        [since] = re.findall(r'name="since" value="(.+?)"', failed)
        released = await numbers(here)
        await visitor.press("Undo the last step of", (await visitor.post("/undo", {"since": since})).text)

        assert "Begin it again. What is done by now stays done." in failed
        assert "Nothing was changed" not in failed
        assert released == (4, 1)
        assert await numbers(here) == (2, 3)

    async def test_cannot_be_undone_since_what_is_no_moment(self, visitor: Visitor) -> None:
        """The page says so beside the field, which keeps what was written."""
        refused = await visitor.post("/undo", {"since": "yesterday <noon>"})

        assert refused.status_code == 400
        assert '<p class="fault" id="since-fault">write a moment, as in 2026-11-27T14:03:00Z' in refused.text
        assert 'value="yesterday &lt;noon&gt;"' in refused.text
        assert "--since" not in refused.text

    async def test_concerns_nobody_who_came_after_the_choice(self, here: World, visitor: Visitor) -> None:
        """Somebody has seen a number, and means these."""
        choice = await visitor.choose("label.too_fast")
        await confirm(here, "late@bots.example", Label.TOO_FAST)

        await visitor.press("Drop", choice)

        assert await numbers(here) == (2, 2)

    async def test_of_an_older_choice_is_refused(self, here: World, visitor: Visitor) -> None:
        """In another tab something else was chosen; and a button that is pressed twice does nothing twice."""
        older = await visitor.choose("label.too_fast")
        newer = await visitor.choose("label.no_page")
        refused = await visitor.press("Drop", older)
        await visitor.press("Drop", newer)
        again = await visitor.press("Drop", newer)

        assert (refused.status_code, again.status_code) == (400, 400)
        assert "has changed nothing" in refused.text
        assert await numbers(here) == (2, 2)

    async def test_refuses_what_the_page_did_not_offer(self, here: World, visitor: Visitor) -> None:
        """Counted signatures cannot be held by their hour alone."""
        refused = await visitor.press("Hold", await visitor.choose(f"hour.{HOUR}"))

        assert refused.status_code == 400
        assert await numbers(here) == (2, 3)


async def test_after_a_purge_there_is_nothing_to_look_at(here: World, visitor: Visitor) -> None:
    """The page says so in its own place, and goes on."""
    await here.functions["count"].deps.store.change_overlay(
        CAMPAIGN, lambda overlay: overlay.model_copy(update={"purged": NOW})
    )

    assert "was purged on" in await visitor.look()
