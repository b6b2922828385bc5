"""Mail through an SMTP relay, with STARTTLS (RFC 3207)."""

import asyncio
import re
import ssl
from collections.abc import Callable
from datetime import datetime

import aiosmtplib

from shared import log
from shared.errors import MailDeferred, MailRefused, MailUnresolved
from shared.mail import Mail
from shared.mail.message import ascii_recipient, build
from shared.reference import mail_providers

#: For all up to the content, and again for the content; together less than the queue waits for deliver.
_TIMEOUT_SECONDS = 30
#: RFC 3463, 3.2: the recipient's address is the fault. Any other refusal may be ours, and passes. The code comes
#: first (RFC 2034); further on, "5.1.9" may be part of our own address at a blocklist.
_BAD_ADDRESS = re.compile(r"5\.1\.\d{1,3}\b")


class SmtpMailer:
    """One connection per mail: a relay's greylisting or limits then concern one recipient only."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str | None,
        password: str | None,
        starttls: bool,
        now: Callable[[], datetime],
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._user = user
        self._password = password
        self._starttls = starttls
        self._now = now
        self._tls_context = tls_context

    async def send(self, mail: Mail) -> None:
        content = build(mail, self._now()).as_bytes()
        relay = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            start_tls=self._starttls,
            tls_context=self._tls_context,
            timeout=_TIMEOUT_SECONDS,
        )
        try:
            await self._open(relay, mail)
            await self._hand_over(relay, mail, content)
        finally:
            relay.close()

    async def _open(self, relay: aiosmtplib.SMTP, mail: Mail) -> None:
        """Everything up to the content: until then, whatever fails, the mail was not sent."""
        recipient = ascii_recipient(mail.to)
        options = [] if recipient.isascii() else ["SMTPUTF8"]
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await relay.connect()
                if options and not relay.supports_extension("smtputf8"):
                    # The relay's lack and not the address's fault: it can still be mailed once that is mended.
                    raise aiosmtplib.SMTPNotSupported("SMTPUTF8")
                await relay.mail(mail.sender_address, options=options, encoding="utf-8")
                await relay.rcpt(recipient, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as fault:
            if fault.code >= 500 and _BAD_ADDRESS.match(fault.message):
                raise MailRefused(str(fault.code)) from None
            raise _deferred(fault, mail) from None
        except (aiosmtplib.SMTPException, OSError) as fault:
            raise _deferred(fault, mail) from None

    async def _hand_over(self, relay: aiosmtplib.SMTP, mail: Mail, content: bytes) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await relay.data(content)
        except aiosmtplib.SMTPResponseException as fault:
            raise _deferred(fault, mail) from None
        except (aiosmtplib.SMTPException, OSError) as fault:
            # The relay may have taken the mail and lost the connection before it could say so.
            raise MailUnresolved(type(fault).__name__) from None


def _deferred(fault: Exception, mail: Mail) -> MailDeferred:
    """The relay's words stay out of the log, for relays quote addresses; its number does not."""
    reply, provider = getattr(fault, "code", None), mail_providers.provider_class(mail.to)
    log.event("mail_deferred", "WARNING", error=type(fault).__name__, reply=reply, provider=provider)
    return MailDeferred(type(fault).__name__)
