"""Enhanced status codes of SMTP (RFC 3463) by which a relay or a report says why a mail did not arrive."""

import re

#: There is no such mailbox, or it takes nothing. Of https://www.iana.org/assignments/smtp-enhanced-status-codes:
#: bad mailbox (X.1.1), bad domain (X.1.2), bad syntax (X.1.3), moved (X.1.6), null MX (X.1.10).
#: Not those that are about the sender (X.1.7, X.1.8), say nothing of it (X.1.0) or pass: mailbox full (X.2.2), and
#: disabled (X.2.1), by which Gmail means that somebody gets too much mail at the moment
#: (https://support.google.com/mail/answer/6592).
_BAD_MAILBOX = re.compile(r"5\.1\.(1|2|3|6|10)(?!\.?\d)")
_CLASS = re.compile(r"5\.([0-7])\.\d")


def bad_mailbox(text: str) -> str | None:
    """Return the code that `text` begins with, if it says for good that there is no such mailbox.

    The code comes first (RFC 2034); further on, "5.1.1" may be part of our own IP address at a blocklist.
    """
    known = _BAD_MAILBOX.match(text)
    return known[0] if known else None


def status_class(text: str) -> str:
    """Return the class of a permanent code, as in `5.7.x`; `5.x` where `text` begins with none that is defined.

    Coarse, because others write it and we log it.
    """
    known = _CLASS.match(text)
    return f"5.{known[1]}.x" if known else "5.x"
