"""Functions in separate processes, served by functions-framework as on the platform."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port, wait_for_port


@contextmanager
def function(
    name: str,
    environment: Mapping[str, str],
    log: Path,
    *,
    source: Path | None = None,
    python: Path = Path(sys.executable),
) -> Iterator[str]:
    """Run a function and yield its URL; arguments as for `running`."""
    with running(name, environment, log, source=source, python=python) as (_, url):
        yield url


@contextmanager
def running(
    name: str,
    environment: Mapping[str, str],
    log: Path,
    *,
    source: Path | None = None,
    python: Path = Path(sys.executable),
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a function; yield its process, which leads a process group of its own, and its URL.

    `source`: the folder that holds its main.py, by default the checkout's.

    It inherits only PATH from this process: all else that it needs must be in `environment`.
    """
    folder = source or REPOSITORY / "functions" / name
    port = free_port()
    given = {
        "PATH": os.environ["PATH"],
        "FUNCTION_TARGET": name,
        "FUNCTION_USE_ASGI": "true",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        # Nothing may be written into a staged folder, whose contents are checked afterwards.
        **({"PYTHONDONTWRITEBYTECODE": "1"} if source else {"PYTHONPATH": str(REPOSITORY)}),
        **environment,
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [python, "-m", "functions_framework"],
            cwd=folder,
            env=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        assert wait_for_port(port, process), log.read_text()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def functions(names: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[list[str]]:
    """Run several functions and yield their URLs; `names` may repeat."""
    with ExitStack() as running:
        yield [
            running.enter_context(function(name, environment, folder / f"{number}-{name}.log"))
            for number, name in enumerate(names)
        ]
