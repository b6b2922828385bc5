"""The task queues: the write-ahead log and shock absorber between accepting a signature and storing it.

What a queue promises: once `enqueue` returns, the body is POSTed to deliver at least once, not before
`not_before`, and retried with exponential backoff until deliver answers 2xx. Tasks may come twice, and out of
order.
"""

from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared import log
from shared.errors import QueueUnavailable

#: Cloud Tasks bills and limits in chunks of this size, in bytes.
MAX_BODY_BYTES = 32_000

#: How far ahead Cloud Tasks lets a task be scheduled is 30 days; a day is kept for clocks that differ.
HORIZON = timedelta(days=29)


class QueueName(StrEnum):
    """The queues, by what waits in them. Each has its own rate, so that none delays another."""

    #: Fresh signatures and requests for links.
    SIGNATURES = "signatures"
    #: Presses of confirm or withdraw that could not be stored at once. They mail nothing.
    PRESSES = "presses"
    #: Reminders, which may wait.
    REMINDERS = "reminders"
    #: Signatures without the work that their campaign asks for: plain forms, and programs that send them.
    WITHOUT_WORK = "without-work"


class TaskQueue(Protocol):
    """Implemented by `cloud_tasks.CloudTasksQueue` and `local.LocalQueue`."""

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: datetime | None = None) -> None:
        """Accept `body` durably (JSON, at most `MAX_BODY_BYTES`) into one of the queues.

        Raises:
            QueueUnavailable: it was not accepted, or nobody knows whether it was.
            ValueError: the body is too large.
        """

    async def aclose(self) -> None:
        """Close the connection or the file."""


class TaskList(Protocol):
    """What the desk does with tasks that lie somewhere: in a queue, the spool or among the dead letters."""

    def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        """List name and body of each task. Those that come or go meanwhile may be among them or not.

        Raises:
            QueueUnavailable, StoreUnavailable: not all could be read.
        """

    async def count(self, most: int) -> int:
        """Count the tasks, at most up to `most`, those included that are not due yet. Raises as `tasks`."""

    async def delete(self, names: Collection[str]) -> None:
        """Remove these tasks; those that are gone already are no error. Raises as `tasks`.

        Traces of them may be left until the next `overwrite`.
        """

    async def overwrite(self) -> None:
        """Overwrite the traces of what was removed, where this place keeps any. Raises as `tasks`."""

    async def aclose(self) -> None:
        """Close the connection or the file."""


class Spool(Protocol):
    """Where sign puts a task while the queue is unavailable. Implemented by `spool.FirestoreSpool`."""

    async def keep(self, body: bytes) -> None:
        """Keep `body` durably, to be enqueued by a later sweep.

        Raises:
            QueueUnavailable: it was not kept, or nobody knows whether it was.
        """

    async def aclose(self) -> None:
        """Close the connection."""


class SpoolingQueue:
    """A `TaskQueue` that keeps in the spool what `queue` does not accept now.

    For sign: a sweep puts all that the spool holds into `signatures`. `make_spool` is called for the first such
    task: importing it takes as long as half of sign's cold start.
    """

    def __init__(self, queue: TaskQueue, make_spool: Callable[[], Spool]) -> None:
        self._queue = queue
        self._make_spool = make_spool
        self._spool: Spool | None = None

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: datetime | None = None) -> None:
        try:
            await self._queue.enqueue(queue, body, not_before=not_before)
        except QueueUnavailable as error:
            log.exception("spooled", error.__cause__ or error)
            self._spool = self._spool or self._make_spool()
            await self._spool.keep(body)

    async def aclose(self) -> None:
        await self._queue.aclose()
        if self._spool:
            await self._spool.aclose()
