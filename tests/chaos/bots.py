"""Bots with working mailboxes sign among people in a rush: how many are counted, how many are held.

`make bots` prints the tables of docs/performance.md: what a mailbox and a domain get when they are flooded with
requests, what becomes of bots that sign for an hour and press for the rest of a day, and what that costs.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.chaos import flood, price
from tests.chaos.rush import BROWSER, DAY, HOUR, Rush, Sender, network_address
from tests.support.deployment import world

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

    @property
    def cells(self) -> Sequence[str]:
        """The first cells of its rows."""
        return "as browsers" if self.is_careful else "plain", f"{self.networks:,}", f"{self.domains:,}"


ATTACKS = [
    Attack(networks, domains, is_careful)
    for is_careful in (False, True)
    for networks, domains in ((1, 1), (100, 20), (10_000, 2_000))
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attack after a day. `bots`, `people`: how many have which status.

    `mails`: to bots. `deferrals`: tasks beyond the two that each address takes that was mailed.
    """

    attack: Attack
    bots: Counter[str]
    people: Counter[str]
    mails: int
    deferrals: int


def make_bots(attack: Attack, number: int, chance: random.Random) -> Iterator[Sender]:
    """Yield bots that sign evenly over an hour and press the button ten seconds after the mail."""
    headers = BROWSER if attack.is_careful else {}
    for each in range(number):
        yield Sender(
            email=f"bot{each}@shop{each % attack.domains}.example",
            address=network_address(10, each % attack.networks),
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
            address=network_address(20, chance.randrange(3))
            if chance.random() < 0.3
            else network_address(30, each),
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


async def measure(attack: Attack, bots: int, people: int, seed: int) -> Outcome:
    """Let bots and people sign for an hour, and press for the rest of a day."""
    chance = random.Random(seed)
    robots, genuine = list(make_bots(attack, bots, chance)), list(make_people(people, chance))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        async with world(Path(folder), monkeypatch) as deployed:
            rush = Rush(deployed, [*robots, *genuine], DAY, f"bots, {', '.join(attack.cells)}")
            await rush.run()
            mailed = Counter(email for _, email in rush.mailboxes.mails)
            return Outcome(
                attack,
                bots=rush.statuses(sender.email for sender in robots),
                people=rush.statuses(sender.email for sender in genuine),
                mails=sum(mailed[sender.email] for sender in robots),
                deferrals=rush.tasks() - 2 * len(mailed),
            )


def row(outcome: Outcome) -> str:
    """Return an attack's row of the table of what became of it."""
    bots, people = outcome.bots, outcome.people
    confirmed = people["confirmed"] + people["held"]
    cells = [
        *outcome.attack.cells,
        f"{bots['confirmed']:,}",
        f"{bots['held']:,}",
        f"{bots.total() - bots['confirmed'] - bots['held']:,}",
        f"{outcome.mails:,}",
        f"{people['held']:,} of {confirmed:,} ({people['held'] / confirmed:.1%})",
    ]
    return f"| {' | '.join(cells)} |"


def price_row(outcome: Outcome, work_seconds: float) -> str:
    """Return an attack's row of the table of costs, in dollars for each thousand that were counted."""
    bots = outcome.bots
    if not bots["confirmed"]:
        return f"| {' | '.join([*outcome.attack.cells, *'––––'])} |"
    bill = price.bill(
        sent=bots.total(),
        mailed=outcome.mails,
        pressed=bots["confirmed"] + bots["held"],
        deferrals=outcome.deferrals,
        domains=min(bots.total(), outcome.attack.domains),
        work_seconds=work_seconds,
    )
    each = 1000 / bots["confirmed"]
    cheapest, dearest = bill.mail
    cells = [
        *outcome.attack.cells,
        f"{cheapest * each:.2f} to {dearest * each:.2f}",
        *(f"{dollars * each:.3f}" for dollars in (bill.cloud, bill.work)),
        f"{bill.domains * each:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def print_floods(requests: int, rows: Iterable[str]) -> None:
    """Print what mailboxes and a domain get."""
    days = " | ".join(f"day {day}" for day in range(1, flood.DAYS + 1))
    print(f"| {requests:,} requests for | addresses | busiest hour | {days} |")
    print("| --- |" + " ---: |" * (flood.DAYS + 2))
    for each in rows:
        print(each, flush=True)


def print_attacks(running: Iterable[Outcome]) -> None:
    """Print what becomes of bots and people, and what it costs."""
    outcomes = list[Outcome]()
    print("\n| bots | networks | domains | counted | held | still wait | mails to them | people held |")
    print("| --- |" + " ---: |" * 7)
    for outcome in running:
        print(row(outcome), flush=True)
        outcomes.append(outcome)
    print(
        "\n| dollars for 1,000 counted | networks | domains | our mails | our functions, queue and database ",
        end="",
    )
    print("| their work | their domains |")
    print("| --- |" + " ---: |" * 6)
    work_seconds = price.work_seconds()
    for outcome in outcomes:
        print(price_row(outcome, work_seconds))
    print(f"\nWork: {work_seconds:.3f} s of a processor a signature. Domains: {price.DOMAIN_DOLLARS:.2f} dollars.")


def _measured(attack: Attack, bots: int, people: int, seed: int) -> Outcome:
    return asyncio.run(measure(attack, bots, people, seed))


def _silence_log() -> None:
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends


def main() -> None:
    """Run all parts, as many at a time as there are processors, and print their tables."""
    parser = argparse.ArgumentParser(
        prog="make bots", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("mailboxes", "bots"), help="one part alone")
    parser.add_argument("--requests", type=int, default=10_000, help="for each mailbox (%(default)s)")
    parser.add_argument("--bots", type=int, default=10_000, help="how many in each attack (%(default)s)")
    parser.add_argument("--people", type=int, default=2_000, help="who sign in the same hour (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (%(default)s)")
    given = parser.parse_args()
    parts = {given.only} if given.only else {"mailboxes", "bots"}
    with ProcessPoolExecutor(initializer=_silence_log) as pool:
        targets, attacks = (flood.TARGETS if "mailboxes" in parts else ()), (ATTACKS if "bots" in parts else ())
        rows = pool.map(partial(flood.row, requests=given.requests, seed=given.seed), targets)
        outcomes = pool.map(partial(_measured, bots=given.bots, people=given.people, seed=given.seed), attacks)
        if targets:
            print_floods(given.requests, rows)
        if attacks:
            print_attacks(outcomes)


if __name__ == "__main__":
    main()
