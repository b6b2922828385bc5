"""Measure every function on this machine, compared with one that does nothing: `make bench`."""

import argparse
import shutil
import sys
from pathlib import Path

from infra.deploy.build import ROOT
from tests.bench import (
    calls,
    cold,
    erasing,
    growth,
    mailing,
    memory,
    outages,
    reading,
    served,
    signing,
    steps,
    tally,
    writing,
)
from tests.bench.figures import Figures, against, as_json, as_table, machine, read
from tests.bench.targets import TARGETS

PARTS = {
    "signing": signing.measure,
    "steps": steps.measure,
    "reading": reading.measure,
    "writing": writing.measure,
    "mailing": mailing.measure,
    "cold": cold.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "erasing": erasing.measure,
    "calls": calls.measure,
    "tally": tally.measure,
    "outages": outages.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure every function on this machine.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure only these")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--seconds", type=float, default=4, help="how long each time (%(default)s)")
    parser.add_argument(
        "--json", type=Path, default=ROOT / "build" / "bench.json", help="where figures are written"
    )
    given = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit(
            "wrk is missing, which makes the requests: apt-get install wrk, or https://github.com/wg/wrk"
        )
    served.stage()
    served.step_aside()
    measured = Figures()
    # Figures from earlier runs on this machine stay in the file, unless they are measured again.
    before = read(given.json)
    for name in given.only:
        print(f"{name} …", file=sys.stderr, flush=True)
        PARTS[name](measured, given.rounds, given.seconds)
        # Written after each part, so that a failure in the last one does not lose an hour's work.
        figures = {**before, **measured.all()}
        given.json.write_text(as_json(figures), encoding="utf-8")
    print(as_table(figures), against(TARGETS, figures), machine(), sep="\n\n")


if __name__ == "__main__":
    main()
