"""A mail as an RFC 5322 message: in lines of at most 78 characters that end in CRLF, ASCII wherever possible.

Written by hand, because `email.message.EmailMessage` takes ten times as long and folds a long subject before its
first word. The email package still encodes what is not ASCII.
"""

import re
import secrets
import textwrap
from binascii import b2a_qp
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, make_msgid, quote

import idna

from shared.mail import Mail

#: Of any script, and nothing that means something to the parser of a header: no space, no comma, no bracket.
_ADDRESS = re.compile(r'[^\s\x00-\x1f\x7f-\x9f()<>\[\]@,;:\\"]+@[A-Za-z0-9.-]+')
_LANGUAGE = re.compile(r"[A-Za-z0-9-]+")
_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")
#: Holds the mail's `report_token`, folded. Relays replace the Message-ID, and leave headers alone that begin so.
REPORT_HEADER = "X-Undersign-Mail"
_BREAKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_MAX_CHARACTERS = 78  # RFC 5322, 2.1.1
_MAX_ENCODED_CHARACTERS = 75  # RFC 2047, 2: of an encoded word; 76 of the line


def build(mail: Mail, now: datetime) -> bytes:
    """Build the message with a text and an HTML part. Non-ASCII local parts need SMTPUTF8 (RFC 6531).

    No value can inject a header: names and subjects are made one line, and what else a caller passes is checked.

    Raises:
        ValueError: an address, the language or the token is malformed, or a text cannot be encoded.
    """
    recipient = _checked(_ADDRESS, ascii_recipient(mail.to))
    sender = _checked(_ADDRESS, mail.sender_address)
    boundary = f"=_{secrets.token_hex(12)}"  # which quoted-printable never holds: there, a = comes before a digit
    headers = [
        _sender(mail.sender_name, sender, utf8=not recipient.isascii()),
        f"To: {recipient}",
        f"Reply-To: {_checked(_ADDRESS, mail.reply_to)}",
        _subject(mail.subject, utf8=not recipient.isascii()),
        f"Date: {format_datetime(now)}",
        f"Message-ID: {make_msgid(domain=sender.rpartition('@')[2])}",
        "Auto-Submitted: auto-generated",  # RFC 3834: no out-of-office replies to it
        "X-Auto-Response-Suppress: All",  # the same for Exchange
        f"Content-Language: {_checked(_LANGUAGE, mail.language)}",
        _report_token(mail.report_token),
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
    ]
    parts = [*_part("plain", mail.text), f"--{boundary}".encode(), *_part("html", mail.html)]
    lines = ["\r\n".join(headers).encode(), b"", f"--{boundary}".encode(), *parts, f"--{boundary}--".encode(), b""]
    return b"\r\n".join(lines)


def ascii_recipient(address: str) -> str:
    """Return the address with its domain as an A-label, which every relay understands."""
    local, domain = address.rsplit("@", 1)
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"


def _checked(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError("not fit for a header")  # without the value, which would end up in a log
    return value


def _report_token(token: str) -> str:
    width = _MAX_CHARACTERS - len(f"{REPORT_HEADER}: ")
    return f"{REPORT_HEADER}: " + "\r\n ".join(
        textwrap.wrap(_checked(_TOKEN, token), width, break_on_hyphens=False)
    )


def _subject(subject: str, *, utf8: bool) -> str:
    subject = _one_line(subject)
    return _plain("Subject", subject, utf8=utf8) or _encoded("Subject", subject)


def _sender(name: str, address: str, *, utf8: bool) -> str:
    name = _one_line(name)
    return _plain("From", f'"{quote(name)}" <{address}>', utf8=utf8) or f"{_encoded('From', name)}\r\n <{address}>"


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text).strip()


def _plain(header: str, text: str, *, utf8: bool) -> str | None:
    """Fold at spaces, never before the first word. None: it has to be encoded. `utf8`: as in RFC 6532."""
    width = _MAX_CHARACTERS - len(f"{header}: ")
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    is_plain = (utf8 or text.isascii()) and "=?" not in text and max(map(len, lines), default=0) <= width
    return f"{header}: " + "\r\n ".join(lines) if is_plain else None


def _encoded(header: str, text: str) -> str:
    """Encode as words of RFC 2047, each of whole characters."""
    encoded = Header(text, "utf-8", maxlinelen=_MAX_ENCODED_CHARACTERS, header_name=header)
    return f"{header}: " + encoded.encode(linesep="\r\n")


def _part(subtype: str, text: str) -> list[bytes]:
    """Return the lines of a part. Each line is encoded alone: b2a_qp makes one that ends in a space too long."""
    encoded = b"\n".join(b2a_qp(line) for line in text.encode().splitlines())
    return [
        f'Content-Type: text/{subtype}; charset="utf-8"'.encode(),
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        encoded.replace(b"\n", b"\r\n"),
        b"",
    ]
