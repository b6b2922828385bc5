"""Run `undersign desk`, as an organiser does."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def run_desk(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Start it in a folder, and yield the link that it prints; end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "desk.main", "desk", "--no-browser"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        try:
            yield next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
        finally:
            process.terminate()
