"""Moves the spool into the queue, once that is available again. Runs in deliver, which uses Firestore anyway."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from google.cloud.firestore import DocumentSnapshot

from shared import log
from shared.databases.firestore import FirestoreDatabase, delete, unavailable_for_errors
from shared.queue import MAX_BODY_BYTES, QueueName, TaskQueue
from shared.queue.spool import COLLECTION

#: For one sweep; the next one goes on. Less than deliver has for a request (infra/sizes.json).
TIME_SECONDS = 50.0
_AT_ONCE = 50


class Sweeper:
    """Moves tasks from `database` of `project` into `queue`, each at least once."""

    def __init__(
        self, project: str, database: str, queue: TaskQueue, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = FirestoreDatabase(project, database)
        self._queue = queue
        self._monotonic = monotonic

    async def sweep(self) -> int:
        """Move tasks until the spool is empty or `TIME_SECONDS` are over; return how many.

        Raises:
            QueueUnavailable: the queue is still unavailable; what was not moved stays in the spool.
            StoreUnavailable: the spool does not answer.
        """
        until = self._monotonic() + TIME_SECONDS
        moved = 0
        with unavailable_for_errors():
            while self._monotonic() < until:
                tasks = await self._database.query(COLLECTION, limit=_AT_ONCE)
                # All of them to their end: one that was left running would end unseen.
                outcomes = await asyncio.gather(*map(self._move, tasks), return_exceptions=True)
                for outcome in outcomes:
                    if isinstance(outcome, BaseException):
                        raise outcome
                moved += len(tasks)
                if len(tasks) < _AT_ONCE:
                    break
        return moved

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
