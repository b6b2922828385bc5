"""Mail through an SMTP relay, with STARTTLS (RFC 3207)."""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import aiosmtplib

from shared import log
from shared.errors import MailDeferred, MailRefused, MailUnresolved
from shared.mail import Mail
from shared.mail.message import ascii_recipient, build
from shared.reference import mail_providers

#: For everything up to the content, and again for the content; together less than the queue waits for deliver.
_TIMEOUT_SECONDS = 30
#: RFC 3463, 3.2: the recipient's address is wrong. Any other refusal may be our fault and pass. The code comes
#: first (RFC 2034); further on, "5.1.9" may be part of our own IP address at a blocklist.
_BAD_ADDRESS = re.compile(r"5\.1\.\d{1,3}\b")


@dataclass(frozen=True, kw_only=True)
class SmtpMailer:
    """Opens a connection per mail, so that a relay's greylisting or limits concern one recipient only."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    starttls: bool
    now: Callable[[], datetime]
    tls_context: ssl.SSLContext | None = None

    async def send(self, mail: Mail) -> None:
        """Send the mail through the relay, see `Mailer.send`."""
        content = build(mail, self.now())
        relay = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            start_tls=self.starttls,
            tls_context=self.tls_context,
            timeout=_TIMEOUT_SECONDS,
        )
        try:
            await self._open(relay, mail)
            await self._hand_over(relay, mail, content)
        finally:
            relay.close()

    async def _open(self, relay: aiosmtplib.SMTP, mail: Mail) -> None:
        """Connect and announce the mail. If anything fails before the content, the mail was not sent."""
        recipient = ascii_recipient(mail.to)
        options = [] if recipient.isascii() else ["SMTPUTF8"]
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await relay.connect()
                if options and not relay.supports_extension("smtputf8"):
                    # The relay lacks it and the address is fine: the mail can be sent once the relay supports it.
                    raise aiosmtplib.SMTPNotSupported("SMTPUTF8")
                await relay.mail(mail.sender_address, options=options, encoding="utf-8")
                await relay.rcpt(recipient, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as error:
            if error.code >= 500 and _BAD_ADDRESS.match(error.message):
                raise MailRefused(str(error.code)) from None
            raise _deferred(error, mail) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _deferred(error, mail) from None

    async def _hand_over(self, relay: aiosmtplib.SMTP, mail: Mail, content: bytes) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await relay.data(content)
        except aiosmtplib.SMTPResponseException as error:
            raise _deferred(error, mail) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            # The relay may have accepted the mail and lost the connection before it could say so.
            raise MailUnresolved(type(error).__name__) from None


def _deferred(error: Exception, mail: Mail) -> MailDeferred:
    """Log the deferral with the relay's reply code, without its text, for relays quote addresses."""
    reply, provider = getattr(error, "code", None), mail_providers.provider_class(mail.to)
    log.event("mail_deferred", "WARNING", error=type(error).__name__, reply=reply, provider=provider)
    return MailDeferred(type(error).__name__)
