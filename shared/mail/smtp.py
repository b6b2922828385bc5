"""Mail through one SMTP relay, with STARTTLS (RFC 3207), over connections that are reused."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiosmtplib
from aiosmtplib import SMTPException, SMTPRecipientRefused, SMTPResponseException

from shared import log
from shared.errors import MailDeferred, MailError, MailRefused, MailRejected, MailUnavailable, MailUnresolved
from shared.mail import Mail
from shared.mail.message import ascii_recipient
from shared.mail.status_codes import bad_mailbox
from shared.reference import mail_providers

# Together, for the three relays that there may be at most, less than deliver has for a task (80 seconds).
_WAIT_SECONDS = 5  # for a connection to be free
_ANNOUNCE_SECONDS = 10  # for everything up to the content
_CONTENT_SECONDS = 30
_RESET_SECONDS = 3
#: For a reused connection to show that it still lives.
_REUSE_SECONDS = 3
#: Cloud Run stops the processor between requests: meanwhile a connection may end without our noticing, because the
#: relay or a NAT on the way forgets it. Relays close an idle one after 10 seconds at the earliest (Postfix under
#: stress); in a rush, one is idle for milliseconds.
_MAX_IDLE_SECONDS = 8.0
_CLOSING = 421  # RFC 5321, 3.8: whatever the command was, the answer concerns the whole connection


class _Connection:
    """A place for one connection, open or not."""

    def __init__(self, smtp: aiosmtplib.SMTP, unused_since: float) -> None:
        self.smtp = smtp
        self.unused_since = unused_since


class SmtpRelay:
    """One relay. `connections`: the most that are open at once. `envelope_sender`: where mails come back to (MAIL
    FROM); None for their sender's address. `tls_context`: None for this machine's own relay. `monotonic`: a clock
    in seconds that is never set, for how long a connection was idle.

    There is no limit to the mails of a connection: a relay that has one closes it or answers MAIL with 421, and
    then another is opened.
    """

    def __init__(
        self,
        name: str,
        *,
        host: str,
        port: int,
        user: str | None,
        password: str | None,
        mails_per_second: float,
        connections: int,
        envelope_sender: str | None,
        tls_context: ssl.SSLContext | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.mails_per_second = mails_per_second
        self._envelope_sender = envelope_sender
        self._monotonic = monotonic
        self._failures = 0
        self._places = [
            aiosmtplib.SMTP(
                hostname=host,
                port=port,
                username=user,
                password=password,
                start_tls=tls_context is not None,
                tls_context=tls_context,
                timeout=_CONTENT_SECONDS,
            )
            for _ in range(connections)
        ]
        # The connection used last comes first; those that a rush has left over grow old and are not used again.
        self._free = asyncio.LifoQueue[_Connection]()
        for place in self._places:
            self._free.put_nowait(_Connection(place, monotonic()))

    async def send(self, mail: Mail, content: bytes) -> None:
        """Send a mail that `message.build` has made into `content`.

        Raises:
            MailRefused: this recipient is refused for good.
            MailUnavailable: it was definitely not sent, and others would not be either.
            MailDeferred: it was definitely not sent, which concerns this mail alone.
            MailRejected: the same, and the relay says that it never will be.
            MailUnresolved: it may or may not have been sent.
        """
        async with self._connection(mail) as connection:
            await self._announce(connection, mail)
            await self._hand_over(connection.smtp, mail, content)

    def close(self) -> None:
        """Close all connections."""
        for smtp in self._places:
            smtp.close()

    @asynccontextmanager
    async def _connection(self, mail: Mail) -> AsyncIterator[_Connection]:
        """Wait for a place; put it back with a connection that the next mail can use, or with none."""
        failures = self._failures
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                connection = await self._free.get()
        except TimeoutError as error:
            raise self._deferred(error, mail) from None
        try:
            if self._failures > failures:  # or all who waited would find out by themselves, one after the other
                raise MailUnavailable("failed for another mail")
            yield connection
        except (MailRefused, MailDeferred) as error:
            await _close_or_reset(connection.smtp, is_lost=isinstance(error, MailUnavailable))
            raise
        except BaseException:  # also if the task is cancelled: nobody knows what the relay will answer next
            connection.smtp.close()
            raise
        finally:
            connection.unused_since = self._monotonic()
            self._free.put_nowait(connection)

    async def _announce(self, connection: _Connection, mail: Mail) -> None:
        """Say who writes to whom. If anything fails before the content, the mail was not sent."""
        recipient = ascii_recipient(mail.to)
        try:
            async with asyncio.timeout(_ANNOUNCE_SECONDS):
                await self._begin(connection, mail, utf8=not recipient.isascii())
                await connection.smtp.rcpt(recipient, encoding="utf-8")
        except SMTPRecipientRefused as error:
            raise self._refusal(error, mail) from None
        except (SMTPException, OSError) as error:
            raise self._unavailable(error) from None

    async def _begin(self, connection: _Connection, mail: Mail, *, utf8: bool) -> None:
        """Begin the mail (MAIL) over an open connection if there is one.

        Whatever goes wrong with one that was idle, another is opened: that it ended is no failure of the relay.
        """
        smtp = connection.smtp
        if smtp.is_connected and self._monotonic() - connection.unused_since < _MAX_IDLE_SECONDS:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(_REUSE_SECONDS):
                    await self._name_sender(smtp, mail, utf8=utf8)
                return
        smtp.close()
        await smtp.connect()
        await self._name_sender(smtp, mail, utf8=utf8)

    async def _name_sender(self, smtp: aiosmtplib.SMTP, mail: Mail, *, utf8: bool) -> None:
        if utf8 and smtp.is_ehlo_or_helo_needed:
            await smtp.ehlo()
        if utf8 and not smtp.supports_extension("smtputf8"):
            # The address is fine: the mail can be sent once the relay supports it, or when it meets one that does.
            raise self._deferred(aiosmtplib.SMTPNotSupported("SMTPUTF8"), mail)
        await smtp.mail(self._envelope_sender or mail.sender_address, options=["SMTPUTF8"] if utf8 else [])

    async def _hand_over(self, smtp: aiosmtplib.SMTP, mail: Mail, content: bytes) -> None:
        try:
            async with asyncio.timeout(_CONTENT_SECONDS):
                await smtp.data(content)
        except aiosmtplib.SMTPDataError as error:
            raise self._refusal(error, mail) from None
        except (SMTPException, OSError) as error:
            # The relay may have accepted the mail and lost the connection before it could say so.
            raise MailUnresolved(type(error).__name__) from None

    def _refusal(self, error: SMTPResponseException, mail: Mail) -> MailError:
        """Tell what an answer to RCPT or to the content concerns: the connection, the address, or this attempt."""
        if error.code == _CLOSING:
            return self._unavailable(error)
        # Any other refusal may be our fault, and pass.
        if isinstance(error, SMTPRecipientRefused) and error.code >= 500 and bad_mailbox(error.message):
            return MailRefused(str(error.code))
        return self._deferred(error, mail)

    def _deferred(self, error: Exception, mail: Mail) -> MailDeferred:
        """Log the deferral with the relay's reply code, without its text, for relays quote addresses."""
        reply, provider = getattr(error, "code", None), mail_providers.provider_class(mail.to)
        kind = type(error).__name__
        log.event("mail_deferred", "WARNING", error=kind, reply=reply, provider=provider, relay=self.name)
        is_final = isinstance(error, aiosmtplib.SMTPDataError) and error.code >= 500
        return MailRejected(kind) if is_final else MailDeferred(kind)

    def _unavailable(self, error: Exception) -> MailUnavailable:
        self._failures += 1
        return MailUnavailable(type(error).__name__, getattr(error, "code", None))


async def _close_or_reset(smtp: aiosmtplib.SMTP, *, is_lost: bool) -> None:
    """Make the connection ready for another mail after one that was turned away, or close it."""
    try:
        if not is_lost:
            async with asyncio.timeout(_RESET_SECONDS):
                await smtp.rset()
            return
    except (SMTPException, OSError):
        pass
    smtp.close()
