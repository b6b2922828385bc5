"""Bots with working mailboxes sign among people in a rush: how many are counted, how many are held.

Each attack runs through all functions in one process, whose clock is moved by hand: an hour in which bots and
people sign, and the rest of a day, in which mails go out that were deferred. `make bots` prints the table of
docs/performance.md.
"""

import argparse
import asyncio
import contextlib
import heapq
import io
import random
import re
import sqlite3
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from shared.mail import Mail
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, SIGNATURES, World, signature, world

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
#: What browsers send with a form.
BROWSER = {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}
STEP = timedelta(minutes=10)
DAY = timedelta(days=1)
_CONFIRM_LINK = re.compile(r"https?://\S+/v1/confirm/\S+")
#: What people in Europe write from; the last is everything with few users.
PROVIDERS = ("gmail.com", "hotmail.com", "gmx.de", "yahoo.fr", "wp.pl", "libero.it", "proton.me", "icloud.com")


@dataclass(frozen=True, slots=True)
class Attack:
    """`networks`: from how many they come. `domains`: at how many they have mailboxes.

    `is_careful`: they send what a browser sends, and take as long as people do.
    """

    networks: int
    domains: int
    is_careful: bool


ATTACKS = [
    Attack(networks, domains, is_careful)
    for is_careful in (False, True)
    for networks, domains in ((1, 1), (100, 20), (10_000, 2_000))
]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signs, `after` so much of the rush.

    `page_seconds`: how long the form was open; None where no script says it. `confirms_after`: how long after the
    mail; None: never.
    """

    email: str
    address: str
    headers: dict[str, str]
    page_seconds: int | None
    after: timedelta
    confirms_after: timedelta | None


def make_bots(attack: Attack, number: int, chance: random.Random) -> Iterator[Sender]:
    """Yield bots that sign evenly over an hour and press the button ten seconds after the mail."""
    headers = BROWSER if attack.is_careful else {}
    for each in range(number):
        yield Sender(
            email=f"bot{each}@shop{each % attack.domains}.example",
            address=_address(10, each % attack.networks),
            headers=headers,
            page_seconds=chance.randint(8, 90) if attack.is_careful else None,
            after=HOUR * each / number,
            confirms_after=timedelta(seconds=10),
        )


def make_people(number: int, chance: random.Random) -> Iterator[Sender]:
    """Yield people after the evening news.

    Three in ten come through one of three networks of mobile carriers, one in twenty is of one university, one in
    two hundred has a mailbox to throw away, and as many have software that removes what browsers send. One in ten
    has no script, and does not say how long the form was open. Four in five confirm.
    """
    for each in range(number):
        has_script = chance.random() > 0.1
        is_stripped = chance.random() < 0.005
        seconds = max(1, round(chance.lognormvariate(3.5, 0.6)))
        yield Sender(
            email=f"person{each}@{_domain(each, chance)}",
            address=_address(20, chance.randrange(3)) if chance.random() < 0.3 else _address(30, each),
            headers={} if is_stripped else BROWSER,
            page_seconds=seconds if has_script else None,
            after=HOUR * chance.betavariate(1, 3),
            confirms_after=timedelta(minutes=chance.expovariate(1 / 20)) if chance.random() < 0.8 else None,
        )


def _domain(number: int, chance: random.Random) -> str:
    drawn = chance.random()
    if drawn < 0.005:
        return "mailinator.com"
    if drawn < 0.055:
        return "university.example"
    return f"family{number}.example" if drawn < 0.3 else chance.choice(PROVIDERS)


def _address(first: int, number: int) -> str:
    """Return an address in the network of this number: of IPv4 each /24 is another."""
    return f"{first}.{number // 256 % 256}.{number % 256}.{1 + number // 65536}"


class Mailboxes:
    """Takes mails as a relay does: how many came to each address, and the links to confirm that are new."""

    def __init__(self) -> None:
        self.mails = Counter[str]()
        self.new: list[tuple[str, str]] = []

    async def send(self, mail: Mail) -> None:
        self.mails[mail.to] += 1
        if link := _CONFIRM_LINK.search(mail.text):
            self.new.append((mail.to, link[0]))


class Rush:
    """One attack in the hour of a rush, and the day after."""

    def __init__(self, deployed: World, senders: list[Sender]) -> None:
        self.deployed = deployed
        self.mailboxes = Mailboxes()
        deployed.functions["deliver"].deps.mailer = self.mailboxes
        self.senders = {sender.email: sender for sender in senders}
        self._to_sign = deque(sorted(senders, key=lambda sender: sender.after))
        self._presses: list[tuple[datetime, str]] = []

    async def run(self) -> None:
        """Move the clock minute by minute while they sign, then in larger steps."""
        start = self.deployed.now
        while self.deployed.now < start + DAY:
            self.deployed.now += MINUTE if self._to_sign else STEP
            await self._sign(self.deployed.now - start)
            await self.deployed.deliver()
            await self._press()
        await self.deployed.deliver()

    async def _sign(self, elapsed: timedelta) -> None:
        while self._to_sign and self._to_sign[0].after <= elapsed:
            sender = self._to_sign.popleft()
            body = signature(email=sender.email, page_seconds=sender.page_seconds)
            headers = {**sender.headers, "X-Forwarded-For": sender.address}
            answer = await self.deployed.client.post(SIGNATURES, json=body, headers=headers)
            assert answer.status_code == HTTPStatus.ACCEPTED, answer.text

    async def _press(self) -> None:
        for email, link in self.mailboxes.new:
            wait = self.senders[email].confirms_after
            if wait is not None:
                heapq.heappush(self._presses, (self.deployed.now + wait, link))
        self.mailboxes.new.clear()
        while self._presses and self._presses[0][0] <= self.deployed.now:
            _, link = heapq.heappop(self._presses)
            await self.deployed.client.post(link)

    def statuses(self, emails: Iterable[str]) -> Counter[str]:
        """Count what became of these addresses; `""`: not confirmed."""
        deps = self.deployed.functions["deliver"].deps
        with contextlib.closing(sqlite3.connect(self.deployed.folder / "store.db")) as database:
            rows = database.execute("SELECT digest, document ->> 'status' FROM signatures")
            stored: dict[str, str] = dict(rows.fetchall())
        return Counter(stored.get(deps.digester.address(CAMPAIGN, email).digest, "") for email in emails)


async def measure(attack: Attack, bots: int, people: int, seed: int) -> str:
    """Run one attack; return its row of the table."""
    chance = random.Random(seed)
    robots, genuine = list(make_bots(attack, bots, chance)), list(make_people(people, chance))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        async with world(Path(folder), monkeypatch) as deployed:
            rush = Rush(deployed, [*robots, *genuine])
            await rush.run()
            theirs = rush.statuses(sender.email for sender in robots)
            ours = rush.statuses(sender.email for sender in genuine)
            mails = sum(rush.mailboxes.mails[sender.email] for sender in robots)
    confirmed = ours["confirmed"] + ours["held"]
    cells = [
        "as browsers" if attack.is_careful else "plain",
        f"{attack.networks:,}",
        f"{attack.domains:,}",
        f"{theirs['confirmed']:,}",
        f"{theirs['held']:,}",
        f"{bots - theirs['confirmed'] - theirs['held']:,}",
        f"{mails:,}",
        f"{ours['held']:,} of {confirmed:,} ({ours['held'] / confirmed:.1%})",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bots", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bots", type=int, default=10_000, help="how many in each attack (%(default)s)")
    parser.add_argument("--people", type=int, default=2_000, help="who sign in the same hour (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (%(default)s)")
    given = parser.parse_args()
    print("| bots | networks | domains | counted | held | mail still waits | mails to them | people held |")
    print("| --- |" + " ---: |" * 7)
    for attack in ATTACKS:
        with contextlib.redirect_stdout(io.StringIO()):  # the log
            row = asyncio.run(measure(attack, given.bots, given.people, given.seed))
        print(row, flush=True)


if __name__ == "__main__":
    main()
