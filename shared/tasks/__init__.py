"""The task queue: the write-ahead log and shock absorber between accepting a signature and storing it.

What a queue promises: once `enqueue` returns, the body is POSTed to deliver at least once, not before
`not_before`, and again with growing pauses until deliver answers 2xx. Tasks may come twice and out of order.
"""

from datetime import datetime, timedelta
from typing import Protocol

#: Cloud Tasks bills and limits in chunks of this size, in bytes.
MAX_BODY_BYTES = 32_000

#: How far ahead Cloud Tasks lets a task be scheduled is 30 days; a day is kept for clocks that differ.
HORIZON = timedelta(days=29)


class TaskQueue(Protocol):
    """Implemented by `cloud_tasks.CloudTasksQueue` and `local.LocalQueue`."""

    async def enqueue(self, body: bytes, *, not_before: datetime | None = None) -> None:
        """Accept `body` (JSON, at most `MAX_BODY_BYTES`) durably.

        Raises:
            QueueUnavailable: it was not accepted, or nobody knows whether it was.
            ValueError: the body is too large.
        """

    async def aclose(self) -> None:
        """Let go of the connection or the file."""
