"""Durable queues in one SQLite file. For one machine; `local_dispatcher.py` delivers from it.

Any number of processes may enqueue into one file and dispatch from it.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.databases import sqlite
from shared.databases.sqlite import SqliteDatabase
from shared.errors import QueueUnavailable
from shared.queue import MAX_BODY_BYTES, QueueName

DELIVERY_TIMEOUT = timedelta(seconds=60)

#: A worker that was killed keeps its task this long. Longer than a delivery can take, or two would run at once.
LEASE = DELIVERY_TIMEOUT + timedelta(seconds=10)

#: Of so many leases one goes to reminders and one to signatures without work, so that both go on in a rush, too.
TURNS = 20
_QUEUE_OF_TURN = {TURNS // 2: QueueName.WITHOUT_WORK, 0: QueueName.REMINDERS}

#: The order of the queues outside these turns: fresh signatures and presses, signatures without work, reminders.
_RANK = f"CASE queue WHEN '{QueueName.WITHOUT_WORK}' THEN 1 WHEN '{QueueName.REMINDERS}' THEN 2 ELSE 0 END"

# Times are microseconds since 1970 in UTC, as exact as a datetime, so that no task comes before its time.
# `due_at` 0 is "at once": enqueueing reads no clock.
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: it is the task's name
    queue TEXT NOT NULL,
    body BLOB NOT NULL,
    due_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    dispatches INTEGER NOT NULL DEFAULT 0,
    executions INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS tasks_by_rank ON tasks ({_RANK}, due_at);
CREATE INDEX IF NOT EXISTS tasks_by_queue ON tasks (queue, due_at);
"""

# One statement, hence atomic: two workers never lease the same task.
_LEASE = """
UPDATE tasks SET leased_until = :until, dispatches = dispatches + 1
WHERE id = (
    SELECT id FROM tasks WHERE {} AND due_at <= :now AND leased_until <= :now ORDER BY {}, due_at, id LIMIT 1
)
RETURNING id, queue, body, due_at, leased_until, dispatches - 1, executions
"""
_LEASE_ANY = _LEASE.format("TRUE", _RANK)
_LEASE_OF_QUEUE = _LEASE.format("queue = :queue", "queue")

#: Tasks that are listed at a time.
_PAGE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lease:
    """A task that nobody else delivers for now. Times in microseconds since 1970."""

    task: int
    queue: str
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
        self._leases = 0

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: datetime | None = None) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a task body of {len(body)} bytes exceeds {MAX_BODY_BYTES}")
        due_at = 0 if not_before is None else microseconds(not_before)
        insert = "INSERT INTO tasks (queue, body, due_at) VALUES (?, ?, ?)"
        await self._execute(insert, (queue, body, due_at))

    async def pending(self) -> int:
        """How many tasks are not yet delivered, those that are not due included."""
        [[number]] = await self._execute("SELECT count(*) FROM tasks")
        return int(number)

    async def lease(self, now: datetime) -> Lease | None:
        """Lease a task for `LEASE`: the one that has been due for longest of the first queue that has any.

        Fresh signatures and presses come first, and reminders last, but for their turns (`TURNS`).

        Raises:
            QueueUnavailable: the file does not answer.
        """
        self._leases += 1
        values: dict[str, int | str] = {"now": microseconds(now), "until": microseconds(now + LEASE)}
        rows = []
        if queue := _QUEUE_OF_TURN.get(self._leases % TURNS):
            rows = await self._execute(_LEASE_OF_QUEUE, {**values, "queue": queue})
        rows = rows or await self._execute(_LEASE_ANY, values)
        return Lease(*rows[0]) if rows else None

    async def done(self, lease: Lease) -> None:
        """Forget the task. Raises QueueUnavailable."""
        await self._execute("DELETE FROM tasks WHERE id = ?", (lease.task,))

    async def retry(self, lease: Lease, *, at: datetime, executed: bool) -> None:
        """Offer the task again at `at`, unless the lease ran out and is another's. Raises QueueUnavailable."""
        update = (
            "UPDATE tasks SET due_at = ?, leased_until = 0, executions = executions + ? "
            "WHERE id = ? AND leased_until = ?"
        )
        await self._execute(update, (microseconds(at), int(executed), lease.task, lease.until))

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        """As `TaskList.tasks`, a page at a time."""
        select = "SELECT id, body FROM tasks WHERE id > ? ORDER BY id LIMIT ?"
        after = 0
        while rows := await self._execute(select, (after, _PAGE)):
            for task, body in rows:
                yield str(task), body
            after = rows[-1][0]

    async def count(self, most: int) -> int:
        """As `TaskList.count`."""
        [[number]] = await self._execute("SELECT count(*) FROM (SELECT 1 FROM tasks LIMIT ?)", (most,))
        return int(number)

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

    async def _execute(self, statement: str, values: tuple[object, ...] | dict[str, int | str] = ()) -> list[Any]:
        return await self._database.run(lambda connection: connection.execute(statement, values).fetchall())


def microseconds(moment: datetime) -> int:
    """As the file keeps times."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
