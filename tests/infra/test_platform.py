"""What Cloud Run does to an instance, done to the functions as deployed: it freezes them, and it ends them.

https://cloud.google.com/run/docs/container-contract#lifecycle
"""

import asyncio
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from desk.store.firestore import FirestoreMaintenance
from shared.queue.envelopes import Envelopes
from shared.stats.funnel import Dimension, Stage
from tests.infra.rehearsal import CAMPAIGN, START, Deployment, Prepared, deploy
from tests.support.deployment import PAGE_HEADERS, signature
from tests.support.messages import RecordingQueue, submission_message
from tests.support.oidc import checked_by_cloud_run, claims
from tests.support.polling import until_async

#: Of a worker without a heartbeat, as the platform sets it: short, so that the tests are.
TIMEOUT_SECONDS = 2
#: From SIGTERM to SIGKILL.
GRACE_SECONDS = 10
FREEZES, REQUESTS_A_FREEZE = 4, 25
AS_PROGRAM = {"Accept": "application/json"}
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("emulator")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(
    prepared: Prepared, plan: dict[str, Any], emulator_host: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    logs = tmp_path_factory.mktemp("logs")
    async with deploy(prepared, plan, emulator_host, logs, TIMEOUT_SECONDS) as deployed:
        yield deployed


@contextmanager
def frozen(deployment: Deployment) -> Iterator[None]:
    """Stop all processes of all functions meanwhile; their sockets still take what is sent."""
    for process in deployment.processes.values():
        os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in deployment.processes.values():
            os.killpg(process.pid, signal.SIGCONT)


def as_queue(deployment: Deployment) -> dict[str, str]:
    """The headers that let the queue call deliver."""
    settings = deployment.settings
    return {
        "Authorization": checked_by_cloud_run(
            claims(settings["TASKS_SERVICE_ACCOUNT"], settings["DELIVER_AUDIENCE"])
        )
    }


async def requests(deployment: Deployment) -> Mapping[str, Callable[[], Awaitable[httpx.Response]]]:
    """A request to each function, which it answers with a 2xx however often it comes."""
    public, tasks = deployment.public, deployment.tasks
    assert (await public.post(f"{START}/signatures", json=signature(), headers=PAGE_HEADERS)).status_code == 202
    await tasks.drain()
    task, link = tasks.created[0].http_request, deployment.links()["confirm"]
    return {
        "sign": lambda: public.post(f"{START}/signatures", json=signature(), headers=PAGE_HEADERS),
        "deliver": lambda: public.post(task.url, content=task.body, headers=as_queue(deployment)),
        "confirm": lambda: public.post(link, headers=AS_PROGRAM),
        "count": lambda: public.get(f"{START}/count"),
        "embed": lambda: public.get(f"/c/{CAMPAIGN}?lang=en"),
    }


@asynccontextmanager
async def database(deployment: Deployment) -> AsyncIterator[FirestoreMaintenance]:
    """What the functions have written."""
    settings = deployment.settings
    store = FirestoreMaintenance(settings["FIRESTORE_PROJECT"], settings["FIRESTORE_DATABASE"])
    yield store
    store.close()


def logged(deployment: Deployment, stage: Stage) -> int:
    """How many have reached a stage, as the functions log it at once."""
    return sum(log.read_text().count(f'"stage": "{stage}"') for log in deployment.logs.iterdir())


async def in_funnel(store: FirestoreMaintenance, stage: Stage) -> int:
    """How many have reached a stage."""
    counts = await store.funnel(CAMPAIGN)
    return sum(number for key, number in counts.items() if (key.stage, key.dimension) == (stage, Dimension.ALL))


async def outcome(answer: Awaitable[httpx.Response]) -> int | str:
    """The status of an answer; the name of the error where there is none."""
    try:
        return (await answer).status_code
    except httpx.TransportError as error:
        return type(error).__name__


async def end(deployment: Deployment, name: str) -> None:
    """Ask an instance to end, as Cloud Run does, and wait for as long as Cloud Run does before it kills."""
    process = deployment.processes[name]
    process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.wait, GRACE_SECONDS)


async def test_a_frozen_instance_loses_no_request(deployment: Deployment) -> None:
    """Frozen for longer than a worker may be silent, it is asked over new and over idle connections."""
    asked = await requests(deployment)
    outcomes = {name: Counter[int | str]() for name in asked}

    for _ in range(FREEZES):
        with frozen(deployment):
            waiting = {
                name: [asyncio.create_task(outcome(ask())) for _ in range(REQUESTS_A_FREEZE)]
                for name, ask in asked.items()
            }
            await asyncio.sleep(1.5 * TIMEOUT_SECONDS)
        for name, answers in waiting.items():
            outcomes[name].update(await asyncio.gather(*answers))

    total = FREEZES * REQUESTS_A_FREEZE
    assert outcomes == {
        "sign": {202: total},
        "deliver": {204: total},
        "confirm": {200: total},
        "count": {200: total},
        "embed": {200: total},
    }
    assert not [log.name for log in deployment.logs.iterdir() if "WORKER TIMEOUT" in log.read_text()]


async def test_sign_answers_what_it_has_begun_before_it_ends(deployment: Deployment) -> None:
    """Under load, with Cloud Tasks slow: who gets no answer has not signed, and everybody else has."""
    accepted = set[str]()

    async def sign_until_refused(client: int) -> None:
        for number in itertools.count():
            email = f"sign-{client}-{number}@example.org"
            body = signature(email=email)
            if (
                await outcome(deployment.public.post(f"{START}/signatures", json=body, headers=PAGE_HEADERS))
                != 202
            ):
                return
            accepted.add(email)

    deployment.tasks.latency = 0.1
    load = [asyncio.create_task(sign_until_refused(client)) for client in range(20)]

    async def is_under_load() -> bool:
        return len(accepted) >= 50

    await until_async(is_under_load)
    await end(deployment, "sign")
    await asyncio.gather(*load)
    deployment.tasks.latency = 0
    deployment.start("sign")
    await deployment.tasks.drain()

    signed = {mail.rcpt_tos[0] for mail in deployment.relay.taken if mail.rcpt_tos[0].startswith("sign-")}
    assert signed == accepted


async def test_deliver_answers_what_it_has_begun_before_it_ends(deployment: Deployment) -> None:
    """With the relay slow: each task is done, and its mail is sent once."""
    emails = [f"deliver-{number}@example.org" for number in range(10)]
    recording, settings = RecordingQueue(), deployment.settings
    envelopes = Envelopes(recording, settings["DELIVER_RECIPIENT"])
    for number, email in enumerate(emails):
        await envelopes.send(submission_message(number, email, CAMPAIGN))
    stored_before = logged(deployment, Stage.ACCEPTED)

    deployment.relay.gate = asyncio.Event()
    answers = [
        asyncio.create_task(
            outcome(deployment.public.post(settings["DELIVER_URL"], content=body, headers=as_queue(deployment)))
        )
        for body in recording.bodies
    ]

    async def all_are_stored() -> bool:
        return logged(deployment, Stage.ACCEPTED) == stored_before + len(emails)

    await until_async(all_are_stored)
    deployment.relay.gate.set()
    await end(deployment, "deliver")
    deployment.start("deliver")

    assert Counter(await asyncio.gather(*answers)) == {204: len(emails)}
    mailed = [mail.rcpt_tos[0] for mail in deployment.relay.taken if mail.rcpt_tos[0].startswith("deliver-")]
    assert sorted(mailed) == emails
    async with database(deployment) as written:
        assert await in_funnel(written, Stage.MAILED) == logged(deployment, Stage.MAILED)


async def test_confirm_answers_what_it_has_begun_before_it_ends(deployment: Deployment) -> None:
    """Under load: each press counts once, whether it was answered or is repeated."""
    counted_before, mailed_before = await deployment.total(), len(deployment.relay.taken)
    for number in range(40):
        body = signature(email=f"confirm@family{number}.example")
        assert (
            await deployment.public.post(f"{START}/signatures", json=body, headers=PAGE_HEADERS)
        ).status_code == 202
    await deployment.tasks.drain()
    links = [deployment.links(mail)["confirm"] for mail in range(mailed_before, mailed_before + 40)]
    pressed = dict[str, int | str]()

    async def press(mine: Sequence[str]) -> None:
        for link in mine:
            pressed[link] = await outcome(deployment.public.post(link, headers=AS_PROGRAM))

    load = [asyncio.create_task(press(links[start::5])) for start in range(5)]

    async def is_under_load() -> bool:
        return len(pressed) >= 10

    await until_async(is_under_load)
    await end(deployment, "confirm")
    await asyncio.gather(*load)
    async with database(deployment) as written:
        assert await in_funnel(written, Stage.CONFIRMED) == (await written.tally(CAMPAIGN)).total
    deployment.start("confirm")
    await press([link for link, answer in pressed.items() if answer != 200])

    async def all_are_counted() -> bool:
        return await deployment.total() == counted_before + 40

    assert set(pressed.values()) == {200}
    await until_async(all_are_counted)
