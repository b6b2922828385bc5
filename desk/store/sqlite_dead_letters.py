"""Parked tasks in SQLite, for the desk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection
from functools import partial

from shared.store.sqlite import SqliteStore

#: Tasks that are listed at a time.
_PAGE = 500


class SqliteParked(SqliteStore):
    """A `TaskList` of the tasks that nobody could open, which lie in the store's own file."""

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        after = 0
        while rows := await self.database.run(partial(_page, after)):
            for _, task, body in rows:
                yield task, body
            after = rows[-1][0]

    async def delete(self, names: Collection[str]) -> None:
        rows = [(name,) for name in names]
        delete = "DELETE FROM parked WHERE task_id = ?"
        await self.database.transact(lambda database: database.executemany(delete, rows))

    async def overwrite(self) -> None:
        """Nothing to do: `SqliteRecords.overwrite` does it for the whole file."""

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)


def _page(after: int, database: sqlite3.Connection) -> list[tuple[int, str, bytes]]:
    select = "SELECT rowid, task_id, body FROM parked WHERE rowid > ? ORDER BY rowid LIMIT ?"
    return database.execute(select, (after, _PAGE)).fetchall()
