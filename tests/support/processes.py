"""Functions as processes of their own, served by functions-framework as the platform serves them."""

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
    """The address of one running function; arguments as those of `running`."""
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
    """One function: its process, and its address.

    `source`: the folder that holds its main.py, by default the checkout's.

    Nothing of this process's environment reaches it but the PATH: what it needs must be in `environment`.
    """
    folder = source or REPOSITORY / "functions" / name
    port = free_port()
    given = {
        "PATH": os.environ["PATH"],
        "FUNCTION_TARGET": name,
        "FUNCTION_USE_ASGI": "true",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        # A staged folder is looked at afterwards: nothing may be written into it.
        **({"PYTHONDONTWRITEBYTECODE": "1"} if source else {"PYTHONPATH": str(REPOSITORY)}),
        **environment,
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [python, "-m", "functions_framework"], cwd=folder, env=given, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        assert wait_for_port(port, process), log.read_text()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def functions(names: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[list[str]]:
    """Several of them; `names` may repeat."""
    with ExitStack() as running:
        yield [
            running.enter_context(function(name, environment, folder / f"{number}-{name}.log"))
            for number, name in enumerate(names)
        ]
