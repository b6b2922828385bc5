"""Tasks as sign makes them, for tests that bring them to deliver themselves."""

from datetime import UTC, datetime

from shared.models.messages import SubmissionMessage
from shared.queue import QueueName
from tests.support.deployment import CAMPAIGN


class RecordingQueue:
    """Records tasks, for a test to deliver: each one's queue and body."""

    def __init__(self) -> None:
        self.queues: list[QueueName] = []
        self.bodies: list[bytes] = []

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: datetime | None = None) -> None:
        self.queues.append(queue)
        self.bodies.append(body)

    async def aclose(self) -> None:
        pass


def submission_message(number: int, email: str, campaign: str = CAMPAIGN) -> SubmissionMessage:
    """A signature made now; each `number` is another one."""
    return SubmissionMessage(
        id=f"{number:032x}",
        campaign=campaign,
        email=email,
        name=f"Ann {number}",
        country="DE",
        locale="en",
        consent_version="1",
        partner=None,
        source=None,
        newsletter=None,
        postal_code=None,
        signed_at=datetime.now(UTC),
    )
