"""Reports that mail systems send about a mail, in the shapes that they have in the wild."""

import base64
import quopri
from email import message_from_bytes


def delivery_report(
    mail: bytes,
    *,
    status: str = "5.1.1",
    action: str = "failed",
    returned: str = "message/rfc822",
    encoding: str = "7bit",
    text: str = "Sorry.",
) -> bytes:
    """Build a delivery status notification (RFC 3464) that returns a mail, or its headers alone."""
    recipient = f"Final-Recipient: rfc822; ann@example.org\nAction: {action}\nStatus: {status}"
    kind = "message/global-delivery-status" if "global" in returned else "message/delivery-status"
    status_part = f"Content-Type: {kind}\n\nReporting-MTA: dns; mx.example.org\n\n{recipient}\n".encode()
    return _report("delivery-status", text, status_part, _returned(mail, returned, encoding))


def complaint(mail: bytes, *, kind: str = "abuse", returned: str = "message/rfc822") -> bytes:
    """Build a feedback report (RFC 5965)."""
    fields = f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"
    status_part = f"Content-Type: message/feedback-report\n\n{fields}".encode()
    return _report("feedback-report", "This is spam.", status_part, _returned(mail, returned, "7bit"))


def _returned(mail: bytes, kind: str, encoding: str) -> bytes:
    content = mail.replace(b"\r\n", b"\n")
    if "headers" in kind:
        content = content.partition(b"\n\n")[0] + b"\n"
    if encoding == "base64":
        content = base64.encodebytes(content)
    if encoding == "quoted-printable":
        content = quopri.encodestring(content)
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + content


def _report(kind: str, text: str, *parts: bytes) -> bytes:
    headers = (
        "From: MAILER-DAEMON@mx.example.org\nTo: bounces@mail.example.org\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind};\n boundary="a/b=c"\n\n'
    )
    everything = [f"Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode(), *parts]
    body = b"".join(b"--a/b=c\n" + part + b"\n" for part in everything)
    return (headers.encode() + body + b"--a/b=c--\n").replace(b"\n", b"\r\n")


def token_of(mail: bytes) -> str:
    """Return the token that a mail of ours carries for reports."""
    return "".join(str(message_from_bytes(mail)["X-Undersign-Mail"]).split())
