"""From a server on one machine to Google Cloud: no signature, link, count or task is lost or doubled."""

import os
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from desk.store.firestore import FirestoreMaintenance
from desk.store.maintenance import Maintenance
from desk.store.sqlite import SqliteMaintenance
from shared.databases import sqlite
from shared.errors import QueueUnavailable
from shared.store.documents import DOMAIN
from tests.desk.commands import refusal, run, undersign
from tests.shared.queue.test_queue_contract import QUEUES
from tests.support.clock import NOW
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import CAMPAIGN, Identities, world

ANN, BEN, CEM, DEA = (f"{name}@example.org" for name in ("ann", "ben", "cem", "dea"))


@pytest.fixture
async def tasks() -> AsyncIterator[CloudTasksServer]:
    busy = httpx.MockTransport(lambda _request: httpx.Response(409))
    async with CloudTasksServer(clock=lambda: NOW, transport=busy) as server:
        yield server


@pytest.fixture
def cloud(emulator: str, project: str, tasks: CloudTasksServer) -> dict[str, str]:
    """The settings of a deployment that has the server's secrets."""
    return {
        "STORE": "firestore",
        "FIRESTORE_PROJECT": project,
        "TASKS": "cloud_tasks",
        "TASKS_QUEUES": QUEUES,
        "DELIVER_URL": "https://deliver.example.org/v1/tasks/deliver",
        "DELIVER_AUDIENCE": "https://deliver.example.org",
        "TASKS_SERVICE_ACCOUNT": "queue@undersign.iam.gserviceaccount.com",
        "CLOUD_TASKS_EMULATOR_HOST": tasks.host,
    }


async def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], str, dict[str, str]]:
    """Run a server until four people have signed, and stop it; return its count, Ben's link, and its secrets.

    Ann has confirmed, Ben has his mail, Cem has withdrawn, which waits to be noted, and Dea's signature still
    waits to be delivered.
    """
    async with world(folder, monkeypatch) as here:
        await here.press(await here.sign_and_deliver(email=ANN, country="FR", partner="digital-rights"))
        ben = await here.sign_and_deliver(email=BEN)
        cem = await here.sign_and_deliver(email=CEM, country="IT")
        await here.press(cem)
        await here.press(here.outbox.received()[0], "withdraw")
        await here.snapshot()
        await here.sign(email=DEA)
        await here.funnels()
        secrets = {name: os.environ[name] for name in here.identities.environment()}
        return await here.count(), ben.links["confirm"], secrets


async def test_counts_links_and_waiting_tasks_go_on_at_google(
    tmp_path: Path, cloud: dict[str, str], tasks: CloudTasksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count is equal, Ben confirms with the link that he has, and Dea is mailed."""
    count, ben, secrets = await served(tmp_path / "server", monkeypatch)
    async with world(tmp_path / "new", monkeypatch, **{**cloud, **secrets}) as there:
        moved = await run("move", tmp_path / "server", "--yes")
        assert moved.exit_code == 0, moved.output
        assert f"Moved to the database (default) of project {cloud['FIRESTORE_PROJECT']}" in moved.output
        assert await there.count() == count

        assert (await there.client.post(ben, headers={"Accept": "application/json"})).status_code == 200
        for task in [task for task in tasks.created if "/signatures/" in task.name]:
            await there.client.post("/v1/tasks/deliver", content=task.http_request.body)

        assert (await there.count())["total"] == count["total"] + 1
        assert there.outbox.received()[0].to == DEA
        audit = await run("audit", CAMPAIGN)
        assert audit.exit_code == 0, audit.output


async def test_can_be_interrupted_and_repeated(
    tmp_path: Path, cloud: dict[str, str], tasks: CloudTasksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cloud Tasks fails in the middle: the second run moves the rest, and a third one nothing."""
    count, _, secrets = await served(tmp_path / "server", monkeypatch)
    async with world(tmp_path / "new", monkeypatch, **{**cloud, **secrets}) as there:
        tasks.fail_with = grpc.StatusCode.PERMISSION_DENIED
        assert isinstance((await run("move", tmp_path / "server", "--yes")).exception, QueueUnavailable)
        tasks.fail_with = None
        assert (await run("move", tmp_path / "server", "--yes")).exit_code == 0
        moved = len(tasks.created)
        assert (await run("move", tmp_path / "server", "--yes")).exit_code == 0

        assert await there.count() == count
        assert len(tasks.created) == moved
        # By their bodies: after a timeout, Cloud Tasks may have one twice.
        queues = {task.http_request.body: task.name.split("/")[-3] for task in tasks.created}
        assert sorted(queues.values()) == ["presses", "reminders", "reminders", "reminders", "signatures"]
        due = {bool(task.schedule_time) for task in tasks.created if "/reminders/" in task.name}
        assert due == {True}


async def test_keeps_what_the_organisers_decided_and_every_statistic(
    tmp_path: Path, cloud: dict[str, str], tasks: CloudTasksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overlay, history, funnel, dead letters, and what each mail domain was mailed."""
    _, _, secrets = await served(tmp_path / "server", monkeypatch)
    async with world(tmp_path / "server", monkeypatch, **secrets) as here:
        old = SqliteMaintenance(tmp_path / "server" / "store.db")
        await old.change_overlay(CAMPAIGN, lambda known: known.model_copy(update={"paused": True}))
        await old.add_dead_letter("7", b"body", "unopenable", NOW)
        before = await everything(old)
        [[domain, caps]] = await old.database.run(
            lambda database: database.execute("SELECT domain, document FROM domains").fetchall()
        )
        old.close()
        del here
    for name, value in {**cloud, **secrets}.items():
        monkeypatch.setenv(name, value)

    assert (await run("move", tmp_path / "server", "--yes")).exit_code == 0

    new = FirestoreMaintenance(cloud["FIRESTORE_PROJECT"], "(default)")
    assert await everything(new) == before
    [letter] = await new.database.query("dead_letters")
    assert (letter.id, letter.get("body")) == ("7", b"body")
    [moved] = await new.database.query(f"campaigns/{CAMPAIGN}/domains")
    assert (moved.id, DOMAIN.validate_python(moved.to_dict())) == (domain, DOMAIN.validate_json(caps))
    new.close()


async def everything(store: Maintenance) -> list[Any]:
    return [
        await store.overlay(CAMPAIGN),
        await store.history(CAMPAIGN, date(2020, 1, 1)),
        dict(await store.funnel(CAMPAIGN)),
        await store.tally(CAMPAIGN),
        [each async for page in store.scan(CAMPAIGN) for each in page],
    ]


async def test_refuses_where_people_have_signed_already(
    tmp_path: Path, cloud: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some could have signed at both, and nobody could tell which of the two counts."""
    _, _, secrets = await served(tmp_path / "server", monkeypatch)
    async with world(tmp_path / "new", monkeypatch, **{**cloud, **secrets}) as there:
        await there.client.post("/v1/tasks/deliver", content=a_task(tmp_path / "server"))

        refused = refusal(await run("move", tmp_path / "server", "--yes"))

    assert refused.startswith(f"{CAMPAIGN}: people have signed at this deployment already")


def a_task(folder: Path) -> bytes:
    with closing(sqlite.connect(folder / "tasks.db", "")) as database:
        [[body]] = database.execute("SELECT body FROM tasks WHERE queue = 'signatures' LIMIT 1")
    assert isinstance(body, bytes)
    return body


async def test_refuses_another_deployments_secrets(
    tmp_path: Path, cloud: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that waits could be opened there, and everybody could sign twice."""
    await served(tmp_path / "server", monkeypatch)
    for name, value in {**cloud, **Identities().environment()}.items():
        monkeypatch.setenv(name, value)

    assert "secrets: see docs/self-hosting.md" in refusal(await run("move", tmp_path / "server", "--yes"))


async def test_refuses_while_the_server_runs(
    tmp_path: Path, cloud: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on taking signatures that nobody moves."""
    async with world(tmp_path / "server", monkeypatch) as here:
        await here.sign_and_deliver(email=ANN)
        for name, value in cloud.items():
            monkeypatch.setenv(name, value)

        refused = refusal(await run("move", tmp_path / "server", "--yes"))

    assert "is in use: stop the server, then run the same again" in refused


def test_names_the_file_that_a_folder_lacks(
    tmp_path: Path, cloud: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is mistyped, as a rule."""
    for name, value in {**cloud, **Identities().environment()}.items():
        monkeypatch.setenv(name, value)

    assert refusal(undersign("move", tmp_path)) == f"{tmp_path} holds no store.db: name the server's LOCAL_FOLDER."
