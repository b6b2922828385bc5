"""Reports: read in every shape that mail systems give them, and nothing else taken for one."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.mail.bounces import MAX_BYTES, Report, ReportKind, parse
from shared.mail.message import build
from tests.shared.mail.test_message import composed
from tests.support.clock import NOW
from tests.support.reports import complaint, delivery_report, token_of

MAIL = build(composed(), NOW)
TOKEN = token_of(MAIL)
BAD_MAILBOX = Report(ReportKind.BAD_MAILBOX, TOKEN, "5.1.1")


class TestDeliveryReport:
    @pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
    @pytest.mark.parametrize(
        "returned", ["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"]
    )
    def test_is_recognised_by_the_mail_that_it_returns(self, returned: str, encoding: str) -> None:
        """Whole or only its headers, encoded or not, and with names in UTF-8 (RFC 6533)."""
        assert parse(delivery_report(MAIL, returned=returned, encoding=encoding)) == BAD_MAILBOX

    @pytest.mark.parametrize(
        "status", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.1.1 (bad mailbox)", "5.1.1(ann@example.org)"]
    )
    def test_says_that_there_is_no_such_mailbox(self, status: str) -> None:
        """By these codes of IANA's registry."""
        report = parse(delivery_report(MAIL, status=status))

        assert report == Report(ReportKind.BAD_MAILBOX, TOKEN, status.split()[0].partition("(")[0])

    @pytest.mark.parametrize(
        ("status", "known"),
        [
            ("5.7.1", "5.7.x"),
            ("5.2.1", "5.2.x"),
            ("5.2.2", "5.2.x"),
            ("5.1.0", "5.1.x"),
            ("5.1.8", "5.1.x"),
            ("5.0.0", "5.0.x"),
            ("5.1.11", "5.1.x"),
            ("5.99999.1", "5.x"),
            ("550 no such user, says ann@example.org", "5.x"),
            ("", "5.x"),
        ],
    )
    def test_may_give_another_reason(self, status: str, known: str) -> None:
        """A policy, a full mailbox, or our own fault: the class of its code is all that is kept of it."""
        assert parse(delivery_report(MAIL, status=status)) == Report(ReportKind.REJECTED, TOKEN, known)

    @pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", ""])
    def test_of_anything_but_a_failure_suppresses_nothing(self, action: str) -> None:
        """Even if its code is that of one."""
        assert parse(delivery_report(MAIL, action=action)) == Report(ReportKind.OTHER, TOKEN)

    def test_may_write_the_action_in_capitals(self) -> None:
        """RFC 3464, 2.3.3, as any keyword of RFC 822."""
        assert parse(delivery_report(MAIL, action="Failed")) == BAD_MAILBOX

    def test_of_several_recipients_counts_if_the_mail_failed_for_all(self) -> None:
        """One address can lead to several mailboxes, of which one still exists."""
        block = b"Status: 5.1.1\r\n"
        other = b"Status: 5.1.1\r\n\r\nFinal-Recipient: rfc822; bob@example.org\r\nAction: %s\r\nStatus: %s\r\n"

        both_fail = delivery_report(MAIL).replace(block, other % (b"failed", b"5.1.2"))
        one_is_late = delivery_report(MAIL).replace(block, other % (b"delayed", b"4.4.1"))

        assert parse(both_fail) == BAD_MAILBOX
        assert parse(one_is_late) == Report(ReportKind.OTHER, TOKEN)


class TestComplaint:
    @pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
    def test_is_recognised_by_the_mail_that_it_returns(self, returned: str) -> None:
        """As the feedback loops of large providers send it."""
        assert parse(complaint(MAIL, returned=returned)) == Report(ReportKind.COMPLAINT, TOKEN)

    @pytest.mark.parametrize("kind", ["not-spam", "virus", "other", ""])
    def test_of_another_kind_suppresses_nothing(self, kind: str) -> None:
        """Somebody may also say that our mail is no spam."""
        assert parse(complaint(MAIL, kind=kind)) == Report(ReportKind.OTHER, TOKEN)


class TestNoReport:
    def test_without_a_token(self) -> None:
        """Anybody can send one about some mail of their own."""
        forged = delivery_report(MAIL.replace(b"X-Undersign-Mail", b"X-Other"))

        assert parse(forged) is None

    def test_with_the_token_in_the_text_for_people(self) -> None:
        """It is looked for in what the report returns, where a mail system put it."""
        forged = delivery_report(b"Subject: x\n\nbody\n", text=f"X-Undersign-Mail: {TOKEN}")

        assert parse(forged) is None

    def test_with_the_token_in_the_body_of_what_is_returned(self) -> None:
        """A reply may quote it; the header is what we wrote."""
        forged = delivery_report(f"Subject: x\n\nX-Undersign-Mail: {TOKEN}\n".encode())

        assert parse(forged) is None

    def test_a_mail_that_quotes_ours(self) -> None:
        """Forwarded, attached or answered: it is for people."""
        attached = delivery_report(MAIL).replace(b"multipart/report", b"multipart/mixed")

        assert parse(attached) is None
        assert parse(MAIL) is None
        assert parse(b"Subject: Re: Confirm\n\n> X-Undersign-Mail: " + TOKEN.encode()) is None

    def test_that_says_nothing_of_the_mail(self) -> None:
        """A receipt that it was read, for example (RFC 8098)."""
        receipt = delivery_report(MAIL).replace(b"message/delivery-status", b"message/disposition-notification")

        assert parse(receipt) is None


@given(st.binary(max_size=2000))
@example(b"")
@example(b"Content-Type: multipart/report\r\n\r\n")
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    """Anybody can send anything to this mailbox, and one message must not keep the others from being read."""
    assert parse(content) is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20_000),
            st.integers(0, 40),
            st.sampled_from(
                [b"", b"\r\n\r\n", b"\xff", b"\x00", b'"', b"message/rfc822", b"Content-Type: ", b"--a/b=c"]
            )
            | st.binary(max_size=8),
        ),
        max_size=8,
    ),
    st.sampled_from(["7bit", "base64", "quoted-printable"]),
)
def test_whatever_is_in_a_report_only_a_code_is_taken_from_it(
    edits: list[tuple[int, int, bytes]], encoding: str
) -> None:
    """The code is logged. Each edit puts something in the place of some bytes; none raises an error."""
    content = delivery_report(MAIL, encoding=encoding)
    for place, length, put in edits:
        place %= len(content)
        content = content[:place] + put + content[place + length :]

    report = parse(content)

    assert report is None or report.status is None or re.fullmatch(r"5\.([\dx]\.)?[\dx]+", report.status)


_HEAD = b"Content-Type: multipart/report; boundary=x; report-type=delivery-status\n\n"
_RETURNED = _HEAD + f"--x\nContent-Type: text/rfc822-headers\n\nX-Undersign-Mail: {TOKEN}\n\n".encode()


@pytest.mark.parametrize(
    "bomb",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5000)),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(19))
        + b"a\n" * 70_000,
        _HEAD + b"--x\n\n" * 40_000,
        _HEAD + b"--x\n" + b"Content-Type: message/rfc822\n\n" * 5000,
        b"Content-Type: multipart/report; " + b';"' * 70_000 + b"\n\n--x\n",
        b"Content-Type: multipart/report; " + b";a*%=1" * 25_000 + b"\n\n--x\n",
        b'Content-Type: multipart/report; boundary=x; a="' + b";" * 130_000,
        _RETURNED + b"--x\nContent-Type: message/delivery-status\n\n" + b"a: b\n\n" * 25_000,
        _RETURNED + b"--x\nContent-Type: message/delivery-status\n\n" + b"\n \t" * 50_000,
        _RETURNED + b"--x\nContent-Type: message/delivery-status\n\na:" + b" " * 130_000,
        bytes(MAX_BYTES),
    ],
    ids=[
        "nested",
        "nested lines",
        "parts",
        "messages",
        "quotes",
        "parameters",
        "a parameter",
        "blocks",
        "blanks",
        "spaces",
        "zeros",
    ],
)
def test_a_bomb_takes_no_time(bomb: bytes) -> None:
    """Depth, parts and parameters without end: at most two seconds of a processor, mostly much less."""
    began = time.process_time()

    report = parse(bomb[:MAX_BYTES])

    assert report is None or report.kind is ReportKind.OTHER
    assert time.process_time() - began < 2
