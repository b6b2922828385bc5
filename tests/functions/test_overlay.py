"""A change to the overlay reaches every function within a minute, and only the first request waits for it."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from desk.store.sqlite import SqliteMaintenance
from shared.campaigns.live import MAX_AGE
from shared.campaigns.overlay import AdmittedPartner, Overlay, Paper, PublishedOverlay
from shared.errors import StoreUnavailable
from shared.stats import automatic_work
from shared.web.routes import DeliverPath
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, SIGNATURES, World, signature, world

NEW = "https://new.example.org"
FORM = f"/v1/campaigns/{CAMPAIGN}/form?lang=en"
PAGE = f"/c/{CAMPAIGN}?lang=en"


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with world(tmp_path, monkeypatch) as made:
        yield made


class NewerOverlay(Overlay):
    """An overlay as a version to come may have it."""

    closes_early: bool = False


async def unavailable(*_: object) -> None:
    raise StoreUnavailable("unavailable")


async def store(here: World, overlay: Overlay) -> None:
    """Change the overlay as the desk does."""
    records = SqliteMaintenance(here.folder / "store.db")
    await records.change_overlay(CAMPAIGN, lambda _: overlay)
    records.close()


async def change(here: World, overlay: Overlay) -> None:
    """Change the overlay as the desk does, and let time pass until every function has reloaded it.

    Once is not enough: while one request reloads the tally, count answers the others with what it read before.
    """
    await store(here, overlay)
    await reload(here)


async def reload(here: World) -> None:
    for _ in range(3):
        here.now += MAX_AGE
        await here.client.get(PAGE)
        await here.client.get(f"/v1/campaigns/{CAMPAIGN}/signatures")
        await here.overlays()


class TestColdInstance:
    """The first answer of a process, which has read no overlay yet."""

    async def test_of_sign_refuses_a_signature_while_paused(self, here: World) -> None:
        """A pause holds for instances that start after it, too."""
        await store(here, Overlay(paused=True))

        refused = await here.sign()

        assert (refused.status_code, refused.json()["code"]) == (409, "campaign_paused")

    async def test_of_sign_lets_an_admitted_partners_page_read_the_answer(self, here: World) -> None:
        """The preflight asks first, and a browser gives up for good where it is refused."""
        await store(here, Overlay(partners={"new": AdmittedPartner(name="New Partner", origins=(NEW,))}))

        preflight = await here.client.options(SIGNATURES, headers={"Origin": NEW})

        assert preflight.headers["access-control-allow-origin"] == NEW

    async def test_of_embed_may_be_framed_by_an_admitted_partner(self, here: World) -> None:
        """A CDN keeps the answer, so it had better be right."""
        await store(here, Overlay(partners={"new": AdmittedPartner(name="New Partner", origins=(NEW,))}))

        frame = await here.client.get(f"{PAGE}&embed=1&partner=new")

        assert NEW in frame.headers["content-security-policy"]
        assert "public" in frame.headers["cache-control"]

    async def test_of_confirm_names_an_admitted_partner(self, here: World) -> None:
        """The signer sees whose newsletter it is about."""
        await store(here, Overlay(partners={"new": AdmittedPartner(name="New Partner", origins=(NEW,))}))
        mail = await here.sign_and_deliver(partner="new", newsletter=True)

        page = await here.client.get(mail.links["confirm"])

        assert "New Partner" in page.text

    async def test_goes_by_the_file_while_count_is_down(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody is refused, and no CDN keeps what may be wrong, until count answers again."""
        with monkeypatch.context() as down:
            down.setattr(here.functions["count"].deps.store, "tally", unavailable)
            signed = await here.sign()
            cold = [await here.client.get(path) for path in (PAGE, FORM, f"/c/{CAMPAIGN}/embed?lang=en")]
        here.now += MAX_AGE
        await here.client.get(PAGE)
        await here.overlays()
        warm = await here.client.get(PAGE)

        assert signed.status_code == 202
        assert {(page.status_code, page.headers["cache-control"]) for page in cold} == {(200, "no-store")}
        assert "public" in warm.headers["cache-control"]

    async def test_of_count_publishes_no_overlay_that_it_could_not_read(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty one would lift a pause; the count itself goes on."""
        monkeypatch.setattr(here.functions["count"].deps.store, "overlay", unavailable)

        published = await here.client.get(f"/v1/campaigns/{CAMPAIGN}/overlay")

        assert (published.status_code, published.headers["cache-control"]) == (503, "no-store")
        assert (await here.count())["total"] == 0


class TestPause:
    async def test_refuses_signatures_and_asks_to_come_back_later(self, here: World) -> None:
        """The answer is 409, and nothing is enqueued."""
        await change(here, Overlay(paused=True))

        refused = await here.sign()

        assert (refused.status_code, refused.json()["code"]) == (409, "campaign_paused")
        assert "come back later" in refused.json()["detail"]
        assert await here.queue.pending() == 0

    async def test_shows_on_every_form(self, here: World) -> None:
        """This covers the hosted page, the frame, the widget, and the answer to a plain form."""
        await change(here, Overlay(paused=True))

        for path in (PAGE, f"{PAGE}&embed=1&partner=digital-rights"):
            page = (await here.client.get(path)).text
            assert "This petition is paused" in page
            assert 'name="email"' not in page
        assert (await here.client.get(FORM)).json()["closed_reason"] == "campaign_paused"
        plain = await here.client.post(
            SIGNATURES, data={"email": "ann@example.org"}, headers={"Accept": "text/html"}
        )
        assert plain.status_code == 409
        assert "This petition is paused" in plain.text

    async def test_leaves_links_and_counter_alone(self, here: World) -> None:
        """Those who have signed can still confirm and withdraw."""
        mail = await here.sign_and_deliver()
        await change(here, Overlay(paused=True))

        assert (await here.press(mail)).json() == {"status": "confirmed"}
        assert (await here.count())["total"] == 1
        assert (await here.press(mail, "withdraw")).json() == {"status": "withdrawn"}

    async def test_is_not_lost_with_what_only_a_newer_desk_knows(
        self, here: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Functions that are older than the desk leave that out, and say so in the log."""
        await change(here, NewerOverlay(paused=True, closes_early=True))

        assert (await here.sign()).json()["code"] == "campaign_paused"
        assert "overlay_has_unknown_fields" in capsys.readouterr().out

    async def test_can_be_lifted(self, here: World) -> None:
        """After resuming, signatures are accepted again."""
        await change(here, Overlay(paused=True))
        await change(here, Overlay())

        assert (await here.sign()).status_code == 202
        assert "closed_reason" not in (await here.client.get(FORM)).json()


class TestProofOfWork:
    async def test_is_switched_on_and_off_over_what_the_file_says(self, here: World) -> None:
        """The form says so, and sign asks for it."""
        await change(here, Overlay(proof_of_work="on"))
        asked, refused = await here.client.get(FORM), await here.sign()
        await change(here, Overlay(proof_of_work="off"))
        accepted = await here.sign()

        assert asked.json()["work"]["nonces"] > 0
        assert refused.json()["errors"][0]["code"] == "work_required"
        assert accepted.status_code == 202


class TestAutomaticProofOfWork:
    """Mails to strangers, who confirm nothing, through a campaign that leaves it to the rule to ask for work."""

    async def schedule(self, here: World) -> None:
        """Let ten minutes pass, in which deliver is called and every function learns of what it changed."""
        here.now += timedelta(minutes=10) - 3 * MAX_AGE
        await here.funnels()
        assert (await here.client.post(DeliverPath.FOLD)).status_code == 204
        await reload(here)

    async def asks(self, here: World) -> bool:
        """Whether the widget is asked for work, and sign asks for it, too."""
        form, signed = await here.client.get(FORM), await here.sign(email="ann@example.org")
        assert ("work" in form.json()) is (signed.status_code == 422)
        return "work" in form.json()

    async def test_is_on_soon_after_the_mails_began_and_for_six_hours_after_they_ended(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No person turns it on, and no deployment."""
        monkeypatch.setattr(automatic_work, "MIN_MAILS", 5)
        await store(here, Overlay(proof_of_work="automatic"))
        await reload(here)
        before = await self.asks(here)

        for number in range(6):
            await here.sign_and_deliver(email=f"stranger{number}@example.com")
        on = []
        for minutes in range(10, 8 * 60, 10):
            await self.schedule(here)
            if await self.asks(here):
                on.append(minutes)

        assert not before
        assert on == list(range(20, 70 + 6 * 60, 10))

    async def test_stays_off_where_people_confirm(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A rush of people is no attack."""
        monkeypatch.setattr(automatic_work, "MIN_MAILS", 5)
        await store(here, Overlay(proof_of_work="automatic"))

        for number in range(6):
            mail = await here.sign_and_deliver(email=f"signer{number}@example.com")
            if number % 2:
                await here.press(mail)
        for _ in range(4):
            await self.schedule(here)

        assert not await self.asks(here)


class TestAdmit:
    async def test_lets_the_new_partners_pages_sign(self, here: World) -> None:
        """The widget may read the answer, and the confirm page names the partner."""
        before = await here.client.post(SIGNATURES, json=signature(), headers={"Origin": NEW})
        partner = AdmittedPartner(name="New Partner", origins=(NEW,), country="FR")
        await change(here, Overlay(partners={"new": partner}))

        form = (await here.client.get(FORM)).json()
        signed = await here.client.post(SIGNATURES, json=signature(newsletter=True), headers={"Origin": NEW})

        assert before.status_code == 403
        added = {"id": "new", "name": "New Partner", "country": "FR", "origins": [NEW]}
        assert added in form["partners"]
        assert (signed.status_code, signed.headers["access-control-allow-origin"]) == (202, NEW)
        await here.deliver()
        link = here.outbox.received()[0].links["confirm"]
        await here.client.get(link)
        await here.overlays()
        assert "New Partner" in (await here.client.get(link)).text


async def test_only_public_fields_are_published(here: World) -> None:
    """The notes on paper signatures stay private."""
    entry = Paper(country="DE", number=1200, note="counted by Ann", added_at=NOW)
    await change(here, Overlay(paused=True, paper=(entry,)))

    published = await here.client.get(f"/v1/campaigns/{CAMPAIGN}/overlay")

    assert published.json() == {"paused": True, "partners": {}}
    assert PublishedOverlay.model_validate_json(published.content).paused


async def test_paper_is_counted_separately_and_folded(here: World) -> None:
    """It is never in the total nor in the countries, and left out where there is none."""
    before = await here.count()
    entries = (("DE", 1200), ("FR", 3))
    paper = tuple(Paper(country=country, number=number, note="x", added_at=NOW) for country, number in entries)
    await change(here, Overlay(paper=paper))

    after = await here.count()

    assert "paper" not in before
    assert after["paper"] == {"total": 1203, "by_country": {"DE": 1200, "other": 3}}
    assert (after["total"], after["by_country"]) == (0, {})


async def test_a_change_takes_effect_within_a_minute(here: World) -> None:
    """The greatest ages of all caches between the database and a signer add up to 60 seconds at most.

    But for a page that nobody has asked a place of the CDN for: there, the next reader sees the last one, and sign
    refuses what that reader sends.
    """
    published = await here.client.get(f"/v1/campaigns/{CAMPAIGN}/overlay")
    fresh_in_count = 5
    known = fresh_in_count + oldest(published.headers, "max-age", "stale-while-revalidate") + MAX_AGE.seconds
    for path in (PAGE, FORM, f"/c/{CAMPAIGN}/embed?lang=en"):
        page = await here.client.get(path)
        assert known + oldest(page.headers, "s-maxage", "max-age") <= 60, path


def oldest(headers: Mapping[str, str], *names: str) -> int:
    """Seconds that an answer may be old: its ages of these names, added up."""
    ages = dict(re.findall(r"([a-z-]+)=(\d+)", headers["cache-control"]))
    return sum(int(ages[name]) for name in names)
