"""Empties the spool into the queue, once that is back. Runs in deliver, which carries Firestore anyway."""

from functools import cached_property

from google.api_core.exceptions import GoogleAPIError
from google.cloud.firestore_v1 import AsyncClient

from shared.errors import StoreUnavailable
from shared.tasks import TaskQueue
from shared.tasks.spool import COLLECTION

#: In one sweep; the next one goes on. Well within deliver's time for one request.
_MOST = 500
_TIMEOUT_SECONDS = 10


class Sweeper:
    """Moves tasks from `database` of `project` into `queue`, each at least once."""

    def __init__(self, project: str, database: str, queue: TaskQueue) -> None:
        self._project = project
        self._database = database
        self._queue = queue

    async def sweep(self) -> int:
        """How many tasks were moved.

        Raises:
            QueueUnavailable: the queue is still away; what was not moved stays in the spool.
            StoreUnavailable: the spool does not answer.
        """
        moved = 0
        try:
            async for kept in self._client.collection(COLLECTION).limit(_MOST).stream(timeout=_TIMEOUT_SECONDS):
                await self._queue.enqueue(kept.get("body"))
                # Only now: a sweep that ends here has moved it, and one that ended before moves it again.
                await kept.reference.delete(timeout=_TIMEOUT_SECONDS)
                moved += 1
        except GoogleAPIError as fault:
            raise StoreUnavailable(type(fault).__name__) from fault
        return moved

    def close(self) -> None:
        """Let go of the connection."""
        if "_client" in self.__dict__:
            self._client.close()  # type: ignore[no-untyped-call]

    @cached_property
    def _client(self) -> AsyncClient:
        return AsyncClient(project=self._project, database=self._database)
