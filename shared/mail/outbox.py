"""The local outbox: every mail as an .eml file in a folder, to read in the browser or in a mail program."""

import asyncio
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from pydantic import BaseModel

from shared.mail import Mail
from shared.mail.message import build

_LINK = re.compile(r"https?://\S+/v1/(confirm|withdraw)/\S+")


class Received(BaseModel):
    """A mail as its reader sees it. `links`: the first confirm and withdraw link of the text part."""

    to: str
    subject: str
    text: str
    html: str
    links: dict[str, str]


class Outbox:
    """Writes mails into `folder`, which it creates; file names sort by time."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now

    async def send(self, mail: Mail) -> None:
        """Write the mail into the folder."""
        await asyncio.to_thread(self._write, mail)

    def _write(self, mail: Mail) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        now = self._now()
        name = f"{now:%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}"
        written = self._folder / f"{name}.part"
        written.write_bytes(build(mail, now))
        written.rename(self._folder / f"{name}.eml")  # so that no reader of the folder sees half a mail

    def forget(self, concerns: Callable[[str], bool]) -> int:
        """Delete the mails to the addresses for which `concerns` is true; return how many."""
        gone = [file for file in self._folder.glob("*.eml") if concerns(str(_parsed(file)["To"]))]
        for file in gone:
            file.unlink()
        return len(gone)

    def messages(self) -> list[EmailMessage]:
        """Return all mails, newest first."""
        files = sorted(self._folder.glob("*.eml"), reverse=True)
        return [_parsed(file) for file in files]

    def received(self) -> list[Received]:
        """Return all mails as their readers see them, newest first."""
        return [_received(message) for message in self.messages()]


def _parsed(file: Path) -> EmailMessage:
    # As text, for the parser of bytes splits UTF-8 headers apart; the rest is ASCII (quoted-printable).
    return message_from_string(file.read_bytes().decode(), policy=default)


def _received(message: EmailMessage) -> Received:
    text = _part(message, "plain")
    links: dict[str, str] = {}
    for found in _LINK.finditer(text):
        links.setdefault(found[1], found[0])
    return Received(
        to=str(message["To"]), subject=str(message["Subject"]), text=text, html=_part(message, "html"), links=links
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""
