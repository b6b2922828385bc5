"""Dead letters in SQLite, for the desk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection
from functools import partial
from pathlib import Path

from shared.databases.sqlite import SqliteDatabase
from shared.errors import StoreUnavailable
from shared.store.sqlite import SCHEMA

#: Tasks that are listed at a time.
_PAGE = 500


class SqliteDeadLetters:
    """A `TaskList` of the tasks that nobody could open, which lie in the store's own file."""

    def __init__(self, path: Path) -> None:
        self._database = SqliteDatabase(path, SCHEMA, StoreUnavailable)

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        after = 0
        while rows := await self._database.run(partial(_page, after)):
            for _, task, body in rows:
                yield task, body
            after = rows[-1][0]

    async def count(self, most: int) -> int:
        select = "SELECT count(*) FROM (SELECT 1 FROM dead_letters LIMIT ?)"
        return await self._database.run(lambda database: int(database.execute(select, (most,)).fetchone()[0]))

    async def delete(self, names: Collection[str]) -> None:
        rows = [(name,) for name in names]
        delete = "DELETE FROM dead_letters WHERE task_id = ?"
        await self._database.transact(lambda database: database.executemany(delete, rows))

    async def overwrite(self) -> None:
        """Nothing to do: `SqliteMaintenance.overwrite` does it for the whole file."""

    async def aclose(self) -> None:
        await asyncio.to_thread(self._database.close)


def _page(after: int, database: sqlite3.Connection) -> list[tuple[int, str, bytes]]:
    select = "SELECT rowid, task_id, body FROM dead_letters WHERE rowid > ? ORDER BY rowid LIMIT ?"
    return database.execute(select, (after, _PAGE)).fetchall()
