"""Bounces and complaints: a mailbox that does not exist, or whose owner complains, gets no mail for a time.

Anybody can send anything to the mailbox that they are read from.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest

from shared.crypto.tokens import Link, Purpose, Tokens
from shared.errors import MailboxUnreadable
from shared.mail.bounces import Report, parse
from shared.store.documents import MAILBOX
from shared.store.entities import Mailbox
from shared.web.routes import DeliverPath
from tests.support.deployment import CAMPAIGN, LINKS, World, world
from tests.support.imap_server import PASSWORD, USER, ImapServer, imap_server
from tests.support.relay import AUTHORITY
from tests.support.reports import complaint, delivery_report, token_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


class FakeMailbox:
    """A mailbox of bounces in memory. `left`: what a run leaves."""

    def __init__(self, *messages: bytes, error: MailboxUnreadable | None = None) -> None:
        self.left = list(messages)
        self.error = error

    async def process(self, handle: Callable[[Report], Awaitable[bool]]) -> int:
        if self.error:
            raise self.error
        messages, self.left = self.left, []
        for message in messages:
            report = parse(message)
            if report is None or not await handle(report):
                self.left.append(message)
        return len(messages)


async def read_bounces(deployed: World, *messages: bytes) -> list[bytes]:
    """Let deliver read these messages; return those that it leaves."""
    mailbox = FakeMailbox(*messages)
    deployed.functions["deliver"].deps.bounce_mailbox = mailbox
    assert (await deployed.client.post(DeliverPath.BOUNCES)).status_code == 204
    return mailbox.left


async def mailed(deployed: World, email: str = "ann@example.org") -> bytes:
    """Sign, and return the mail as it went out."""
    await deployed.sign(email=email)
    await deployed.deliver()
    return newest(deployed)


def newest(deployed: World) -> bytes:
    return max((deployed.folder / "outbox").glob("*.eml")).read_bytes()


def mailboxes(deployed: World) -> dict[str, Mailbox]:
    """Return what is stored of each mailbox, by its digest."""
    with closing(sqlite3.connect(deployed.folder / "store.db")) as database:
        rows = database.execute("SELECT mailbox, document FROM mailboxes").fetchall()
    return {digest: MAILBOX.validate_json(document) for digest, document in rows}


def is_suppressed(deployed: World) -> bool:
    return any(mailbox.suppressed_until for mailbox in mailboxes(deployed).values())


async def number_of_mails(deployed: World) -> int:
    await deployed.deliver()
    return len(deployed.outbox.received())


class TestBounce:
    async def test_stops_mail_until_the_reminder_asks_once_more(self, deployed: World) -> None:
        """Providers err for hours: the reminder reaches those whose mail came back by mistake."""
        mail = await mailed(deployed)
        await read_bounces(deployed, delivery_report(mail))

        deployed.now += 19 * HOUR
        await deployed.sign()
        meanwhile = await number_of_mails(deployed)
        deployed.now += 6 * HOUR

        assert meanwhile == 1
        assert await number_of_mails(deployed) > 1

    async def test_of_the_reminder_stops_mail_for_a_week(self, deployed: World) -> None:
        """No links go out; a signature meanwhile is accepted, and mailed when it is over."""
        await mailed(deployed)
        deployed.now += DAY + HOUR
        await deployed.deliver()

        left = await read_bounces(deployed, delivery_report(newest(deployed)))

        assert left == []
        deployed.now += DAY + HOUR
        again = await deployed.sign()
        links = await deployed.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})
        assert (again.status_code, links.status_code) == (202, 202)
        assert await number_of_mails(deployed) == 2
        deployed.now += 6 * DAY
        assert await number_of_mails(deployed) == 3
        assert set(deployed.outbox.received()[0].links) == {"confirm", "withdraw"}

    async def test_of_an_address_with_a_tag_suppresses_nothing(self, deployed: World) -> None:
        """Where a provider knows no tags, a stranger's signature with one comes back, and the mailbox exists."""
        mail = await mailed(deployed, "ann+nonsense@example.org")

        left = await read_bounces(deployed, delivery_report(mail))

        assert (left, is_suppressed(deployed)) == ([], False)

    async def test_suppresses_each_mailbox_by_itself(self, deployed: World) -> None:
        """Others of the same domain, and the same mailbox under a tag."""
        mail = await mailed(deployed)
        await read_bounces(deployed, delivery_report(mail))

        await deployed.sign(email="ann+petition@example.org")
        await deployed.sign(email="bob@example.org")
        await deployed.deliver()

        assert [mail.to for mail in deployed.outbox.received()] == ["bob@example.org", "ann@example.org"]

    async def test_keeps_no_link_from_working(self, deployed: World) -> None:
        """A provider may have erred, or one of two mailboxes behind an address has the mail."""
        mail = await mailed(deployed)
        await read_bounces(deployed, delivery_report(mail))

        pressed = await deployed.press(deployed.outbox.received()[0])

        assert pressed.status_code == 200
        assert (await deployed.count())["total"] == 1

    async def test_for_another_reason_is_logged_and_suppresses_nothing(
        self, deployed: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The operator learns which class of provider rejects our mail, and by which class of code."""
        mail = await mailed(deployed, "canary@gmx.at")

        left = await read_bounces(deployed, delivery_report(mail, status="5.7.1 canary@gmx.at says no"))

        printed = capsys.readouterr().out
        [line] = [line for line in map(json.loads, printed.splitlines()) if line["event"] == "mail_bounced"]
        assert (line["kind"], line["status"], line["provider"]) == ("rejected", "5.7.x", "gmx-webde")
        assert "canary" not in printed
        assert (left, is_suppressed(deployed)) == ([], False)

    async def test_that_is_late_suppresses_nothing(self, deployed: World) -> None:
        """A delayed mail may still arrive; its report is removed all the same, for it holds the address."""
        mail = await mailed(deployed)

        left = await read_bounces(deployed, delivery_report(mail, action="delayed", status="4.4.7"))

        assert (left, is_suppressed(deployed)) == ([], False)

    async def test_of_an_erased_mailbox_stores_nothing(self, deployed: World) -> None:
        """What was erased is not brought back by a mail that is still on its way."""
        mail = await mailed(deployed)
        with closing(sqlite3.connect(deployed.folder / "store.db")) as database, database:
            database.execute("DELETE FROM mailboxes")

        left = await read_bounces(deployed, delivery_report(mail))

        assert (left, mailboxes(deployed)) == ([], {})


class TestComplaint:
    async def test_stops_mail_for_thirty_days(self, deployed: World) -> None:
        """From the mail on that it is about."""
        mail = await mailed(deployed)
        mailed_at = deployed.now

        await read_bounces(deployed, complaint(mail))

        [mailbox] = mailboxes(deployed).values()
        assert mailbox.suppressed_until == mailed_at + 30 * DAY

    async def test_of_another_kind_stops_nothing(self, deployed: World) -> None:
        """Such as that our mail is no spam."""
        mail = await mailed(deployed)

        await read_bounces(deployed, complaint(mail, kind="not-spam"))

        assert not is_suppressed(deployed)


class TestForgery:
    async def test_without_a_token_of_ours_does_nothing(self, deployed: World) -> None:
        """It knows an address, and that is not enough; it is left for people to look at."""
        mail = await mailed(deployed)
        forged = delivery_report(mail.replace(b"X-Undersign-Mail", b"X-Other"))

        left = await read_bounces(deployed, forged)

        assert (left, is_suppressed(deployed)) == ([forged], False)

    async def test_with_a_token_of_other_keys_does_nothing(self, deployed: World) -> None:
        """Those of another deployment, or made up."""
        mail = await mailed(deployed)
        [digest] = mailboxes(deployed)
        theirs = Tokens(["k" * 32]).issue(Purpose.REPORT, Link(CAMPAIGN, digest, ""), deployed.now)
        forged = delivery_report(f"X-Undersign-Mail: {theirs}\n\nbody\n".encode())

        left = await read_bounces(
            deployed, forged, complaint(mail.replace(token_of(mail)[:9].encode(), b"other-one"))
        )

        assert (len(left), is_suppressed(deployed)) == (2, False)

    @pytest.mark.parametrize("purpose", ["confirm", "withdraw"])
    async def test_with_the_token_of_a_link_does_nothing(self, deployed: World, purpose: str) -> None:
        """People pass links on; they prove nothing about the mail itself."""
        await mailed(deployed)
        token = deployed.outbox.received()[0].links[purpose].rsplit("/", 1)[1]

        await read_bounces(deployed, delivery_report(f"X-Undersign-Mail: {token}\n\nbody\n".encode()))

        assert not is_suppressed(deployed)

    async def test_with_part_of_a_token_does_nothing(self, deployed: World) -> None:
        """As where a mail system cuts off long headers."""
        token = token_of(await mailed(deployed))

        for end in (len(token) - 1, len(token) // 2, 1):
            await read_bounces(deployed, delivery_report(f"X-Undersign-Mail: {token[:end]}\n\nbody\n".encode()))

        assert not is_suppressed(deployed)

    async def test_with_a_token_as_text_does_nothing(self, deployed: World) -> None:
        """In the part for people, or in a letter that quotes our mail: only what a report returns is looked at."""
        mail = await mailed(deployed)
        header = f"X-Undersign-Mail: {token_of(mail)}"
        letter = f"Subject: Re: Confirm\r\n\r\n> {header}\r\n".encode()
        attached = delivery_report(mail).replace(b"multipart/report", b"multipart/mixed")

        left = await read_bounces(deployed, delivery_report(b"Subject: x\n\n", text=header), letter, attached)

        assert (len(left), is_suppressed(deployed)) == (3, False)

    async def test_by_copies_of_a_genuine_report_suppresses_no_longer(
        self, deployed: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A thousand of them, at once and on later days, are worth one, in the store and in the log."""
        report = delivery_report(await mailed(deployed))
        await read_bounces(deployed, report)
        once = mailboxes(deployed)

        await read_bounces(deployed, *[report] * 999)
        deployed.now += 6 * DAY
        await read_bounces(deployed, report)

        assert mailboxes(deployed) == once
        assert capsys.readouterr().out.count('"mail_bounced"') == 1

    async def test_by_an_old_report_does_nothing(self, deployed: World) -> None:
        """Its token has expired; it is removed as one of ours."""
        report = complaint(await mailed(deployed))
        deployed.now += 31 * DAY

        left = await read_bounces(deployed, report)

        assert (left, is_suppressed(deployed)) == ([], False)

    async def test_of_a_token_opens_no_page(self, deployed: World) -> None:
        """What stands in a header that mail systems pass around neither confirms nor withdraws."""
        token = token_of(await mailed(deployed))

        answers = [await deployed.client.post(f"/v1/{purpose}/{token}") for purpose in ("confirm", "withdraw")]

        assert [answer.status_code for answer in answers] == [404, 404]


async def test_a_mailbox_that_cannot_be_read_disturbs_nothing_else(
    deployed: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is logged with the step that failed, for an alert of its own."""
    mailbox = FakeMailbox(error=MailboxUnreadable("login", "IMAP4.error"))
    deployed.functions["deliver"].deps.bounce_mailbox = mailbox

    answer = await deployed.client.post(DeliverPath.BOUNCES)

    assert answer.status_code == 204
    [line] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["event"], line["stage"], line["error"]) == ("bounces_unreadable", "login", "IMAP4.error")


async def test_nothing_is_read_where_no_mailbox_is_set_up(deployed: World) -> None:
    """As by default."""
    assert deployed.functions["deliver"].deps.bounce_mailbox is None
    assert (await deployed.client.post(DeliverPath.BOUNCES)).status_code == 204


@pytest.fixture
async def with_mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, ImapServer]]:
    """A deployment whose bounces come to a real IMAP server, which holds one; and this server."""
    certificate = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with AsyncExitStack() as running:
        server = running.enter_context(imap_server())
        url = f"imaps://{USER}@localhost:{server.port}"
        made = await running.enter_async_context(
            world(tmp_path, monkeypatch, BOUNCES_URL=url, BOUNCES_PASSWORD=PASSWORD)
        )
        server.put(delivery_report(await mailed(made)))
        yield made, server


async def test_is_read_from_the_mailbox_of_the_settings(with_mailbox: tuple[World, ImapServer]) -> None:
    """Over IMAP with TLS, and removed from it."""
    deployed, server = with_mailbox

    answer = await deployed.client.post(DeliverPath.BOUNCES)

    assert answer.status_code == 204
    assert is_suppressed(deployed)
    assert server.left() == []
