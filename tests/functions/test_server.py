"""The server for one machine: what it refuses to start with, what it serves, and how it stops."""

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk.store.sqlite import SqliteMaintenance
from functions.server import SCHEDULE
from shared.queue.local import LEASE
from shared.stats.funnel import Dimension, Stage
from shared.web.routes import DeliverPath, health
from tests.support.deployment import PAGE_HEADERS, REPOSITORY, signature
from tests.support.machine import CAMPAIGN, Machine, confirm_path, settings
from tests.support.polling import PATIENCE_SECONDS, until_async
from tests.support.relay import Relay, relay

COUNT = f"/v1/campaigns/{CAMPAIGN}/count"
JSON = {"Accept": "application/json"}
SIGNATURES = f"/v1/campaigns/{CAMPAIGN}/signatures"


def refusal(environment: dict[str, str]) -> str:
    """What a server that does not start prints on standard error."""
    ended = subprocess.run(
        [sys.executable, "-m", "functions.server"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


class TestRefusal:
    def test_names_every_setting_that_is_missing(self) -> None:
        """All at once, whichever function reads it, and where to read on."""
        printed = refusal({})

        missing = {"PUBLIC_URL", "STORE", "TASKS", "LOCAL_FOLDER", "MAIL", "RELAYS", "DELIVER_RECIPIENT"}
        missing |= {"TOKEN_KEYS", "PEPPER", "DELIVER_IDENTITIES"}
        assert set(re.findall(r"^  (\w+): is not set \(", printed, re.M)) == missing
        assert "docs/self-hosting.md" in printed

    def test_names_what_is_for_other_deployments(self, tmp_path: Path) -> None:
        """An outbox that nobody reads, a queue that nobody delivers, a key that anybody may hold."""
        given = settings(tmp_path, 25, TASKS="cloud_tasks", MAIL="outbox", THROWAWAY_RECIPIENT="age1example")

        printed = refusal(given)

        assert set(re.findall(r"^  (\w+): ", printed, re.M)) == {"TASKS", "MAIL", "THROWAWAY_RECIPIENT"}

    def test_names_keys_that_nobody_has_proven(self, tmp_path: Path) -> None:
        """What is sealed to the example's key could be read by nobody."""
        printed = refusal(settings(tmp_path, 25, CAMPAIGNS_FOLDER=str(REPOSITORY / "shared/campaigns")))

        assert '"throwaway" is for local runs' in printed
        assert "Traceback" not in printed

    def test_names_a_folder_that_it_cannot_write_to(self, tmp_path: Path) -> None:
        """As one that Docker has made for root; otherwise no signature would be accepted."""
        (tmp_path / "file").touch()

        printed = refusal(settings(tmp_path, 25, LOCAL_FOLDER=str(tmp_path / "file")))

        assert f"LOCAL_FOLDER: {tmp_path}/file must be a folder that user {os.geteuid()} may write to" in printed

    def test_names_a_port_that_is_taken(self, tmp_path: Path) -> None:
        """In one sentence."""
        given = settings(tmp_path, 25, HOST="192.0.2.1")

        assert f"192.0.2.1:{given['PORT']} cannot be listened on" in refusal(given)


@dataclass
class Running:
    """A server and its relay, and a client that signs through it."""

    machine: Machine
    relay: Relay
    client: httpx.AsyncClient

    async def sign(self, number: int) -> int:
        """Sign once; return the status of the answer."""
        fields = signature(email=f"signer{number}@example.org")
        return (await self.client.post(SIGNATURES, json=fields, headers=PAGE_HEADERS)).status_code

    async def mailed(self, number: int, patience: float = PATIENCE_SECONDS) -> None:
        """Wait until the relay has taken so many mails."""

        async def look() -> bool:
            return len(self.relay.taken) >= number

        await until_async(look, patience)

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Wait until events of this name are in the log, and return them. Every line of the log is an event."""

        async def look() -> list[dict[str, Any]]:
            events = [json.loads(line) for line in self.machine.log.splitlines()]
            return [event for event in events if event["event"] == name]

        return await until_async(look)


@asynccontextmanager
async def serving(folder: Path, **others: str) -> AsyncIterator[Running]:
    """Serve, with all files in `folder`."""
    async with (
        relay() as mails,
        Machine(settings(folder, mails.port, **others), folder / "log") as machine,
        httpx.AsyncClient(base_url=machine.url, trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        yield Running(machine, mails, client)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path) as made:
        yield made


@pytest.fixture(params=["sqlite", "firestore"])
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a store."""
    if request.param == "sqlite":
        return {"STORE": "sqlite"}
    host, project = request.getfixturevalue("emulator"), request.getfixturevalue("project")
    return {"STORE": "firestore", "FIRESTORE_PROJECT": project, "FIRESTORE_EMULATOR_HOST": host}


async def test_a_signature_is_mailed_and_counted(store: dict[str, str], tmp_path: Path) -> None:
    """Through a relay over SMTP; the counter is read again every few seconds."""
    async with serving(tmp_path, **store) as running:
        accepted = await running.sign(1)
        await running.mailed(1)

        pressed = await running.client.post(confirm_path(running.relay.taken[0]), headers=JSON)

        async def counted() -> bool:
            return bool((await running.client.get(COUNT)).json()["total"] == 1)

        assert (accepted, pressed.json()) == (202, {"status": "confirmed"})
        assert await until_async(counted)


async def test_what_the_desk_changes_takes_effect(running: Running, tmp_path: Path) -> None:
    """Without reaching PUBLIC_URL, which is a proxy's address that a machine may not reach from inside."""
    store = SqliteMaintenance(tmp_path / "data/store.db")
    await store.change_overlay(CAMPAIGN, lambda overlay: overlay.model_copy(update={"paused": True}))
    store.close()

    async def refused() -> bool:
        return await running.sign(1) == HTTPStatus.CONFLICT

    assert await until_async(refused)


async def test_nothing_is_served_that_is_not_public(running: Running) -> None:
    """Neither deliver, which is called within the process, nor the outbox of the development server."""
    paths = [*DeliverPath, health("deliver"), "/dev/mail", "/dev/mail.json"]

    answers = [await ask(path) for path in paths for ask in (running.client.get, running.client.post)]

    assert {answer.status_code for answer in answers} == {404}


async def test_every_line_of_the_log_is_an_event_without_what_a_client_sent(running: Running) -> None:
    """So are the warnings of libraries, and a path is never written: it may hold a token."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.machine.url.rpartition(":")[2]))
    writer.write(b"GET /v1/confirm/secret\r\nnonsense\r\n\r\n")
    await reader.read()
    writer.close()
    await running.client.get("/v1/confirm/secret")

    assert [event["severity"] for event in await running.events("library")] == ["WARNING"]
    assert "secret" not in running.machine.log


async def test_stopping_ends_what_is_under_way(running: Running, tmp_path: Path) -> None:
    """No mail is sent twice or an hour late, the next start goes on with the rest, and the funnel is whole."""
    accepted = await asyncio.gather(*(running.sign(number) for number in range(50)))
    await running.mailed(1)

    await running.machine.stop()
    before = len(running.relay.taken)
    async with running.machine:
        await running.mailed(50)

    store = SqliteMaintenance(tmp_path / "data/store.db")
    funnel = await store.funnel(CAMPAIGN)
    store.close()
    assert set(accepted) == {202}
    assert before < 50
    assert sum(number for key, number in funnel.items() if key[1:3] == (Stage.MAILED, Dimension.ALL)) == 50
    assert len({envelope.rcpt_tos[0] for envelope in running.relay.taken}) == len(running.relay.taken) == 50


async def test_a_full_disk_refuses_and_loses_nothing(running: Running, tmp_path: Path) -> None:
    """Signers are asked to try again, and what was accepted before is mailed."""
    accepted = [await running.sign(1)]
    await running.mailed(1)
    size = max(file.stat().st_size for file in (tmp_path / "data").iterdir())
    unlimited = resource.prlimit(
        running.machine.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)
    )

    async def refused() -> bool:
        accepted.append(await running.sign(len(accepted) + 1))
        return accepted[-1] == HTTPStatus.SERVICE_UNAVAILABLE

    assert await until_async(refused)
    resource.prlimit(running.machine.process.pid, resource.RLIMIT_FSIZE, unlimited)

    # The queue could not note that a delivery had failed, which is tried again when its lease has run out.
    await running.mailed(accepted.count(HTTPStatus.ACCEPTED), LEASE.total_seconds() + PATIENCE_SECONDS)


async def test_its_files_are_for_its_owner_alone(running: Running, tmp_path: Path) -> None:
    """Tasks hold sealed addresses, the store holds digests of them."""
    await running.sign(1)
    await running.mailed(1)

    files = [tmp_path / "data", *(tmp_path / "data").iterdir()]

    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_it_calls_what_cloud_scheduler_calls() -> None:
    """As often, as infra/scheduler.tf says in the form of cron."""
    jobs = re.findall(r"(\w+) += { cron = \"(\S+) ", (REPOSITORY / "infra/scheduler.tf").read_text())

    minutes = {job: 60 if minute == "0" else int(minute.removeprefix("*/")) for job, minute in jobs}

    assert {f"/v1/tasks/{job}": 60 * number for job, number in minutes.items()} == SCHEDULE
