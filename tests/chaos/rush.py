"""A rush: people and programs sign and press, through all functions in one process, with a clock moved by hand."""

import contextlib
import heapq
import re
import sqlite3
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from shared.mail import Mail
from tests.support.deployment import CAMPAIGN, LINKS, PUBLIC_URL, SIGNATURES, World, signature

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
#: What browsers send with a form.
BROWSER = {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}
_STEP = timedelta(minutes=10)
_PROGRESS_EVERY = timedelta(hours=6)
_CONFIRM_LINK = re.compile(r"https?://\S+/v1/confirm/\S+")
#: A page would take longer to make, and nobody reads it.
_JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signs, `after` so much of the rush.

    `page_seconds`: how long the form was open; None where no script says it. `confirms_after`: how long after the
    mail; None: never. `asks_for_links`: instead of signing.
    """

    email: str
    address: str
    headers: dict[str, str]
    page_seconds: int | None
    after: timedelta
    confirms_after: timedelta | None
    asks_for_links: bool = False


def network_address(first: int, number: int) -> str:
    """Return an address in the network of this number: of IPv4 each /24 is another."""
    return f"{first}.{number // 256 % 256}.{number % 256}.{1 + number // 65536}"


class Mailboxes:
    """Takes mails as a relay does: when one came to which address, and the links to confirm that are new."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.mails: list[tuple[datetime, str]] = []
        self.new: list[tuple[str, str]] = []
        self._now = now

    async def send(self, mail: Mail) -> None:
        self.mails.append((self._now(), mail.to))
        if link := _CONFIRM_LINK.search(mail.text):
            self.new.append((mail.to, link[0]))


class Rush:
    """Some send at set times for an hour or more; after `lasts` it ends. `name`: of its lines of progress."""

    def __init__(self, deployed: World, senders: Iterable[Sender], lasts: timedelta, name: str) -> None:
        self.mailboxes = Mailboxes(lambda: deployed.now)
        deployed.functions["deliver"].deps.mailer = self.mailboxes
        self._deployed = deployed
        self._lasts = lasts
        self._name = name
        self._to_send = deque(sorted(senders, key=lambda sender: sender.after))
        self._confirms_after = {
            sender.email: sender.confirms_after for sender in self._to_send if sender.confirms_after is not None
        }
        self._presses: list[tuple[datetime, str]] = []

    async def run(self) -> None:
        """Move the clock minute by minute for an hour, then in larger steps. Progress goes to standard error."""
        start = self._deployed.now
        elapsed = timedelta(0)
        while elapsed < self._lasts:
            elapsed += MINUTE if elapsed < HOUR else _STEP
            self._deployed.now = start + elapsed
            await self._send(elapsed)
            await self._deployed.deliver()
            await self._press()
            if elapsed == HOUR or elapsed % _PROGRESS_EVERY == timedelta(0):
                sys.stderr.write(f"{self._name}: {elapsed // HOUR} of {self._lasts // HOUR} hours\n")

    async def _send(self, elapsed: timedelta) -> None:
        while self._to_send and self._to_send[0].after <= elapsed:
            sender = self._to_send.popleft()
            path, body = SIGNATURES, signature(email=sender.email, page_seconds=sender.page_seconds)
            if sender.asks_for_links:
                path, body = LINKS, {"email": sender.email, "locale": "en"}
            headers = {**sender.headers, "X-Forwarded-For": sender.address}
            answer = await self._deployed.client.post(path, json=body, headers=headers)
            assert answer.status_code == HTTPStatus.ACCEPTED, answer.text

    async def _press(self) -> None:
        for email, link in self.mailboxes.new:
            wait = self._confirms_after.get(email)
            if wait is not None:
                heapq.heappush(self._presses, (self._deployed.now + wait, link))
        self.mailboxes.new.clear()
        while self._presses and self._presses[0][0] <= self._deployed.now:
            _, link = heapq.heappop(self._presses)
            await self._deployed.client.post(link, headers=_JSON)

    def statuses(self, emails: Iterable[str]) -> Counter[str]:
        """Count the statuses of these addresses; `""`: nothing is stored."""
        deps = self._deployed.functions["deliver"].deps
        stored: dict[str, str] = dict(
            self._select("store", "SELECT digest, document ->> 'status' FROM signatures")
        )
        return Counter(stored.get(deps.digester.address(CAMPAIGN, email).digest, "") for email in emails)

    def tasks(self) -> int:
        """Return how many tasks were created, whatever became of them."""
        [(_, number)] = self._select("tasks", "SELECT name, seq FROM sqlite_sequence")
        return int(number)

    def _select(self, file: str, statement: str) -> list[tuple[str, str]]:
        """Select two columns."""
        with contextlib.closing(sqlite3.connect(self._deployed.folder / f"{file}.db")) as database:
            return database.execute(statement).fetchall()
