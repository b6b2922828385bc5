"""The pages of the desk do what the commands do, and say what they work on."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from desk.web import rendering
from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import Session
from shared.clock import utc_now
from tests.support.deployment import CAMPAIGN, World

HOST = "127.0.0.1:8123"
ORIGIN = {"Origin": f"http://{HOST}"}
LATER = timedelta(minutes=2)
PARTNERS = f"/campaigns/{CAMPAIGN}/partners"


@pytest.fixture
async def desk(deployed: World) -> AsyncIterator[httpx.AsyncClient]:
    """The desk of a deployment, in a browser."""
    session = Session(8123, utc_now())
    app = create_app(session, HOST, lambda: None)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN["Origin"], follow_redirects=True) as client:
        await client.get(LINK, params={"token": session.link_token})
        yield client


class TestCampaigns:
    async def test_are_listed_with_their_totals_and_what_is_left_to_do(
        self, deployed: World, desk: httpx.AsyncClient
    ) -> None:
        """As `campaign list` and `campaign check` have it."""
        await deployed.press(await deployed.sign_and_deliver())

        shown = (await desk.get("/")).text

        assert "<strong>1</strong> of 1,000,000 signatures" in shown
        assert "Left to do" in shown

    async def test_that_are_not_there_are_named(self, desk: httpx.AsyncClient) -> None:
        """With those that are."""
        answer = await desk.get("/campaigns/nothing")

        assert answer.status_code == 400
        assert CAMPAIGN in answer.text


class TestNumbers:
    async def test_are_those_of_the_report(self, deployed: World, desk: httpx.AsyncClient) -> None:
        """No signer's name or address is among them."""
        await deployed.press(await deployed.sign_and_deliver(email="canary@example.org", name="Canary Signer"))
        await deployed.funnels()

        shown = (await desk.get(f"/campaigns/{CAMPAIGN}")).text

        assert "1 signature<" in shown
        assert "From the form to the count" in shown
        assert "canary" not in shown.lower()


class TestPause:
    async def test_is_asked_for_once_more_and_names_what_it_pauses(self, desk: httpx.AsyncClient) -> None:
        """To look at the page changes nothing."""
        asked = (await desk.get(f"/campaigns/{CAMPAIGN}/pause")).text

        assert f"Pause {rendering.named()}" in asked
        assert "<strong>open</strong>" in (await desk.get(f"/campaigns/{CAMPAIGN}")).text

    async def test_and_its_end_are_seen_by_signers(self, deployed: World, desk: httpx.AsyncClient) -> None:
        """Within a minute."""
        pause = f"/campaigns/{CAMPAIGN}/pause"
        statuses = []
        for to in ("paused", "open"):
            await desk.post(pause, data={"to": to}, headers=ORIGIN)
            deployed.now += LATER
            await deployed.sign()
            await deployed.overlays()
            statuses.append((await deployed.sign()).status_code)

        assert statuses == [409, 202]


class TestPartners:
    async def test_are_admitted_and_dismissed(self, desk: httpx.AsyncClient) -> None:
        """Those of the campaign file cannot be dismissed here."""
        given = {"partner": "bits", "name": "Bits & Rights", "origins": "https://bits.example https://b.example"}
        admitted = (await desk.post(PARTNERS, data=given, headers=ORIGIN)).text
        asked = (await desk.get(PARTNERS, params={"origin": "https://b.example/"})).text
        warned = (await desk.get(PARTNERS, params={"dismiss": "bits"})).text
        dismissed = (await desk.post(PARTNERS, data={"dismiss": "bits"}, headers=ORIGIN)).text
        refused = await desk.post(PARTNERS, data={"dismiss": "digital-rights"}, headers=ORIGIN)

        assert "Bits &amp; Rights" in admitted
        assert "Dismiss Bits" in admitted
        assert "https://b.example is an origin of Bits &amp; Rights" in asked
        assert f"Dismiss Bits &amp; Rights {rendering.named()}" in warned
        assert "Bits" not in dismissed
        assert refused.status_code == 400

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"partner": "Bits!", "name": "Bits", "origins": "https://bits.example"}, "Short name: a partner"),
            ({"partner": "bits", "name": "Bits", "origins": ""}, "at least one origin"),
            (
                {"partner": "bits", "name": "Bits", "origins": "bits.example"},
                "Origins of its pages: an origin is https://",
            ),
            ({"partner": "bits", "name": "", "origins": "https://bits.example"}, "what it is called"),
            (
                {"partner": "bits", "name": "Bits", "origins": "https://libertes-ouvertes.example.com"},
                "belongs to",
            ),
        ],
    )
    async def test_that_are_wrong_leave_the_form_filled_in(
        self, desk: httpx.AsyncClient, given: dict[str, str], sentence: str
    ) -> None:
        """A sentence says what is wrong, and nothing is changed."""
        answer = await desk.post(PARTNERS, data=given, headers=ORIGIN)

        assert answer.status_code == 400
        assert sentence in answer.text
        assert f'value="{given["partner"]}"' in answer.text
        assert "Dismiss Bits" not in (await desk.get(PARTNERS)).text

    async def test_are_led_to_what_they_copy_and_print(
        self, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On the public pages, where these are known; as each partner."""
        monkeypatch.delenv("PUBLIC_URL", raising=False)
        unknown = (await desk.get(PARTNERS)).text
        monkeypatch.setenv("PUBLIC_URL", "https://petition.example")
        known = (await desk.get(PARTNERS)).text

        for page in ("embed", "sheet"):
            link = f"https://petition.example/c/{CAMPAIGN}/{page}?partner=digital-rights"
            assert link in known
        assert "/embed?" not in unknown

    async def test_what_is_too_long_for_a_form_is_refused(self, desk: httpx.AsyncClient) -> None:
        """Nothing is changed."""
        given = {"partner": "bits", "name": "B" * 20_000, "origins": "https://bits.example"}

        answer = await desk.post(PARTNERS, data=given, headers=ORIGIN)

        assert answer.status_code == 400
        assert "Nothing was changed" in answer.text


def test_what_the_desk_works_on_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in the cloud is never called this machine, however it was named."""
    monkeypatch.setenv("STORE", "firestore")
    monkeypatch.setenv("FIRESTORE_PROJECT", "petition")

    assert rendering.named() == "in the database (default) of project petition"


async def test_keys_say_which_were_proven(desk: httpx.AsyncClient) -> None:
    """The example's key is for this machine alone."""
    shown = (await desk.get(f"/campaigns/{CAMPAIGN}/keys")).text

    assert "For this machine alone" in shown


async def test_without_a_store_the_campaigns_are_still_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new organiser begins with a campaign file, before anything is deployed."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "TASKS", "FIRESTORE_PROJECT", "LOCAL_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    session = Session(8123, utc_now())
    transport = httpx.ASGITransport(create_app(session, HOST, lambda: None))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN["Origin"]) as client:
        await client.get(LINK, params={"token": session.link_token})
        campaigns = await client.get("/")
        numbers = await client.get(f"/campaigns/{CAMPAIGN}")

    assert campaigns.status_code == 200
    assert "Nothing says which signatures to work on" in campaigns.text
    assert numbers.status_code == 400
