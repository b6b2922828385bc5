"""Measured figures, each over several rounds, as a table and as JSON."""

import json
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """The median, the lowest and the highest value of all rounds."""

    unit: str
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.median)} {self.unit} ({_short(self.low)} to {_short(self.high)})"


@dataclass(slots=True)
class Figures:
    """Figures by name, `part/condition/quantity`; every round adds a value to each."""

    _values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _units: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str) -> None:
        """Add the value of one round."""
        self._units[name] = unit
        self._values[name].append(value)

    def last(self, name: str) -> float:
        """Return the value of the latest round."""
        return self._values[name][-1]

    def all(self) -> Mapping[str, Figure]:
        """Return every figure by its name."""
        return {name: self[name] for name in self._values}

    def __getitem__(self, name: str) -> Figure:
        values = self._values[name]
        return Figure(self._units[name], statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Target:
    """An upper bound of a figure, or a lower one where `at_most` is False."""

    name: str
    bound: float
    says: str
    at_most: bool = True

    def is_met(self, figure: Figure) -> bool:
        """Return whether the median is within the bound."""
        return figure.median <= self.bound if self.at_most else figure.median >= self.bound

    def row(self, figure: Figure) -> str:
        """Return a row of a Markdown table."""
        sign = "≤" if self.at_most else "≥"
        met = "yes" if self.is_met(figure) else "**no**"
        bound = f"{sign} {_short(self.bound)} {figure.unit}".strip()
        return f"| {self.says} | {bound} | {figure} | {met} |"


def machine() -> dict[str, Any]:
    """Describe this machine, with today's date."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def as_json(figures: Mapping[str, Figure]) -> str:
    """Return the figures as JSON, with the machine on which they were measured."""
    return json.dumps(
        {"machine": machine(), "figures": {name: asdict(each) for name, each in figures.items()}}, indent=1
    )


def read(file: Path) -> dict[str, Figure]:
    """Read the figures of earlier runs on this machine today; empty if there were none."""
    if not file.exists():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["machine"] != machine():
        return {}
    return {name: Figure(**each) for name, each in content["figures"].items()}


def as_table(figures: Mapping[str, Figure]) -> str:
    """Return a Markdown table of all figures."""
    width = max(map(len, figures), default=0)
    head = [f"| {'figure':{width}} | median (lowest to highest) |", "| --- | --- |"]
    return "\n".join([*head, *(f"| {name:{width}} | {figure} |" for name, figure in figures.items())])


def against(targets: Iterable[Target], figures: Mapping[str, Figure]) -> str:
    """Return a Markdown table of the targets whose figures were measured."""
    rows = [target.row(figures[target.name]) for target in targets if target.name in figures]
    return "\n".join(
        ["| figure | target | median (lowest to highest) | met |", "| --- | --- | --- | --- |", *rows]
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _short(number: float) -> str:
    """Format with three significant digits, which is more than such measurements are accurate to."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
