"""What a signature costs: calls to the queue and to the database, counted on their way there.

Not every call belongs to one signature. Every few seconds, while requests come in, a process reloads the tally and
the overlay, and writes its funnel counts; such periodic calls are named here and counted separately.
"""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from shared.mail.outbox import Received
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.counting_proxy import Call, CountingProxy
from tests.support.deployment import COUNT, PUBLIC_URL, World, world

SIGNATURES = 10

TALLY = Call("RunQuery", "tally")
OVERLAY = Call("BatchGetDocuments", "desk")
FUNNEL = Call("Commit", "funnel funnel_writes")
#: Once in a process, with its first tally, to notice one that has fallen.
HISTORY = Call("RunQuery", "history")
#: Calls that a process makes every few seconds, or once.
PERIODIC = {TALLY, OVERLAY, FUNNEL, HISTORY}

PAGE = {"Accept": "text/html"}


@pytest.fixture
async def here(
    proxy: CountingProxy, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """All functions on Firestore, with the local queue, and a clock that stands still."""
    async with world(tmp_path, monkeypatch, STORE="firestore", FIRESTORE_PROJECT=project) as made:
        yield made


async def sign(here: World) -> None:
    """Let ten people sign."""
    for number in range(SIGNATURES):
        assert (await here.sign(email=f"n{number}@web.de")).status_code == 202


async def mails(here: World) -> list[Received]:
    """Let ten people sign, and return their mails once all writes are done."""
    await sign(here)
    await here.deliver()
    await here.funnels()
    return here.outbox.received()


async def calls_for_signatures(here: World, proxy: CountingProxy) -> Counter[Call]:
    """The calls since `forget` without the periodic ones."""
    await here.funnels()
    await here.overlays()
    return Counter({call: number for call, number in proxy.calls.items() if call not in PERIODIC})


async def test_a_signature_costs_sign_one_task_and_no_database_call(
    proxy: CountingProxy, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So sign works while the database is unavailable, and costs what a task costs."""
    discard = httpx.MockTransport(lambda _: httpx.Response(204))
    async with CloudTasksServer(transport=discard) as tasks:
        settings = {
            "STORE": "firestore",
            "FIRESTORE_PROJECT": project,
            "TASKS": "cloud_tasks",
            "CLOUD_TASKS_EMULATOR_HOST": tasks.host,
            "TASKS_QUEUES": "projects/undersign-test/locations/europe-west1/queues",
            "DELIVER_URL": f"{PUBLIC_URL}/v1/tasks/deliver",
            "DELIVER_AUDIENCE": PUBLIC_URL,
            "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
        }
        async with world(tmp_path, monkeypatch, **settings) as here:
            await here.sign()
            await here.overlays()  # count reads them for sign every ten seconds
            proxy.forget()
            tasks.calls = 0

            await sign(here)

            assert tasks.calls == SIGNATURES
            assert proxy.calls == {}


async def test_deliver_makes_three_firestore_calls(here: World, proxy: CountingProxy) -> None:
    """Two store it and claim the mail, one marks the mail as sent; a task for the reminder is added."""
    await sign(here)
    proxy.forget()

    await here.deliver()

    assert await calls_for_signatures(here, proxy) == {
        Call("BatchGetDocuments", "mailboxes signatures"): SIGNATURES,
        Call("Commit", "mailboxes signatures"): SIGNATURES,
        Call("Commit", "mailboxes"): SIGNATURES,
    }
    assert 0 < proxy.calls[FUNNEL] < SIGNATURES
    assert await here.queue.pending() == SIGNATURES


async def test_deliver_counts_a_small_mail_domain_in_the_same_calls(here: World, proxy: CountingProxy) -> None:
    """Its document is read with the others and written with them."""
    await here.funnels()
    proxy.forget()

    await here.sign_and_deliver(email="ann@example.org")

    assert await calls_for_signatures(here, proxy) == {
        Call("BatchGetDocuments", "domains mailboxes signatures"): 1,
        Call("Commit", "domains mailboxes signatures"): 1,
        Call("Commit", "mailboxes"): 1,
    }


async def test_a_link_opened_and_pressed_costs_one_read_and_one_commit(here: World, proxy: CountingProxy) -> None:
    """Opening it again costs nothing, and the thank-you page shows the number from a cached copy."""
    received = await mails(here)
    proxy.forget()

    for mail in received:
        for _ in range(3):
            assert (await here.client.get(mail.links["confirm"])).status_code == 200
        assert (await here.client.post(mail.links["confirm"], headers=PAGE)).status_code == 200

    assert await calls_for_signatures(here, proxy) == {
        Call("BatchGetDocuments", "signatures"): SIGNATURES,
        Call("Commit", "signatures tally"): SIGNATURES,
    }
    assert (proxy.calls[TALLY], proxy.calls[HISTORY], proxy.calls[OVERLAY]) == (1, 1, 2), (
        "for the number; and confirm's own copy of the overlay"
    )
    assert 0 < proxy.calls[FUNNEL] < SIGNATURES


async def test_a_link_that_is_only_opened_costs_nothing(here: World, proxy: CountingProxy) -> None:
    """Mail scanners open it too, and nobody knows how often."""
    received = await mails(here)
    proxy.forget()

    for mail in received:
        for purpose in ("confirm", "withdraw") * 5:
            assert (await here.client.get(mail.links[purpose])).status_code == 200

    assert await calls_for_signatures(here, proxy) == {}
    assert proxy.reads == {"desk": 1}, "confirm's copy of the overlay"


async def test_a_button_pressed_again_costs_one_read(here: World, proxy: CountingProxy) -> None:
    """The read finds that there is nothing to do."""
    [mail, *_] = await mails(here)
    await here.press(mail)
    proxy.forget()

    await here.press(mail)

    assert await calls_for_signatures(here, proxy) == {Call("BatchGetDocuments", "signatures"): 1}


async def test_a_signature_from_the_form_to_the_reminder_costs_six_calls(
    here: World, proxy: CountingProxy
) -> None:
    """deliver makes three, confirm two, and the reminder one, which finds it confirmed a day later."""
    for mail in await mails(here):
        await here.client.get(mail.links["confirm"])
        await here.press(mail)
    here.now += timedelta(hours=25)

    await here.deliver()

    calls = await calls_for_signatures(here, proxy)
    assert calls.total() == 6 * SIGNATURES
    assert {kind: proxy.reads[kind] for kind in ("signatures", "mailboxes")} == {
        "signatures": 3 * SIGNATURES,
        "mailboxes": 2 * SIGNATURES,
    }
    assert {kind: proxy.writes[kind] for kind in ("signatures", "mailboxes", "tally")} == {
        "signatures": 2 * SIGNATURES,
        "mailboxes": 2 * SIGNATURES,
        "tally": SIGNATURES,
    }


async def test_reading_the_count_a_hundred_times_costs_one_read_of_the_tally(
    here: World, proxy: CountingProxy
) -> None:
    """And one of the overlay and of the history: all readers share a process's cached copies."""
    await here.press(await here.sign_and_deliver())
    await here.funnels()
    await here.overlays()
    here.now += timedelta(minutes=1)  # so that the copies read for sign are stale
    proxy.forget()

    for _ in range(100):
        assert (await here.client.get(COUNT)).json()["total"] == 1

    assert proxy.calls == {TALLY: 1, OVERLAY: 1, HISTORY: 1}
    assert (proxy.reads["tally"], proxy.reads["desk"]) == (1, 1)
