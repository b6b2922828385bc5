"""The mail to signers: short, without what somebody typed into the form, without a picture.

Spammers use forms that mail a typed name to a typed address; ours holds the campaign's words and links only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.campaigns.model import Campaign
from shared.locales import Locale
from shared.store.entities import MailKind
from shared.web import pages
from shared.web.pages import MailLink


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one address. `language`: BCP 47."""

    to: str
    sender_name: str
    sender_address: str
    reply_to: str
    subject: str
    text: str
    html: str
    language: str


class Mailer(Protocol):
    """Implemented by `smtp.SmtpMailer` and `outbox.Outbox`."""

    async def send(self, mail: Mail) -> None:
        """Hand the mail over.

        Raises:
            MailRefused: this recipient is refused for good.
            MailDeferred: it was definitely not sent; try again later.
            MailUnresolved: nobody knows whether it was sent.
        """


def compose(
    kind: MailKind,
    campaign: Campaign,
    locale: Locale,
    *,
    to: str,
    confirm: Sequence[MailLink],
    withdraw: str,
    privacy: str,
) -> Mail:
    """The mail of one kind; `confirm`, `withdraw` and `privacy` (the notice) are absolute addresses."""
    text, html = pages.mail(kind, campaign, locale, confirm=confirm, withdraw=withdraw, privacy=privacy)
    return Mail(
        to=to,
        sender_name=campaign.sender.name,
        sender_address=campaign.sender.address,
        reply_to=campaign.privacy.contact,
        subject=locale(f"mail.{kind}.subject", title=campaign.text(locale.language).title),
        text=text,
        html=html,
        language=locale.language,
    )
