"""The mailboxes of all signers: what the relays have taken."""

import asyncio
import quopri
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import parsedate_to_datetime

from aiosmtpd.smtp import Envelope

from tests.chaos.ledgers import Mailed, MailKind

_LINK = re.compile(rb"https?://[^/\s]+(/v1/(confirm|withdraw)/\S+)")
#: In the token of a link to confirm: campaign, digest, language, submission.
_SUBMISSION = 3
#: How the subject of each kind begins in English.
_KINDS = {
    "Confirm your signature": MailKind.CONFIRM,
    "Still to confirm": MailKind.REMINDER,
    "You have already signed": MailKind.SIGNED,
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as its reader sees it. `confirm`: the paths of its links to confirm, oldest submission first."""

    mailed: Mailed
    confirm: tuple[str, ...]
    withdraw: str


class Inbox(list[Envelope]):
    """What `Relay.taken` is, where the relays append what they take."""

    def __init__(self) -> None:
        super().__init__()
        self.mailed: list[Mailed] = []
        self._letters = defaultdict[str, list[Letter]](list)
        self._arrived = defaultdict[str, asyncio.Event](asyncio.Event)

    def append(self, envelope: Envelope) -> None:
        """Read a mail and put it into the mailbox of its recipient, whom that may wake."""
        letter = _read(envelope)
        address = letter.mailed.address
        self.mailed.append(letter.mailed)
        self._letters[address].append(letter)
        self._arrived.pop(address, asyncio.Event()).set()

    def letters(self, address: str) -> list[Letter]:
        """Return all mails to an address, oldest first."""
        return self._letters[address]

    async def arrival(self, address: str) -> None:
        """Wait for another mail to an address."""
        await self._arrived[address].wait()


def _read(envelope: Envelope) -> Letter:
    assert isinstance(envelope.content, bytes)
    headers = BytesHeaderParser(policy=default).parsebytes(envelope.content)
    kind = next(kind for start, kind in _KINDS.items() if headers["Subject"].startswith(start))
    text = quopri.decodestring(envelope.content.partition(b"text/html")[0])
    links: dict[bytes, list[str]] = {b"confirm": [], b"withdraw": []}
    for path, purpose in _LINK.findall(text):
        links[purpose].append(path.decode())
    submissions = tuple(link.rpartition("/")[2].split("~")[_SUBMISSION] for link in links[b"confirm"])
    at = parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    mailed = Mailed(str(headers["To"]), at, kind, submissions)
    return Letter(mailed, tuple(links[b"confirm"]), links[b"withdraw"][0])
