"""Moves the spool into the queue, once that is available again. Runs in deliver, which uses Firestore anyway."""

import asyncio
from typing import Any

from google.cloud.firestore import DocumentSnapshot

from shared import log
from shared.databases.firestore import FirestoreDatabase, delete, unavailable_for_errors
from shared.queue import MAX_BODY_BYTES, QueueName, TaskQueue
from shared.queue.spool import COLLECTION

#: In one sweep; the next one goes on. Well within deliver's time for one request.
_MAX_TASKS = 500
_AT_ONCE = 20


class Sweeper:
    """Moves tasks from `database` of `project` into `queue`, each at least once."""

    def __init__(self, project: str, database: str, queue: TaskQueue) -> None:
        self._database = FirestoreDatabase(project, database)
        self._queue = queue

    async def sweep(self) -> int:
        """Move up to `_MAX_TASKS` tasks; return how many.

        Raises:
            QueueUnavailable: the queue is still unavailable; what was not moved stays in the spool.
            StoreUnavailable: the spool does not answer.
        """
        with unavailable_for_errors():
            tasks = await self._database.query(COLLECTION, limit=_MAX_TASKS)
            for start in range(0, len(tasks), _AT_ONCE):
                moves = (self._move(task) for task in tasks[start : start + _AT_ONCE])
                # All of them to their end: one that was left running would end unseen.
                for outcome in await asyncio.gather(*moves, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
        return len(tasks)

    async def _move(self, task: DocumentSnapshot[Any]) -> None:
        body = (task.to_dict() or {}).get("body")
        if isinstance(body, bytes) and len(body) <= MAX_BODY_BYTES:
            await self._queue.enqueue(QueueName.SIGNATURES, body)
        else:
            # Not written by sign. It must not block the others for ever.
            log.event("spool_holds_junk", "ERROR")
        # Only now: a sweep that ends here has moved it, and one that ended before moves it again.
        await self._database.commit(delete(task.reference.path))

    async def aclose(self) -> None:
        """Close the connection."""
        self._database.close()
