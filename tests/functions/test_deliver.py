"""deliver: stores and mails once, whatever the queue, the relay and the clock do."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from html import unescape

import httpx
import pyrage
import pytest

from desk import runtime as desk_runtime
from shared.errors import (
    MailDeferred,
    MailError,
    MailRefused,
    MailRejected,
    MailUnavailable,
    MailUnresolved,
    QueueUnavailable,
    StoreUnavailable,
)
from shared.models.messages import DeferredPress, SubmissionMessage
from shared.store.documents import SIGNATURE
from shared.store.entities import PENDING_TTL, TASK_TTL, Tally
from shared.web.callers import Callers
from shared.web.routes import DeliverPath
from tests.support.deployment import CAMPAIGN, LINKS, PUBLIC_URL, BrokenMailer, BrokenQueue, World
from tests.support.oidc import checked_by_cloud_run, claims

HOUR = timedelta(hours=1)
QUEUE_ACCOUNT = "queue@p.iam.gserviceaccount.com"
AUDIENCE = "https://deliver.example.org"
DAY = timedelta(days=1)
SECONDS_LATER = timedelta(seconds=30)


class BrokenStore:
    """Answers nothing."""

    async def admit(self, *_: object) -> None:
        raise StoreUnavailable("down")


async def post_task(deployed: World, body: bytes, retries: int = 0) -> httpx.Response:
    """POST a task's body as the queue does."""
    headers = {"X-CloudTasks-TaskExecutionCount": str(retries), "X-CloudTasks-TaskName": "t1"}
    return await deployed.client.post("/v1/tasks/deliver", content=body, headers=headers)


async def submissions(deployed: World, digest: str) -> list[dict[str, object]]:
    """The submissions of one signature, decrypted as the organisers would."""
    with closing(sqlite3.connect(deployed.folder / "store.db")) as database:
        row = database.execute("SELECT document FROM signatures WHERE digest = ?", (digest,)).fetchone()
    return [deployed.identities.open(each.sealed) for each in SIGNATURE.validate_json(row[0]).submissions]


def labels(deployed: World) -> Counter[tuple[str, ...]]:
    """Count the stored submissions by their labels."""
    with closing(sqlite3.connect(deployed.folder / "store.db")) as database:
        rows = database.execute("SELECT document FROM signatures").fetchall()
    return Counter(each.labels for [document] in rows for each in SIGNATURE.validate_json(document).submissions)


async def body_of_next_task(deployed: World) -> bytes:
    """Take the next due task off the queue and return its body."""
    lease = await deployed.queue.lease(deployed.now)
    assert lease
    await deployed.queue.done(lease)
    return lease.body


@pytest.mark.parametrize("path", DeliverPath)
async def test_answers_callers_alone_where_they_are_named(deployed: World, path: str) -> None:
    """The queue and the scheduler, by their tokens; all others are refused, before anything is read."""
    deployed.functions["deliver"].deps.callers = Callers([QUEUE_ACCOUNT], AUDIENCE, lambda: deployed.now)
    token = checked_by_cloud_run(claims(QUEUE_ACCOUNT, AUDIENCE))

    refused = await deployed.client.post(path, content=b"{}")
    admitted = await deployed.client.post(path, content=b"{}", headers={"Authorization": token})

    assert refused.status_code == 403
    assert admitted.status_code == (409 if path == DeliverPath.TASK else 204)  # what is no task is retried


class TestMail:
    async def test_goes_to_the_address_as_entered(self, deployed: World) -> None:
        """Dots, tags and capitals are kept."""
        mail = await deployed.sign_and_deliver(email="A.nn+eu@gmail.com")

        assert mail.to == "A.nn+eu@gmail.com"
        assert set(mail.links) == {"confirm", "withdraw"}

    async def test_repeats_nothing_that_was_entered_but_the_address(self, deployed: World) -> None:
        """Spammers abuse forms that mail an entered name to somebody else."""
        mail = await deployed.sign_and_deliver(name="Vist Mysite", source="spam")

        assert "Mysite" not in mail.text + mail.html + mail.subject

    async def test_signing_again_with_another_spelling_is_the_same_address(self, deployed: World) -> None:
        """One address, one signature: a.nn+x@gmail.com is ann@googlemail.com."""
        await deployed.press(await deployed.sign_and_deliver(email="ann@googlemail.com"))

        again = await deployed.sign_and_deliver(email="A.nn+x@gmail.com")

        assert set(again.links) == {"withdraw"}

    async def test_a_confirmed_signer_learns_that_they_have_signed(self, deployed: World) -> None:
        """The mail holds the withdraw link and nothing to confirm."""
        await deployed.press(await deployed.sign_and_deliver())

        again = await deployed.sign_and_deliver(name="Ann Again")

        assert set(again.links) == {"withdraw"}
        assert (await deployed.count())["total"] == 1

    async def test_my_own_link_confirms_my_own_name(self, deployed: World) -> None:
        """Somebody else signs with my address, a false name and an opt-in; my link confirms what I entered."""
        mine = await deployed.sign_and_deliver(name="Ann Example", newsletter=False)
        await deployed.sign_and_deliver(name="Planted Name", newsletter=True, country="RU")

        await deployed.press(mine)

        address = deployed.functions["deliver"].deps.digester.address(CAMPAIGN, "ann@example.org")
        [kept] = await submissions(deployed, address.digest)
        assert kept["name"] == "Ann Example"
        assert kept["newsletter"] is False
        assert kept["email"] == "ann@example.org"


class TestMailToASigner:
    async def test_says_how_many_have_signed_and_asks_to_pass_it_on(self, deployed: World) -> None:
        """In both of its parts; the link holds nothing about the signer."""
        for name in ("ann", "bob"):
            await deployed.press(await deployed.sign_and_deliver(email=f"{name}@example.org"))

        mail = await deployed.sign_and_deliver(email="ann@example.org", partner="digital-rights", source="flyer")

        for part in (mail.text, unescape(mail.html)):
            assert "2 people have signed" in part
            assert "998 more signatures to the next goal: 1,000" in part
            assert f"{PUBLIC_URL}/c/{CAMPAIGN}?lang=en&source=share" in part
            assert "flyer" not in part

    async def test_and_the_page_after_confirming_ask_nothing_of_others_during_a_pause(
        self, deployed: World
    ) -> None:
        """Those who were asked could not sign."""
        await deployed.press(await deployed.sign_and_deliver(email="ann@example.org"))
        pending = await deployed.sign_and_deliver(email="bob@example.org")
        await deployed.sign(email="ann@example.org")
        records = desk_runtime.desk().maintenance
        await records.change_overlay(CAMPAIGN, lambda overlay: overlay.model_copy(update={"paused": True}))
        records.close()
        deployed.now += timedelta(minutes=2)

        await deployed.client.get(pending.links["confirm"])  # has the overlay read
        await deployed.overlays()
        page = (await deployed.client.post(pending.links["confirm"], headers={"Accept": "text/html"})).text
        await deployed.deliver()
        mail = deployed.outbox.received()[0]

        assert mail.subject.startswith("You have already signed")
        assert "source=share" not in mail.text + mail.html + page

    async def test_goes_out_without_the_numbers_while_they_cannot_be_read(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The withdraw link is what it is for."""
        await deployed.press(await deployed.sign_and_deliver())

        async def unavailable(_campaign: str) -> None:
            raise StoreUnavailable("slow")

        monkeypatch.setattr(deployed.functions["deliver"].deps.store, "tally", unavailable)
        mail = await deployed.sign_and_deliver()

        assert "withdraw" in mail.links
        assert "source=share" in mail.text
        assert "signed\n" not in mail.text

    async def test_reads_the_numbers_once_for_all_mails_of_a_minute(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A rush of people who sign twice costs the database no more."""
        store = deployed.functions["deliver"].deps.store
        reads = []

        async def tally(campaign: str) -> Tally:
            reads.append(campaign)
            return Tally(7)

        monkeypatch.setattr(store, "tally", tally)
        for name in ("ann", "bob", "eve"):
            await deployed.press(await deployed.sign_and_deliver(email=f"{name}@example.org"))

        mails = [await deployed.sign_and_deliver(email=f"{name}@example.org") for name in ("ann", "bob", "eve")]

        assert all("7 people have signed" in mail.text for mail in mails)
        assert len(reads) == 1


class TestSealedRecord:
    async def test_has_the_version_that_the_desk_reads(self, deployed: World) -> None:
        """It states its version and holds everything that was entered."""
        signed_at = deployed.now
        await deployed.sign_and_deliver(partner="digital-rights", newsletter=True)

        address = deployed.functions["deliver"].deps.digester.address(CAMPAIGN, "ann@example.org")
        [stored] = await submissions(deployed, address.digest)
        assert stored == {
            "version": 1,
            "email": "ann@example.org",
            "name": "Ann Example",
            "country": "DE",
            "locale": "en",
            "campaign": CAMPAIGN,
            "signed_at": signed_at.isoformat(),
            "consent_version": deployed.functions["sign"].deps.campaigns[CAMPAIGN].consent_version,
            "partner": "digital-rights",
            "newsletter": True,
            "postal_code": None,
        }


class TestCaps:
    async def test_allow_two_mails_in_an_hour(self, deployed: World) -> None:
        """The third submission waits in the queue and is mailed after the hour."""
        for number in range(3):
            await deployed.sign(name=f"Ann {'ABC'[number]}")
        await deployed.deliver()
        within_the_hour = len(deployed.outbox.received())

        deployed.now += HOUR + timedelta(minutes=10)
        await deployed.deliver()

        assert within_the_hour == 2
        assert len(deployed.outbox.received()) == 3

    async def test_allow_five_mails_and_then_one_a_day_including_reminders(self, deployed: World) -> None:
        """One mailbox gets no more, although it signs and asks for links every hour for six days."""
        for _ in range(6 * 24):
            await deployed.sign()
            await deployed.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})
            await deployed.deliver()
            deployed.now += HOUR

        assert len(deployed.outbox.received()) == 5 + 5

    async def test_cannot_be_used_to_keep_somebody_from_signing(self, deployed: World) -> None:
        """A stranger signs twenty times with tags, and she after them: the next mail is hers, within a day."""
        for number in range(20):
            await deployed.sign(email=f"ann+{number}@example.org")
            await deployed.deliver()
            deployed.now += HOUR
        await deployed.sign(country="FR")
        await deployed.deliver()
        before = len(deployed.outbox.received())

        for _ in range(24 * 4):
            deployed.now += HOUR / 4
            await deployed.deliver()

        newest, *others = deployed.outbox.received()
        assert len(others) == before
        assert newest.to == "ann@example.org"
        assert (await deployed.press(newest)).json() == {"status": "confirmed"}

    async def test_cannot_be_used_to_keep_a_signer_from_withdrawing(self, deployed: World) -> None:
        """A stranger has used up her mails; she asks for her links, and can withdraw."""
        await deployed.press(await deployed.sign_and_deliver())
        for number in range(20):
            deployed.now += HOUR
            await deployed.sign(email=f"ann+{number}@example.org")
            await deployed.deliver()

        await deployed.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})
        await deployed.deliver()

        mail = deployed.outbox.received()[0]
        assert (mail.to, set(mail.links)) == ("ann@example.org", {"withdraw"})
        assert (await deployed.press(mail, "withdraw")).json() == {"status": "withdrawn"}

    async def test_are_not_multiplied_by_tags(self, deployed: World) -> None:
        """ann+1@, ann+2@ … reach one mailbox, even where they count as addresses of their own."""
        for tag in range(10):
            await deployed.sign(email=f"ann+{tag}@example.org")
        await deployed.deliver()

        assert len(deployed.outbox.received()) == 2
        assert await deployed.queue.pending() == 2 + 8


class TestDomainCaps:
    async def test_delay_a_rush_of_one_small_domain_and_label_it(self, deployed: World) -> None:
        """The first hundred are mailed within the hour, the others later, as a burst; nobody is lost."""
        for number in range(110):
            await deployed.sign(email=f"member{number}@union.example")
        await deployed.deliver()
        within_the_hour = len(deployed.outbox.received())

        deployed.now += HOUR + timedelta(minutes=10)
        await deployed.deliver()

        assert within_the_hour == 100
        assert len(deployed.outbox.received()) == 110
        assert labels(deployed) == {(): 100, ("domain_burst",): 10}

    async def test_do_not_delay_a_rush_at_a_provider(self, deployed: World) -> None:
        """Its customers have nothing to do with each other."""
        for number in range(110):
            await deployed.sign(email=f"ann{number}@ziggo.nl")
        await deployed.deliver()

        assert len(deployed.outbox.received()) == 110
        assert labels(deployed) == {(): 110}

    async def test_send_no_reminder_where_nobody_ever_confirms(self, deployed: World) -> None:
        """A stranger has made up twenty addresses of one company; each gets one mail and no more."""
        for number in range(20):
            await deployed.sign(email=f"staff{number}@company.example")
        await deployed.sign(email="ann@example.org")
        await deployed.deliver()

        deployed.now += DAY
        await deployed.deliver()

        assert Counter(mail.to.partition("@")[2] for mail in deployed.outbox.received()) == {
            "company.example": 20,
            "example.org": 2,
        }

    async def test_label_a_mailbox_to_throw_away_beside_the_burst(self, deployed: World) -> None:
        """A submission that was deferred has both labels once it is stored."""
        for number in range(101):
            await deployed.sign(email=f"ann{number}@mailinator.com")
        await deployed.deliver()
        deployed.now += HOUR + timedelta(minutes=10)
        await deployed.deliver()

        assert labels(deployed) == {("disposable_domain",): 100, ("domain_burst", "disposable_domain"): 1}


class TestReminder:
    async def test_comes_a_day_later_and_confirms_the_same_submission(self, deployed: World) -> None:
        """There is one reminder, and its links work."""
        await deployed.sign_and_deliver()

        deployed.now += DAY
        await deployed.deliver()

        reminder, first = deployed.outbox.received()
        assert reminder.subject != first.subject
        assert (await deployed.press(reminder)).json() == {"status": "confirmed"}
        assert await deployed.queue.pending() == 0

    async def test_is_not_sent_after_confirming_or_withdrawing(self, deployed: World) -> None:
        """A day later, neither signer gets another mail."""
        await deployed.press(await deployed.sign_and_deliver(email="ann@example.org"))
        await deployed.press(await deployed.sign_and_deliver(email="bob@example.org"), "withdraw")

        deployed.now += DAY
        await deployed.deliver()

        assert len(deployed.outbox.received()) == 2

    async def test_is_sent_once_although_its_task_is_delivered_twice(self, deployed: World) -> None:
        """The queue delivers at least once."""
        await deployed.sign_and_deliver()
        deployed.now += DAY
        body = await body_of_next_task(deployed)

        first, second = await post_task(deployed, body), await post_task(deployed, body)

        assert (first.status_code, second.status_code) == (204, 204)
        assert len(deployed.outbox.received()) == 2


class TestLinks:
    async def test_a_pending_signer_gets_the_confirm_link_again(self, deployed: World) -> None:
        """The first mail was lost, and the link in the new one works."""
        await deployed.sign_and_deliver()
        await deployed.client.post(LINKS, json={"email": "ANN@example.org", "locale": "en"})
        await deployed.deliver()

        again = deployed.outbox.received()[0]

        assert (await deployed.press(again)).json() == {"status": "confirmed"}

    async def test_a_confirmed_signer_gets_the_withdraw_link(self, deployed: World) -> None:
        """Withdrawing is as easy as signing."""
        await deployed.press(await deployed.sign_and_deliver())
        await deployed.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})
        await deployed.deliver()

        mail = deployed.outbox.received()[0]

        assert set(mail.links) == {"withdraw"}
        assert (await deployed.press(mail, "withdraw")).json() == {"status": "withdrawn"}
        assert (await deployed.count())["total"] == 0

    async def test_several_submissions_come_with_a_link_each(self, deployed: World) -> None:
        """Only the owner knows which one is right, so each link says what was entered with it."""
        await deployed.sign_and_deliver(country="DE")
        await deployed.sign_and_deliver(country="FR")
        deployed.now += HOUR
        await deployed.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})
        await deployed.deliver()

        mail = deployed.outbox.received()[0]

        assert mail.text.count("/v1/confirm/") == 2
        assert "Germany" in mail.text
        assert "France" in mail.text

    async def test_a_request_that_was_queued_for_more_than_a_day_is_dropped(self, deployed: World) -> None:
        """Nobody expects that mail any more."""
        await deployed.press(await deployed.sign_and_deliver())
        await deployed.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})

        deployed.now += 2 * DAY
        await deployed.deliver()

        assert len(deployed.outbox.received()) == 1

    async def test_after_the_end_only_withdraw_links_are_mailed(self, deployed: World) -> None:
        """A confirm link would no longer work."""
        campaign = deployed.functions["sign"].deps.campaigns[CAMPAIGN]
        deployed.now = datetime.combine(campaign.closes, time(12), tzinfo=UTC)
        await deployed.press(await deployed.sign_and_deliver(email="ann@example.org"))
        await deployed.sign_and_deliver(email="bob@example.org")

        deployed.now += timedelta(days=9)
        for address in ("ann@example.org", "bob@example.org"):
            await deployed.client.post(LINKS, json={"email": address, "locale": "en"})
        await deployed.deliver()

        newest = deployed.outbox.received()[0]
        assert (newest.to, set(newest.links)) == ("ann@example.org", {"withdraw"})
        assert "source=share" not in newest.text  # nor does it ask for signatures
        assert len(deployed.outbox.received()) == 3


class TestRedelivery:
    async def test_a_task_delivered_twice_mails_once_and_counts_once(self, deployed: World) -> None:
        """This holds for a repeat before confirming and for one after it."""
        await deployed.sign()
        body = await body_of_next_task(deployed)
        await post_task(deployed, body)
        await post_task(deployed, body)
        [mail] = deployed.outbox.received()
        await deployed.press(mail)

        await post_task(deployed, body)

        assert len(deployed.outbox.received()) == 1
        assert (await deployed.count())["total"] == 1

    async def test_a_task_delivered_again_after_a_withdrawal_revives_nothing(self, deployed: World) -> None:
        """It was signed before the withdrawal."""
        await deployed.sign()
        body = await body_of_next_task(deployed)
        await post_task(deployed, body)
        deployed.now += SECONDS_LATER
        await deployed.press(deployed.outbox.received()[0], "withdraw")

        await post_task(deployed, body)

        assert len(deployed.outbox.received()) == 1
        assert (await deployed.press(deployed.outbox.received()[0])).status_code == 410

    async def test_signing_again_after_a_withdrawal_works(self, deployed: World) -> None:
        """People change their minds."""
        await deployed.press(await deployed.sign_and_deliver())
        deployed.now += SECONDS_LATER
        await deployed.press(deployed.outbox.received()[0], "withdraw")
        deployed.now += SECONDS_LATER

        again = await deployed.sign_and_deliver()

        assert (await deployed.press(again)).json() == {"status": "confirmed"}
        assert (await deployed.count())["total"] == 1

    async def test_signing_again_while_the_withdrawal_is_in_the_queue_works(self, deployed: World) -> None:
        """The new signature comes first, to an address that is confirmed yet; it is brought again afterwards."""
        mail = await deployed.sign_and_deliver()
        await deployed.press(mail)
        token = mail.links["withdraw"].rpartition("/")[2]
        withdrawal = DeferredPress(purpose="withdraw", token=token, pressed_at=deployed.now + SECONDS_LATER)
        deployed.now += 2 * SECONDS_LATER
        await deployed.sign(country="FR")
        await deployed.deliver()

        await deployed.functions["confirm"].deps.envelopes.send(withdrawal)
        deployed.now += SECONDS_LATER
        await deployed.deliver()
        before = len(deployed.outbox.received())
        deployed.now += 2 * HOUR
        await deployed.deliver()

        assert len(deployed.outbox.received()) == before + 1
        await deployed.press(deployed.outbox.received()[0])
        assert (await deployed.count())["total"] == 1

    async def test_of_a_confirmed_address_is_brought_once_more_and_mailed_once(self, deployed: World) -> None:
        """The queue holds it for an hour, and then it is gone."""
        await deployed.press(await deployed.sign_and_deliver())
        await deployed.sign_and_deliver()
        before = len(deployed.outbox.received())

        deployed.now += 2 * HOUR
        await deployed.deliver()
        deployed.now += 2 * DAY
        await deployed.deliver()

        assert len(deployed.outbox.received()) == before
        assert await deployed.queue.lease(deployed.now) is None

    async def test_a_task_older_than_thirty_days_is_dropped(self, deployed: World) -> None:
        """The answer is 2xx, so that the queue does not retry it."""
        await deployed.sign()
        body = await body_of_next_task(deployed)
        deployed.now += TASK_TTL

        response = await post_task(deployed, body)

        assert response.status_code == 204
        assert deployed.outbox.received() == []


class TestRelay:
    async def test_a_temporary_failure_is_mailed_on_the_next_attempt(self, deployed: World) -> None:
        """The claim is released, so the next attempt need not wait for an hour."""
        deliver = deployed.functions["deliver"]
        deliver.deps.mailer = BrokenMailer(MailDeferred("greylisted"))
        await deployed.sign()
        body = await body_of_next_task(deployed)
        failed = await post_task(deployed, body)
        deliver.deps.mailer = deployed.outbox

        response = await post_task(deployed, body)

        assert (failed.status_code, response.status_code) == (409, 204)
        assert len(deployed.outbox.received()) == 1

    @pytest.mark.parametrize(
        ("failure", "status"),
        [
            (MailDeferred("greylisted"), 409),
            (MailUnresolved("connection lost"), 409),
            (MailUnavailable("every relay is down"), 503),
        ],
    )
    async def test_a_queue_slows_down_only_where_no_other_mail_would_get_through(
        self, deployed: World, failure: MailError, status: int
    ) -> None:
        """Cloud Tasks takes a 503 as a word on the whole queue, and a 409 as one on this task."""
        deployed.functions["deliver"].deps.mailer = BrokenMailer(failure)
        await deployed.sign()

        response = await post_task(deployed, await body_of_next_task(deployed))

        assert response.status_code == status

    async def test_a_mail_whose_content_is_refused_is_a_dead_letter_after_a_day(self, deployed: World) -> None:
        """It is retried until then, as it may meet another relay; its address may be mailed again at once."""
        deployed.functions["deliver"].deps.mailer = BrokenMailer(MailRejected("554"))
        await deployed.sign()
        body = await body_of_next_task(deployed)

        answers = [await post_task(deployed, body, retries=retries) for retries in (0, 29, 30)]

        assert [answer.status_code for answer in answers] == [409, 409, 204]
        with closing(sqlite3.connect(deployed.folder / "store.db")) as database:
            assert database.execute("SELECT body, reason FROM dead_letters").fetchall() == [(body, "MailRejected")]
        deployed.functions["deliver"].deps.mailer = deployed.outbox
        assert (await deployed.sign_and_deliver()).to == "ann@example.org"

    async def test_an_outage_is_no_reason_for_a_dead_letter(self, deployed: World) -> None:
        """Forty attempts met relays that were down, which Cloud Tasks counts apart; then one rejects the mail."""
        deployed.functions["deliver"].deps.mailer = BrokenMailer(MailRejected("554"))
        await deployed.sign()
        headers = {"X-CloudTasks-TaskRetryCount": "40", "X-CloudTasks-TaskExecutionCount": "0"}

        body = await body_of_next_task(deployed)
        answer = await deployed.client.post(DeliverPath.TASK, content=body, headers=headers)

        assert answer.status_code == 409

    async def test_what_no_relay_takes_is_mailed_as_soon_as_one_is_up_again(self, deployed: World) -> None:
        """The claim is released: no hour has to pass."""
        deliver = deployed.functions["deliver"]
        deliver.deps.mailer = BrokenMailer(MailUnavailable("every relay is down"))
        await deployed.sign()
        body = await body_of_next_task(deployed)
        await post_task(deployed, body)
        deliver.deps.mailer = deployed.outbox

        response = await post_task(deployed, body)

        assert response.status_code == 204
        assert len(deployed.outbox.received()) == 1

    async def test_a_queue_slows_down_while_the_store_is_down(self, deployed: World) -> None:
        """The next task would fare no better, and the store is spared."""
        await deployed.sign()
        body = await body_of_next_task(deployed)
        deployed.functions["deliver"].deps.store = BrokenStore()

        response = await post_task(deployed, body)

        assert response.status_code == 503

    async def test_a_queue_slows_down_while_no_reminder_can_be_scheduled(self, deployed: World) -> None:
        """Cloud Tasks is in trouble itself; the mail is out, and is not sent twice."""
        deliver = deployed.functions["deliver"]
        await deployed.sign()
        body = await body_of_next_task(deployed)
        working, deliver.deps.envelopes._queue = (
            deliver.deps.envelopes._queue,
            BrokenQueue(QueueUnavailable("away")),
        )
        failed = await post_task(deployed, body)
        deliver.deps.envelopes._queue = working

        response = await post_task(deployed, body)

        assert (failed.status_code, response.status_code) == (503, 204)
        assert len(deployed.outbox.received()) == 1

    async def test_an_unknown_outcome_sends_no_second_mail_within_the_hour(self, deployed: World) -> None:
        """The relay may have accepted it; a deliver killed between claim and mark looks the same."""
        deliver = deployed.functions["deliver"]
        unresolved = BrokenMailer(MailUnresolved("connection lost"))
        deliver.deps.mailer = unresolved
        await deployed.sign()
        await deployed.deliver()
        deliver.deps.mailer = deployed.outbox
        deployed.now += timedelta(minutes=59)
        await deployed.deliver()
        within_the_hour = len(deployed.outbox.received())

        deployed.now += 2 * HOUR
        await deployed.deliver()

        assert (unresolved.given, within_the_hour) == (1, 0)
        assert len(deployed.outbox.received()) == 1

    async def test_a_refused_address_is_not_tried_again(self, deployed: World) -> None:
        """There is no such mailbox, and it gets no reminder."""
        refused = BrokenMailer(MailRefused("550"))
        deployed.functions["deliver"].deps.mailer = refused
        await deployed.sign()

        await deployed.deliver()
        deployed.now += 2 * DAY
        await deployed.deliver()

        assert refused.given == 1

    async def test_a_refused_mailbox_gets_no_mail_for_most_of_a_day(
        self, deployed: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A signature meanwhile is accepted like all others, and mailed when that is over."""
        deliver = deployed.functions["deliver"]
        deliver.deps.mailer = BrokenMailer(MailRefused("550"))
        await deployed.sign()
        await deployed.deliver()
        deliver.deps.mailer = deployed.outbox
        deployed.now += HOUR

        again = await deployed.sign(email="ann+again@example.org")
        deployed.now += 18 * HOUR
        await deployed.deliver()
        within_the_day = len(deployed.outbox.received())
        deployed.now += 2 * HOUR
        await deployed.deliver()

        assert (again.status_code, within_the_day) == (202, 0)
        assert [mail.to for mail in deployed.outbox.received()] == ["ann+again@example.org"]
        decisions = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "mail_decision" in line]
        assert ("submission", "suppressed") in {(each["kind"], each["outcome"]) for each in decisions}

    @pytest.mark.parametrize(
        ("failure", "event"),
        [(MailRefused("550"), "mail_refused"), (MailUnresolved("connection lost"), "mail_unresolved")],
    )
    async def test_the_log_names_the_provider_that_rejected_a_mail(
        self, deployed: World, failure: MailError, event: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Alerts need the class of the provider; the address is not logged."""
        deployed.functions["deliver"].deps.mailer = BrokenMailer(failure)
        await deployed.sign(email="canary@gmx.at")

        await deployed.deliver()

        printed = capsys.readouterr().out
        [line] = [line for line in map(json.loads, printed.splitlines()) if line["event"] == event]
        assert (line["severity"], line["provider"]) == ("WARNING", "gmx-webde")
        assert "canary" not in printed


class TestDeadLetter:
    @pytest.mark.parametrize(
        "body",
        [b"", b"\xff", b"[]", b'{"version": 2, "sealed": "eA=="}', b'{"version": 1, "sealed": "bm9uc2Vuc2U="}'],
    )
    async def test_a_task_that_cannot_be_opened_is_retried(self, deployed: World, body: bytes) -> None:
        """The key or the revision that can open it may be about to arrive."""
        response = await post_task(deployed, body)

        assert response.status_code == 409

    async def test_a_task_is_dead_lettered_after_a_day_of_retries(self, deployed: World) -> None:
        """It is stored still sealed, for a person to look at."""
        response = await post_task(deployed, b"not a task", retries=30)

        assert response.status_code == 204
        with closing(sqlite3.connect(deployed.folder / "store.db")) as database:
            assert database.execute("SELECT task_id, body FROM dead_letters").fetchall() == [("t1", b"not a task")]

    async def test_a_task_of_an_unknown_campaign_is_retried(self, deployed: World) -> None:
        """A rollout may reach sign before deliver."""
        await deployed.sign()
        body = await body_of_next_task(deployed)
        deployed.functions["deliver"].deps.campaigns = {}

        assert (await post_task(deployed, body)).status_code == 409

    async def test_a_press_with_an_invalid_token_is_dead_lettered_too(self, deployed: World) -> None:
        """Its key may have been removed, and it is not retried for ever."""
        press = DeferredPress(purpose="confirm", token="not-a-token", pressed_at=deployed.now)
        await deployed.functions["confirm"].deps.envelopes.send(press)
        body = await body_of_next_task(deployed)

        first, last = await post_task(deployed, body), await post_task(deployed, body, retries=30)

        assert (first.status_code, last.status_code) == (409, 204)

    async def test_messages_hide_their_signer_in_their_repr(self, deployed: World) -> None:
        """A message that ends up in a log or a traceback reveals nothing about its signer."""
        message = SubmissionMessage(
            id="1",
            campaign=CAMPAIGN,
            email="ann@example.org",
            name="Ann Example",
            country="DE",
            locale="en",
            consent_version="1",
            partner=None,
            source=None,
            newsletter=None,
            postal_code=None,
            signed_at=deployed.now,
        )

        assert "ann@" not in repr(message)
        assert "Ann" not in f"{message}"


async def test_a_signature_that_arrives_after_the_campaigns_end_is_not_mailed(deployed: World) -> None:
    """Its link could no longer be confirmed."""
    campaign = deployed.functions["sign"].deps.campaigns[CAMPAIGN]
    deployed.now = datetime.combine(campaign.closes, time(12), tzinfo=UTC)
    await deployed.sign()

    deployed.now += timedelta(days=8)
    await deployed.deliver()

    assert deployed.outbox.received() == []
    assert await deployed.queue.pending() == 0


async def test_names_of_different_length_are_sealed_at_the_same_length(deployed: World) -> None:
    """Nobody can tell from the sealed bytes how long a name is."""
    await deployed.sign_and_deliver(email="a@example.org", name="Al")
    await deployed.sign_and_deliver(email="ann@example.org", name="Ann Example the Third")

    with closing(sqlite3.connect(deployed.folder / "store.db")) as database:
        rows = database.execute("SELECT document FROM signatures").fetchall()
    sealed = [SIGNATURE.validate_json(row[0]).submissions[0].sealed for row in rows]
    assert len({len(pyrage.decrypt(each, [deployed.identities.campaign])) for each in sealed}) == 1


async def test_an_unconfirmed_signature_is_gone_after_thirty_days(deployed: World) -> None:
    """Its link answers 410."""
    mail = await deployed.sign_and_deliver()

    deployed.now += PENDING_TTL

    assert (await deployed.press(mail)).status_code == 410
    assert (await deployed.count())["total"] == 0
