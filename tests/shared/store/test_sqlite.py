"""What the SQLite store does beyond the contract: Firestore deletes what has expired, SQLite has to be told."""

import sqlite3
from contextlib import closing
from pathlib import Path

from shared.store.entities import TOMBSTONE_TTL, GrantMail, Unchanged
from shared.store.sqlite import SqliteStore
from tests.shared.store.test_store_contract import confirmed, make_address, pending, submission
from tests.support.clock import NOW


async def test_what_has_expired_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    """By the next signature: pending ones, tombstones, mailboxes and dead letters; confirmed ones never."""
    store = SqliteStore(tmp_path / "store.db")
    forgotten, kept, withdrawn, new = (make_address("c") for _ in range(4))
    await pending(store, forgotten)
    signed = await confirmed(store, kept)
    await confirmed(store, withdrawn)
    await store.withdraw("c", withdrawn.digest, NOW)
    await store.add_dead_letter("task", b"sealed", "Unopenable", NOW)

    at = NOW + TOMBSTONE_TTL
    assert isinstance(await store.admit(new, submission(at), at), GrantMail)

    assert await store.confirm("c", kept.digest, signed.id, at) is Unchanged.ALREADY
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        left = {
            table: {row[0] for row in database.execute(f"SELECT {key} FROM {table}")}  # noqa: S608 - our own names
            for table, key in (("signatures", "digest"), ("mailboxes", "mailbox"), ("dead_letters", "task_id"))
        }
    assert left == {"signatures": {kept.digest, new.digest}, "mailboxes": {new.mailbox}, "dead_letters": set()}
