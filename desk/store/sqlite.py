"""The desk's side of the store on SQLite."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from desk.store.maintenance import PAGE, Difference, Found, Record, Recount, delta_of
from shared import sqlite
from shared.campaigns.overlay import Overlay
from shared.store.documents import SIGNATURE
from shared.store.entities import Address, FunnelKey, shard_of
from shared.store.sqlite import SqliteStore, read_mailbox, read_overlay, read_signature

#: The tables that hold something of an address, and what it is found by.
_TABLES = {"signatures": "digest", "mailboxes": "mailbox"}


class SqliteRecords(SqliteStore):
    """Implements `records.Records`."""

    async def scan(self, campaign: str, after: str = "") -> AsyncIterator[Sequence[Record]]:
        select = (
            "SELECT digest, document FROM signatures WHERE campaign = ? AND digest > ? ORDER BY digest LIMIT ?"
        )
        while True:
            rows = await self._run(partial(self._rows, select, (campaign, after, PAGE)))
            if not rows:
                return
            yield [Record(digest, SIGNATURE.validate_json(document)) for digest, document in rows]
            after = rows[-1][0]

    async def campaigns(self) -> Sequence[str]:
        return await self._run(lambda: sorted({each for table in _TABLES for each in self._campaigns_in(table)}))

    async def find(self, address: Address) -> Found:
        return await self._run(lambda: self._find(self._connection, address))

    async def forget(self, address: Address) -> Found:
        def work() -> Found:
            with self._transaction() as database:
                found = self._find(database, address)
                self._write(database, address.campaign, address.digest, None, delta_of(found.signature, -1))
                for table, key in _TABLES.items():
                    delete = f"DELETE FROM {table} WHERE campaign = ? AND {key} = ?"  # noqa: S608 - our own names
                    database.execute(delete, (address.campaign, getattr(address, key)))
                return found

        return await self._run(work)

    async def overwrite(self) -> None:
        await self._run(lambda: sqlite.overwrite(self._connection))

    async def recount(self, campaign: str, progress: Callable[[int], None]) -> Recount:
        def work() -> Recount:
            # A connection of its own, whose transaction sees one moment and keeps nobody from writing.
            with closing(sqlite.connect(self._path, "")) as database:
                database.execute("BEGIN")
                return self._recount(database, campaign, progress)

        return await self._run(work)

    async def change_overlay(self, campaign: str, change: Callable[[Overlay], Overlay]) -> Overlay:
        def work() -> Overlay:
            with self._transaction() as database:
                changed = change(read_overlay(database, campaign))
                database.execute(
                    "INSERT OR REPLACE INTO overlays VALUES (?, ?)", (campaign, changed.model_dump_json())
                )
                return changed

        return await self._run(work)

    async def funnel(self, campaign: str) -> Mapping[FunnelKey, int]:
        select = "SELECT day, stage, dimension, key, value FROM funnel WHERE campaign = ?"

        def work() -> Mapping[FunnelKey, int]:
            rows = self._connection.execute(select, (campaign,))
            return {FunnelKey(*key): number for *key, number in rows}

        return await self._run(work)

    async def mend(self, campaign: str, differences: Sequence[Difference]) -> None:
        def work() -> None:
            with self._transaction() as database:
                self._add(
                    database,
                    campaign,
                    ((each.shard, each.field, each.key, each.counted - each.kept) for each in differences),
                )

        await self._run(work)

    async def purge(self, campaign: str, progress: Callable[[int], None]) -> int:
        removed = 0
        for table, key in _TABLES.items():
            delete = (
                f"DELETE FROM {table} WHERE (campaign, {key}) IN"  # noqa: S608 - our own names
                f" (SELECT campaign, {key} FROM {table} WHERE campaign = ? LIMIT ?)"
            )
            while gone := await self._run(partial(self._change, delete, (campaign, PAGE))):
                removed += gone
                progress(gone)
        await self.overwrite()
        return removed

    def _recount(self, database: sqlite3.Connection, campaign: str, progress: Callable[[int], None]) -> Recount:
        recount, shards = Recount(), self._shards(campaign)
        kept = "SELECT shard, field, key, value FROM tally WHERE campaign = ?"
        for shard, field, key, value in database.execute(kept, (campaign,)):
            recount.kept[shard, field, key] = value
        records = database.execute("SELECT digest, document FROM signatures WHERE campaign = ?", (campaign,))
        while rows := records.fetchmany(PAGE):
            for digest, document in rows:
                recount.count(shard_of(digest, shards), SIGNATURE.validate_json(document))
            progress(len(rows))
        return recount

    def _campaigns_in(self, table: str) -> Iterator[str]:
        # One look into the primary key for each, where SELECT DISTINCT would read the whole table.
        select = f"SELECT min(campaign) FROM {table} WHERE campaign > ?"  # noqa: S608 - our own names
        campaign = ""
        while campaign := self._connection.execute(select, (campaign,)).fetchone()[0]:
            yield campaign

    @staticmethod
    def _find(database: sqlite3.Connection, address: Address) -> Found:
        return Found(read_signature(database, address.campaign, address.digest), read_mailbox(database, address))

    def _rows(self, select: str, values: tuple[object, ...]) -> list[tuple[str, str]]:
        return self._connection.execute(select, values).fetchall()

    def _change(self, statement: str, values: tuple[object, ...]) -> int:
        return self._connection.execute(statement, values).rowcount
