"""What the SQLite store does beyond the contract: delete what has expired, as Firestore does on its own."""

import sqlite3
from contextlib import closing
from pathlib import Path

from shared.store.documents import SIGNATURE
from shared.store.entities import TOMBSTONE_TTL, FunnelKey, GrantMail, Signature, Status, Unchanged
from shared.store.sqlite import SqliteStore
from tests.shared.store.test_store_contract import confirmed, make_address, pending, submission
from tests.support.clock import NOW


async def test_what_has_expired_is_deleted_on_schedule_when_nobody_signs(tmp_path: Path) -> None:
    """A campaign that is over keeps no promise by the next signature."""
    store = SqliteStore(tmp_path / "store.db")
    await pending(store, make_address("c", "d" * 52))

    await store.fold_tally("c", NOW + TOMBSTONE_TTL)

    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        assert (
            database.execute(
                "SELECT digest FROM signatures UNION SELECT mailbox FROM mailboxes"
                " UNION SELECT domain FROM domains"
            ).fetchall()
            == []
        )


def test_a_signature_of_an_earlier_version_is_read() -> None:
    """It has no labels, and the organisers have not screened it."""
    document = SIGNATURE.dump_python(Signature(Status.CONFIRMED, (submission(),), confirmed_at=NOW))
    del document["screened_at"]
    for each in document["submissions"]:
        del each["labels"], each["domain"]

    read = SIGNATURE.validate_python(document)

    assert (read.status, read.screened_at) == (Status.CONFIRMED, None)
    assert (read.submissions[0].labels, read.submissions[0].domain) == ((), None)


async def test_only_what_has_expired_is_deleted(tmp_path: Path) -> None:
    """The next signature deletes expired signatures, mailboxes and the like; confirmed signatures stay."""
    store = SqliteStore(tmp_path / "store.db")
    expired, kept, withdrawn, new = (make_address("c") for _ in range(4))
    await pending(store, expired)
    signed = await confirmed(store, kept)
    await confirmed(store, withdrawn)
    await store.withdraw("c", withdrawn.digest, NOW, deferred=False)
    await store.add_dead_letter("task", b"sealed", "Unopenable", NOW)
    await store.add_to_funnel("c", {FunnelKey("2026-11-22", "accepted", "all", "all"): 1}, "write", NOW)

    at = NOW + TOMBSTONE_TTL
    assert isinstance(await store.admit(new, submission(at), at), GrantMail)

    assert await store.confirm("c", kept.digest, signed.id, at) is Unchanged.ALREADY
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        left = {
            table: {row[0] for row in database.execute(f"SELECT {key} FROM {table}")}  # noqa: S608 - our own names
            for table, key in (
                ("signatures", "digest"),
                ("mailboxes", "mailbox"),
                ("dead_letters", "task_id"),
                ("funnel", "value"),
                ("funnel_writes", "id"),
            )
        }
    assert left == {
        "signatures": {kept.digest, new.digest},
        "mailboxes": {new.mailbox},
        "dead_letters": set(),
        "funnel": {1},
        "funnel_writes": set(),
    }
