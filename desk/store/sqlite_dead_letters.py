"""Parked tasks in SQLite, for the desk."""

import asyncio
from collections.abc import AsyncIterator, Collection
from functools import partial

from shared.store.sqlite import SqliteStore

#: Tasks that are listed at a time.
_PAGE = 500


class SqliteParked(SqliteStore):
    """A `TaskList` of the tasks that nobody could open, which lie in the store's own file."""

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        after = 0
        while rows := await self._run(partial(self._page, after)):
            for _, task, body in rows:
                yield task, body
            after = rows[-1][0]

    async def delete(self, names: Collection[str]) -> None:
        rows = [(name,) for name in names]
        await self._run(lambda: self._connection.executemany("DELETE FROM parked WHERE task_id = ?", rows))

    async def overwrite(self) -> None:
        """Nothing to do: `SqliteRecords.overwrite` does it for the whole file."""

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    def _page(self, after: int) -> list[tuple[int, str, bytes]]:
        select = "SELECT rowid, task_id, body FROM parked WHERE rowid > ? ORDER BY rowid LIMIT ?"
        return self._connection.execute(select, (after, _PAGE)).fetchall()
