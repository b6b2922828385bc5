"""What the SQLite store does beyond the contract: delete what has expired, as Firestore does on its own."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.store.entities import TOMBSTONE_TTL, GrantMail, Unchanged
from shared.store.sqlite import SqliteStore
from tests.shared.store.test_store_contract import confirmed, make_address, pending, submission
from tests.support.clock import NOW


@pytest.mark.parametrize("somebody_signs", [True, False])
async def test_only_what_has_expired_is_deleted(somebody_signs: bool, tmp_path: Path) -> None:
    """The next signature or the schedule deletes signatures, mailboxes and dead letters; confirmed ones stay."""
    store = SqliteStore(tmp_path / "store.db")
    expired, kept, withdrawn, new = (make_address("c") for _ in range(4))
    await pending(store, expired)
    signed = await confirmed(store, kept)
    await confirmed(store, withdrawn)
    await store.withdraw("c", withdrawn.digest, NOW)
    await store.add_dead_letter("task", b"sealed", "Unopenable", NOW)

    at = NOW + TOMBSTONE_TTL
    if somebody_signs:
        assert isinstance(await store.admit(new, submission(at), at), GrantMail)
    else:
        await store.fold_tally("c", at)

    assert await store.confirm("c", kept.digest, signed.id, at) is Unchanged.ALREADY
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        left = {
            table: {row[0] for row in database.execute(f"SELECT {key} FROM {table}")}  # noqa: S608 - our own names
            for table, key in (("signatures", "digest"), ("mailboxes", "mailbox"), ("dead_letters", "task_id"))
        }
    signed_since = {new} if somebody_signs else set()
    assert left == {
        "signatures": {address.digest for address in {kept, *signed_since}},
        "mailboxes": {address.mailbox for address in signed_since},
        "dead_letters": set(),
    }
