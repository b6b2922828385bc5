"""What a request costs and how long a process takes to start, as `make bench` measured it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.web.routes import FUNCTIONS

ROOT = Path(__file__).parents[3]
#: The last run on this machine, and the one that is committed.
FILES = (ROOT / "build" / "bench.json", ROOT / "tests" / "bench" / "reference.json")

_CPU_MS = {
    "sign": "sign/64/cpu_ms",
    "deliver": "deliver/cpu_ms",
    "confirm": "confirm/cpu_ms",
    "confirm_page": "confirm_page/cpu_ms",
    "count": "count/warm/cpu_ms",
    "redirect": "redirect/cpu_ms",
}


class Unusable(Exception):
    """A file of measurements lacks what the simulation needs."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`cpu_seconds`: of one core, for one request of each kind. `start_seconds`: from a function's process to its
    first answer. `measured`: on which machine and day.
    """

    cpu_seconds: Mapping[str, float]
    start_seconds: Mapping[str, float]
    measured: str


def load(files: tuple[Path, ...] = FILES) -> Figures:
    """Load the first of `files` that exists.

    Raises:
        Unusable: names the file, and every figure that is missing.
    """
    for file in files:
        if file.exists():
            return _parse(file, json.loads(file.read_text(encoding="utf-8")))
    raise Unusable(f"none of {', '.join(map(str, files))} exists: run `make bench`")


def _parse(file: Path, content: Mapping[str, Any]) -> Figures:
    figures, machine = content.get("figures", {}), content.get("machine", {})
    starts = {name: f"cold/{name}/wall_s" for name in FUNCTIONS}
    missing = [name for name in (*_CPU_MS.values(), *starts.values()) if "median" not in figures.get(name, {})]
    if missing:
        raise Unusable(f"{file}: no figure {', '.join(missing)}")
    return Figures(
        cpu_seconds={kind: figures[name]["median"] / 1000 for kind, name in _CPU_MS.items()},
        start_seconds={name: figures[figure]["median"] for name, figure in starts.items()},
        measured=f"{machine.get('processor', 'an unnamed machine')}, {machine.get('date', 'no date')}",
    )
