"""A mail as an RFC 5322 message."""

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

import idna

from shared.mail import Mail


def build(mail: Mail, now: datetime) -> EmailMessage:
    """Build the message with a text and an HTML part. Non-ASCII local parts need SMTPUTF8 (RFC 6531).

    No value can inject a header: the email package refuses line breaks in headers.
    """
    recipient = ascii_recipient(mail.to)
    # Unfolded (RFC 5322 allows 998): the email package would fold a long subject before its first word.
    message = EmailMessage(policy=SMTP.clone(utf8=not recipient.isascii(), max_line_length=998))
    message["From"] = Address(mail.sender_name, addr_spec=mail.sender_address)
    local, domain = recipient.rsplit("@", 1)
    message["To"] = Address(username=local, domain=domain)  # addr_spec= would refuse a non-ASCII local part
    message["Reply-To"] = Address(addr_spec=mail.reply_to)
    message["Subject"] = re.sub(r"\s+", " ", mail.subject)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=mail.sender_address.rsplit("@", 1)[1])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies to it
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = mail.language  # last, because the two above remove Content- headers
    return message


def ascii_recipient(address: str) -> str:
    """Return the address with its domain as an A-label, which every relay understands."""
    local, domain = address.rsplit("@", 1)
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"
