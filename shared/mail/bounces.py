"""Bounces and complaints: what other mail systems report about our mails (RFC 3464, RFC 5965).

Anybody can send one to the address that they go to. So a report counts for nothing without the token of the mail
that it is about, which it returns with the headers of that mail; it is looked for nowhere else. Nothing of a
report may be logged but what `Report` holds, and of that not the token.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from enum import StrEnum

from shared.mail.message import REPORT_HEADER
from shared.mail.status_codes import is_bad_mailbox, status_class

#: More than a report needs: a text, the status, and our mail of a few KB with its two parts.
MAX_BYTES = 128 * 1024
_MAX_DELIMITERS = 200
_MAX_BOUNDARIES = 20
_MAX_BLANK_LINES = 2_000
_DELIMITERS = re.compile(rb"^--", re.MULTILINE)
_BOUNDARIES = re.compile(rb"boundary", re.IGNORECASE)
#: email would parse a part of these types, and decodes none of them.
_MESSAGE = re.compile(rb"(content-type:\s*)message/", re.IGNORECASE)
_BLANK_LINES = re.compile(rb"(?:\r?\n[ \t]*){2,}")

# RFC 6533 has the same with names in UTF-8.
_DELIVERY_STATUS = {"x-message/delivery-status", "x-message/global-delivery-status"}
_COMPLAINT = {"x-message/feedback-report"}
_RETURNED = {"x-message/rfc822", "text/rfc822-headers", "x-message/global", "x-message/global-headers"}


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


def _is_too_complex(content: bytes) -> bool:
    """Return whether the parser could be busy with this for long: what it does grows with parts times depth."""
    return (
        len(_DELIMITERS.findall(content)) > _MAX_DELIMITERS
        or len(_BOUNDARIES.findall(content)) > _MAX_BOUNDARIES
        or len(_BLANK_LINES.findall(content)) > _MAX_BLANK_LINES
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
    if not recipients or any(str(block["Action"]).split()[:1] != ["failed"] for block in recipients):
        return Report(ReportKind.OTHER, token)
    if all(map(is_bad_mailbox, statuses)):
        return Report(ReportKind.BAD_MAILBOX, token, statuses[0].split()[0])
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
