"""A durable queue in one SQLite file. For development and tests; `dispatcher.py` delivers from it.

Any number of processes may enqueue into one file and dispatch from it.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from shared import sqlite
from shared.errors import QueueUnavailable
from shared.queue import MAX_BODY_BYTES
from shared.sqlite import SqliteDatabase

DELIVERY_TIMEOUT = timedelta(seconds=60)

#: A worker that was killed keeps its task this long. Longer than a delivery can take, or two would run at once.
LEASE = DELIVERY_TIMEOUT + timedelta(seconds=10)

# Times are microseconds since 1970 in UTC, as exact as a datetime, so that no task comes before its time.
# `due_at` 0 is "at once": enqueueing reads no clock.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: it is the task's name
    body BLOB NOT NULL,
    due_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    dispatches INTEGER NOT NULL DEFAULT 0,
    executions INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS tasks_by_due_at ON tasks (due_at);
"""

# One statement, hence atomic: two workers never lease the same task.
_LEASE = """
UPDATE tasks SET leased_until = :until, dispatches = dispatches + 1
WHERE id = (SELECT id FROM tasks WHERE due_at <= :now AND leased_until <= :now ORDER BY due_at, id LIMIT 1)
RETURNING id, body, due_at, leased_until, dispatches - 1, executions
"""

#: Tasks that are listed at a time.
_PAGE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lease:
    """A task that nobody else delivers for now. Times in microseconds since 1970."""

    task: int
    body: bytes
    due_at: int
    until: int
    #: Deliveries tried before this one.
    retries: int
    #: Those of them that deliver answered, other than with 5xx.
    executions: int


class LocalQueue:
    """A `TaskQueue` in the SQLite file at `path`, which is made if it does not exist."""

    def __init__(self, path: Path) -> None:
        self._database = SqliteDatabase(path, _SCHEMA, QueueUnavailable)

    async def enqueue(self, body: bytes, *, not_before: datetime | None = None) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a task body of {len(body)} bytes exceeds {MAX_BODY_BYTES}")
        due_at = 0 if not_before is None else microseconds(not_before)
        insert = "INSERT INTO tasks (body, due_at) VALUES (?, ?)"
        await self._database.run(lambda connection: connection.execute(insert, (body, due_at)))

    async def pending(self) -> int:
        """How many tasks are not yet delivered, those that are not due included."""
        count = "SELECT count(*) FROM tasks"
        return int(await self._database.run(lambda connection: connection.execute(count).fetchone()[0]))

    async def lease(self, now: datetime) -> Lease | None:
        """The task that has been due for longest, for `LEASE` nobody else's. Raises QueueUnavailable."""
        times = {"now": microseconds(now), "until": microseconds(now + LEASE)}
        rows = await self._database.run(lambda connection: connection.execute(_LEASE, times).fetchall())
        return Lease(*rows[0]) if rows else None

    async def done(self, lease: Lease) -> None:
        """Forget the task. Raises QueueUnavailable."""
        delete = "DELETE FROM tasks WHERE id = ?"
        await self._database.run(lambda connection: connection.execute(delete, (lease.task,)))

    async def again(self, lease: Lease, *, at: datetime, executed: bool) -> None:
        """Offer the task again at `at`, unless the lease ran out and is another's. Raises QueueUnavailable."""
        update = (
            "UPDATE tasks SET due_at = ?, leased_until = 0, executions = executions + ? "
            "WHERE id = ? AND leased_until = ?"
        )
        values = (microseconds(at), int(executed), lease.task, lease.until)
        await self._database.run(lambda connection: connection.execute(update, values))

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        """As `TaskList.tasks`, a page at a time."""
        select = "SELECT id, body FROM tasks WHERE id > ? ORDER BY id LIMIT ?"
        after = 0
        while rows := await self._database.run(partial(_rows, select, (after, _PAGE))):
            for task, body in rows:
                yield str(task), body
            after = rows[-1][0]

    async def delete(self, names: Collection[str]) -> None:
        """As `TaskList.delete`."""
        rows = [(int(name),) for name in names]
        await self._database.run(lambda connection: connection.executemany("DELETE FROM tasks WHERE id = ?", rows))

    async def overwrite(self) -> None:
        """As `TaskList.overwrite`; what was delivered before is overwritten as well."""
        await self._database.run(sqlite.overwrite)

    async def aclose(self) -> None:
        """Close the file. The queue cannot be used afterwards."""
        await asyncio.to_thread(self._database.close)


def _rows(select: str, values: tuple[int, ...], connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
    return connection.execute(select, values).fetchall()


def microseconds(moment: datetime) -> int:
    """As the file keeps times."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
