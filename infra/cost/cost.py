"""What a campaign costs: a month with so many signatures and viewers, and an hour of spike mode.

    make cost SIGNATURES=1000000 VIEWERS=5000000

Prices stand in infra/cost/prices.toml, sizes in infra/sizes.json; infra/cost/usage.py counts what is used. Needs
nothing but Python.
"""

import argparse
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

from infra.cost import sizes, usage
from infra.cost.sizes import FunctionSize, Mode
from infra.cost.usage import Assumptions, Driver, Use

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
README = ROOT / "README.md"
BEGIN = "<!-- Written by `make cost ARGS=--readme`; a test holds it against the script. -->"
END = "<!-- Here ends what `make cost ARGS=--readme` writes. -->"
#: Characters in a line of prose.
WIDTH = 115
#: Sizes that the README compares: signatures and viewers. The last is that of its table.
EXAMPLES = ((1_000, 5_000), (10_000, 50_000), (100_000, 500_000), (1_000_000, 5_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price of infra/cost/prices.toml, whose head explains the fields."""

    value: float
    per: float
    unit: str
    currency: str
    free: float
    free_per: str
    source: str
    noted: date
    verified: bool
    check: str

    def free_a_month(self, busy_days: float) -> float:
        """In `unit`. A daily quota is worth something only on days on which there is something to pay for."""
        return self.free * (busy_days if self.free_per == "day" else 1)

    def cost(self, quantity: float) -> float:
        """In `currency`, before any free tier."""
        return self.value * quantity / self.per


@dataclass(frozen=True, slots=True)
class Charge:
    """A use and its price: `free` of the quantity is not charged; `cost` is for the rest."""

    use: Use
    free: float
    cost: float


@dataclass(frozen=True, slots=True)
class Hour:
    """What the instances of the function `name` cost in an hour of spike mode, in the currency of the prices.

    `idle`: those kept warm, with nothing to do. `busy`: the same, all at work. `most`: as many as there may be,
    all at work.
    """

    name: str
    size: FunctionSize
    idle: float
    busy: float
    most: float


def load_prices(path: Path = INFRA / "cost" / "prices.toml") -> dict[str, Price]:
    """Return all prices by name; a field too many or too few is a TypeError."""
    return {name: Price(**entry) for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def charges(uses: Iterable[Use], prices: Mapping[str, Price], busy_days: float) -> list[Charge]:
    """Charge each use. What is free of a price is given once, to the first uses of it."""
    left = {name: price.free_a_month(busy_days) for name, price in prices.items()}
    charged = []
    for use in uses:
        free = min(use.quantity, left[use.price])
        left[use.price] -= free
        charged.append(Charge(use, free, prices[use.price].cost(use.quantity - free)))
    return charged


def estimate(
    signatures: float,
    viewers: float,
    assumed: Assumptions,
    prices: Mapping[str, Price],
    functions: Mapping[str, FunctionSize],
) -> list[Charge]:
    """Charge a month, without mail."""
    return charges(usage.month(signatures, viewers, functions, assumed), prices, assumed.busy_days)


def mail(signatures: float, assumed: Assumptions, prices: Mapping[str, Price]) -> tuple[float, float, float]:
    """Return how many mails go out, and what the cheapest and the dearest relay take for them."""
    mails = usage.mails(signatures, assumed)
    return mails, prices["mail_cheapest"].cost(mails), prices["mail_dearest"].cost(mails)


def spike_hours(functions: Mapping[str, FunctionSize], prices: Mapping[str, Price]) -> list[Hour]:
    """Price an hour of spike mode by function, beside what a month costs. Free tiers are used up by then."""

    def instance(size: FunctionSize, kind: str) -> float:
        cpu, memory = prices[f"run_{kind}cpu"], prices[f"run_{kind}memory"]
        return cpu.cost(3600 * size.cpu) + memory.cost(3600 * size.memory_gib)

    def reading(name: str) -> float:
        """What each process of count and confirm costs that keeps a fresh copy of the tally."""
        if name not in {"count", "confirm"}:
            return 0
        reads = (usage.TALLY_SHARDS + 1) * 3600 / usage.COUNT_FRESH_SECONDS
        return prices["firestore_reads"].cost(reads)

    return [
        Hour(
            name,
            size,
            idle=size.min_instances * instance(size, "idle_"),
            busy=size.min_instances * (instance(size, "") + reading(name)),
            most=size.max_instances * (instance(size, "") + reading(name)),
        )
        for name, size in functions.items()
    ]


def total(charged: Iterable[Charge]) -> float:
    return sum(charge.cost for charge in charged)


def table(rows: Sequence[Sequence[str]], *, words: int) -> str:
    """Rows in columns for a terminal, the first `words` of them to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def markdown_table(rows: Sequence[Sequence[str]], *, words: int) -> str:
    """The same for the README."""
    rule = ["---" if column < words else "---:" for column in range(len(rows[0]))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))


def month_text(charged: Sequence[Charge], prices: Mapping[str, Price]) -> str:
    """Each use on a line, by what makes it rise."""
    rows: list[Sequence[str]] = [("", "", "quantity", "of it free", "price", "dollars")]
    for driver in Driver:
        of_driver = [charge for charge in charged if charge.use.driver is driver]
        rows += [_line(charge, prices[charge.use.price]) for charge in of_driver]
        rows += [(f"= {driver}", "", "", "", "", _money(total(of_driver))), ("",) * 6]
    rows.append(("= all of it, without mail", "", "", "", "", _money(total(charged))))
    return table(rows, words=2)


def _line(charge: Charge, price: Price) -> Sequence[str]:
    use = charge.use
    per = f"{price.per:,.0f} " if price.per > 1 else ""
    return (
        use.service,
        use.what,
        _number(use.quantity),
        _number(charge.free) if charge.free else "",
        f"{price.value:.7f}".rstrip("0").rstrip(".") + f" / {per}{price.unit}",
        _money(charge.cost),
    )


def month_rows(charged: Sequence[Charge]) -> list[Sequence[str]]:
    """A row for each service, a column for each thing that makes it rise."""
    services = dict.fromkeys(charge.use.service for charge in charged)
    return [
        ("US dollars", *Driver, "sum"),
        *(_sums(service, [each for each in charged if each.use.service == service]) for service in services),
        _sums("**Sum, without mail**", charged),
    ]


def _sums(label: str, charged: Sequence[Charge]) -> Sequence[str]:
    by_driver = [[charge for charge in charged if charge.use.driver is driver] for driver in Driver]
    return (label, *(_money(total(part)) if part else "" for part in by_driver), _money(total(charged)))


def spike_rows(hours: Sequence[Hour]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        ("US dollars an hour", "warm", "at most", "warm and idle", "warm and busy", "at most, all busy")
    ]
    for hour in hours:
        counts = (str(hour.size.min_instances), str(hour.size.max_instances))
        rows.append((hour.name, *counts, _money(hour.idle), _money(hour.busy), _money(hour.most)))
    warm, most = (sum(getattr(hour.size, name) for hour in hours) for name in ("min_instances", "max_instances"))
    sums = (_money(sum(getattr(hour, name) for hour in hours)) for name in ("idle", "busy", "most"))
    rows.append(("sum", str(warm), str(most), *sums))
    return rows


def example_rows(
    assumed: Assumptions, prices: Mapping[str, Price], functions: Mapping[str, FunctionSize]
) -> list[Sequence[str]]:
    """A row for each size of campaign in EXAMPLES."""
    rows: list[Sequence[str]] = [("signatures", "viewers", "US dollars", "and for mail")]
    for signatures, viewers in EXAMPLES:
        _, cheapest, dearest = mail(signatures, assumed, prices)
        cost = total(estimate(signatures, viewers, assumed, prices, functions))
        rows.append((f"{signatures:,}", f"{viewers:,}", f"{cost:,.0f}", f"{cheapest:,.2f} to {dearest:,.2f}"))
    return rows


def caveat(prices: Mapping[str, Price]) -> str:
    """How far the prices can be trusted."""
    unsure = sum(not price.verified for price in prices.values())
    oldest = min(price.noted for price in prices.values())
    return (
        f"List prices without tax, noted on {oldest} or later; {unsure} of {len(prices)} could not be verified on "
        "Google's own pages: `check` in infra/cost/prices.toml says which. Check them before you rely on this."
    )


def text(signatures: float, viewers: float, assumed: Assumptions) -> str:
    """For a terminal."""
    prices, functions = load_prices(), sizes.functions(Mode.SPIKE)
    charged = estimate(signatures, viewers, assumed, prices, functions)
    mails, cheapest, dearest = mail(signatures, assumed, prices)
    return "\n\n".join(
        (
            f"A month with {signatures:,.0f} confirmed signatures and {viewers:,.0f} viewers, in US dollars",
            month_text(charged, prices),
            f"Mail comes on top, by the relay's prices: {mails:,.0f} mails for {cheapest:,.2f} to {dearest:,.2f}",
            spike_text(),
            "Assumed, and open to be set otherwise:\n" + "\n".join(_assumption_lines(assumed)),
            textwrap.fill(caveat(prices), WIDTH),
        )
    )


def spike_text() -> str:
    hours = spike_hours(sizes.functions(Mode.SPIKE), load_prices())
    return "Spike mode, beside that:\n" + table(spike_rows(hours), words=1)


def _assumption_lines(assumed: Assumptions) -> Iterable[str]:
    for each in fields(assumed):
        yield f"  --{each.name.replace('_', '-'):18} {getattr(assumed, each.name):<6g} {each.metadata['why']}"


def markdown(signatures: float, viewers: float, assumed: Assumptions) -> str:
    """The README's chapter, without its heading."""
    prices, functions = load_prices(), sizes.functions(Mode.SPIKE)
    charged = estimate(signatures, viewers, assumed, prices, functions)
    mails, cheapest, dearest = mail(signatures, assumed, prices)
    assumptions = "\n".join(
        f"- {getattr(assumed, each.name):g} {each.metadata['why']} (`--{each.name.replace('_', '-')}`)"
        for each in fields(assumed)
    )
    return "\n\n".join(
        (
            f"A month with {signatures:,.0f} confirmed signatures and {viewers:,.0f} viewers of the count:",
            markdown_table(month_rows(charged), words=1),
            textwrap.fill(
                f"Mail comes on top: {mails:,.0f} mails, for {cheapest:,.0f} to {dearest:,.0f} dollars, "
                "by the relay's prices. Other sizes:",
                WIDTH,
            ),
            markdown_table(example_rows(assumed, prices, functions), words=0),
            "Spike mode costs beside that, by the hour:",
            markdown_table(spike_rows(spike_hours(functions, prices)), words=1),
            'Assumed, each open to be set otherwise (`ARGS="--polls-a-view 30"`):',
            assumptions,
            textwrap.fill(caveat(prices), WIDTH),
        )
    )


def with_chapter(readme: str, chapter: str) -> str:
    """The README with what stands between the two comments replaced."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{chapter}\n\n{END}{after}"


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _number(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:,.2f}".rstrip("0").rstrip(".")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make cost", description="What a month of a campaign costs.")
    parser.add_argument("--signatures", type=float, default=1_000_000, help="confirmed in the month")
    parser.add_argument("--viewers", type=float, default=5_000_000, help="of pages with the count, in the month")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--spike", action="store_true", help="print an hour of spike mode alone")
    shown.add_argument("--markdown", action="store_true", help="print the README's chapter")
    shown.add_argument("--readme", action="store_true", help="write it into the README, for the usual numbers")
    for each in fields(Assumptions):
        option = f"--{each.name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=each.default, help=f"{each.metadata['why']} (%(default)s)")
    given = parser.parse_args(arguments)
    if given.signatures < 0 or given.viewers < 0:
        parser.error("fewer than none cannot be")
    try:
        assumed = Assumptions(**{each.name: getattr(given, each.name) for each in fields(Assumptions)})
    except ValueError as fault:
        parser.error(str(fault))
    if given.readme:
        chapter = markdown(*EXAMPLES[-1], Assumptions())
        README.write_text(with_chapter(README.read_text(encoding="utf-8"), chapter), encoding="utf-8")
    elif given.spike:
        print(spike_text())
    else:
        print((markdown if given.markdown else text)(given.signatures, given.viewers, assumed))


if __name__ == "__main__":
    main(sys.argv[1:])
