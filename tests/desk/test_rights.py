"""Somebody asks what is kept of them, or wants it gone: found, answered whole, removed without a trace."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from shared import runtime
from shared.models import Press
from shared.store.sqlite_records import SqliteRecords
from tests.cloud_tasks_server import CloudTasksServer
from tests.conftest import NOW
from tests.desk.commands import told, undersign
from tests.servers import Server, server
from tests.tasks.test_queue_contract import QUEUE
from tests.world import CAMPAIGN, PUBLIC_URL, SIGNATURES, World, signature, world

ANN = "Ann.Smith+petition@example.org"


async def run(*command: str | Path, typed: str = "") -> Result:
    """As `undersign`, beside a running event loop."""
    return await asyncio.to_thread(undersign, *command, typed=typed)


@pytest.fixture(params=["local", "cloud"])
async def here(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, campaign_id: str
) -> AsyncIterator[World]:
    """A deployment on one's own machine, and one on Firestore, Cloud Tasks and a spool."""
    monkeypatch.chdir(tmp_path)
    if request.param == "local":
        async with world(tmp_path / "var", monkeypatch) as made:
            yield made
        return
    request.getfixturevalue("emulator")
    async with CloudTasksServer(clock=lambda: NOW) as tasks:
        environment = {
            "STORE": "firestore",
            "FIRESTORE_PROJECT": campaign_id,
            "TASKS": "cloud_tasks",
            "CLOUD_TASKS_EMULATOR_HOST": tasks.host,
            "TASKS_QUEUE": QUEUE,
            "DELIVER_URL": f"{PUBLIC_URL}/v1/tasks/deliver",
            "DELIVER_AUDIENCE": "https://deliver.example.org",
            "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
            "SPOOL_PROJECT": campaign_id,
            "SPOOL_DATABASE": "(default)",
        }
        async with world(tmp_path / "var", monkeypatch, **environment) as made:
            yield made
            await made.functions["deliver"].service.sweeper.aclose()


async def confirmed(here: World, **fields: Any) -> None:
    """Signed, delivered and confirmed, whatever the queue; the reminder waits in it for a day."""
    await here.sign(**fields)
    async for _, body in waiting():
        await here.client.post("/v1/tasks/deliver", content=body)
    await here.press(here.outbox.received()[0])


async def waiting() -> AsyncIterator[tuple[str, bytes]]:
    """Every task in any queue, as the desk lists them."""
    rights = runtime.rights()
    listed = [task for queue in rights.queues async for task in queue.tasks()]
    for queue in rights.queues:
        await queue.aclose()
    for task in listed:
        yield task


class TestAccess:
    async def test_tells_all_that_is_kept(self, here: World) -> None:
        """However the address is written; what is sealed with a key of the campaign, and how to complain."""
        await confirmed(here, email=ANN, name="Ann Smith", partner="digital-rights", newsletter=True, country="FR")
        Path("key.txt").write_text(str(here.identities.campaign))

        told = await run("access", ANN.upper().replace("ANN", "Ann"), "-i", "key.txt")

        [answer] = json.loads(told.output)
        assert (answer["campaign"], answer["signature"]["status"]) == (CAMPAIGN, "confirmed")
        [signed] = answer["signature"]["signed"]
        assert (signed["country"], signed["partner"], signed["newsletter"]) == ("FR", "digital-rights", True)
        assert (signed["sealed"]["name"], signed["sealed"]["email"]) == ("Ann Smith", ANN)
        assert [mail["what"] for mail in answer["mails"]] == ["confirm"]
        assert "Berlin Commissioner" in answer["complain_to"]
        assert answer["waiting_in_the_queue"] >= 1

    async def test_without_a_key_says_what_needs_one(self, here: World) -> None:
        """The rest can be told by anybody at the desk."""
        await confirmed(here, email=ANN, name="Ann Smith")

        told = await run("access", ANN)

        assert "Ann Smith" not in told.output
        assert "only a key of the campaign opens" in told.output

    async def test_writes_a_file_to_give_away(self, here: World) -> None:
        """For nobody else's eyes on this machine."""
        await confirmed(here, email=ANN)

        await run("access", ANN, "--to", "answer.json")

        assert json.loads(Path("answer.json").read_text())[0]["campaign"] == CAMPAIGN
        assert Path("answer.json").stat().st_mode & 0o077 == 0

    async def test_of_a_stranger_finds_nothing(self, here: World) -> None:
        """And says so; what is no address, and what is no campaign, is told."""
        await confirmed(here, email=ANN)

        assert "Nothing is kept" in (await run("access", "bob@example.org")).output
        assert "is no email address" in told(await run("access", "bob"))
        assert "There is no campaign yours" in told(await run("access", ANN, "--campaign", "yours"))


class TestErase:
    async def test_removes_everything_and_takes_it_off_the_count(self, here: World) -> None:
        """Record, mailbox and the tasks that wait; others' stay. The receipt does not repeat the address."""
        await confirmed(here, email="bob@example.org")
        await confirmed(here, email=ANN)
        others = 1 + len([task async for task in waiting()]) // 2

        done = await run("erase", ANN, "--yes", "--receipt", "receipt.txt")

        receipt = Path("receipt.txt").read_text()
        assert "confirmed signature was removed, and taken off the count" in receipt
        assert re.search(r"[1-9] tasks that waited in the queue were removed", receipt)
        assert "backups hold it until" in receipt
        assert "example.org" not in receipt
        assert receipt.splitlines()[0] in done.output
        assert (await here.count())["total"] == 1
        assert "Nothing is kept" in (await run("access", ANN)).output
        assert 1 <= len([task async for task in waiting()]) <= others
        assert "bob" in str([mail.to for mail in here.outbox.received()])
        assert ANN not in str([mail.to for mail in here.outbox.received()])

    async def test_leaves_no_task_that_brings_it_back(self, here: World) -> None:
        """Signed once more, and still in the queue when it is erased."""
        await confirmed(here, email=ANN)
        await here.sign(email=ANN)
        late = [body async for _, body in waiting()]

        await run("erase", ANN, "--yes")

        assert len(late) >= 2
        assert [task async for task in waiting()] == []

    async def test_finds_a_press_that_waits(self, here: World) -> None:
        """A button that was pressed while the database was away: the token in it names the digest."""
        await here.sign(email=ANN)
        async for _, body in waiting():
            await here.client.post("/v1/tasks/deliver", content=body)
        token = here.outbox.received()[0].links["confirm"].rsplit("/", 1)[1]
        press = Press(purpose="confirm", token=token, pressed_at=NOW)
        await here.functions["confirm"].service.envelopes.send(press, not_before=NOW + timedelta(days=1))

        await run("erase", ANN, "--yes")

        assert [task async for task in waiting()] == []

    async def test_asks_first(self, here: World) -> None:
        """There is no way back."""
        await confirmed(here, email=ANN)

        refused = await run("erase", ANN, typed="n\n")

        assert refused.exit_code != 0
        assert (await here.count())["total"] == 1

    async def test_of_a_stranger_changes_nothing(self, here: World) -> None:
        """The receipt says that nothing was kept."""
        await confirmed(here, email=ANN)

        done = await run("erase", "bob@example.org", "--yes")

        assert "Nothing was kept" in done.output
        assert (await here.count())["total"] == 1

    async def test_stays_within_one_campaign_where_it_is_told_to(self, here: World) -> None:
        """Somebody may want to be gone from one petition and stay on another."""
        await confirmed(here, email=ANN)

        assert "There is no campaign yours" in told(await run("erase", ANN, "--yes", "--campaign", "yours"))
        await run("erase", ANN, "--yes", "--campaign", CAMPAIGN)

        assert (await here.count())["total"] == 0


def traces(running: Server) -> dict[str, bytes]:
    """Everything by which the address could be found again: as typed, digested, and each way it was sealed."""
    environment = json.loads((running.folder / "secrets.json").read_text())
    found = {"plain": ANN.encode(), "lower": ANN.lower().encode(), "name": b"Zebedee"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, "LOCAL_FOLDER": str(running.folder)}.items():
            patch.setenv(name, value)
        rights = runtime.rights()
    address = rights.digester.address(CAMPAIGN, ANN)
    found |= {"digest": address.digest.encode(), "mailbox": address.mailbox.encode()}

    async def sealed() -> None:
        kept = await rights.records.find(address)
        assert kept.signature
        for submission in kept.signature.submissions:
            found["sealed"] = base64.urlsafe_b64encode(submission.sealed)[:200]
            found["submission"] = submission.id.encode()
        for queue in rights.queues:
            async for name, body in queue.tasks():
                found[f"task {name}"] = body[20:200]
            await queue.aclose()

    asyncio.run(sealed())
    rights.records.close()
    return found


def places(running: Server, trace: bytes) -> list[str]:
    """The files of the deployment that hold these bytes: store, queue, their logs, outbox, the server's log."""
    return [
        file.relative_to(running.folder).as_posix()
        for file in sorted(running.folder.rglob("*"))
        if file.is_file() and trace in file.read_bytes()
    ]


def test_no_trace_of_an_erased_address_is_left_in_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searched byte for byte, while the server goes on: plain, sealed and digested. Others' signatures stay."""
    with server(tmp_path / "var") as running:
        for number, email in enumerate(["bob@example.org", ANN, "cleo@example.org"]):
            body = signature(email=email, name="Zebedee" if email == ANN else f"Bob {number}")
            httpx.post(f"{running.url}{SIGNATURES}", json=body, trust_env=False).raise_for_status()
            link = running.mail_to(email).links["confirm"]
            httpx.post(link, headers={"Accept": "application/json"}, trust_env=False).raise_for_status()
        hers = traces(running)
        before = {what: places(running, trace) for what, trace in hers.items()}
        monkeypatch.setenv("LOCAL_FOLDER", str(running.folder))

        done = undersign("erase", ANN, "--yes")

        assert done.exit_code == 0, done.output
        after = {what: places(running, trace) for what, trace in hers.items()}
        for what in ("plain", "digest", "mailbox", "sealed"):
            assert before[what], f"the search itself finds no {what}"
        others = {what for what in hers if what.startswith("task") and after[what]}
        assert {what: found for what, found in after.items() if found and what not in others} == {}
        assert len(others) == 2
        store = SqliteRecords(running.folder / "store.db", lambda _: 32)
        assert asyncio.run(store.tally(CAMPAIGN)).total == 2
        store.close()
