"""The mailbox of bounces: a real IMAP server, from which reports of ours are removed, and nothing else."""

import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from shared.errors import MailboxUnreadable, StoreUnavailable
from shared.mail import bounce_mailbox
from shared.mail.bounce_mailbox import BounceMailbox
from shared.mail.bounces import Report
from shared.mail.message import build
from tests.shared.mail.test_message import composed
from tests.support.clock import NOW
from tests.support.imap_server import PASSWORD, USER, ImapServer, imap_server
from tests.support.reports import complaint, delivery_report, token_of

MAIL = build(composed(), NOW)
REPORT = delivery_report(MAIL)
LETTER = b"Subject: Hello\r\n\r\nI have a question.\r\n"


@pytest.fixture(scope="module")
def running() -> Iterator[ImapServer]:
    with imap_server() as server:
        yield server


@pytest.fixture
def server(running: ImapServer) -> ImapServer:
    running.clear()
    return running


def mailbox(server: ImapServer, **fields: Any) -> BounceMailbox:
    """The adapter at a server, with `fields` of one's own."""
    usual = {
        "host": "localhost",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "folder": "INBOX",
        "tls_context": server.tls,
    }
    return BounceMailbox(**{**usual, **fields})


def into(reports: list[Report], *, are_ours: bool = True) -> Callable[[Report], Awaitable[bool]]:
    async def handle(report: Report) -> bool:
        reports.append(report)
        return are_ours

    return handle


async def test_what_is_ours_is_handed_over_and_removed(server: ImapServer) -> None:
    """Reports hold addresses, so they stay no longer than needed; they are read in the order of arrival."""
    server.put(REPORT, complaint(MAIL))
    reports: list[Report] = []

    number = await mailbox(server).process(into(reports))

    assert number == 2
    assert [(report.kind, report.token) for report in reports] == [
        ("bad_mailbox", token_of(MAIL)),
        ("complaint", token_of(MAIL)),
    ]
    assert server.left() == []


async def test_what_is_not_ours_is_left_for_people_and_read_once(server: ImapServer) -> None:
    """Letters, and reports about other mails; they are marked as seen."""
    server.put(LETTER, REPORT)
    reports: list[Report] = []

    first = await mailbox(server).process(into(reports, are_ours=False))
    second = await mailbox(server).process(into(reports, are_ours=False))

    assert (first, second, len(reports)) == (2, 0, 1)
    assert [(content[:14], seen) for content, seen in server.left()] == [(LETTER[:14], True), (REPORT[:14], True)]


async def test_an_empty_mailbox_is_no_fault(server: ImapServer) -> None:
    """As it is most of the time."""
    assert await mailbox(server).process(into([])) == 0


async def test_a_run_that_breaks_off_is_made_up_for(server: ImapServer) -> None:
    """What was not handled is read again by the next run; what was is not."""
    server.put(REPORT, complaint(MAIL))
    reports: list[Report] = []

    async def fail_at_second(report: Report) -> bool:
        reports.append(report)
        if len(reports) == 2:
            raise StoreUnavailable("away")
        return True

    with pytest.raises(StoreUnavailable):
        await mailbox(server).process(fail_at_second)
    await mailbox(server).process(into(reports))

    assert [report.kind for report in reports] == ["bad_mailbox", "complaint", "complaint"]
    assert server.left() == []


async def test_a_large_message_is_read_in_part(server: ImapServer) -> None:
    """50 MB are not fetched; a report before them is understood, and one without an end in sight is not."""
    server.put(REPORT + b"x" * 1000 * 77 + (b"y" * 998 + b"\r\n") * 50_000)
    reports: list[Report] = []

    await mailbox(server).process(into(reports))

    assert [report.kind for report in reports] == ["bad_mailbox"]
    assert server.left() == []


async def test_a_run_ends_in_time(server: ImapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many messages there are, and however slow the server is; the next run goes on."""
    monkeypatch.setattr(bounce_mailbox, "_MAX_MESSAGES", 3)
    server.put(*[LETTER] * 7)
    ticks = iter([0.0, 1.0, 2.0, 99.0])
    slow = mailbox(server, monotonic=lambda: next(ticks))

    numbers = [await slow.process(into([])), *[await mailbox(server).process(into([])) for _ in range(3)]]

    assert numbers == [2, 3, 2, 0]


async def test_only_the_newest_of_very_many_are_looked_at(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of all would be too long for one answer, once somebody has filled the mailbox with junk."""
    monkeypatch.setattr(bounce_mailbox, "_WINDOW", 2)
    server.put(LETTER, LETTER, REPORT)
    reports: list[Report] = []

    assert await mailbox(server).process(into(reports)) == 2
    assert len(reports) == 1


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"password": "wrong"}, "login"),
        ({"folder": "No such folder"}, "select"),
        ({"tls_context": ssl.create_default_context()}, "connect"),
        ({"port": 9}, "connect"),
        ({"host": "nowhere.invalid"}, "connect"),
    ],
    ids=["password", "folder", "certificate", "port", "host"],
)
async def test_says_at_which_step_it_cannot_be_read(server: ImapServer, fields: dict[str, Any], step: str) -> None:
    """The error names the step and a type, and quotes nothing."""
    server.put(REPORT)

    with pytest.raises(MailboxUnreadable) as failed:
        await mailbox(server, **fields).process(into([]))

    assert failed.value.step == step
    assert PASSWORD not in str(failed.value)
    assert [seen for _, seen in server.left()] == [False]
