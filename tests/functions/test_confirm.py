"""confirm: showing changes nothing, pressing works once, and a press survives a database outage."""

import re
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from shared.campaigns.live import LiveCampaigns
from shared.campaigns.model import Screening
from shared.errors import QueueUnavailable, StoreUnavailable
from shared.models.labels import Label
from shared.models.messages import DeferredPress, Message
from shared.queue import TaskQueue
from shared.store.entities import Tally
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, BrokenQueue, World

PAGE = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


class UnavailableStore:
    """A database that does not answer."""

    async def confirm(self, *_: Any) -> None:
        raise StoreUnavailable("unavailable")

    async def withdraw(self, *_: Any, **__: Any) -> None:
        raise StoreUnavailable("unavailable")

    def close(self) -> None:
        pass


class TestShowing:
    async def test_changes_nothing_however_often(self, deployed: World) -> None:
        """Mail scanners open links, by GET and by HEAD."""
        mail = await deployed.sign_and_deliver()

        for _ in range(3):
            shown = await deployed.client.get(mail.links["confirm"])
            assert (await deployed.client.head(mail.links["withdraw"])).status_code == 200

        assert shown.status_code == 200
        assert (await deployed.count())["total"] == 0
        assert (await deployed.press(mail)).status_code == 200

    async def test_is_not_cached_and_sends_no_referrer(self, deployed: World) -> None:
        """The page's address contains the token."""
        mail = await deployed.sign_and_deliver()

        shown = await deployed.client.get(mail.links["confirm"])

        assert shown.headers["cache-control"] == "no-store"
        assert shown.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in shown.headers["content-security-policy"]

    async def test_says_which_country_and_newsletter_choice_it_confirms(self, deployed: World) -> None:
        """It does not ask the database."""
        mail = await deployed.sign_and_deliver(country="MT", newsletter=True)
        deployed.functions["confirm"].deps.store = UnavailableStore()

        shown = await deployed.client.get(mail.links["confirm"])

        assert "Malta" in shown.text
        assert "Press the button, and your signature counts." in shown.text
        assert "not counted" not in shown.text.lower()

    async def test_works_for_withdraw_too(self, deployed: World) -> None:
        """The page has one button, and nothing happens before it is pressed."""
        mail = await deployed.sign_and_deliver()
        await deployed.press(mail)

        shown = await deployed.client.get(mail.links["withdraw"])

        assert '<form method="post"' in shown.text
        assert (await deployed.count())["total"] == 1


class TestHolding:
    @pytest.mark.parametrize("headers", [PAGE, JSON])
    async def test_answers_as_if_the_signature_was_counted(self, deployed: World, headers: dict[str, str]) -> None:
        """No bot finds out what holds it; the public numbers count it apart."""
        counted = await deployed.sign_with_labels(email="ann@example.org")
        held = await deployed.sign_with_labels(Label.TOO_FAST, email="bot@example.org")

        answers = [
            (await deployed.client.post(mail.links["confirm"], headers=headers)).text for mail in (counted, held)
        ]
        repeats = [
            (await deployed.client.post(mail.links["confirm"], headers=headers)).text for mail in (counted, held)
        ]

        for first, second in (answers, repeats):
            assert re.sub(r"/v1/withdraw/[^\"]*", "", first) == re.sub(r"/v1/withdraw/[^\"]*", "", second)
        assert await deployed.functions["confirm"].deps.store.tally(CAMPAIGN) == Tally(1, {"DE": 1}, held=1)

    async def test_follows_the_campaign_file(self, deployed: World) -> None:
        """Labels that its file does not name do not hold, whether the press is deferred or not."""
        deliver, confirm = deployed.functions["deliver"].deps, deployed.functions["confirm"].deps
        screening = Screening(hold=(frozenset({Label.NO_PAGE}),))
        deliver.campaigns = {CAMPAIGN: deliver.campaigns[CAMPAIGN].model_copy(update={"screening": screening})}
        confirm.campaigns = LiveCampaigns(deliver.campaigns, confirm.store.overlay)
        mails = [await deployed.sign_with_labels(Label.TOO_FAST, email=f"{name}@example.org") for name in "abd"]
        mails.append(await deployed.sign_with_labels(Label.NO_PAGE, email="c@example.org"))

        await deployed.press(mails[0])
        store, confirm.store = confirm.store, UnavailableStore()
        for mail in mails[1:]:
            await deployed.press(mail)
        await deployed.deliver()

        assert await store.tally(CAMPAIGN) == Tally(3, {"DE": 3}, held=1)


class TestPressing:
    @pytest.mark.parametrize("origin", ["null", "https://webmail.example", None])
    async def test_needs_no_origin(self, deployed: World, origin: str | None) -> None:
        """Our page sends no referrer, so browsers send `Origin: null`."""
        mail = await deployed.sign_and_deliver()

        response = await deployed.client.post(mail.links["confirm"], headers={"Origin": origin} if origin else {})

        assert response.status_code == 200

    async def test_a_repeat_gives_the_same_answer(self, deployed: World) -> None:
        """This holds for the page and for JSON, and the signature is counted once."""
        mail = await deployed.sign_and_deliver()

        pages = [await deployed.client.post(mail.links["confirm"], headers=PAGE) for _ in range(2)]
        answers = [await deployed.press(mail) for _ in range(2)]

        assert [each.status_code for each in pages] == [200, 200]
        assert {each.text for each in answers} == {'{"status":"confirmed"}'}
        assert (await deployed.count())["total"] == 1

    async def test_answers_with_a_page_unless_json_is_asked_for(self, deployed: World) -> None:
        """Programs ask for it in the Accept header."""
        mail = await deployed.sign_and_deliver()

        nothing, json = await deployed.client.post(mail.links["confirm"]), await deployed.press(mail)

        assert nothing.headers["content-type"].startswith("text/html")
        assert json.headers["content-type"] == "application/json"

    async def test_the_thank_you_page_holds_a_withdraw_link_that_works(self, deployed: World) -> None:
        """Withdrawing is as easy as signing."""
        mail = await deployed.sign_and_deliver()
        page = await deployed.client.post(mail.links["confirm"], headers=PAGE)
        path = page.text.split('href="/v1/withdraw/')[1].split('"')[0]

        withdrawn = await deployed.client.post(f"/v1/withdraw/{path}", headers=JSON)

        assert withdrawn.json() == {"status": "withdrawn"}
        assert (await deployed.count())["total"] == 0

    async def test_the_page_says_how_many_have_signed_and_how_far_it_is(self, deployed: World) -> None:
        """To somebody who presses again, too, whose own number is no longer known."""
        mail = await deployed.sign_and_deliver()

        first, again = [await deployed.client.post(mail.links["confirm"], headers=PAGE) for _ in range(2)]

        assert "You are number 1." in first.text
        assert "1 person has signed" in again.text
        assert all("999 more signatures to the next goal: 1,000" in each.text for each in (first, again))

    @pytest.mark.parametrize(
        ("hints", "source"),
        [
            ({"partner": "digital-rights", "source": "flyer"}, "utm_source=flyer&amp;"),
            ({"partner": "digital-rights"}, "utm_source=digital-rights&amp;"),
            ({}, ""),
        ],
    )
    async def test_the_next_step_knows_where_the_signature_came_from(
        self, deployed: World, hints: dict[str, str], source: str
    ) -> None:
        """From the link alone: by its source, else by its partner."""
        mail = await deployed.sign_and_deliver(**hints)

        page = await deployed.client.post(mail.links["confirm"], headers=PAGE)

        assert f'href="https://unwatched.example.org/en/donate?{source}utm_campaign={CAMPAIGN}"' in page.text

    async def test_the_other_link_of_a_confirmed_address_says_confirmed(self, deployed: World) -> None:
        """The address has signed twice and counts once."""
        first = await deployed.sign_and_deliver()
        second = await deployed.sign_and_deliver()
        await deployed.press(first)

        assert (await deployed.press(second)).json() == {"status": "confirmed"}
        assert (await deployed.count())["total"] == 1

    async def test_counts_until_a_week_after_the_close(self, deployed: World) -> None:
        """Signers may open their mail late, but eight days after the close the link answers 410."""
        campaign = deployed.functions["sign"].deps.campaigns[CAMPAIGN]
        last_day = NOW.replace(year=campaign.closes.year, month=campaign.closes.month, day=campaign.closes.day)
        deployed.now = last_day
        in_time = await deployed.sign_and_deliver(email="ann@example.org")
        too_late = await deployed.sign_and_deliver(email="bob@example.org")

        deployed.now = last_day + timedelta(days=7)
        first = await deployed.press(in_time)
        deployed.now = last_day + timedelta(days=8)
        second = await deployed.press(too_late)

        assert first.json() == {"status": "confirmed"}
        assert (second.status_code, second.json()["code"]) == (410, "campaign_closed")


class TestErrors:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("purpose", ["confirm", "withdraw"])
    async def test_an_invalid_token_is_not_found(self, deployed: World, method: str, purpose: str) -> None:
        """404 comes as a page for people and as a problem document for programs."""
        path = f"/v1/{purpose}/not-a-token"

        page = await deployed.client.request(method, path, headers=PAGE)
        problem = await deployed.client.request(method, path, headers=JSON)

        assert (page.status_code, problem.status_code) == (404, 404)
        assert page.headers["content-type"].startswith("text/html")
        assert problem.json()["code"] == "invalid_token"

    async def test_a_withdraw_token_confirms_nothing(self, deployed: World) -> None:
        """A token is valid for one purpose."""
        mail = await deployed.sign_and_deliver()

        response = await deployed.client.post(
            mail.links["withdraw"].replace("/withdraw/", "/confirm/"), headers=JSON
        )

        assert response.status_code == 404
        assert (await deployed.count())["total"] == 0

    async def test_an_expired_link_offers_the_form_again(self, deployed: World) -> None:
        """The answer is 410, with a link to the campaign."""
        mail = await deployed.sign_and_deliver()
        deployed.now += timedelta(days=31)

        page = await deployed.client.get(mail.links["confirm"], headers=PAGE)
        problem = await deployed.press(mail)

        assert (page.status_code, problem.status_code) == (410, 410)
        assert problem.json()["code"] == "expired_token"
        assert f"/c/{CAMPAIGN}" in page.text

    async def test_a_link_of_a_withdrawn_signature_is_gone(self, deployed: World) -> None:
        """The answer is 410, because the signature was removed."""
        mail = await deployed.sign_and_deliver()
        await deployed.press(mail, "withdraw")

        assert (await deployed.press(mail)).status_code == 410


class TestDatabaseUnavailable:
    async def test_a_press_is_queued_and_the_signer_thanked(self, deployed: World) -> None:
        """It counts as soon as the database is back."""
        mail = await deployed.sign_and_deliver()
        confirm = deployed.functions["confirm"]
        real, confirm.deps.store = confirm.deps.store, UnavailableStore()

        thanked = await deployed.press(mail)
        before = (await deployed.count())["total"]
        await deployed.deliver()
        confirm.deps.store = real

        assert thanked.json() == {"status": "confirmed"}
        assert (before, (await deployed.count())["total"]) == (0, 1)

    async def test_the_page_has_no_number(self, deployed: World) -> None:
        """The signer would wait for it, and it would be an old one."""
        first = await deployed.sign_and_deliver(email="ann@example.org")
        second = await deployed.sign_and_deliver(email="bob@example.org")
        usual = await deployed.client.post(first.links["confirm"], headers=PAGE)
        confirm = deployed.functions["confirm"]
        real, confirm.deps.store = confirm.deps.store, UnavailableStore()

        thanked = await deployed.client.post(second.links["confirm"], headers=PAGE)
        confirm.deps.store = real

        assert thanked.status_code == 200
        assert ["You are number" in each.text for each in (usual, thanked)] == [True, False]

    async def test_a_withdrawal_is_queued_too(self, deployed: World) -> None:
        """Nobody is asked to come back in order to withdraw."""
        mail = await deployed.sign_and_deliver()
        await deployed.press(mail)
        confirm = deployed.functions["confirm"]
        real, confirm.deps.store = confirm.deps.store, UnavailableStore()

        thanked = await deployed.press(mail, "withdraw")
        await deployed.deliver()
        confirm.deps.store = real

        assert thanked.json() == {"status": "withdrawn"}
        assert (await deployed.count())["total"] == 0

    async def test_a_press_counts_as_of_when_it_was_pressed(self, deployed: World) -> None:
        """The link was valid when it was pressed, and expired before the queue delivered the press."""
        mail = await deployed.sign_and_deliver()
        confirm = deployed.functions["confirm"]
        real, confirm.deps.store = confirm.deps.store, UnavailableStore()
        deployed.now += timedelta(days=29)
        await deployed.press(mail)
        confirm.deps.store = real

        deployed.now += timedelta(hours=26)
        await deployed.deliver()

        assert (await deployed.count())["total"] == 1

    async def test_a_late_withdrawal_does_not_remove_a_newer_signature(self, deployed: World) -> None:
        """Withdrawn during the outage, then signed again: the new signature is mailed, and counts."""
        mail = await deployed.sign_and_deliver()
        await deployed.press(mail)
        confirm = deployed.functions["confirm"]
        real, confirm.deps.store = confirm.deps.store, UnavailableStore()
        deployed.now += timedelta(minutes=1)
        await deployed.press(mail, "withdraw")
        confirm.deps.store = real
        deployed.now += timedelta(minutes=1)

        again = await deployed.sign_and_deliver()
        pressed = await deployed.press(again)

        assert pressed.json() == {"status": "confirmed"}
        assert (await deployed.count())["total"] == 1

    @pytest.mark.parametrize("order", list(permutations(["confirm", "withdraw", "sign"])), ids="-".join)
    async def test_in_whatever_order_the_tasks_come_the_newest_signature_stays(
        self, deployed: World, order: tuple[str, ...]
    ) -> None:
        """Confirmed, withdrawn and signed again during the outage; the queue keeps no order."""
        mail = await deployed.sign_and_deliver()
        tasks: dict[str, Message] = {}
        for purpose in ("confirm", "withdraw"):
            deployed.now += timedelta(seconds=1)
            token = mail.links[purpose].rpartition("/")[2]
            tasks[purpose] = DeferredPress(purpose=purpose, token=token, pressed_at=deployed.now)
        deployed.now += timedelta(seconds=1)
        tasks["sign"] = deployed.message(email=mail.to)

        for name in order:
            await deployed.functions["deliver"].deps.envelopes.send(tasks[name])
            await deployed.deliver()
        deployed.now += timedelta(hours=2)
        await deployed.deliver()
        pressed = await deployed.press(deployed.outbox.received()[0])

        assert pressed.json() == {"status": "confirmed"}
        assert (await deployed.count())["total"] == 1

    async def test_a_late_press_counts_although_a_newer_form_waits(self, deployed: World) -> None:
        """That may be a stranger's: the press is tried again when no withdrawal can wait in the queue any more."""
        mail = await deployed.sign_and_deliver()
        confirm = deployed.functions["confirm"]
        real, confirm.deps.store = confirm.deps.store, UnavailableStore()
        await deployed.press(mail)
        confirm.deps.store = real
        deployed.now += timedelta(seconds=1)

        await deployed.functions["deliver"].deps.envelopes.send(deployed.message(email=mail.to))
        await deployed.deliver()
        deployed.now += timedelta(hours=2)
        await deployed.deliver()

        assert (await deployed.count())["total"] == 1

    async def test_with_the_queue_unavailable_too_the_signer_is_asked_to_try_again(self, deployed: World) -> None:
        """The answer is 503: nothing is promised that is not durable."""
        mail = await deployed.sign_and_deliver()
        confirm = deployed.functions["confirm"]
        real, confirm.deps.store = confirm.deps.store, UnavailableStore()
        queue: TaskQueue = confirm.deps.envelopes._queue
        confirm.deps.envelopes._queue = BrokenQueue(QueueUnavailable("unavailable"))

        response = await deployed.press(mail)

        confirm.deps.store, confirm.deps.envelopes._queue = real, queue
        assert (response.status_code, response.json()["code"]) == (503, "try_again")
        assert int(response.headers["retry-after"]) > 0
