"""Envelopes: which queue a message goes into."""

from datetime import datetime

import pytest

from shared.models.messages import DeferredPress, LinksMessage, Message, ReminderMessage, SubmissionMessage
from shared.queue import QueueName
from shared.queue.envelopes import Envelopes
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, Identities

SUBMISSION = SubmissionMessage(
    id="0" * 32,
    campaign=CAMPAIGN,
    email="ann@example.org",
    name="Ann Example",
    country="DE",
    locale="en",
    consent_version="1",
    partner=None,
    source=None,
    newsletter=None,
    postal_code=None,
    signed_at=NOW,
)
LINKS = LinksMessage(id="0" * 32, campaign=CAMPAIGN, email="ann@example.org", locale="en", asked_at=NOW)
REMINDER = ReminderMessage(submission_id="0" * 32, campaign=CAMPAIGN, email="ann@example.org", locale="en")
PRESS = DeferredPress(purpose="confirm", token="token", pressed_at=NOW)


class NotingQueue:
    """Notes which queue each task was put into."""

    def __init__(self) -> None:
        self.queues: list[QueueName] = []

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: datetime | None = None) -> None:
        self.queues.append(queue)

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    ("message", "queue"),
    [
        (SUBMISSION, QueueName.SIGNATURES),
        (LINKS, QueueName.SIGNATURES),
        (PRESS, QueueName.PRESSES),
        (REMINDER, QueueName.REMINDERS),
    ],
    ids=["submission", "links", "press", "reminder"],
)
async def test_each_message_goes_into_the_queue_of_its_kind(message: Message, queue: QueueName) -> None:
    """So that reminders delay no signature, nor mails a press."""
    noting = NotingQueue()
    envelopes = Envelopes(noting, str(Identities().deliver.to_public()))

    await envelopes.send(message)

    assert noting.queues == [queue]
