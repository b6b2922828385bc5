"""Sealing messages to deliver's public key before they enter the queue."""

from datetime import datetime

from shared.crypto import sealing
from shared.models.labels import Label
from shared.models.messages import (
    DeferredPress,
    LinksMessage,
    Message,
    ReminderMessage,
    SubmissionMessage,
    TaskBody,
)
from shared.queue import QueueName, TaskQueue


class Envelopes:
    """Seals messages to `recipient` (age1…) and enqueues them. Holds no secret."""

    def __init__(self, queue: TaskQueue, recipient: str) -> None:
        self._queue = queue
        self._recipient = sealing.parse_recipient(recipient)

    async def send(self, message: Message, *, not_before: datetime | None = None) -> None:
        """Seal a message and put it into its queue; deliver then gets it at least once, not before `not_before`.

        Raises:
            QueueUnavailable: it was not accepted, or may not have been.
        """
        sealed = sealing.seal(message.model_dump_json(), [self._recipient])
        body = TaskBody(sealed=sealed).model_dump_json().encode()
        await self._queue.enqueue(_queue_of(message), body, not_before=not_before)

    async def aclose(self) -> None:
        """Close the queue."""
        await self._queue.aclose()


def _queue_of(message: Message) -> QueueName:
    match message:
        case SubmissionMessage(labels=labels) if Label.NO_WORK in labels:
            return QueueName.WITHOUT_WORK
        case SubmissionMessage() | LinksMessage():
            return QueueName.SIGNATURES
        case DeferredPress():
            return QueueName.PRESSES
        case ReminderMessage():
            return QueueName.REMINDERS
