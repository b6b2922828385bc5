"""Messages to deliver, sealed to its public key before they enter the queue."""

import base64
from datetime import datetime

from shared import sealing
from shared.models import Message, TaskBody
from shared.tasks import TaskQueue


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
        body = TaskBody(sealed=base64.b64encode(sealed))
        await self._queue.enqueue(body.model_dump_json().encode(), not_before=not_before)

    async def aclose(self) -> None:
        """Let go of the queue."""
        await self._queue.aclose()
