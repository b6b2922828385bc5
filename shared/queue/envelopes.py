"""Messages to deliver, sealed to its public key before they enter the queue."""

from datetime import datetime

from shared.crypto import sealing
from shared.models.messages import Message, task_body
from shared.queue import TaskQueue


class Envelopes:
    """Seals to `recipient` (age1…) and enqueues. Holds no secret."""

    def __init__(self, queue: TaskQueue, recipient: str) -> None:
        self._queue = queue
        self._recipient = sealing.parse_recipient(recipient)

    async def send(self, message: Message, *, not_before: datetime | None = None) -> None:
        """Once this returns, deliver gets the message at least once.

        Raises:
            QueueUnavailable: it was not accepted, or nobody knows whether it was.
        """
        sealed = sealing.seal(message.model_dump_json(), [self._recipient])
        await self._queue.enqueue(task_body(sealed), not_before=not_before)

    async def aclose(self) -> None:
        """Let go of the queue."""
        await self._queue.aclose()
