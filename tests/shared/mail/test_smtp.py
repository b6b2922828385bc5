"""One relay: a real SMTP server with STARTTLS and accounts, and every way in which it can disappoint.

Which error it becomes decides whether the mail is tried again: refused is for good, deferred is sure not to have
been sent, unavailable is deferred because of the relay, unresolved may have been sent.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_string
from email.policy import default
from typing import Any

import pytest
import trustme

from shared.errors import MailDeferred, MailError, MailRefused, MailRejected, MailUnavailable, MailUnresolved
from shared.mail import Mail, smtp
from shared.mail.message import build
from shared.mail.smtp import SmtpRelay
from tests.support.clock import NOW
from tests.support.relay import AUTHORITY, PASSWORD, USER, Relay, client_tls, relay, server_tls

MAIL = Mail(
    to="ann.canary@example.org",
    sender_name="Unwatched Europe",
    sender_address="petition@unwatched.example.org",
    reply_to="privacy@unwatched.example.org",
    subject="Confirm your signature: Grüße",
    text="Press\nhttps://sign.example.org/v1/confirm/token\n",
    html="<p>Press</p>",
    language="en",
    report_token="token",
)
WITHOUT_TLS = {"tls_context": None, "user": None, "password": None}


@asynccontextmanager
async def connected(server: Relay, **fields: Any) -> AsyncIterator[SmtpRelay]:
    """The adapter at a relay, with `fields` of one's own."""
    usual = {
        "name": "first",
        "host": "localhost",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "mails_per_second": 10,
        "connections": 4,
        "envelope_sender": None,
        "tls_context": client_tls(),
    }
    adapter = SmtpRelay(**{**usual, **fields})
    try:
        yield adapter
    finally:
        adapter.close()


async def send(adapter: SmtpRelay, mail: Mail = MAIL) -> None:
    await adapter.send(mail, build(mail, NOW))


class TestDelivers:
    async def test_over_tls_and_logged_in(self) -> None:
        """From the campaign's sender, to the signer alone."""
        async with relay(server_tls()) as server, connected(server) as adapter:
            await send(adapter)

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
        """Fifty at once, over no more connections than there may be, each with its own recipient."""
        async with relay(server_tls()) as server, connected(server, connections=3) as adapter:
            mails = [replace(MAIL, to=f"ann{n}@example.org") for n in range(50)]
            await asyncio.gather(*(send(adapter, mail) for mail in mails))

        assert (server.most_open, len(server.connections), len(server.logins)) == (3, 3, 3)

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
        async with relay(server_tls()) as server, connected(server) as adapter:
            await send(adapter, replace(MAIL, to=to))

        (envelope,) = server.taken
        assert envelope.rcpt_tos == [recipient]
        assert ("SMTPUTF8" in envelope.mail_options) == utf8
        assert isinstance(envelope.content, bytes)
        assert f"To: {recipient}\r\n".encode() in envelope.content

    @pytest.mark.parametrize(
        ("given", "sender"),
        [(None, "petition@unwatched.example.org"), ("bounces@mail.example.org", "bounces@mail.example.org")],
    )
    async def test_from_the_address_that_it_is_to_come_back_to(self, given: str | None, sender: str) -> None:
        """The envelope's sender gets bounces; the signer sees the sender of the mail itself."""
        async with relay(server_tls()) as server, connected(server, envelope_sender=given) as adapter:
            await send(adapter)

        (envelope,) = server.taken
        assert envelope.mail_from == sender
        assert isinstance(envelope.content, bytes)
        assert b"<petition@unwatched.example.org>" in envelope.content

    async def test_lines_that_are_a_dot(self) -> None:
        """A dot alone ends a mail in SMTP; one in the text must not."""
        async with relay(server_tls()) as server, connected(server) as adapter:
            await send(adapter, replace(MAIL, text="one\n.\n..two\n"))

        (envelope,) = server.taken
        assert isinstance(envelope.content, bytes)
        text = message_from_string(envelope.content.decode(), policy=default).get_body(("plain",))
        assert text
        assert text.get_content().replace("\r\n", "\n") == "one\n.\n..two\n"

    @pytest.mark.parametrize("to", [MAIL.to, "jörg@example.org"])
    async def test_without_tls_only_where_it_is_told_to(self, to: str) -> None:
        """A relay on the same machine."""
        async with relay() as server, connected(server, **WITHOUT_TLS) as adapter:
            await send(adapter, replace(MAIL, to=to))

        assert len(server.taken) == 1


class TestReusesConnections:
    async def test_for_mail_after_mail(self) -> None:
        """One handshake and one login for all of them."""
        async with relay(server_tls()) as server, connected(server) as adapter:
            for _ in range(5):
                await send(adapter)

        assert (len(server.taken), len(server.connections), len(server.logins)) == (5, 1, 1)

    @pytest.mark.parametrize(
        "behaviour",
        [
            {"at_rcpt": "451 4.7.1 {address} is greylisted"},
            {"at_rcpt": "550 5.1.1 {address}: no such mailbox"},
            {"at_data": "554 5.6.0 looks like spam"},
        ],
        ids=str,
    )
    async def test_after_a_mail_that_was_turned_away(self, behaviour: dict[str, Any]) -> None:
        """The next mail has nothing of it: neither its recipient nor its fate."""
        async with relay(server_tls(), **behaviour) as server, connected(server) as adapter:
            with pytest.raises(MailError):
                await send(adapter)
            server.at_rcpt = server.at_data = None

            await send(adapter, replace(MAIL, to="bob@example.org"))

        assert [envelope.rcpt_tos for envelope in server.taken] == [["bob@example.org"]]
        assert len(server.connections) == 1

    @pytest.mark.parametrize("answer", ["421 4.7.0 idle for too long", "451 4.7.0 too many mails, connect again"])
    async def test_unless_the_relay_has_had_enough_of_it(self, answer: str) -> None:
        """Then another is opened, and the mail goes out."""
        async with relay(server_tls(), at_second_mail=answer) as server, connected(server) as adapter:
            for _ in range(3):
                await send(adapter)

        assert (len(server.taken), len(server.connections)) == (3, 3)

    async def test_unless_it_has_ended(self) -> None:
        """Between two mails; whether or not the news of it came before the second."""
        async with relay(server_tls()) as server, connected(server) as adapter:
            await send(adapter)
            server.hang_up()
            await send(adapter)

        assert (len(server.taken), len(server.connections)) == (2, 2)

    async def test_unless_nothing_comes_over_it_any_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A NAT on the way has forgotten it."""
        monkeypatch.setattr(smtp, "_REUSE_SECONDS", 0.05)
        async with relay(server_tls()) as server, connected(server) as adapter:
            await send(adapter)
            server.ignore()
            await send(adapter)

        assert (len(server.taken), len(server.connections)) == (2, 2)

    async def test_unless_it_was_idle_for_long(self) -> None:
        """The instance may have been frozen meanwhile, and would wait for an answer that never comes."""
        moment = 0.0

        def monotonic() -> float:
            return moment

        async with relay(server_tls()) as server, connected(server, monotonic=monotonic) as adapter:
            await send(adapter)
            moment += 60
            await send(adapter)

        assert (len(server.taken), len(server.connections)) == (2, 2)

    async def test_also_after_a_mail_that_nobody_waits_for_any_more(self) -> None:
        """Its connection is closed, for nobody knows how far it came; and its place is free again."""
        async with relay(server_tls()) as server, connected(server, connections=1) as adapter:
            await send(adapter)
            server.ignore()
            abandoned = asyncio.create_task(send(adapter))
            await asyncio.sleep(0)
            abandoned.cancel()
            await asyncio.wait([abandoned])

            await send(adapter)

        assert (len(server.taken), len(server.connections)) == (2, 2)


class TestWaiting:
    async def test_for_a_connection_has_an_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The relay is slow, which is no failure: this mail comes again."""
        monkeypatch.setattr(smtp, "_WAIT_SECONDS", 0.05)
        async with relay(server_tls()) as server, connected(server, connections=1) as adapter:
            await send(adapter)
            server.ignore()
            slow = asyncio.create_task(send(adapter))
            await asyncio.sleep(0)
            with pytest.raises(MailDeferred) as failed:
                await send(adapter)
            slow.cancel()
            await asyncio.wait([slow])

        assert type(failed.value) is MailDeferred

    async def test_ends_when_the_relay_fails_for_the_mail_before(self) -> None:
        """Otherwise each who waits would find it out alone, one after the other."""
        async with (
            relay(server_tls(), at_mail="451 4.3.0 later") as server,
            connected(server, connections=1) as adapter,
        ):
            failed = await asyncio.gather(*(send(adapter) for _ in range(5)), return_exceptions=True)

        assert [type(each) for each in failed] == [MailUnavailable] * 5
        assert len(server.sessions) == 1

    async def test_for_a_relay_that_says_nothing_has_an_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It takes the connection, and is down all the same."""
        monkeypatch.setattr(smtp, "_ANNOUNCE_SECONDS", 0.05)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with connected(Relay(port=silent.getsockname()[1])) as adapter:
                with pytest.raises(MailUnavailable):
                    await send(adapter)


class TestDoesNotSend:
    async def test_without_starttls(self) -> None:
        """Anybody who sits in between could take the offer away: then there is no mail, and no password."""
        async with relay() as server, connected(server) as adapter:
            with pytest.raises(MailUnavailable):
                await send(adapter)

        assert (server.sessions, server.logins) == ([], [])

    async def test_to_somebody_who_says_to_be_the_relay(self) -> None:
        """A certificate of an authority that we do not trust."""
        trusted = client_tls(trustme.CA())
        async with relay(server_tls()) as server, connected(server, tls_context=trusted) as adapter:
            with pytest.raises(MailUnavailable):
                await send(adapter)

        assert server.sessions == []

    async def test_to_a_relay_with_a_certificate_of_another(self) -> None:
        """A trusted authority, and the wrong name."""
        other = server_tls(AUTHORITY.issue_cert("evil.example.com"))
        async with relay(other) as server, connected(server) as adapter:
            with pytest.raises(MailUnavailable):
                await send(adapter)

        assert server.sessions == []

    async def test_with_a_wrong_password(self) -> None:
        """An operator fixes it; the mail waits meanwhile."""
        async with relay(server_tls()) as server, connected(server, password="wrong") as adapter:
            with pytest.raises(MailUnavailable) as failed:
                await send(adapter)

        assert failed.value.reply == 535
        assert server.taken == []

    async def test_where_nobody_listens(self) -> None:
        """The relay is down."""
        async with relay() as server:
            pass

        async with connected(server) as adapter:
            with pytest.raises(MailUnavailable):
                await send(adapter)

    async def test_a_mail_for_smtputf8_over_a_relay_without_it(self) -> None:
        """Which concerns this mail alone."""
        async with relay(server_tls(), knows_utf8=False) as server, connected(server) as adapter:
            with pytest.raises(MailDeferred) as failed:
                await send(adapter, replace(MAIL, to="jörg@example.org"))
            await send(adapter)

        assert type(failed.value) is MailDeferred
        assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"at_rcpt": "550 5.1.1 {address}: no such mailbox"}, MailRefused),
        ({"at_rcpt": "553 5.1.3 bad address syntax"}, MailRefused),
        ({"at_rcpt": "550 5.1.10 recipient has null MX"}, MailRefused),
        ({"at_rcpt": "550 5.7.1 {address}: blocked by policy"}, MailDeferred),
        ({"at_rcpt": "550 5.2.1 receiving mail at a rate that prevents additional messages"}, MailDeferred),
        ({"at_rcpt": "550 5.1.8 sender's domain does not exist"}, MailDeferred),
        ({"at_rcpt": "550 5.1.0 {address}: rejected"}, MailDeferred),
        ({"at_rcpt": "550 5.1.11 unknown"}, MailDeferred),
        ({"at_rcpt": "550 no"}, MailDeferred),
        ({"at_rcpt": "552 5.2.2 mailbox full, 5 of 5.1.1 GB"}, MailDeferred),
        ({"at_rcpt": "554 5.7.1 client host [192.5.1.9] blocked"}, MailDeferred),
        ({"at_rcpt": "554 5.7.1 client host [19.5.1.9] blocked, see 5.1.1"}, MailDeferred),
        ({"at_rcpt": "451 4.7.1 greylisted, come again"}, MailDeferred),
        ({"at_rcpt": "450 4.1.1 {address}: 5.1.1 perhaps later"}, MailDeferred),
        ({"at_rcpt": "450 5.1.1 cannot make up its mind"}, MailDeferred),
        ({"at_rcpt": "421 4.3.2 going down"}, MailUnavailable),
        ({"at_mail": "550 5.1.8 sender's domain does not exist"}, MailUnavailable),
        ({"at_mail": "451 4.3.0 later"}, MailUnavailable),
        ({"at_data": "451 4.3.0 later"}, MailDeferred),
        ({"at_data": "452 4.3.1 no space"}, MailDeferred),
        ({"at_data": "554 5.6.0 looks like spam"}, MailRejected),
        ({"at_data": "550 5.1.1 {address}"}, MailRejected),
        ({"at_data": "421 4.3.2 going down"}, MailUnavailable),
        ({"drops_at_rcpt": True}, MailUnavailable),
        ({"drops_at_data": True}, MailUnresolved),
    ],
    ids=str,
)
async def test_what_the_relay_answers_decides_what_becomes_of_the_mail(
    behaviour: dict[str, Any], error: type[MailError], capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a bad address at RCPT is for good. Nothing of the address is logged, though relays repeat it."""
    async with relay(server_tls(), **behaviour) as server, connected(server) as adapter:
        with pytest.raises(MailError) as failed:
            await send(adapter)

    assert type(failed.value) is error
    written = capsys.readouterr()
    for text in (written.out, written.err, str(failed.value), repr(failed.value)):
        assert "canary" not in text
        assert PASSWORD not in text
    assert failed.value.__suppress_context__


async def test_the_relay_and_its_number_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees what is wrong without seeing with whom."""
    answer = "451 4.7.1 {address} is greylisted"
    async with relay(server_tls(), at_rcpt=answer) as server, connected(server) as adapter:
        with pytest.raises(MailDeferred):
            await send(adapter)

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["event"], line["relay"], line["reply"]) == ("mail_deferred", "first", 451)
    assert line["provider"] == "other"
