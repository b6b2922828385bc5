"""A flood: strangers send thousands of requests for one mailbox, under every spelling of its address, or for one
domain that takes mail to any address. Half come in the first hour, the others over a week.
"""

import asyncio
import itertools
import random
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.rush import BROWSER, DAY, HOUR, Rush, Sender, network_address
from tests.support.clock import NOW
from tests.support.deployment import world

DAYS = 7
_NAME = "annexample"
_TAGGED_SHARE = 0.9
_LINKS_SHARE = 0.1

#: Returns the address of the request with this number.
Spelling = Callable[[int, random.Random], str]


def _alias(
    number: int,
    chance: random.Random,
    *,
    domains: str,
    separators: str = "",
    tag_marks: str = "+",
    has_subdomains: bool = False,
) -> str:
    """Spell the address of one mailbox, as far as its provider ignores how.

    `domains`: separated by spaces. `separators`: characters between the letters of its name that mean nothing.
    """
    domain = chance.choice(domains.split())
    if has_subdomains and chance.random() < 0.5:
        return f"tag{number}@{_NAME}.{domain}"
    name = "".join(letter + chance.choice(["", *separators]) for letter in _NAME[:-1]) + _NAME[-1]
    tag = f"{chance.choice(tag_marks)}{number}" if chance.random() < _TAGGED_SHARE else ""
    return f"{chance.choice([name, name.upper()])}{tag}@{domain}"


def _made_up(number: int, chance: random.Random) -> str:
    """Make up an address at one domain, or at one of its subdomains."""
    return f"person{number}@{chance.choice(['', f'mail{number % 50}.'])}company.example"


#: Written down here once more, and not read from `mail_providers`, which is what is tested.
MAILBOXES: Mapping[str, Spelling] = {
    "Gmail": partial(_alias, domains="gmail.com googlemail.com", separators="."),
    "Yahoo": partial(_alias, domains="yahoo.com", tag_marks="+-"),
    "Proton": partial(_alias, domains="proton.me protonmail.com protonmail.ch pm.me", separators=".-_"),
    "posteo": partial(_alias, domains="posteo.de posteo.net posteo.eu posteo.at posteo.ch posteo.me"),
    "Fastmail": partial(_alias, domains="fastmail.com", has_subdomains=True),
    "own domain": partial(_alias, domains="family.example"),
}
#: Its owner has confirmed: the caps let one mail more pass on each day, which holds the withdraw link.
SIGNED: Mapping[str, Spelling] = {"own domain, has signed": partial(_alias, domains="signed.example")}
CATCH_ALL: Mapping[str, Spelling] = {"one domain, made-up names": _made_up}
TARGETS: Mapping[str, Spelling] = {**CATCH_ALL, **MAILBOXES, **SIGNED}


@dataclass(frozen=True, slots=True)
class Flooded:
    """What came of a flood. `addresses`: how many were used. `mails`: when each came, in order."""

    name: str
    addresses: int
    mails: Sequence[datetime]

    def of_days(self) -> Sequence[int]:
        """Count the mails of each day."""
        days = [(at - NOW) // DAY for at in self.mails]
        return [days.count(day) for day in range(DAYS)]

    def of_busiest_hour(self) -> int:
        """Count the mails of whichever hour had the most."""
        return max(bisect_right(self.mails, at) - bisect_right(self.mails, at - HOUR) for at in self.mails)


async def flood(targets: Mapping[str, Spelling], requests: int, seed: int) -> Sequence[Flooded]:
    """Send so many requests for each of the targets."""
    chance = random.Random(seed)
    senders = {name: list(_senders(name, spelling, requests, chance)) for name, spelling in targets.items()}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        async with world(Path(folder), monkeypatch) as deployed:
            everybody = itertools.chain.from_iterable(senders.values())
            rush = Rush(deployed, everybody, DAYS * DAY, f"flood of {', '.join(targets)}")
            await rush.run()
    mails = defaultdict[str, list[datetime]](list)
    for at, email in rush.mailboxes.mails:
        mails[email].append(at)
    used = {name: {sender.email for sender in each} for name, each in senders.items()}
    return [
        Flooded(name, len(emails), sorted(itertools.chain.from_iterable(mails[email] for email in emails)))
        for name, emails in used.items()
    ]


def _senders(name: str, spelling: Spelling, requests: int, chance: random.Random) -> Iterator[Sender]:
    """Yield strangers that look like browsers, each in a network of its own; one in ten asks for the links."""
    if name in SIGNED:
        yield _sender(f"{_NAME}@signed.example", 0, timedelta(0), confirms_after=timedelta(0))
    for number in range(requests):
        share = 2 * number / requests
        after = HOUR * share if share < 1 else HOUR + (DAYS * DAY - HOUR) * (share - 1)
        asks_for_links = chance.random() < _LINKS_SHARE
        yield _sender(spelling(number, chance), number, after, asks_for_links=asks_for_links)


def _sender(
    email: str,
    number: int,
    after: timedelta,
    *,
    confirms_after: timedelta | None = None,
    asks_for_links: bool = False,
) -> Sender:
    return Sender(email, network_address(10, number), BROWSER, 20, after, confirms_after, asks_for_links)


def row(target: str, requests: int, seed: int) -> str:
    """Send so many requests for one of the targets; return its row of the table."""
    [flooded] = asyncio.run(flood({target: TARGETS[target]}, requests, seed))
    cells = (target, f"{flooded.addresses:,}", f"{flooded.of_busiest_hour()}", *map(str, flooded.of_days()))
    return f"| {' | '.join(cells)} |"
