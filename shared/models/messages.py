"""What travels through the queue: messages to deliver, and the task body that holds one sealed."""

import base64
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    TypeAdapter,
    ValidationError,
)

from shared.errors import Unopenable

#: Left out where a message is printed, so that it cannot slip into a log or a traceback.
Personal = Annotated[str, Field(repr=False)]


class _Message(BaseModel):
    # Built when first used: no function reads and writes all of them.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class SubmissionMessage(_Message):
    """A signature on its way to deliver. `id`: random, names this submission for good."""

    kind: Literal["submission"] = "submission"
    id: str
    campaign: str
    email: Personal
    name: Personal
    country: str
    locale: str
    consent_version: str
    partner: str | None
    source: str | None
    newsletter: bool | None
    postal_code: Annotated[str | None, Field(repr=False)]
    signed_at: AwareDatetime


class LinksMessage(_Message):
    """Somebody asked for the links of an address."""

    kind: Literal["links"] = "links"
    id: str
    campaign: str
    email: Personal
    locale: str
    asked_at: AwareDatetime


class ReminderMessage(_Message):
    """A day after the mail: remind, if the submission still waits."""

    kind: Literal["reminder"] = "reminder"
    submission_id: str
    campaign: str
    email: Personal
    locale: str


class DeferredPress(_Message):
    """A link was pressed while the database was away. The token itself travels, so that nobody can forge one."""

    kind: Literal["press"] = "press"
    purpose: Literal["confirm", "withdraw"]
    token: Personal
    pressed_at: AwareDatetime


Message = SubmissionMessage | LinksMessage | ReminderMessage | DeferredPress
_MESSAGE: TypeAdapter[Message] = TypeAdapter(
    Annotated[Message, Discriminator("kind")], config=ConfigDict(defer_build=True)
)


class TaskBody(_Message):
    """What lies in the queue: a version, and a message sealed to deliver."""

    version: Literal[1] = 1
    sealed: Base64Bytes


def task_body(sealed: bytes) -> bytes:
    """What `parse_task` reads, as JSON. Written by hand: signing in a rush, it is a twentieth of sign's work."""
    return b'{"version":1,"sealed":"%b"}' % base64.b64encode(sealed)


def parse_task(body: bytes) -> TaskBody:
    """
    Raises:
        Unopenable: not a body of ours, or of a version this code does not know.
    """
    try:
        return TaskBody.model_validate_json(body)
    except ValidationError:
        raise Unopenable("not a task body of this version") from None


def parse_message(opened: bytes) -> Message:
    """
    Raises:
        Unopenable: deliver's own key opened it, and yet it holds no message we know.
    """
    try:
        return _MESSAGE.validate_json(opened)
    except ValidationError:
        raise Unopenable("not a message of this version") from None
