"""The pages for a campaign that runs: mail, and proof of work."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from desk.stats.mail_trouble import lost_providers
from desk.stats.summary import Row
from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import Session
from shared.clock import utc_now
from shared.stats.funnel import ten_minutes
from shared.store.entities import FunnelKey
from tests.support.deployment import CAMPAIGN, World, world

HOST = "127.0.0.1:8123"
ORIGIN = {"Origin": f"http://{HOST}"}
MAIL = f"/campaigns/{CAMPAIGN}/mail"
#: Within the hour of which the mails are compared with what was confirmed.
A_WHILE = timedelta(minutes=40)
WORK = f"/campaigns/{CAMPAIGN}/proof-of-work"


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.chdir(tmp_path)
    async with world(tmp_path / "var", monkeypatch) as made:
        made.now = utc_now()
        yield made


@pytest.fixture
async def desk(here: World) -> AsyncIterator[httpx.AsyncClient]:
    """The desk in a browser."""
    session = Session(8123, utc_now())
    transport = httpx.ASGITransport(create_app(session, HOST, lambda: None))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN["Origin"], follow_redirects=True) as client:
        await client.get(LINK, params={"token": session.link_token})
        yield client


class TestMail:
    async def test_is_shown_by_provider_and_never_by_address(self, here: World, desk: httpx.AsyncClient) -> None:
        """With what waits: here the reminder of the only signer."""
        await here.sign_and_deliver(email="canary@gmail.com", name="Canary Signer")
        await here.funnels()

        shown = (await desk.get(MAIL)).text

        assert "Nothing wrong is seen here" in shown
        assert '<th scope="row">google</th><td class="number">1</td><td class="number">0</td>' in shown
        assert f'<th scope="row">the queue in {here.folder}/tasks.db</th><td class="number">1</td>' in shown
        assert "canary" not in shown.lower()

    async def test_names_dead_letters_and_what_to_do(self, here: World, desk: httpx.AsyncClient) -> None:
        """They wait for a person, who has a month."""
        await here.functions["deliver"].deps.store.add_dead_letter("t", b"{}", "Unopenable", here.now)

        shown = (await desk.get(MAIL)).text

        assert "1 task, of any campaign, could not be delivered" in shown
        assert "unopenable-task" in shown

    async def test_says_when_most_mails_are_not_confirmed(self, here: World, desk: httpx.AsyncClient) -> None:
        """By the rule that turns proof of work on."""
        key = partial(
            FunnelKey, f"{here.now:%Y-%m-%d}", dimension="ten_minutes", key=ten_minutes(here.now - A_WHILE)
        )
        counts = {key(stage="mailed"): 400, key(stage="confirmed"): 4}
        await here.functions["deliver"].deps.store.add_to_funnel(CAMPAIGN, counts, "write", here.now)

        shown = (await desk.get(MAIL)).text

        assert "Most mails of the last hour were not confirmed" in shown
        assert f'href="{WORK}"' in shown


def test_a_provider_is_lost_whose_people_confirm_half_as_often_as_all() -> None:
    """Of few mails, or where nobody confirms, nothing follows."""
    rows = [
        Row(key="google", mailed=1000, confirmed=700),
        Row(key="gmx", mailed=200, confirmed=20),
        Row(key="small", mailed=40, confirmed=0),
    ]

    assert lost_providers(rows) == {"gmx"}
    assert lost_providers([Row(key="gmx", mailed=200, confirmed=0)]) == frozenset()


class TestProofOfWork:
    @pytest.mark.parametrize("mode", ["on", "automatic", "off", "file"])
    async def test_is_set_as_by_the_command(self, here: World, desk: httpx.AsyncClient, mode: str) -> None:
        """The page says what it costs signers, and shows what holds."""
        asked = (await desk.get(WORK)).text
        done = (await desk.post(WORK, data={"mode": mode}, headers=ORIGIN)).text
        shown = (await desk.get(WORK)).text

        overlay = await here.functions["count"].deps.store.overlay(CAMPAIGN)
        assert "costs old phones time" in asked
        assert overlay.proof_of_work == (None if mode == "file" else mode)
        assert "Browsers learn of it within a minute" in done
        assert f'value="{mode}" checked' in shown

    async def test_is_left_as_it_is_by_anything_else(self, here: World, desk: httpx.AsyncClient) -> None:
        """A form may lack it."""
        answers = [await desk.post(WORK, data={"mode": given}, headers=ORIGIN) for given in ("", "always")]

        assert [answer.status_code for answer in answers] == [400, 400]
        assert (await here.functions["count"].deps.store.overlay(CAMPAIGN)).proof_of_work is None


async def test_numbers_are_read_again_every_minute_where_that_is_asked_for(desk: httpx.AsyncClient) -> None:
    """By a script of the desk's own; who reads with a screen reader, or slowly, is not disturbed otherwise."""
    for page in (f"/campaigns/{CAMPAIGN}", MAIL):
        assert "data-refresh" not in (await desk.get(page)).text
        assert 'data-refresh="60"' in (await desk.get(page, params={"live": "on"})).text
    assert "text/javascript" in (await desk.get("/refresh.js")).headers["content-type"]
