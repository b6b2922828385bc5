"""The main journey on Firestore's emulator and a server that speaks the Cloud Tasks API over gRPC."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from shared.mail.outbox import Received
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import COUNT, LINKS, PAGE_HEADERS, PUBLIC_URL, SIGNATURES, Identities, signature
from tests.support.emulator import free_port
from tests.support.polling import until_async
from tests.support.processes import function
from tests.support.servers import Server, server

QUEUES = "projects/undersign-test/locations/europe-west1/queues"


@dataclass
class Cloud:
    """A running deployment, and the queue in front of its deliver."""

    running: Server
    tasks: CloudTasksServer
    client: httpx.AsyncClient

    async def mails(self) -> list[Received]:
        content = (await self.client.get("/dev/mail.json")).json()
        return [Received.model_validate(mail) for mail in content]

    async def total(self, expected: int) -> int:
        """Wait until the public total is `expected`; it is read again every five seconds."""

        async def look() -> bool:
            return bool((await self.client.get(COUNT)).json()["total"] == expected)

        await until_async(look)
        return expected


@pytest.fixture(params=[False, True], ids=["once", "twice"])
async def cloud(
    request: pytest.FixtureRequest, tmp_path: Path, emulator: str, project: str
) -> AsyncIterator[Cloud]:
    port = free_port()
    async with CloudTasksServer(deliver_twice=request.param) as tasks:
        environment = {
            "STORE": "firestore",
            "FIRESTORE_PROJECT": project,
            "PORT": str(port),
            "FIRESTORE_EMULATOR_HOST": emulator,
            "TASKS": "cloud_tasks",
            "CLOUD_TASKS_EMULATOR_HOST": tasks.host,
            "TASKS_QUEUES": QUEUES,
            "DELIVER_URL": f"http://127.0.0.1:{port}/v1/tasks/deliver",
            "DELIVER_AUDIENCE": "https://deliver.example.org",
            "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
        }
        with server(tmp_path, **environment) as running:
            async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=30) as client:
                yield Cloud(running, tasks, client)
                await tasks.drain()  # or the server would be stopped in the middle of a task


async def test_a_signature_is_mailed_once_and_counted_once(cloud: Cloud) -> None:
    """This holds whether the queue delivers once or twice."""
    signed = await cloud.client.post(SIGNATURES, json=signature(country="FR"), headers=PAGE_HEADERS)
    await cloud.tasks.drain()
    [mail] = await cloud.mails()

    for _ in range(2):
        pressed = await cloud.client.post(mail.links["confirm"], headers={"Accept": "application/json"})

    assert (signed.status_code, pressed.json()) == (202, {"status": "confirmed"})
    assert await cloud.total(1) == 1


async def test_a_signature_is_withdrawn_through_a_link_that_was_asked_for(cloud: Cloud) -> None:
    """Somebody signs, confirms, loses the mail, asks for links, and withdraws."""
    await cloud.client.post(SIGNATURES, json=signature(), headers=PAGE_HEADERS)
    await cloud.tasks.drain()
    [first] = await cloud.mails()
    await cloud.client.post(first.links["confirm"])
    await cloud.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})
    await cloud.tasks.drain()

    newest = (await cloud.mails())[0]
    withdrawn = await cloud.client.post(newest.links["withdraw"], headers={"Accept": "application/json"})

    assert set(newest.links) == {"withdraw"}
    assert withdrawn.json() == {"status": "withdrawn"}
    assert await cloud.total(0) == 0


async def test_the_task_is_addressed_to_deliver_and_signed_for_it(cloud: Cloud) -> None:
    """It has an OIDC token for deliver's audience, and a sealed body."""
    await cloud.client.post(SIGNATURES, json=signature(email="ann@example.org"), headers=PAGE_HEADERS)

    task = cloud.tasks.created[0]

    assert task.http_request.oidc_token.audience == "https://deliver.example.org"
    assert b"ann@example.org" not in task.http_request.body


async def test_sign_enqueues_when_it_is_served_as_deployed(tmp_path: Path) -> None:
    """gunicorn forks its worker after loading the function, so a client of an earlier loop would fail."""
    async with CloudTasksServer() as tasks:
        environment = {
            "PUBLIC_URL": PUBLIC_URL,
            "TASKS": "cloud_tasks",
            "CLOUD_TASKS_EMULATOR_HOST": tasks.host,
            "TASKS_QUEUES": QUEUES,
            "DELIVER_URL": "http://127.0.0.1:1/v1/tasks/deliver",
            "DELIVER_AUDIENCE": "https://deliver.example.org",
            "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
            "DELIVER_RECIPIENT": Identities().environment()["DELIVER_RECIPIENT"],
        }
        with function("sign", environment, tmp_path / "log") as url:
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                answers = [await client.post(SIGNATURES, json=signature(), headers=PAGE_HEADERS) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [202, 202, 202]
        assert len(tasks.created) == 3
