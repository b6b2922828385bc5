"""Envelopes: which queue a message goes into."""

import pytest

from shared.models.labels import Label
from shared.models.messages import DeferredPress, LinksMessage, Message, ReminderMessage
from shared.queue import QueueName
from shared.queue.envelopes import Envelopes
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, Identities
from tests.support.messages import RecordingQueue, submission_message

SUBMISSION = submission_message(0, "ann@example.org")
LINKS = LinksMessage(id="0" * 32, campaign=CAMPAIGN, email="ann@example.org", locale="en", asked_at=NOW)
REMINDER = ReminderMessage(submission_id="0" * 32, campaign=CAMPAIGN, email="ann@example.org", locale="en")
PRESS = DeferredPress(purpose="confirm", token="token", pressed_at=NOW)


@pytest.mark.parametrize(
    ("message", "queue"),
    [
        (SUBMISSION, QueueName.SIGNATURES),
        (SUBMISSION.model_copy(update={"labels": (Label.NO_WORK,)}), QueueName.WITHOUT_WORK),
        (LINKS, QueueName.SIGNATURES),
        (PRESS, QueueName.PRESSES),
        (REMINDER, QueueName.REMINDERS),
    ],
    ids=["submission", "without_work", "links", "press", "reminder"],
)
async def test_each_message_goes_into_the_queue_of_its_kind(message: Message, queue: QueueName) -> None:
    """So that reminders and signatures without work delay no other signature, nor mails a press."""
    noting = RecordingQueue()
    envelopes = Envelopes(noting, str(Identities().deliver.to_public()))

    await envelopes.send(message)

    assert noting.queues == [queue]
