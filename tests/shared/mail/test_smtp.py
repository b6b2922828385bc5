"""The relay: a real SMTP server with STARTTLS and accounts, and every way in which it can disappoint.

Which error it becomes decides whether the mail is tried again: refused is for good, deferred is sure not to have
been sent, unresolved may have been.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email import message_from_string
from email.policy import default
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from shared.errors import MailDeferred, MailError, MailRefused, MailUnresolved
from shared.mail import Mail
from shared.mail.smtp import SmtpMailer
from tests.support.clock import NOW

MAIL = Mail(
    to="ann.canary@example.org",
    sender_name="Unwatched Europe",
    sender_address="petition@unwatched.example.org",
    reply_to="privacy@unwatched.example.org",
    subject="Confirm your signature: Grüße",
    text="Press\nhttps://sign.example.org/v1/confirm/token\n",
    html="<p>Press</p>",
    language="en",
)
USER, PASSWORD = "petition", "hunter2hunter2"

AUTHORITY = trustme.CA()
_CERTIFICATE = AUTHORITY.issue_cert("localhost", "127.0.0.1")


@dataclass
class Relay:
    """What the server takes, and how it answers instead."""

    port: int = 0
    at_mail: str | None = None
    at_rcpt: str | None = None
    at_data: str | None = None
    drops_at_data: bool = False
    user: str = USER
    taken: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    logins: list[Any] = field(default_factory=list)

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any
    ) -> AuthResult:
        self.logins.append(given)
        return AuthResult(success=given == LoginPassword(self.user.encode(), PASSWORD.encode()), handled=False)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds it by this name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.sessions.append(session)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.at_mail or "250 2.1.0 fine"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.at_rcpt:
            return self.at_rcpt.format(address=address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.drops_at_data:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if self.at_data:
            return self.at_data
        self.taken.append(envelope)
        return "250 2.0.0 queued"


def server_tls(certificate: trustme.LeafCert = _CERTIFICATE) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@asynccontextmanager
async def relay(tls: ssl.SSLContext | None = None, **behaviour: Any) -> AsyncIterator[Relay]:
    """A relay on a port of its own; `tls`: None where it offers no STARTTLS, and takes passwords without."""
    handler = Relay(**behaviour)
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(
            handler,
            hostname="relay.example.org",
            loop=loop,
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=tls is not None,
            auth_require_tls=tls is not None,
            authenticator=handler.authenticate,
            enable_SMTPUTF8=True,
        )

    server = await loop.create_server(connection, "127.0.0.1", 0)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()
        await server.wait_closed()


def mailer(
    port: int, *, password: str = PASSWORD, starttls: bool = True, trusts: trustme.CA = AUTHORITY
) -> SmtpMailer:
    context = ssl.create_default_context()
    trusts.configure_trust(context)
    return SmtpMailer(
        host="localhost",
        port=port,
        user=USER if starttls else None,
        password=password if starttls else None,
        starttls=starttls,
        now=lambda: NOW,
        tls_context=context,
    )


class TestDelivers:
    async def test_over_tls_and_logged_in(self) -> None:
        """From the campaign's sender, to the signer alone."""
        async with relay(server_tls()) as server:
            await mailer(server.port).send(MAIL)

        (envelope,) = server.taken
        assert (envelope.mail_from, envelope.rcpt_tos) == (MAIL.sender_address, [MAIL.to])
        assert server.sessions[0].ssl
        assert server.sessions[0].authenticated
        assert isinstance(envelope.content, bytes)
        message = message_from_string(envelope.content.decode(), policy=default)
        assert (message["To"], message["Subject"]) == (MAIL.to, MAIL.subject)
        text = message.get_body(("plain",))
        assert text
        assert text.get_content().replace("\r\n", "\n") == MAIL.text

    async def test_every_mail_by_itself(self) -> None:
        """Fifty at once, each over a connection of its own."""
        async with relay(server_tls()) as server:
            sender = mailer(server.port)
            await asyncio.gather(*(sender.send(replace(MAIL, to=f"ann{n}@example.org")) for n in range(50)))

        assert {tuple(envelope.rcpt_tos) for envelope in server.taken} == {
            (f"ann{n}@example.org",) for n in range(50)
        }

    @pytest.mark.parametrize(
        ("to", "recipient", "utf8"),
        [
            ("ann@faß.de", "ann@xn--fa-hia.de", False),
            ("jörg@example.org", "jörg@example.org", True),
            ("用户@例え.jp", "用户@xn--r8jz45g.jp", True),
        ],
    )
    async def test_to_addresses_of_any_script(self, to: str, recipient: str, utf8: bool) -> None:
        """The domain as an A-label; SMTPUTF8 (RFC 6531) only where the local part needs it."""
        async with relay(server_tls()) as server:
            await mailer(server.port).send(replace(MAIL, to=to))

        (envelope,) = server.taken
        assert envelope.rcpt_tos == [recipient]
        assert ("SMTPUTF8" in envelope.mail_options) == utf8
        assert isinstance(envelope.content, bytes)
        assert f"To: {recipient}\r\n".encode() in envelope.content

    async def test_lines_that_are_a_dot(self) -> None:
        """A dot alone ends a mail in SMTP; one in the text must not."""
        async with relay(server_tls()) as server:
            await mailer(server.port).send(replace(MAIL, text="one\n.\n..two\n"))

        (envelope,) = server.taken
        assert isinstance(envelope.content, bytes)
        text = message_from_string(envelope.content.decode(), policy=default).get_body(("plain",))
        assert text
        assert text.get_content().replace("\r\n", "\n") == "one\n.\n..two\n"

    async def test_without_tls_only_where_it_is_told_to(self) -> None:
        """A relay on the same machine."""
        async with relay() as server:
            await mailer(server.port, starttls=False).send(MAIL)

        assert len(server.taken) == 1


class TestDoesNotSend:
    async def test_without_starttls(self) -> None:
        """Anybody who sits in between could take the offer away: then there is no mail, and no password."""
        async with relay() as server:
            with pytest.raises(MailDeferred):
                await mailer(server.port).send(MAIL)

        assert (server.sessions, server.logins) == ([], [])

    async def test_to_somebody_who_says_to_be_the_relay(self) -> None:
        """A certificate of an authority that we do not trust."""
        async with relay(server_tls()) as server:
            with pytest.raises(MailDeferred):
                await mailer(server.port, trusts=trustme.CA()).send(MAIL)

        assert server.sessions == []

    async def test_to_a_relay_with_a_certificate_of_another(self) -> None:
        """A trusted authority, and the wrong name."""
        async with relay(server_tls(AUTHORITY.issue_cert("evil.example.com"))) as server:
            with pytest.raises(MailDeferred):
                await mailer(server.port).send(MAIL)

        assert server.sessions == []

    async def test_with_a_wrong_password(self) -> None:
        """An operator fixes it; the mail waits meanwhile."""
        async with relay(server_tls()) as server:
            with pytest.raises(MailDeferred):
                await mailer(server.port, password="wrong").send(MAIL)

        assert server.taken == []

    async def test_where_nobody_listens(self) -> None:
        """The relay is down."""
        async with relay() as server:
            port = server.port

        with pytest.raises(MailDeferred):
            await mailer(port).send(MAIL)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"at_rcpt": "550 5.1.1 {address}: no such mailbox"}, MailRefused),
        ({"at_rcpt": "553 5.1.3 bad address syntax"}, MailRefused),
        ({"at_rcpt": "550 5.1.10 recipient has null MX"}, MailRefused),
        ({"at_rcpt": "550 5.7.1 {address}: blocked by policy"}, MailDeferred),
        ({"at_rcpt": "550 5.2.1 mailbox disabled, 5 of 5.1 GB"}, MailDeferred),
        ({"at_rcpt": "550 no"}, MailDeferred),
        ({"at_rcpt": "552 5.2.2 mailbox full"}, MailDeferred),
        ({"at_rcpt": "554 5.7.1 client host [192.5.1.9] blocked"}, MailDeferred),
        ({"at_rcpt": "554 5.7.1 client host [19.5.1.9] blocked, see 5.1.1"}, MailDeferred),
        ({"at_rcpt": "451 4.7.1 greylisted, come again"}, MailDeferred),
        ({"at_rcpt": "450 4.1.1 {address}: 5.1.1 perhaps later"}, MailDeferred),
        ({"at_rcpt": "450 5.1.1 cannot make up its mind"}, MailDeferred),
        ({"at_rcpt": "421 4.3.2 going down"}, MailDeferred),
        ({"at_mail": "550 5.1.8 sender's domain does not exist"}, MailDeferred),
        ({"at_mail": "451 4.3.0 later"}, MailDeferred),
        ({"at_data": "451 4.3.0 later"}, MailDeferred),
        ({"at_data": "452 4.3.1 no space"}, MailDeferred),
        ({"at_data": "554 5.6.0 looks like spam"}, MailDeferred),
        ({"at_data": "550 5.1.1 {address}"}, MailDeferred),
        ({"drops_at_data": True}, MailUnresolved),
    ],
    ids=str,
)
async def test_what_the_relay_answers_decides_what_becomes_of_the_mail(
    behaviour: dict[str, Any], error: type[MailError], capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a bad address at RCPT is for good; and nothing of the address is logged, though relays repeat it."""
    async with relay(server_tls(), **behaviour) as server:
        with pytest.raises(MailError) as failed:
            await mailer(server.port).send(MAIL)

    assert type(failed.value) is error
    written = capsys.readouterr()
    for text in (written.out, written.err, str(failed.value), repr(failed.value)):
        assert "canary" not in text
        assert PASSWORD not in text
    assert failed.value.__suppress_context__


async def test_the_relays_number_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees what is wrong without seeing with whom."""
    async with relay(server_tls(), at_rcpt="451 4.7.1 {address} is greylisted") as server:
        with pytest.raises(MailDeferred):
            await mailer(server.port).send(MAIL)

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["event"], line["reply"]) == ("mail_deferred", 451)
    assert line["provider"] == "other"


async def test_a_relay_that_has_failed_may_be_tried_again() -> None:
    """Nothing of the failure is left in the mailer."""
    async with relay(server_tls(), at_rcpt="451 4.7.1 later") as server:
        sender = mailer(server.port)
        with pytest.raises(MailDeferred):
            await sender.send(MAIL)
        server.at_rcpt = None
        await sender.send(MAIL)

    assert len(server.taken) == 1
