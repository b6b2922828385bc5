"""The mailbox that bounces and complaints go to, read over IMAP with TLS (RFC 9051)."""

import asyncio
import imaplib
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from shared.errors import MailboxUnreadable
from shared.mail.bounces import MAX_BYTES, Report, parse

#: A run ends before deliver's time for a request does (80 seconds), or with so many messages.
_MAX_SECONDS = 45.0
_MAX_MESSAGES = 500
#: Of each answer of the server.
_TIMEOUT_SECONDS = 5.0
#: Only so many at the end of the mailbox are looked at: what is no report stays there for good.
_WINDOW = 10_000


class BounceMailbox:
    """One folder of one account. `monotonic`: a clock in seconds that is never set."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        password: str,
        folder: str,
        tls_context: ssl.SSLContext,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = host, port
        self._user, self._password = user, password
        self._folder = folder
        self._tls_context = tls_context
        self._monotonic = monotonic

    async def process(self, handle: Callable[[Report], Awaitable[bool]]) -> int:
        """Hand each new report to `handle`, oldest first, and delete those of which it returns that they are ours.

        Everything else is marked as seen, and stays. Returns how many messages were read. A message that is read
        again, because a run broke off, does no harm as long as `handle` may be called twice.

        Raises:
            MailboxUnreadable: the server does not answer, or does not let us in.
        """
        end = self._monotonic() + _MAX_SECONDS
        imap = await asyncio.to_thread(self._open)
        try:
            messages = (await asyncio.to_thread(_new_messages, imap, self._folder))[:_MAX_MESSAGES]
            for number, message in enumerate(messages):
                if self._monotonic() > end:
                    return number
                report = await asyncio.to_thread(_read, imap, message)
                is_ours = report is not None and await handle(report)
                await asyncio.to_thread(_mark, imap, message, r"(\Deleted)" if is_ours else r"(\Seen)")
        finally:
            await asyncio.to_thread(_close, imap)
        return len(messages)

    def _open(self) -> imaplib.IMAP4:
        with _unreadable_for_errors("connect"):
            imap = imaplib.IMAP4_SSL(*self._place, ssl_context=self._tls_context, timeout=_TIMEOUT_SECONDS)
        try:
            with _unreadable_for_errors("login"):
                imap.login(_quoted(self._user), self._password)  # which imaplib quotes itself
        except MailboxUnreadable:
            _close(imap)
            raise
        return imap


@contextmanager
def _unreadable_for_errors(step: str) -> Iterator[None]:
    """Translate errors of IMAP and of the connection, without their text, which may quote a message."""
    try:
        yield
    except (
        imaplib.IMAP4.error,
        OSError,
        TypeError,
        ValueError,
    ) as error:  # the last two of answers in no known shape
        raise MailboxUnreadable(step, type(error).__qualname__) from None


def _quoted(text: str) -> str:
    """Write a text as RFC 9051 quotes it."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _require_ok(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error
    return answer[1]


def _new_messages(imap: imaplib.IMAP4, folder: str) -> Sequence[str]:
    """Return the UIDs of what nobody has seen, oldest first."""
    with _unreadable_for_errors("select"):
        [answer] = _require_ok(imap.select(_quoted(folder)))
        number = int(answer)
    if not number:
        return []
    newest = f"{max(1, number - _WINDOW + 1)}:*"
    with _unreadable_for_errors("search"):
        [found] = _require_ok(imap.uid("SEARCH", newest, "UNSEEN", "UNDELETED"))
    return (found or b"").decode().split()


def _read(imap: imaplib.IMAP4, uid: str) -> Report | None:
    """Read the beginning of a message; None if it is no report, or gone."""
    with _unreadable_for_errors("fetch"):
        answer = _require_ok(imap.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES}>)"))
    content = next((part[1] for part in answer if isinstance(part, tuple)), b"")
    return parse(content)


def _mark(imap: imaplib.IMAP4, uid: str, flags: str) -> None:
    with _unreadable_for_errors("store"):
        _require_ok(imap.uid("STORE", uid, "+FLAGS.SILENT", flags))


def _close(imap: imaplib.IMAP4) -> None:
    """Remove what is marked as deleted, and end the connection, if it has not ended already."""
    for step in (imap.close, imap.logout, imap.shutdown):
        with suppress(imaplib.IMAP4.error, OSError):
            step()
