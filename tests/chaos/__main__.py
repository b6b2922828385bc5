"""The long form: `make chaos`, or `make chaos ARGS="--seed 7 --signatures 50000"`."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.report import report
from tests.chaos.run import long, run


def main() -> int:
    """Run, print what it has shown, and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Let people sign while everything fails.")
    parser.add_argument("--seed", type=int, default=7, help="another seed, another run")
    parser.add_argument("--signatures", type=int, default=50_000, help="about how many people sign, 15 a second")
    parser.add_argument("--logs", type=Path, help="a folder to leave the functions' logs in")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = asyncio.run(run(long(asked.seed, asked.signatures), folder))
    print(report(outcome))
    return 1 if outcome.findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
