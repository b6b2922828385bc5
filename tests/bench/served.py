"""Functions as the platform serves them: the staged bundle, the packages of its own lock file, one processor."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from infra.deploy.build import BUILD, build
from tests.support.processes import running

STAGED = BUILD / "bench"
PARTS = Path(__file__).parent / "parts"
#: The functions in parts/, which are not deployed, and the functions whose packages they use.
_VENV_OF = {"empty": "embed", "empty_sync": "embed", "sign_sync": "sign"}


@dataclass(frozen=True, slots=True)
class Served:
    """A running function."""

    url: str
    process: psutil.Process

    @property
    def cpu_ms(self) -> float:
        """CPU time of all its processes since the start, in milliseconds."""
        return 1000 * cpu_seconds(self.processes())

    @property
    def memory_mib(self) -> float:
        """Memory of all its processes in MiB; shared memory is counted once."""
        return sum(float(each.memory_full_info().pss) for each in self.processes()) / 2**20

    def processes(self) -> list[psutil.Process]:
        """Return the process and all its children."""
        return with_children(self.process)


def with_children(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    return [process, *process.children(recursive=True)]


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU time that processes have used since their start."""
    times = [each.cpu_times() for each in processes]
    return sum(float(each.user + each.system) for each in times)


@contextmanager
def serving(name: str, environment: Mapping[str, str], *, is_async: bool = True) -> Iterator[Served]:
    """Run a function, or one of those in parts/, and yield it."""
    given = {**environment, **environment_of(name), "FUNCTION_USE_ASGI": "true" if is_async else "false"}
    log = STAGED / f"{name}.log"
    with running(name, given, log, source=source_of(name), python=python_of(name)) as (process, url):
        served = Served(url, psutil.Process(process.pid))
        for each in served.processes():
            each.cpu_affinity(processors()[0])
        yield served


def source_of(name: str) -> Path:
    """Return the folder of a function's main.py."""
    return PARTS / name if name in _VENV_OF else STAGED / name


def environment_of(name: str) -> dict[str, str]:
    """Return the variables that every measurement of a function sets."""
    shared = {"PYTHONPATH": str(STAGED / _VENV_OF[name])} if name in _VENV_OF else {}
    # As in infra/functions.tf; and as many threads as the synchronous default starts on one vCPU.
    return {**shared, "PYDANTIC_DISABLE_PLUGINS": "__all__", "THREADS": "4"}


@cache
def python_of(name: str) -> Path:
    """Return the interpreter of a function's own virtual environment, which is created if it is missing."""
    function = _VENV_OF.get(name, name)
    venv, lock = STAGED / f"venv-{function}", STAGED / function / "requirements.txt"
    python, installed = venv / "bin" / "python", venv / "installed.txt"
    if not installed.exists() or installed.read_text() != lock.read_text():
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(venv)], check=True)
        install = [*uv, "pip", "install", "--python", str(python), "--require-hashes", "--compile-bytecode"]
        subprocess.run([*install, "-r", str(lock)], check=True, env={**os.environ, "UV_LINK_MODE": "copy"})
        installed.write_text(lock.read_text())
    return python


def stage() -> None:
    """Build the functions, and compile them to bytecode as the platform's build does."""
    build(STAGED)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(STAGED), str(PARTS)], check=True)


@cache
def processors() -> tuple[list[int], list[int]]:
    """Return the core for measured functions, which have one vCPU, and the cores for everything else."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return [first], rest or [first]


def step_aside() -> None:
    """Move this process, and those that it starts from now on, off the core for measured functions."""
    os.sched_setaffinity(0, processors()[1])
