"""Run the desk's commands as an organiser does."""

import os
import subprocess
import sys
from collections.abc import Mapping

from infra.deploy.build import ROOT

#: Runs a command; prints its seconds and its peak of memory in KiB last.
_RUN = """
import resource, subprocess, sys, time
started = time.perf_counter()
status = subprocess.run(sys.argv[1:]).returncode
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def run(environment: Mapping[str, str], *command: str) -> tuple[float, float]:
    """Run one command, and return its seconds and its peak of memory in MiB.

    Raises:
        SystemExit: the command failed.
    """
    # Through a small process, since a child's peak starts at its parent's memory.
    done = subprocess.run(
        [sys.executable, "-c", _RUN, sys.executable, "-m", "desk.main", *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"undersign {' '.join(command)} failed")
    seconds, peak_kib = map(float, done.stdout.split()[-2:])
    return seconds, peak_kib / 1024
