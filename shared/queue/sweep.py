"""Empties the spool into the queue, once that is back. Runs in deliver, which carries Firestore anyway."""

import asyncio
from functools import cached_property

from shared import log
from shared import settings as environment
from shared.errors import StoreUnavailable
from shared.google_cloud import firestore
from shared.google_cloud.access import AccessUnavailable, MetadataServer
from shared.google_cloud.rpc import Fault
from shared.queue import MAX_BODY_BYTES, TaskQueue
from shared.queue.spool import COLLECTION

#: In one sweep; the next one goes on. Well within deliver's time for one request.
_MOST = 500
_AT_ONCE = 20


class Sweeper:
    """Moves tasks from `database` of `project` into `queue`, each at least once."""

    def __init__(self, project: str, database: str, queue: TaskQueue) -> None:
        self._project = project
        self._name = database
        self._queue = queue

    async def sweep(self) -> int:
        """How many tasks were moved.

        Raises:
            QueueUnavailable: the queue is still away; what was not moved stays in the spool.
            StoreUnavailable: the spool does not answer.
        """
        try:
            tasks = await self._database.query(COLLECTION, limit=_MOST)
            for start in range(0, len(tasks), _AT_ONCE):
                moves = (self._move(task) for task in tasks[start : start + _AT_ONCE])
                # All of them to their end: one that was left behind would go on while nobody looks.
                for outcome in await asyncio.gather(*moves, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
        except (Fault, AccessUnavailable) as fault:
            raise StoreUnavailable(type(fault).__name__) from fault
        return len(tasks)

    async def _move(self, task: firestore.Read) -> None:
        body = (task.content or {}).get("body")
        if isinstance(body, bytes) and len(body) <= MAX_BODY_BYTES:
            await self._queue.enqueue(body)
        else:
            # Not of sign's making. It must not stand in the way of the others for ever.
            log.event("spool_holds_junk", "ERROR")
        # Only now: a sweep that ends here has moved it, and one that ended before moves it again.
        await self._database.commit([firestore.delete(task.name)])

    async def aclose(self) -> None:
        """Let go of the connection."""
        self.__dict__.pop("_database", None)

    @cached_property
    def _database(self) -> firestore.Database:
        return firestore.Database(self._project, self._name, MetadataServer(), environment.firestore_emulator())
