"""Restoring a backup, rehearsed on the emulator: what was removed later is removed again, and links still work."""

import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore
from typer.testing import Result

from desk import runtime
from desk.rights import erase
from desk.signatures import purge, restore
from shared.errors import ConfigurationError, QueueUnavailable
from shared.store.entities import Status
from tests.desk.commands import run, undersign
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, BrokenQueue, World, world

SECRETS = ("TOKEN_KEYS", "PEPPER", "DELIVER_IDENTITIES", "DELIVER_RECIPIENT", "THROWAWAY_RECIPIENT")


@pytest.fixture(autouse=True)
def _place(emulator: str, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Desk and functions have the same clock."""
    monkeypatch.chdir(tmp_path)
    for module in (erase, restore):
        monkeypatch.setattr(module, "utc_now", lambda: NOW + timedelta(minutes=1))


@asynccontextmanager
async def deployed_on(
    database: str, project: str, folder: Path, patch: pytest.MonkeyPatch, **secrets: str
) -> AsyncIterator[World]:
    """A deployment whose signatures are in `database`, and whose spool is in another."""
    places = {"FIRESTORE_PROJECT": project, "SPOOL_PROJECT": project, "SPOOL_DATABASE": "spool"}
    settings = {"STORE": "firestore", "FIRESTORE_DATABASE": database, **places, **secrets}
    async with world(folder, patch, **settings) as made:
        yield made
        await made.functions["deliver"].deps.sweeper.aclose()
        made.functions["deliver"].deps.removals.close()


@pytest.fixture
async def here(project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A deployment on the database (default)."""
    async with deployed_on("(default)", project, tmp_path / "var", monkeypatch) as made:
        yield made


@asynccontextmanager
async def restored(project: str, folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The same deployment on the database `restored`."""
    secrets = {name: os.environ[name] for name in SECRETS}
    async with deployed_on("restored", project, folder, patch, **secrets) as made:
        yield made


def back_up(project: str) -> None:
    """Copy every document of (default) into the database `restored`, as a backup of this moment is restored."""
    to = firestore.Client(project=project, database="restored")

    def copy(collections: Iterator[Any]) -> None:
        for collection in collections:
            for document in collection.list_documents():
                if (content := document.get().to_dict()) is not None:
                    to.document(document.path).set(content)
                copy(document.collections())

    copy(firestore.Client(project=project).collections())


async def confirmed(here: World, name: str) -> Any:
    mail = await here.sign_and_deliver(email=f"{name}@example.org")
    await here.press(mail)
    await here.funnels()
    return mail


def numbers(done: Result) -> tuple[str, str] | None:
    """How many signatures of the campaign the command has copied, and removed again; None: it shows none."""
    found = re.search(rf"{CAMPAIGN} +│ +(\d+) │ +(\d+) │", done.stdout)
    return (found[1], found[2]) if found else None


async def status_of(name: str) -> Status | None:
    """What is stored of an address in the database that the desk works on."""
    rights = runtime.rights()
    found = await rights.maintenance.find(rights.digester.address(CAMPAIGN, f"{name}@example.org"))
    rights.maintenance.close()
    return found.signature.status if found.signature else None


async def test_what_was_removed_after_the_backup_is_removed_again(
    here: World, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Withdrawn and erased signatures are gone, the tally is right, and a link from before the backup works."""
    await confirmed(here, "stays")
    await confirmed(here, "erased")
    withdrawn = await confirmed(here, "withdrawn")
    unpressed = await here.sign_and_deliver(email="old-link@example.org")
    back_up(project)
    here.now += timedelta(seconds=30)
    await here.press(withdrawn, "withdraw")
    await here.deliver()
    await run("erase", "erased@example.org", "--yes")
    await confirmed(here, "lost")

    async with restored(project, tmp_path / "second", monkeypatch) as there:
        assert (await there.count())["total"] == 3
        done = await run("restore", "--yes")
        again = await run("restore", "--yes")
        audited = await run("audit", CAMPAIGN)

        assert done.exit_code == 0, done.output
        place = f"the database restored of project {project}"
        assert f"Working on {place}." in done.stderr
        assert f"Done in {place}." in done.stdout
        assert numbers(done) == ("0", "2")
        assert numbers(again) is None
        assert audited.exit_code == 0, audited.output
        assert [await status_of(name) for name in ("stays", "withdrawn", "erased", "lost")] == [
            *(Status.CONFIRMED, Status.WITHDRAWN),
            *(None, None),
        ]
        assert (await there.count())["total"] == 1
        assert (await there.press(unpressed)).status_code == 200
        assert (await there.count())["total"] == 2


async def test_what_was_confirmed_after_the_backup_is_copied_from_the_old_database(
    here: World, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it can be read still; what was removed does not come back with it."""
    withdrawn = await confirmed(here, "withdrawn")
    late = await here.sign_and_deliver(email="late@example.org")
    back_up(project)
    here.now += timedelta(seconds=30)
    await here.press(late)
    await confirmed(here, "new")
    await confirmed(here, "erased")
    await here.press(withdrawn, "withdraw")
    here.now += timedelta(seconds=5)
    await confirmed(here, "withdrawn")
    await here.deliver()
    pending = await here.sign_and_deliver(email="pending@example.org")
    await run("erase", "erased@example.org", "--yes")

    async with restored(project, tmp_path / "second", monkeypatch) as there:
        done = await run("restore", "--from", "(default)", "--yes")
        again = await run("restore", "--from", "(default)", "--yes")
        audited = await run("audit", CAMPAIGN)

        assert done.exit_code == 0, done.output
        assert numbers(done) == ("4", "0")
        assert numbers(again) == ("0", "0")
        assert audited.exit_code == 0, audited.output
        assert [await status_of(name) for name in ("late", "new", "withdrawn", "erased")] == [
            *(Status.CONFIRMED, Status.CONFIRMED),
            *(Status.CONFIRMED, None),
        ]
        assert (await there.count())["total"] == 3
        assert (await there.press(pending)).status_code == 200


async def test_deleted_documents_are_copied_back_from_a_restored_database(
    here: World, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deployment stays on its database; of a campaign that was purged, nothing comes back."""
    await confirmed(here, "deleted")
    back_up(project)
    database = firestore.Client(project=project)
    for document in database.collection("campaigns", CAMPAIGN, "signatures").list_documents():
        document.delete()
    await run("audit", CAMPAIGN, "--repair")

    done = await run("restore", "--from", "restored", "--yes")
    status, total = await status_of("deleted"), (await here.count())["total"]
    monkeypatch.setattr(purge, "utc_now", lambda: NOW + timedelta(days=2_000))
    purged = await run("purge", CAMPAIGN, "--yes", "--although-not-handed-over")
    again = await run("restore", "--from", "restored", "--yes")

    assert (numbers(done), status, total) == (("1", "0"), Status.CONFIRMED, 1)
    assert purged.exit_code == 0, purged.output
    assert numbers(again) is None
    assert await status_of("deleted") is None


async def test_asks_before_it_changes_a_database(
    here: World, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question names the database."""
    withdrawn = await confirmed(here, "withdrawn")
    back_up(project)
    await here.press(withdrawn, "withdraw")
    await here.deliver()

    async with restored(project, tmp_path / "second", monkeypatch):
        refused = await run("restore", typed="n\n")

        assert refused.exit_code == 1
        assert f"In the database restored of project {project}, remove what was withdrawn" in refused.output
        assert await status_of("withdrawn") is Status.CONFIRMED


async def test_a_withdrawal_succeeds_while_it_cannot_be_noted(
    here: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signer's wish counts; that a restore would bring the signature back is logged."""
    mail = await confirmed(here, "withdrawn")
    here.functions["confirm"].deps.envelopes._queue = BrokenQueue(QueueUnavailable("down"))

    pressed = await here.press(mail, "withdraw")

    assert pressed.json() == {"status": "withdrawn"}
    assert await status_of("withdrawn") is Status.WITHDRAWN
    assert "removal_not_noted" in capsys.readouterr().out


async def test_an_address_is_told_what_is_noted_of_it(here: World) -> None:
    """The note outlives the erasure, and both access and receipt say until when."""
    await confirmed(here, "erased")

    receipt = await run("erase", "erased@example.org", "--yes")
    answer = await run("access", "erased@example.org")

    assert "a note with the digest of the address, kept until" in receipt.output
    assert '"note_of_removal": {' in answer.stdout
    assert '"signature": null' in answer.stdout


@pytest.mark.parametrize(
    ("settings", "source", "reason"),
    [
        ({"STORE": "sqlite", "LOCAL_FOLDER": "var"}, (), "Only a deployment on Google Cloud"),
        ({"STORE": "firestore", "FIRESTORE_PROJECT": "p"}, (), "Only a deployment on Google Cloud"),
        (
            {"STORE": "firestore", "FIRESTORE_PROJECT": "p", "SPOOL_PROJECT": "p", "SPOOL_DATABASE": "spool"},
            ("--from", "(default)"),
            "is the database to restore into",
        ),
    ],
)
def test_refuses_what_is_no_restored_database(
    settings: dict[str, str], source: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is changed, and the error says what to name."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    refused = undersign("restore", "--yes", *source)

    assert isinstance(refused.exception, ConfigurationError)
    assert reason in str(refused.exception)
