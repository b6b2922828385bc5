"""Bounces and complaints: what other mail systems report about our mails (RFC 3464, RFC 5965).

Anybody can send one to the address that they go to. So a report counts for nothing without the token of the mail
that it is about, which it returns with the headers of that mail; it is looked for nowhere else. Nothing of a
report may be logged but what `Report` holds, and of that not the token.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.errors import MessageError
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from enum import StrEnum

from shared.mail.links import ALIAS
from shared.mail.message import REPORT_HEADER
from shared.mail.status_codes import bad_mailbox, status_class
from shared.store.entities import MailKind

#: More than a report needs: a text, the status, and our mail of a few KB with its two parts.
MAX_BYTES = 128 * 1024
_MAX_DELIMITERS = 200
_MAX_BOUNDARIES = 20
_MAX_BLANK_LINES = 2_000
#: Between the parameters of a header: the time for those grows with their square (https://github.com/python/cpython/issues/136063).
_MAX_SEMICOLONS = 5_000
_DELIMITERS = re.compile(rb"^--", re.MULTILINE)
_BOUNDARIES = re.compile(rb"boundary", re.IGNORECASE)
#: email would parse a part of these types, and decodes none of them.
_MESSAGE = re.compile(rb"(content-type:\s*)message/", re.IGNORECASE)
_BLANK_LINES = re.compile(rb"(?:\r?\n[ \t]*){2,}")

# RFC 6533 has the same with names in UTF-8.
_DELIVERY_STATUS = {"x-message/delivery-status", "x-message/global-delivery-status"}
_COMPLAINT = {"x-message/feedback-report"}
_RETURNED = {"x-message/rfc822", "text/rfc822-headers", "x-message/global", "x-message/global-headers"}


#: How long a mailbox gets no mail after the mail to confirm came back because there is no such mailbox. It ends
#: before the reminder, which is the second opinion, for providers err: in December 2020 Gmail refused mail of two
#: days to real people with 5.1.1 (https://www.magnews.com/google-services-outage-and-false-bounce-ups).
FIRST_BOUNCE_TTL = timedelta(hours=20)
#: And after any other mail came back.
BOUNCED_TTL = timedelta(days=7)
#: And after its owner has complained about one.
COMPLAINED_TTL = timedelta(days=30)


class ReportKind(StrEnum):
    """What a report says."""

    #: There is no such mailbox.
    BAD_MAILBOX = "bad_mailbox"
    #: Its owner calls the mail spam.
    COMPLAINT = "complaint"
    #: The mail was rejected for good, for another reason.
    REJECTED = "rejected"
    #: It is late, was delivered, or is no spam.
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Report:
    """A report about one mail. `token`: what it returns as the mail's, which may be made up.

    `status`: the code of BAD_MAILBOX, such as 5.1.1; of REJECTED its class alone, as in 5.7.x; else None.
    """

    kind: ReportKind
    token: str
    status: str | None = None


def parse(content: bytes) -> Report | None:
    """Parse a message of at most `MAX_BYTES`; None: it is no report that returns a token, or cannot be read."""
    if _is_too_complex(content):
        return None
    try:
        return _parse(BytesParser().parsebytes(_MESSAGE.sub(rb"\1x-message/", content)))
    except (MessageError, LookupError, RecursionError, ValueError):  # what email and base64 raise for nonsense
        return None


def _parse(message: Message) -> Report | None:
    if message.get_content_type() != "multipart/report":
        return None
    token = _token(_part(message, _RETURNED))
    if token is None:
        return None
    if status := _part(message, _DELIVERY_STATUS):
        return _delivery_report(status, token)
    complaint = _part(message, _COMPLAINT)
    return _complaint(complaint, token) if complaint else None


def suppressed_for(kind: ReportKind, mail: str) -> timedelta | None:
    """Return how long a mailbox gets no mail after such a report; None: it suppresses nothing.

    `mail`: what `links.to_report` says of the mail.
    """
    match kind:
        case ReportKind.COMPLAINT:
            return COMPLAINED_TTL
        case ReportKind.BAD_MAILBOX if mail != ALIAS:
            return FIRST_BOUNCE_TTL if mail == MailKind.CONFIRM else BOUNCED_TTL
        case _:
            return None


def _is_too_complex(content: bytes) -> bool:
    """Return whether the parser could be busy with this for long: what it does grows with parts times depth."""
    return (
        len(_DELIMITERS.findall(content)) > _MAX_DELIMITERS
        or len(_BOUNDARIES.findall(content)) > _MAX_BOUNDARIES
        or len(_BLANK_LINES.findall(content)) > _MAX_BLANK_LINES
        or content.count(b";") > _MAX_SEMICOLONS
    )


def _part(message: Message, types: Container[str]) -> Message | None:
    """Return the first part, of the message itself, that has one of these types."""
    parts = message.get_payload() if message.is_multipart() else []
    return next((part for part in parts if isinstance(part, Message) and part.get_content_type() in types), None)


def _token(returned: Message | None) -> str | None:
    """Return the token in the headers of the mail that a report returns, which may be folded."""
    header = BytesHeaderParser().parsebytes(_content(returned))[REPORT_HEADER] if returned else None
    return "".join(str(header).split()) if header else None


def _delivery_report(part: Message, token: str) -> Report:
    """Read what became of the mail, whose only recipient may have been passed on to several."""
    recipients = [block for block in _blocks(part) if block["Action"] is not None]
    statuses = [str(block["Status"]).strip() for block in recipients]
    if not recipients or any(str(block["Action"]).lower().split()[:1] != ["failed"] for block in recipients):
        return Report(ReportKind.OTHER, token)
    codes = [bad_mailbox(status) for status in statuses]
    if all(codes):
        return Report(ReportKind.BAD_MAILBOX, token, codes[0])
    return Report(ReportKind.REJECTED, token, status_class(statuses[0]))


def _complaint(part: Message, token: str) -> Report:
    kinds = [str(block["Feedback-Type"]).strip().lower() for block in _blocks(part)]
    return Report(ReportKind.COMPLAINT if "abuse" in kinds else ReportKind.OTHER, token)


def _blocks(part: Message) -> Iterator[Message]:
    """Read a part that consists of blocks of headers."""
    for block in _BLANK_LINES.split(_content(part)):
        yield BytesHeaderParser().parsebytes(block)


def _content(part: Message) -> bytes:
    """Return the content of a part, decoded."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
