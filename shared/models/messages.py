"""The messages that the queue brings to deliver, and the task body that holds one of them sealed."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, TypeAdapter, ValidationError

from shared.errors import Unopenable
from shared.models.labels import Label

#: Left out of `repr`, so that it cannot slip into a log or a traceback.
Personal = Annotated[str, Field(repr=False)]


class _Message(BaseModel):
    # Validators are built on first use: no function reads and writes all of these.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class SubmissionMessage(_Message):
    """A signature on its way to deliver. `id`: 128 random bits, the submission's for ever.

    `is_second`: the address was confirmed when it came first, and may have been withdrawn since. `labels`: those
    that sign found.
    """

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
    is_second: bool = False
    labels: tuple[Label, ...] = ()


class LinksMessage(_Message):
    """A request to mail an address its links."""

    kind: Literal["links"] = "links"
    id: str
    campaign: str
    email: Personal
    locale: str
    asked_at: AwareDatetime


class ReminderMessage(_Message):
    """A day after the mail: remind the signer, if the submission is still pending."""

    kind: Literal["reminder"] = "reminder"
    submission_id: str
    campaign: str
    email: Personal
    locale: str


class DeferredPress(_Message):
    """A button pressed while the database was unavailable. Carries the token, so that nobody can forge one.

    `is_second`: it came before, too early.
    """

    kind: Literal["press"] = "press"
    purpose: Literal["confirm", "withdraw"]
    token: Personal
    pressed_at: AwareDatetime
    is_second: bool = False


Message = SubmissionMessage | LinksMessage | ReminderMessage | DeferredPress
_MESSAGE: TypeAdapter[Message] = TypeAdapter(
    Annotated[Message, Discriminator("kind")], config=ConfigDict(defer_build=True)
)


class TaskBody(_Message):
    """The body of a task in the queue: a version, and a message sealed to deliver, in base64."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    version: Literal[1] = 1
    sealed: bytes


def parse_task(body: bytes) -> TaskBody:
    """Parse the body of a task.

    Raises:
        Unopenable: not a task body, or of a version this code does not know.
    """
    try:
        return TaskBody.model_validate_json(body)
    except ValidationError:
        raise Unopenable("not a task body of this version") from None


def parse_message(opened: bytes) -> Message:
    """Parse an opened message.

    Raises:
        Unopenable: deliver's key opened it, and yet it holds no message this code knows.
    """
    try:
        return _MESSAGE.validate_json(opened)
    except ValidationError:
        raise Unopenable("not a message of this version") from None
