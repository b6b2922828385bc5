"""A mail relay: a real SMTP server with STARTTLS and accounts, and every way in which it can disappoint."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "petition", "hunter2hunter2"

AUTHORITY = trustme.CA()
_CERTIFICATE = AUTHORITY.issue_cert("localhost", "127.0.0.1")


@dataclass
class Relay:
    """What the server takes, and how it answers instead.

    `at_second_mail`: its answer to MAIL over a connection that has begun a mail before.
    `gate`: takes no content until this is set.
    """

    port: int = 0
    at_mail: str | None = None
    at_second_mail: str | None = None
    at_rcpt: str | None = None
    at_data: str | None = None
    drops_at_rcpt: bool = False
    drops_at_data: bool = False
    gate: asyncio.Event | None = None
    user: str = USER
    knows_utf8: bool = True
    taken: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    logins: list[Any] = field(default_factory=list)
    connections: list["_Connection"] = field(default_factory=list)
    most_open: int = 0
    _ignored: list["_Connection"] = field(default_factory=list)

    @property
    def open(self) -> int:
        """How many connections are open."""
        return sum(connection.is_open for connection in self.connections)

    def hang_up(self) -> None:
        """End all connections."""
        for connection in self.connections:
            connection.hang_up()

    def ignore(self) -> None:
        """Answer nothing any more on the connections that are open, as if a NAT had forgotten them."""
        self._ignored = list(self.connections)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds it by this name
        self, server: "_Connection", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if server in self._ignored:
            await asyncio.Event().wait()
        if self.at_second_mail and session in self.sessions:
            return self.at_second_mail
        self.sessions.append(session)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.at_mail or "250 2.1.0 fine"

    async def handle_RCPT(  # noqa: N802
        self, server: "_Connection", _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.drops_at_rcpt:
            server.hang_up()
        if self.at_rcpt:
            return self.at_rcpt.format(address=address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server: "_Connection", _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.gate:
            await self.gate.wait()
        if self.drops_at_data:
            server.hang_up()
        if self.at_data:
            return self.at_data
        self.taken.append(envelope)
        return "250 2.0.0 queued"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any
    ) -> AuthResult:
        self.logins.append(given)
        return AuthResult(success=given == LoginPassword(self.user.encode(), PASSWORD.encode()), handled=False)


class _Connection(SMTP):
    """One connection to the relay, which knows whether it is open."""

    relay: Relay
    is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # again with the transport that STARTTLS makes
        if not self.is_open:
            self.is_open = True
            self.relay.connections.append(self)
            self.relay.most_open = max(self.relay.most_open, self.relay.open)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        super().connection_lost(error)

    def hang_up(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


def server_tls(certificate: trustme.LeafCert = _CERTIFICATE) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def client_tls(trusts: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.create_default_context()
    trusts.configure_trust(context)
    return context


@asynccontextmanager
async def relay(tls: ssl.SSLContext | None = None, port: int = 0, **behaviour: Any) -> AsyncIterator[Relay]:
    """A relay on a port of its own; `tls`: None where it offers no STARTTLS, and takes passwords without."""
    handler = Relay(**behaviour)
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        made = _Connection(
            handler,
            hostname="relay.example.org",
            loop=loop,
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=tls is not None,
            auth_require_tls=tls is not None,
            authenticator=handler.authenticate,
            enable_SMTPUTF8=handler.knows_utf8,
        )
        made.relay = handler
        return made

    server = await loop.create_server(connection, "127.0.0.1", port)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()
        handler.hang_up()
        await server.wait_closed()
