"""How much slower confirming, reading the tally, an export and an audit get with more records."""

import asyncio
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from google.cloud.firestore import Client

from shared.store import Store
from shared.store.documents import SIGNATURE
from shared.store.entities import Signature, Status
from shared.store.sqlite import SqliteStore
from tests.bench import desk
from tests.bench.figures import Figures
from tests.bench.settings import IDENTITIES, emulator, firestore, firestore_client, firestore_store
from tests.bench.signers import admit, signer
from tests.support.deployment import CAMPAIGN

IN_FIRESTORE = (1_000, 10_000, 100_000)
IN_SQLITE = 1_000_000
#: The number of confirmations, and of reads of the tally, for one median.
_CONFIRMING, _READING = 200, 50
#: A commit may hold 10 MiB (https://firebase.google.com/docs/firestore/quotas).
_BATCH = 400


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with `records` confirmed signatures; `environment`: settings with which the desk finds it."""

    records: int
    where: str
    environment: dict[str, str]

    @property
    def name(self) -> str:
        return f"growth/{self.where}/{self.records}"


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Measure Google's emulator with more and more records, and SQLite with a million; run the desk once."""
    with emulator() as host, tempfile.TemporaryDirectory() as folder:
        print("filling …", file=sys.stderr, flush=True)
        databases = [_filled_firestore(host, records) for records in IN_FIRESTORE]
        for round_ in range(rounds + 1):
            kept = figures if round_ else Figures()
            for filled in databases:
                project = filled.environment["FIRESTORE_PROJECT"]
                with firestore_store(host, project) as store:
                    asyncio.run(_confirm_and_count(kept, filled, store))
                _read_by_name(kept, filled, firestore_client(host, project))
            _compare(kept)
        print("filling SQLite …", file=sys.stderr, flush=True)
        databases.append(_filled_sqlite(Path(folder), IN_SQLITE))
        for _ in range(rounds):
            local = SqliteStore(Path(folder) / "store.db")
            asyncio.run(_confirm_and_count(figures, databases[-1], local))
        for filled in databases:
            _run_the_desk(figures, filled)


def _compare(figures: Figures) -> None:
    """Compare the largest with the smallest database on the emulator in this round."""
    least, most = (f"growth/emulator/{records}" for records in (IN_FIRESTORE[0], IN_FIRESTORE[-1]))
    for what in ("confirm", "tally", "tally_by_name"):
        ratio = figures.last(f"{most}/{what}_ms") / figures.last(f"{least}/{what}_ms")
        figures.add(f"growth/{what}", ratio, "×")


async def _confirm_and_count(figures: Figures, filled: Filled, store: Store) -> None:
    signers = [signer() for _ in range(_CONFIRMING)]
    await admit(store, signers)
    confirming, reading = list[float](), list[float]()
    for each in signers:
        started = time.perf_counter()
        await store.confirm(CAMPAIGN, each.address.digest, each.submission.id, datetime.now(UTC))
        confirming.append(time.perf_counter() - started)
    for _ in range(_READING):
        started = time.perf_counter()
        await store.tally(CAMPAIGN)
        reading.append(time.perf_counter() - started)
    figures.add(f"{filled.name}/confirm_ms", 1000 * statistics.median(confirming), "ms")
    figures.add(f"{filled.name}/tally_ms", 1000 * statistics.median(reading), "ms")


def _read_by_name(figures: Figures, filled: Filled, client: Client) -> None:
    """Read the tally's documents by name: for a query, the emulator scans all records, which Firestore does not.

    https://firebase.google.com/docs/firestore/query-data/queries
    """
    tally = client.collection("campaigns", CAMPAIGN, "tally")
    documents = list(tally.list_documents())
    reading = list[float]()
    for _ in range(_READING):
        started = time.perf_counter()
        list(client.get_all(documents))
        reading.append(time.perf_counter() - started)
    figures.add(f"{filled.name}/tally_by_name_ms", 1000 * statistics.median(reading), "ms")


def _run_the_desk(figures: Figures, filled: Filled) -> None:
    """Run the commands as an organiser does."""
    with tempfile.TemporaryDirectory() as folder:
        key, export = Path(folder) / "key.txt", f"{folder}/export"
        key.write_text(f"{IDENTITIES.campaign}\n")
        commands = [["audit", CAMPAIGN], ["export", CAMPAIGN, "--to", export]]
        if filled.where == "emulator":  # opening a million would take longer than everything else
            opening = ["open", export, "-i", str(key)]
            commands += [[*opening, "--to", f"{folder}/{kind}", "--kind", kind] for kind in ("csv", "xlsx")]
        # The records were written without a tally.
        desk.run(filled.environment, "audit", CAMPAIGN, "--repair")
        for command in commands:
            seconds, peak_mib = desk.run(filled.environment, *command)
            name = "open_xlsx" if "xlsx" in command else command[0]
            figures.add(f"{filled.name}/{name}_per_second", filled.records / seconds, "signatures/s")
            figures.add(f"{filled.name}/{name}_peak", peak_mib, "MiB")


def _filled_firestore(host: str, records: int) -> Filled:
    project = f"p-{uuid4().hex[:12]}"
    confirmed = map(SIGNATURE.dump_python, _confirmed())
    client = firestore_client(host, project)
    signatures = client.collection("campaigns", CAMPAIGN, "signatures")
    for done in range(0, records, _BATCH):
        batch = client.batch()
        for _ in range(min(_BATCH, records - done)):
            batch.create(signatures.document(_digest()), next(confirmed))
        batch.commit()
    return Filled(records, "emulator", firestore(host, project))


def _filled_sqlite(folder: Path, records: int) -> Filled:
    file = folder / "store.db"
    # The first read creates the tables.
    asyncio.run(SqliteStore(file).tally(CAMPAIGN))
    with closing(sqlite3.connect(file)) as database, database:
        database.executemany(
            "INSERT INTO signatures VALUES (?, ?, ?, NULL)",
            # In the order of the table's key, or every page would be written many times.
            (
                (CAMPAIGN, digest, SIGNATURE.dump_json(signature).decode())
                for digest, signature in zip(sorted(_digest() for _ in range(records)), _confirmed(), strict=False)
            ),
        )
    return Filled(records, "sqlite", {"STORE": "sqlite", "LOCAL_FOLDER": str(folder)})


def _confirmed() -> Iterator[Signature]:
    """Yield signatures that differ only in their ids, since `undersign open` counts each id once."""
    submission = signer().submission
    while True:
        another = replace(submission, id=secrets.token_hex(16))
        yield Signature(Status.CONFIRMED, (another,), confirmed_at=submission.signed_at)


def _digest() -> str:
    return secrets.token_hex(26)
