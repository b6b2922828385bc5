"""Somebody asks what is kept of them, or wants it gone: found, answered whole, removed without a trace."""

import asyncio
import base64
import json
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk import runtime
from desk.main import main
from desk.store.maintenance import Found
from desk.store.sqlite import SqliteMaintenance
from desk.terminal import prompts
from shared.clock import utc_now
from shared.databases import sqlite
from shared.errors import StoreUnavailable
from shared.models.messages import DeferredPress
from shared.queue import QueueName
from shared.store.entities import Address
from tests.desk.commands import refusal, run, undersign
from tests.shared.queue.test_queue_contract import QUEUES
from tests.support.clock import NOW
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import (
    CAMPAIGN,
    PUBLIC_URL,
    SIGNATURES,
    Identities,
    World,
    campaign_file,
    signature,
    world,
)
from tests.support.servers import Server, server

ANN = "Ann.Smith+petition@example.org"


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
            "TASKS_QUEUES": QUEUES,
            "DELIVER_URL": f"{PUBLIC_URL}/v1/tasks/deliver",
            "DELIVER_AUDIENCE": "https://deliver.example.org",
            "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
            "SPOOL_PROJECT": campaign_id,
            "SPOOL_DATABASE": "(default)",
        }
        async with world(tmp_path / "var", monkeypatch, **environment) as made:
            yield made
            await made.functions["deliver"].deps.sweeper.aclose()


async def confirmed(here: World, **fields: Any) -> None:
    """Signed, delivered and confirmed, whatever the queue; the reminder waits in it for a day."""
    await here.sign(**fields)
    async for _, body in waiting():
        await here.client.post("/v1/tasks/deliver", content=body)
    await here.press(here.outbox.received()[0])
    await here.funnels()  # whose log would come between what the desk prints


async def waiting() -> AsyncIterator[tuple[str, bytes]]:
    """Every task in any queue, as the desk lists them."""
    rights = runtime.rights()
    listed = [task for queue in rights.queues.values() async for task in queue.tasks()]
    for queue in rights.queues.values():
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
        assert "is no email address" in refusal(await run("access", "bob"))
        assert "There is no campaign yours" in refusal(await run("access", ANN, "--campaign", "yours"))


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
        press = DeferredPress(purpose="confirm", token=token, pressed_at=NOW)
        await here.functions["confirm"].deps.envelopes.send(press, not_before=NOW + timedelta(days=1))

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

        assert "There is no campaign yours" in refusal(await run("erase", ANN, "--yes", "--campaign", "yours"))
        await run("erase", ANN, "--yes", "--campaign", CAMPAIGN)

        assert (await here.count())["total"] == 0


@contextmanager
def held(file: Path, begin: str) -> Iterator[None]:
    """Somebody else is in the file: BEGIN reads it as it is now, BEGIN IMMEDIATE is about to write."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(begin)
        other.execute("SELECT * FROM sqlite_schema").fetchone()
        yield


@pytest.fixture
async def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A deployment on one's own machine, whose desk has little patience with files that are busy."""
    monkeypatch.chdir(tmp_path)
    async with world(tmp_path / "var", monkeypatch) as made:
        await confirmed(made, email=ANN)
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        yield made


class TestErasureThatIsHeldUp:
    """Whatever is in the way: what is gone is told, what is left is told, and the same command goes on."""

    async def test_says_that_traces_are_left_until_they_are_gone(self, local: World) -> None:
        """While somebody reads, as a long audit does, removed bytes cannot be overwritten."""
        digest = runtime.rights().digester.address(CAMPAIGN, ANN).digest.encode()
        with held(local.folder / "store.db", "BEGIN"):
            first = await run("erase", ANN, "--yes", "--receipt", "first.txt")
            second = await run("erase", ANN, "--yes", "--receipt", "second.txt")
            left = [file for file in local.folder.glob("store.db*") if digest in file.read_bytes()]

        third = await run("erase", ANN, "--yes", "--receipt", "third.txt")

        receipts = [Path(f"{name}.txt").read_text() for name in ("first", "second", "third")]
        assert [done.exit_code for done in (first, second, third)] == [1, 1, 0]
        assert ["signature was removed" in receipt for receipt in receipts] == [True, False, False]
        assert ["has left traces in" in receipt for receipt in receipts] == [True, True, False]
        assert ["Nothing was kept" in receipt for receipt in receipts] == [False, False, True]
        assert "Run the same command again, with another file" in first.stderr
        assert left
        assert [file for file in local.folder.glob("store.db*") if digest in file.read_bytes()] == []

    async def test_removes_from_the_store_while_the_queue_is_away(self, local: World) -> None:
        """And finds the rest when it is back."""
        with held(local.folder / "tasks.db", "BEGIN IMMEDIATE"):
            first = await run("erase", ANN, "--yes")
        waits = [task async for task in waiting()]

        second = await run("erase", ANN, "--yes")

        assert (first.exit_code, second.exit_code) == (1, 0)
        assert "confirmed signature was removed, and taken off the count" in first.stdout
        assert re.search("NOT finished.*\n  - the queue in .*tasks.db: ", first.stdout)
        assert "that waited" not in first.stdout
        assert "that waited in the queue w" in second.stdout
        assert (len(waits) > 0, [task async for task in waiting()]) == (True, [])

    async def test_removes_from_the_queue_while_the_store_is_away(self, local: World) -> None:
        """What was seen and may be there still is named."""
        with held(local.folder / "store.db", "BEGIN IMMEDIATE"):
            first = await run("erase", ANN, "--yes")

        second = await run("erase", ANN, "--yes")

        assert (first.exit_code, second.exit_code) == (1, 0)
        assert f"campaign {CAMPAIGN}: the confirmed signature was found, and may be there still" in first.stdout
        assert "signature was removed" not in first.stdout
        assert "that waited in the queue w" in first.stdout
        assert "confirmed signature was removed, and taken off the count" in second.stdout
        assert (await local.count())["total"] == 0

    async def test_finds_that_a_commit_without_an_answer_went_through(
        self, local: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is told as removed, for it was seen before and is not there now."""
        forget = SqliteMaintenance.forget
        answers = [StoreUnavailable("DeadlineExceeded")]

        async def silent(records: SqliteMaintenance, address: Address) -> Found:
            found = await forget(records, address)
            if answers:
                raise answers.pop()
            return found

        monkeypatch.setattr(SqliteMaintenance, "forget", silent)

        done = await run("erase", ANN, "--yes")

        assert (done.exit_code, answers) == (0, [])
        assert "confirmed signature was removed, and taken off the count" in done.stdout

    async def test_tells_what_is_gone_also_when_it_is_broken_off(
        self, local: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody loses patience, and presses Ctrl-C."""

        async def interrupted(_: SqliteMaintenance) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(SqliteMaintenance, "overwrite", interrupted)

        done = await run("erase", ANN, "--yes", "--receipt", "receipt.txt")

        assert done.exit_code != 0
        assert "confirmed signature was removed" in Path("receipt.txt").read_text()
        assert "it was broken off" in Path("receipt.txt").read_text()

    def test_says_what_to_do_where_nothing_answers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing was done then, and no receipt is left behind."""
        (tmp_path / "store.db").mkdir()
        local = {"STORE": "sqlite", "TASKS": "local", "LOCAL_FOLDER": str(tmp_path), **Identities().environment()}
        for name, value in local.items():
            monkeypatch.setenv(name, value)
        receipt = tmp_path / "receipt.txt"
        monkeypatch.setattr("sys.argv", ["undersign", "erase", ANN, "--yes", "--receipt", str(receipt)])

        with pytest.raises(SystemExit) as ended:
            main()

        assert ended.value.code == 2
        assert "Run the same command again; it goes on where it stopped." in capsys.readouterr().err
        assert not receipt.exists()


class TestParked:
    async def test_is_found_and_removed_like_what_waits(self, here: World) -> None:
        """A task that nobody could open for a day lies in the store; that of others stays."""
        await here.sign(email=ANN)
        await here.sign(email="bob@example.org")
        store = here.functions["deliver"].deps.store
        bodies = [body async for _, body in waiting()]
        for number, body in enumerate(bodies):
            await store.add_dead_letter(f"t{number}", body, "Unopenable", NOW)

        kept = await run("access", ANN)
        done = await run("erase", ANN, "--yes")

        [answer] = json.loads(kept.stdout)
        assert (answer["waiting_in_the_queue"], answer["put_aside"]) == (1, 1)
        assert "1 task that waited in the queue was removed" in done.stdout
        assert "1 task that had been put aside was removed" in done.stdout
        rights = runtime.rights()
        async with aclosing(rights.dead_letters):
            assert len([task async for task in rights.dead_letters.tasks()]) == len(bodies) - 1

    async def test_is_told_where_nobody_can_open_it(self, here: World) -> None:
        """How many, and until when; it is no reason to run the command again."""
        await here.functions["deliver"].deps.store.add_dead_letter("t", b"not a task", "Unopenable", NOW)
        await here.functions["sign"].deps.envelopes._queue.enqueue(QueueName.SIGNATURES, b"not a task")

        kept = await run("access", ANN)
        done = await run("erase", ANN, "--yes")

        assert done.exit_code == 0
        until = (utc_now() + timedelta(days=31)).date()
        for text in (kept.stderr, done.stdout):
            assert re.search("In the queue .*: 1 task that no key of deliver's opens.* kept for 31 days", text)
            assert re.search(f"put aside: 1 task that no key of deliver's opens.* until {until} at most", text)


class TestCampaignFile:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where the desk looks for campaign files, with one in it that is nobody's."""
        folder = tmp_path / "campaigns"
        campaign_file(folder, "other")
        return folder

    async def test_that_is_missing_keeps_nothing_from_being_found(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is stored is found by its campaign's id; who receives it is in the file."""
        await confirmed(here, email=ANN)
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

        kept = await run("access", ANN)
        done = await run("erase", ANN, "--yes")

        [answer] = json.loads(kept.stdout)
        assert (answer["campaign"], answer["signature"]["status"]) == (CAMPAIGN, "confirmed")
        assert "The file of this campaign is missing" in answer["note"]
        assert f"Campaign {CAMPAIGN}, whose file is missing:" in done.stdout
        assert "signature was removed, and taken off the count" in done.stdout
        assert (await here.count())["total"] == 0
        assert "Nothing is kept" in (await run("access", ANN)).stdout

    async def test_that_is_missing_may_be_asked_for_by_its_id(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As every campaign; a fault names it among those there are."""
        await confirmed(here, email=ANN)
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

        assert "There are: other, reclaim-your-face." in refusal(await run("access", ANN, "--campaign", "yours"))
        assert json.loads((await run("access", ANN, "--campaign", CAMPAIGN)).stdout)
        assert "signature was" not in (await run("erase", ANN, "--yes", "--campaign", "other")).stdout
        assert "signature was removed" in (await run("erase", ANN, "--yes", "--campaign", CAMPAIGN)).stdout

    async def test_that_is_missing_is_known_from_a_task(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where nothing was stored yet."""
        await here.sign(email=ANN)
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

        done = await run("erase", ANN, "--yes")

        assert f"Campaign {CAMPAIGN}, whose file is missing:" in done.stdout
        assert [task async for task in waiting()] == []

    async def test_that_does_not_load_is_named_and_stands_in_nobodys_way(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither in its own campaign nor in others."""
        await confirmed(here, email=ANN)
        campaign_file(folder, CAMPAIGN).write_text("goal = many\n")
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

        kept = await run("access", ANN)
        done = await run("erase", ANN, "--yes")

        assert "does not load" in json.loads(kept.stdout)[0]["note"]
        assert f"The file of campaign {CAMPAIGN} does not load" in kept.stderr
        assert f"{CAMPAIGN}.toml:1" in done.stderr
        assert f"Campaign {CAMPAIGN}, whose file does not load:" in done.stdout
        assert "Nothing is kept" in (await run("access", ANN)).stdout


class TestFiles:
    async def test_that_are_there_are_not_written_over(self, here: World) -> None:
        """A key, for instance; and nothing is erased without the receipt that was asked for."""
        await confirmed(here, email=ANN)
        Path("key.txt").write_text("secret")
        Path("key.txt").chmod(0o644)

        assert "exists already: choose another name" in refusal(await run("access", ANN, "--to", "key.txt"))
        assert "exists already: choose another name" in refusal(
            await run("erase", ANN, "--yes", "--receipt", "key.txt")
        )

        assert Path("key.txt").read_text() == "secret"
        assert (await here.count())["total"] == 1

    async def test_are_for_their_owners_eyes_only(self, here: World) -> None:
        """A receipt, too."""
        await run("erase", ANN, "--yes", "--receipt", "receipt.txt")

        assert Path("receipt.txt").stat().st_mode & 0o077 == 0

    async def test_are_not_left_empty(self, here: World) -> None:
        """Where the command could not begin."""
        await run("erase", ANN, "--yes", "--campaign", "yours", "--receipt", "receipt.txt")

        assert not Path("receipt.txt").exists()


class TestAddress:
    async def test_may_come_by_standard_input(self, here: World) -> None:
        """Others on this machine see what stands on the command line."""
        await confirmed(here, email=ANN)

        kept = await run("access", "-", typed=f"{ANN}\n")
        done = await run("erase", "-", typed=f"{ANN}\ny\n")

        assert json.loads(kept.stdout)[0]["campaign"] == CAMPAIGN
        assert "signature was removed" in done.stdout
        assert "example.org" not in done.stdout

    async def test_is_asked_for_at_a_terminal(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not on standard output, which may be a file."""
        await confirmed(here, email=ANN)
        monkeypatch.setattr(prompts, "at_terminal", lambda: True)

        kept = await run("access", "-", typed=f"{ANN}\n")

        assert "The email address" in kept.stderr
        assert "The email address" not in kept.stdout
        assert '"status": "confirmed"' in kept.stdout

    async def test_that_nobody_gives_is_missed(self, here: World) -> None:
        """There is no terminal, and nothing on standard input."""
        assert "no terminal to ask for the address at" in refusal(await run("access", "-"))


async def test_a_receipt_names_what_was_searched(here: World, campaign_id: str) -> None:
    """So that nobody certifies for one deployment what was done in another."""
    done = await run("erase", ANN, "--yes")

    [searched] = [line for line in done.stdout.splitlines() if line.startswith("Searched: ")]
    if os.environ["STORE"] == "sqlite":
        assert f"{here.folder}/store.db of this machine; the queue in {here.folder}/tasks.db" in searched
    else:
        queues = "; ".join(f"the queue {QUEUES}/{name}" for name in QueueName)
        assert f"the database (default) of project {campaign_id}; {queues}; the spool in" in searched


async def test_a_receipt_counts_in_english(local: World) -> None:
    """One mail is no "1 mails", one task was removed, two were."""
    done = await run("erase", ANN, "--yes")

    assert "the record of 1 mail was removed" in done.stdout
    assert not re.search(r"\b1 \w+s\b", done.stdout)


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
        kept = await rights.maintenance.find(address)
        assert kept.signature
        for submission in kept.signature.submissions:
            found["sealed"] = base64.urlsafe_b64encode(submission.sealed)[:200]
            found["submission"] = submission.id.encode()
        for queue in rights.queues.values():
            async for name, body in queue.tasks():
                found[f"task {name}"] = body[20:200]
            await queue.aclose()

    asyncio.run(sealed())
    rights.maintenance.close()
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
        store = SqliteMaintenance(running.folder / "store.db")
        assert asyncio.run(store.tally(CAMPAIGN)).total == 2
        store.close()
