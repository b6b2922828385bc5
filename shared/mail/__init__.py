"""A mail, and the protocol of what sends it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one address. `language`: BCP 47. `report_token`: by which a report about it is recognised."""

    to: str
    sender_name: str
    sender_address: str
    reply_to: str
    subject: str
    text: str
    html: str
    language: str
    report_token: str


class Mailer(Protocol):
    """Implemented by `relays.RelayMailer` and `outbox.Outbox`."""

    async def send(self, mail: Mail) -> None:
        """Send the mail.

        Raises:
            MailRefused: there is no such mailbox.
            MailDeferred: it was definitely not sent; try again later.
            MailUnavailable: the same, and no other mail would be sent now.
            MailUnresolved: it may or may not have been sent.
        """
