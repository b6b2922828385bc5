"""Access and erasure: all that is stored about an address is found, disclosed, or removed without a trace."""

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
from typer.testing import Result

from desk import runtime
from desk.main import main
from desk.store.maintenance import Kept
from desk.store.sqlite import SqliteMaintenance
from desk.terminal import prompts
from shared.clock import utc_now
from shared.crypto.sealing import Opener
from shared.databases import sqlite
from shared.errors import StoreUnavailable
from shared.models.messages import DeferredPress
from shared.queue import QueueName
from shared.stats.fall import MAX_WITHDRAWN
from shared.store.entities import Address
from tests.desk.commands import refusal, run, undersign
from tests.shared.queue.test_queue_contract import QUEUES
from tests.support.clock import NOW
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import (
    CAMPAIGN,
    PAGE_HEADERS,
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
    """A local deployment, and one on Firestore, Cloud Tasks and a spool."""
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
    """Sign, deliver and confirm, on any queue; the reminder then waits in it for a day."""
    await here.sign(**fields)
    async for _, body in queued_tasks():
        await here.client.post("/v1/tasks/deliver", content=body)
    await here.press(here.outbox.received()[0])
    await here.funnels()  # or their log lines would mix with the desk's output


async def queued_tasks() -> AsyncIterator[tuple[str, bytes]]:
    """Every task in any queue, as the desk lists them."""
    rights = runtime.rights()
    listed = [task for queue in rights.queues.values() async for task in queue.tasks()]
    for queue in rights.queues.values():
        await queue.aclose()
    for task in listed:
        yield task


def keeps_no_more_than_a_note(printed: Result) -> bool:
    """Whether `access` finds nothing but, perhaps, the note that keeps a backup from bringing it back."""
    if "Nothing is kept" in printed.stdout:
        return True
    [answer] = json.loads(printed.stdout)
    left = {name: answer[name] for name in ("signature", "mails", "waiting_in_the_queue", "put_aside")}
    return bool(answer["note_of_removal"]) and not any(left.values())


class TestAccess:
    async def test_shows_everything_stored_about_an_address(self, here: World) -> None:
        """Any spelling of the address finds it; sealed fields are decrypted, and the authority is named."""
        await confirmed(here, email=ANN, name="Ann Smith", partner="digital-rights", newsletter=True, country="FR")
        Path("key.txt").write_text(str(here.identities.campaign))

        printed = await run("access", ANN.upper().replace("ANN", "Ann"), "-i", "key.txt")

        [answer] = json.loads(printed.stdout)
        assert (answer["campaign"], answer["signature"]["status"]) == (CAMPAIGN, "confirmed")
        [signed] = answer["signature"]["signed"]
        assert (signed["country"], signed["partner"], signed["newsletter"]) == ("FR", "digital-rights", True)
        assert (signed["sealed"]["name"], signed["sealed"]["email"]) == ("Ann Smith", ANN)
        assert [mail["what"] for mail in answer["mails"]] == ["confirm"]
        assert "Berlin Commissioner" in answer["complain_to"]
        assert answer["waiting_in_the_queue"] >= 1

    async def test_takes_an_address_as_it_is_pasted(self, here: World) -> None:
        """From a mail program, with what comes along; it is taken apart as the form does it."""
        await confirmed(here, email=ANN)

        for pasted in (f"Ann Smith <{ANN}>", f"mailto:{ANN}", f"\u200b{ANN},"):
            [answer] = json.loads((await run("access", pasted)).stdout)

            assert answer["signature"]["status"] == "confirmed"

    async def test_quotes_the_consent_text_that_was_agreed_to(self, here: World) -> None:
        """In the language in which it was shown."""
        await confirmed(here, email=ANN, locale="de-AT")

        [answer] = json.loads((await run("access", ANN)).stdout)

        [signed] = answer["signature"]["signed"]
        assert signed["consent"].startswith("Ich unterschreibe diese Petition")

    async def test_without_a_key_says_what_needs_one(self, here: World) -> None:
        """Without a key, it shows everything but the sealed fields, and says that they need one."""
        await confirmed(here, email=ANN, name="Ann Smith")

        printed = await run("access", ANN)

        assert "Ann Smith" not in printed.output
        assert "only a key of the campaign opens" in printed.output

    async def test_writes_the_answer_to_a_private_file(self, here: World) -> None:
        """`--to` writes JSON that only its owner may read."""
        await confirmed(here, email=ANN)

        await run("access", ANN, "--to", "answer.json")

        assert json.loads(Path("answer.json").read_text())[0]["campaign"] == CAMPAIGN
        assert Path("answer.json").stat().st_mode & 0o077 == 0

    async def test_finds_nothing_about_a_stranger(self, here: World) -> None:
        """It says so; a malformed address and an unknown campaign are refused."""
        await confirmed(here, email=ANN)

        assert "Nothing is kept" in (await run("access", "bob@example.org")).output
        assert "is no email address" in refusal(await run("access", "bob"))
        assert "There is no campaign yours" in refusal(await run("access", ANN, "--campaign", "yours"))


class TestErase:
    async def test_removes_everything_and_takes_it_off_the_count(self, here: World) -> None:
        """Record, mailbox and queued tasks go, others' stay, and the receipt does not repeat the address."""
        await confirmed(here, email="bob@example.org")
        await confirmed(here, email=ANN)
        others = 1 + len([task async for task in queued_tasks()]) // 2

        done = await run("erase", ANN, "--yes", "--receipt", "receipt.txt")

        receipt = Path("receipt.txt").read_text()
        assert "confirmed signature was removed, and taken off the count" in receipt
        assert re.search(r"[1-9] tasks that waited in the queue were removed", receipt)
        assert "backups hold it until" in receipt
        assert "example.org" not in receipt
        assert receipt.splitlines()[0] in done.output
        assert (await here.count())["total"] == 1
        assert keeps_no_more_than_a_note(await run("access", ANN))
        assert 1 <= len([task async for task in queued_tasks()]) <= others
        assert "bob" in str([mail.to for mail in here.outbox.received()])
        assert ANN not in str([mail.to for mail in here.outbox.received()])

    async def test_leaves_no_task_that_brings_it_back(self, here: World) -> None:
        """Given an address that signed again and is still in the queue, erasing removes those tasks, too."""
        await confirmed(here, email=ANN)
        await here.sign(email=ANN)
        late = [body async for _, body in queued_tasks()]

        await run("erase", ANN, "--yes")

        assert len(late) >= 2
        assert [task async for task in queued_tasks()] == []

    async def test_removes_a_deferred_press(self, here: World) -> None:
        """A press deferred while the database was unavailable is found by the digest in its token."""
        await here.sign(email=ANN)
        async for _, body in queued_tasks():
            await here.client.post("/v1/tasks/deliver", content=body)
        token = here.outbox.received()[0].links["confirm"].rsplit("/", 1)[1]
        press = DeferredPress(purpose="confirm", token=token, pressed_at=NOW)
        await here.functions["confirm"].deps.envelopes.send(press, not_before=NOW + timedelta(days=1))

        await run("erase", ANN, "--yes")

        assert [task async for task in queued_tasks()] == []

    async def test_asks_for_confirmation(self, here: World) -> None:
        """It cannot be undone, so answering no changes nothing."""
        await confirmed(here, email=ANN)

        refused = await run("erase", ANN, typed="n\n")

        assert refused.exit_code != 0
        assert (await here.count())["total"] == 1

    async def test_changes_nothing_for_a_stranger(self, here: World) -> None:
        """The receipt says that nothing was stored."""
        await confirmed(here, email=ANN)

        done = await run("erase", "bob@example.org", "--yes")

        assert "Nothing was kept" in done.output
        assert (await here.count())["total"] == 1

    async def test_can_be_limited_to_one_campaign(self, here: World) -> None:
        """Somebody may want to leave one petition and stay on another."""
        await confirmed(here, email=ANN)

        assert "There is no campaign yours" in refusal(await run("erase", ANN, "--yes", "--campaign", "yours"))
        await run("erase", ANN, "--yes", "--campaign", CAMPAIGN)

        assert (await here.count())["total"] == 0


class TestEraseMany:
    """`--file`: one pass for many addresses."""

    async def test_removes_each_and_writes_a_receipt_for_each_line(self, here: World) -> None:
        """Records and waiting tasks go, those of others stay, and each receipt speaks of its line alone."""
        for email in (ANN, "bob@example.org", "cleo@example.org"):
            await confirmed(here, email=email)
        await here.sign(email="late@example.org")
        Path("them.txt").write_text(f"{ANN}\n\nlate@example.org\nstranger@example.org\nbob@example.org\n")

        done = await run("erase", "--file", "them.txt", "--receipt", "receipts", "--yes")

        receipts = {path.name: path.read_text() for path in Path("receipts").iterdir()}
        assert done.exit_code == 0, done.output
        assert sorted(receipts) == ["1.txt", "3.txt", "4.txt", "5.txt"]
        for line in ("1.txt", "5.txt"):
            assert receipts[line].count("the confirmed signature was removed, and taken off the count") == 1
        assert "signature was removed" not in receipts["3.txt"]
        assert "1 task that waited in the queue was removed" in receipts["3.txt"]
        assert "Nothing was kept of this address." in receipts["4.txt"]
        assert "example.org" not in done.output + "".join(receipts.values())
        assert "4 of 4 addresses are erased" in done.output
        assert (await here.count())["total"] == 1
        for email in (ANN, "bob@example.org", "late@example.org"):
            assert keeps_no_more_than_a_note(await run("access", email))

    async def test_lowers_the_count_on_purpose(self, local: World) -> None:
        """Many at once take off more than withdrawals do; count and deliver take that for no fault."""
        emails = [ANN, *(f"n{number}@example.org" for number in range(MAX_WITHDRAWN))]
        Path("them.txt").write_text("\n".join(emails))

        await run("erase", "--file", "them.txt", "--receipt", "receipts", "--yes")

        overlay = await local.functions["deliver"].deps.store.overlay(CAMPAIGN)
        assert overlay.lowered_at is not None

    async def test_opens_each_waiting_task_once(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Opening is what takes long: neither a second look nor a second address opens the same task again."""
        await confirmed(here, email="cleo@example.org")
        waiting = len([task async for task in queued_tasks()])
        Path("them.txt").write_text("bob@example.org\ndora@example.org\n")
        opened, plain = list[bytes](), Opener.open

        def counted(opener: Opener, sealed: bytes) -> bytes:
            opened.append(sealed)
            return plain(opener, sealed)

        monkeypatch.setattr(Opener, "open", counted)

        await run("erase", "--file", "them.txt", "--receipt", "receipts", "--yes")

        assert waiting > 0
        assert len(opened) == waiting

    async def test_refuses_a_file_before_anything_is_removed(self, here: World) -> None:
        """A line that is no address is named; and the receipts need a folder that is empty."""
        await confirmed(here, email=ANN)
        Path("them.txt").write_text(f"{ANN}\nbob\n")
        Path("one.txt").write_text(ANN)
        Path("nobody.txt").write_text("\n")
        Path("latin.txt").write_bytes("zoë@example.org".encode("latin-1"))

        assert "them.txt:2: bob is no email address" in refusal(
            await run("erase", "--file", "them.txt", "--receipt", "receipts", "--yes")
        )
        assert "holds no address" in refusal(await run("erase", "--file", "nobody.txt", "--receipt", "r", "--yes"))
        assert "latin.txt is not UTF-8" in refusal(
            await run("erase", "--file", "latin.txt", "--receipt", "r", "--yes")
        )
        assert "Name one address" in refusal(await run("erase", "--file", "one.txt", "--yes"))
        assert "Name one address" in refusal(
            await run("erase", ANN, "--file", "one.txt", "--receipt", "r", "--yes")
        )
        assert "is not empty" in refusal(await run("erase", "--file", "one.txt", "--receipt", "var", "--yes"))
        assert (await here.count())["total"] == 1

    async def test_names_the_lines_that_are_not_finished(self, local: World) -> None:
        """While the store does not answer, every receipt says so, and the same file is erased again later."""
        Path("them.txt").write_text(f"bob@example.org\n{ANN}\n")
        with busy(local.folder / "store.db", "BEGIN IMMEDIATE"):
            first = await run("erase", "--file", "them.txt", "--receipt", "first", "--yes")

        second = await run("erase", "--file", "them.txt", "--receipt", "second", "--yes")

        assert (first.exit_code, second.exit_code) == (1, 0)
        assert "NOT finished: line 1, 2." in first.stdout
        assert "with another folder for the receipts" in first.stderr
        assert "may be there still" in Path("first/2.txt").read_text()
        assert "confirmed signature was removed" in Path("second/2.txt").read_text()


@contextmanager
def busy(file: Path, begin: str) -> Iterator[None]:
    """Keep the file busy from another connection: BEGIN reads a snapshot, BEGIN IMMEDIATE is about to write."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(begin)
        other.execute("SELECT * FROM sqlite_schema").fetchone()
        yield


@pytest.fixture
async def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A local deployment with one confirmed signature, whose desk waits only briefly for busy files."""
    monkeypatch.chdir(tmp_path)
    async with world(tmp_path / "var", monkeypatch) as made:
        await confirmed(made, email=ANN)
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        yield made


class TestInterruptedErasure:
    """Whatever gets in the way, it reports what is gone and what is left, and the same command resumes it."""

    async def test_reports_remaining_traces_until_they_are_gone(self, local: World) -> None:
        """While another process reads, as a long audit does, removed bytes cannot be overwritten."""
        digest = runtime.rights().digester.address(CAMPAIGN, ANN).digest.encode()
        with busy(local.folder / "store.db", "BEGIN"):
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

    async def test_removes_from_the_store_while_the_queue_is_unavailable(self, local: World) -> None:
        """A second run removes the tasks once the queue is back."""
        with busy(local.folder / "tasks.db", "BEGIN IMMEDIATE"):
            first = await run("erase", ANN, "--yes")
        waits = [task async for task in queued_tasks()]

        second = await run("erase", ANN, "--yes")

        assert (first.exit_code, second.exit_code) == (1, 0)
        assert "confirmed signature was removed, and taken off the count" in first.stdout
        assert re.search("NOT finished.*\n  - the queue in .*tasks.db: ", first.stdout)
        assert "that waited" not in first.stdout
        assert "that waited in the queue w" in second.stdout
        assert (len(waits) > 0, [task async for task in queued_tasks()]) == (True, [])

    async def test_removes_from_the_queue_while_the_store_is_unavailable(self, local: World) -> None:
        """The signature that was found is reported as possibly still there."""
        with busy(local.folder / "store.db", "BEGIN IMMEDIATE"):
            first = await run("erase", ANN, "--yes")

        second = await run("erase", ANN, "--yes")

        assert (first.exit_code, second.exit_code) == (1, 0)
        assert f"campaign {CAMPAIGN}: the confirmed signature was found, and may be there still" in first.stdout
        assert "signature was removed" not in first.stdout
        assert "that waited in the queue w" in first.stdout
        assert "confirmed signature was removed, and taken off the count" in second.stdout
        assert (await local.count())["total"] == 0

    async def test_reports_a_removal_whose_answer_was_lost(
        self, local: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The record was there before and is not there now, so it is reported as removed."""
        forget = SqliteMaintenance.forget
        answers = [StoreUnavailable("DeadlineExceeded")]

        async def silent(records: SqliteMaintenance, address: Address) -> Kept:
            found = await forget(records, address)
            if answers:
                raise answers.pop()
            return found

        monkeypatch.setattr(SqliteMaintenance, "forget", silent)

        done = await run("erase", ANN, "--yes")

        assert (done.exit_code, answers) == (0, [])
        assert "confirmed signature was removed, and taken off the count" in done.stdout

    async def test_reports_what_is_gone_when_it_is_interrupted(
        self, local: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After Ctrl-C, the receipt says what was removed and that the command was interrupted."""

        async def interrupted(_: SqliteMaintenance) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(SqliteMaintenance, "overwrite", interrupted)

        done = await run("erase", ANN, "--yes", "--receipt", "receipt.txt")

        assert done.exit_code != 0
        assert "confirmed signature was removed" in Path("receipt.txt").read_text()
        assert "it was broken off" in Path("receipt.txt").read_text()

    def test_says_what_to_do_when_no_store_answers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing was removed, so no receipt is left behind."""
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


class TestDeadLetters:
    async def test_are_found_and_removed_like_queued_tasks(self, here: World) -> None:
        """A task that was dead-lettered after a day of retries is found by its address; others' stay."""
        await here.sign(email=ANN)
        await here.sign(email="bob@example.org")
        store = here.functions["deliver"].deps.store
        bodies = [body async for _, body in queued_tasks()]
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

    async def test_are_reported_when_no_key_opens_them(self, here: World) -> None:
        """The output says how many and until when; erasing still counts as finished."""
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
        """A folder of campaign files that holds a campaign without signatures, and not the one that was signed."""
        folder = tmp_path / "campaigns"
        campaign_file(folder, "other")
        return folder

    async def test_when_missing_hides_no_signature(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Signatures are found by the campaign's id; only their recipients are named in the file."""
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
        assert keeps_no_more_than_a_note(await run("access", ANN))

    async def test_when_missing_can_be_searched_by_campaign_id(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`--campaign` accepts it like any other, and errors list it among the known ones."""
        await confirmed(here, email=ANN)
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

        assert "There are: other, reclaim-your-face." in refusal(await run("access", ANN, "--campaign", "yours"))
        assert json.loads((await run("access", ANN, "--campaign", CAMPAIGN)).stdout)
        assert "signature was" not in (await run("erase", ANN, "--yes", "--campaign", "other")).stdout
        assert "signature was removed" in (await run("erase", ANN, "--yes", "--campaign", CAMPAIGN)).stdout

    async def test_when_missing_is_reported_for_a_queued_task(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A queued task names the campaign, even before anything is stored."""
        await here.sign(email=ANN)
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

        done = await run("erase", ANN, "--yes")

        assert f"Campaign {CAMPAIGN}, whose file is missing:" in done.stdout
        assert [task async for task in queued_tasks()] == []

    async def test_when_invalid_is_reported_and_blocks_nothing(
        self, here: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its error is printed, and its signatures are still found and erased."""
        await confirmed(here, email=ANN)
        campaign_file(folder, CAMPAIGN).write_text("goal = many\n")
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder))

        kept = await run("access", ANN)
        done = await run("erase", ANN, "--yes")

        assert "does not load" in json.loads(kept.stdout)[0]["note"]
        assert f"The file of campaign {CAMPAIGN} does not load" in kept.stderr
        assert f"{CAMPAIGN}.toml:1" in done.stderr
        assert f"Campaign {CAMPAIGN}, whose file does not load:" in done.stdout
        assert keeps_no_more_than_a_note(await run("access", ANN))


class TestFiles:
    async def test_are_never_overwritten(self, here: World) -> None:
        """It might be a key; and nothing is erased without the receipt that was asked for."""
        await confirmed(here, email=ANN)
        Path("key.txt").write_text("secret")
        Path("key.txt").chmod(0o644)

        assert "exists already: choose another name" in refusal(await run("access", ANN, "--to", "key.txt"))
        assert "exists already: choose another name" in refusal(
            await run("erase", ANN, "--yes", "--receipt", "key.txt")
        )

        assert Path("key.txt").read_text() == "secret"
        assert (await here.count())["total"] == 1

    async def test_are_readable_by_their_owner_only(self, here: World) -> None:
        """No other user of the machine may read a receipt."""
        await run("erase", ANN, "--yes", "--receipt", "receipt.txt")

        assert Path("receipt.txt").stat().st_mode & 0o077 == 0

    async def test_are_not_left_empty(self, here: World) -> None:
        """A command that could not begin leaves no receipt."""
        await run("erase", ANN, "--yes", "--campaign", "yours", "--receipt", "receipt.txt")

        assert not Path("receipt.txt").exists()


class TestAddress:
    async def test_may_come_from_standard_input(self, here: World) -> None:
        """Other users of the machine can see the command line."""
        await confirmed(here, email=ANN)

        kept = await run("access", "-", typed=f"{ANN}\n")
        done = await run("erase", "-", typed=f"{ANN}\ny\n")

        assert json.loads(kept.stdout)[0]["campaign"] == CAMPAIGN
        assert "signature was removed" in done.stdout
        assert "example.org" not in done.stdout

    async def test_is_asked_for_at_a_terminal(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The prompt goes to standard error, as standard output may be a file."""
        await confirmed(here, email=ANN)
        monkeypatch.setattr(prompts, "at_terminal", lambda: True)

        kept = await run("access", "-", typed=f"{ANN}\n")

        assert "The email address" in kept.stderr
        assert "The email address" not in kept.stdout
        assert '"status": "confirmed"' in kept.stdout

    async def test_is_required(self, here: World) -> None:
        """Without a terminal and without standard input, the command is refused."""
        assert "no terminal to ask for the address at" in refusal(await run("access", "-"))


async def test_a_receipt_names_what_was_searched(here: World, campaign_id: str) -> None:
    """So no receipt of one deployment can pass for another's."""
    done = await run("erase", ANN, "--yes")

    [searched] = [line for line in done.stdout.splitlines() if line.startswith("Searched: ")]
    if os.environ["STORE"] == "sqlite":
        assert f"{here.folder}/store.db of this machine; the queue in {here.folder}/tasks.db" in searched
    else:
        queues = "; ".join(f"the queue {QUEUES}/{name}" for name in QueueName)
        assert f"the database (default) of project {campaign_id}; {queues}; the spool in" in searched


async def test_a_receipt_counts_in_english(local: World) -> None:
    """It says "1 mail" and never "1 mails"."""
    done = await run("erase", ANN, "--yes")

    assert "the record of 1 mail was removed" in done.stdout
    assert not re.search(r"\b1 \w+s\b", done.stdout)


def traces(running: Server) -> dict[str, bytes]:
    """Every form in which the address could be found: plain, digested, and each way it was sealed."""
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


def files_with(running: Server, trace: bytes) -> list[str]:
    """The files of the deployment that hold these bytes: store, queue, their journals, outbox, server log."""
    return [
        file.relative_to(running.folder).as_posix()
        for file in sorted(running.folder.rglob("*"))
        if file.is_file() and trace in file.read_bytes()
    ]


def test_no_trace_of_an_erased_address_is_left_in_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is searched byte for byte while the server runs; others' signatures stay."""
    with server(tmp_path / "var") as running:
        for number, email in enumerate(["bob@example.org", ANN, "cleo@example.org"]):
            body = signature(email=email, name="Zebedee" if email == ANN else f"Bob {number}")
            httpx.post(
                f"{running.url}{SIGNATURES}", json=body, headers=PAGE_HEADERS, trust_env=False
            ).raise_for_status()
            link = running.mail_to(email).links["confirm"]
            httpx.post(link, headers={"Accept": "application/json"}, trust_env=False).raise_for_status()
        hers = traces(running)
        before = {what: files_with(running, trace) for what, trace in hers.items()}
        monkeypatch.setenv("LOCAL_FOLDER", str(running.folder))

        done = undersign("erase", ANN, "--yes")

        assert done.exit_code == 0, done.output
        after = {what: files_with(running, trace) for what, trace in hers.items()}
        for what in ("plain", "digest", "mailbox", "sealed"):
            assert before[what], f"the search itself finds no {what}"
        others = {what for what in hers if what.startswith("task") and after[what]}
        assert {what: found for what, found in after.items() if found and what not in others} == {}
        assert len(others) == 2
        store = SqliteMaintenance(running.folder / "store.db")
        assert asyncio.run(store.tally(CAMPAIGN)).total == 2
        store.close()
