"""Copies of a server's files: whole, private, and without a gap between queue and store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.databases import sqlite
from tests.desk.commands import refusal, run, undersign
from tests.support.deployment import Identities, World, world

SECRETS = Identities().environment()


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A server's functions, on the files in var."""
    async with world(tmp_path / "var", monkeypatch, **SECRETS) as made:
        yield made


async def test_a_restored_backup_goes_on_where_it_was_made(
    here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the count, the link in a mail, and a signature that was accepted and not yet delivered."""
    await here.press(await here.sign_and_deliver(email="ann@example.org"))
    ben = await here.sign_and_deliver(email="ben@example.org")
    await here.sign(email="cem@example.org")

    made = await run("backup", "--to", tmp_path / "backup")
    async with world(tmp_path / "backup", monkeypatch, **SECRETS) as restored:
        await restored.deliver()
        pressed = [await restored.press(mail) for mail in (ben, restored.outbox.received()[0])]
        count = await restored.count()

    assert made.exit_code == 0, made.output
    assert [answer.json() for answer in pressed] == [{"status": "confirmed"}] * 2
    assert count["total"] == 3


async def test_what_is_delivered_meanwhile_is_in_the_backup(
    here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two copies, the task leaves the queue and its signature enters the store."""
    await here.sign_and_deliver(email="ann@example.org")
    await here.sign(email="ben@example.org")
    loop, copy = asyncio.get_running_loop(), sqlite.copy

    def copy_and_deliver(source: Path, target: Path) -> None:
        copy(source, target)
        asyncio.run_coroutine_threadsafe(here.deliver(), loop).result()

    monkeypatch.setattr(sqlite, "copy", copy_and_deliver)
    await run("backup", "--to", tmp_path / "backup")
    ben = here.outbox.received()[0]
    async with world(tmp_path / "backup", monkeypatch, **SECRETS) as restored:
        await restored.deliver()
        pressed = await restored.press(ben)

    assert ben.to == "ben@example.org"
    assert pressed.json() == {"status": "confirmed"}


async def test_a_backup_is_for_its_owner_alone(here: World, tmp_path: Path) -> None:
    """As are the files that it is made from."""
    await here.sign_and_deliver()

    await run("backup", "--to", tmp_path / "backup")

    copies = [tmp_path / "backup", *(tmp_path / "backup").iterdir()]
    assert {file.name for file in copies} == {"backup", "tasks.db", "store.db"}
    assert {file.stat().st_mode & 0o077 for file in copies} == {0}


async def test_a_backup_is_never_written_over(here: World, tmp_path: Path) -> None:
    """Nor is anything else."""
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "store.db").write_text("older")
    await here.sign_and_deliver()

    refused = await run("backup", "--to", tmp_path / "backup")

    assert "is not empty" in refusal(refused)
    assert (tmp_path / "backup" / "store.db").read_text() == "older"


def test_a_folder_without_a_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than an empty backup made."""
    monkeypatch.setenv("STORE", "sqlite")
    monkeypatch.setenv("LOCAL_FOLDER", str(tmp_path))

    refused = undersign("backup", "--to", tmp_path / "backup")

    assert f"{tmp_path} holds neither tasks.db nor store.db" in refusal(refused)
    assert not (tmp_path / "backup").exists()
