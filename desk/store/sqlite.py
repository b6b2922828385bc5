"""The desk's side of the store on SQLite."""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from desk.store.maintenance import PAGE, Difference, Kept, Recount, StoredSignature
from shared.campaigns.overlay import Overlay
from shared.databases import sqlite
from shared.store.documents import SIGNATURE
from shared.store.entities import Address, FunnelKey, Signature
from shared.store.sqlite import (
    SqliteStore,
    add_to_tally,
    read_mailbox,
    read_overlay,
    read_signature,
    write_signature,
)
from shared.store.tally import delta

#: The tables that hold something of an address, and what it is found by.
_TABLES = {"signatures": "digest", "mailboxes": "mailbox", "domains": "domain"}


class SqliteMaintenance(SqliteStore):
    """Implements `maintenance.Maintenance`."""

    async def may_write(self) -> bool:
        path = self.database.path
        there = next(each for each in (path, *path.absolute().parents) if each.exists())
        return os.access(there, os.W_OK)

    async def scan(self, campaign: str, after: str = "") -> AsyncIterator[Sequence[StoredSignature]]:
        select = (
            "SELECT digest, document FROM signatures WHERE campaign = ? AND digest > ? ORDER BY digest LIMIT ?"
        )
        while rows := await self.database.run(partial(_rows, select, (campaign, after, PAGE))):
            yield [StoredSignature(digest, SIGNATURE.validate_json(document)) for digest, document in rows]
            after = rows[-1][0]

    async def campaigns(self) -> Sequence[str]:
        return await self.database.run(
            lambda database: sorted({each for table in _TABLES for each in _campaigns_in(database, table)})
        )

    async def find(self, address: Address) -> Kept:
        return await self.database.run(lambda database: _find(database, address))

    async def forget(self, address: Address) -> Kept:
        def work(database: sqlite3.Connection) -> Kept:
            found = _find(database, address)
            add_to_tally(database, address.campaign, delta(found.signature, None))
            for table, key in _TABLES.items():
                delete = f"DELETE FROM {table} WHERE campaign = ? AND {key} = ?"  # noqa: S608 - our own names
                database.execute(delete, (address.campaign, getattr(address, key)))
            return found

        return await self.database.transact(work)

    async def overwrite(self) -> None:
        await self.database.run(sqlite.overwrite)

    async def recount(self, campaign: str, progress: Callable[[int], None]) -> Recount:
        records = "SELECT document FROM signatures WHERE campaign = ?"
        kept = "SELECT field, key, SUM(value) FROM tally WHERE campaign = ? GROUP BY field, key"

        def work(_: sqlite3.Connection) -> Recount:
            recount = Recount()
            # A connection of its own, whose transaction sees one moment and keeps nobody from writing.
            with closing(sqlite.connect(self.database.path, "")) as database:
                database.execute("BEGIN")
                for field, key, value in database.execute(kept, (campaign,)):
                    recount.kept[field, key] = value
                found = database.execute(records, (campaign,))
                while rows := found.fetchmany(PAGE):
                    for [document] in rows:
                        recount.count(SIGNATURE.validate_json(document))
                    progress(len(rows))
            return recount

        return await self.database.run(work)

    async def overlay(self, campaign: str) -> Overlay:
        stored = await self.database.run(lambda database: read_overlay(database, campaign))
        return Overlay.model_validate_json(stored)

    async def funnel(self, campaign: str) -> Mapping[FunnelKey, int]:
        select = "SELECT day, stage, dimension, key, value FROM funnel WHERE campaign = ?"

        def work(database: sqlite3.Connection) -> Mapping[FunnelKey, int]:
            return {FunnelKey(*key): number for *key, number in database.execute(select, (campaign,))}

        return await self.database.run(work)

    async def repair(self, campaign: str, differences: Sequence[Difference]) -> None:
        lacking = {(each.field, each.key): each.counted - each.kept for each in differences}
        await self.database.transact(lambda database: add_to_tally(database, campaign, lacking))

    async def change(
        self,
        campaign: str,
        digests: Sequence[str],
        choose: Callable[[str, Signature | None], Signature | None],
    ) -> int:
        def work(some: Sequence[str], database: sqlite3.Connection) -> int:
            changed = 0
            for digest in some:
                stored = read_signature(database, campaign, digest)
                if chosen := choose(digest, stored):
                    write_signature(database, campaign, digest, stored, chosen)
                    changed += 1
            return changed

        starts = range(0, len(digests), PAGE)
        return sum(
            [await self.database.transact(partial(work, digests[start : start + PAGE])) for start in starts]
        )

    async def purge(self, campaign: str, progress: Callable[[int], None]) -> int:
        removed = 0
        for table, key in _TABLES.items():
            delete = (
                f"DELETE FROM {table} WHERE (campaign, {key}) IN"  # noqa: S608 - our own names
                f" (SELECT campaign, {key} FROM {table} WHERE campaign = ? LIMIT ?)"
            )
            while gone := await self.database.run(partial(_change, delete, (campaign, PAGE))):
                removed += gone
                progress(gone)
        await self.overwrite()
        return removed


def _campaigns_in(database: sqlite3.Connection, table: str) -> Iterator[str]:
    # One look into the primary key for each, where SELECT DISTINCT would read the whole table.
    select = f"SELECT min(campaign) FROM {table} WHERE campaign > ?"  # noqa: S608 - our own names
    campaign = ""
    while campaign := database.execute(select, (campaign,)).fetchone()[0]:
        yield campaign


def _find(database: sqlite3.Connection, address: Address) -> Kept:
    return Kept(read_signature(database, address.campaign, address.digest), read_mailbox(database, address))


def _rows(select: str, values: tuple[object, ...], database: sqlite3.Connection) -> list[tuple[str, str]]:
    return database.execute(select, values).fetchall()


def _change(statement: str, values: tuple[object, ...], database: sqlite3.Connection) -> int:
    return database.execute(statement, values).rowcount
