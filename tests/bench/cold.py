"""Cold starts: from the start of a process to its first answer to a real request."""

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import psutil

from tests.bench.figures import Figures
from tests.bench.served import Served, environment_of, processors, python_of, source_of
from tests.bench.settings import BASE, firestore, firestore_store, mail, part, queue
from tests.bench.signers import Signer, admit, signer
from tests.support.deployment import CAMPAIGN, COUNT, SIGNATURES, signature
from tests.support.emulator import free_port

_PROJECT = "undersign-bench"
_TIMEOUT_SECONDS = 60
_PAUSE_SECONDS = 0.001
_PACKAGES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes | None = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Start:
    """A function, its settings, and the first request to it."""

    name: str
    environment: Mapping[str, str]
    request: Callable[[], Request]


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Start all of them in turn, twice in every round, and once before to fill the disk's caches."""
    with starts() as known:
        for round_ in range(2 * rounds + 1):
            _compare(figures if round_ else Figures(), known)
        for start in known:
            print(f"cold/{start.name} imports, self: {_imports(start)}", flush=True)


@contextlib.contextmanager
def starts() -> Iterator[list[Start]]:
    """Yield a start of every function, with a database, a queue and a relay that answer at once."""
    with part("firestore_server") as database, part("tasks_server") as tasks, part("relay") as relay:
        storing, queueing = {**BASE, **firestore(database, _PROJECT)}, {**BASE, **queue(tasks)}
        yield [
            Start("empty", {}, lambda: Request("GET", "/")),
            Start("embed", BASE, lambda: Request("GET", f"/c/{CAMPAIGN}?lang=en")),
            Start("count", storing, lambda: Request("GET", COUNT)),
            Start("sign", queueing, lambda: Request("POST", SIGNATURES, json.dumps(signature()).encode())),
            Start(
                "deliver",
                {**storing, **queueing, **mail(relay)},
                lambda: Request("POST", "/v1/tasks/deliver", signer().task),
            ),
            Start(
                "confirm",
                {**storing, **queueing},
                lambda: Request("POST", _pending(database).confirm),
            ),
        ]


def _pending(database: str) -> Signer:
    """Store a pending signature, and return its signer."""
    waiting = signer()
    with firestore_store(database, _PROJECT) as records:
        asyncio.run(admit(records, [waiting]))
    return waiting


def _compare(figures: Figures, known: list[Start]) -> None:
    for start in known:
        wall, cpu = _once(start)
        figures.add(f"cold/{start.name}/wall_s", wall, "s")
        figures.add(f"cold/{start.name}/cpu_s", cpu, "s")
        for what in ("wall", "cpu"):
            least = figures.last(f"cold/empty/{what}_s")
            figures.add(
                f"cold/{start.name}/{what}_to_empty", figures.last(f"cold/{start.name}/{what}_s") / least, "×"
            )


def _once(start: Start, log: IO[bytes] | None = None, **environment: str) -> tuple[float, float]:
    """Start a function once, and return seconds of wall-clock time and of CPU time."""
    request, port = start.request(), free_port()
    given = {
        "PATH": os.environ["PATH"],
        "FUNCTION_TARGET": start.name,
        "FUNCTION_USE_ASGI": "true",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **environment_of(start.name),
        **start.environment,
        **environment,
    }
    started = time.perf_counter()
    with subprocess.Popen(
        [python_of(start.name), "-m", "functions_framework"],
        cwd=source_of(start.name),
        env=given,
        stdout=subprocess.DEVNULL,
        stderr=log or subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, processors()[0]),
    ) as process:
        _first_answer(port, request)
        wall = time.perf_counter() - started
        cpu = Served("", psutil.Process(process.pid)).cpu_ms / 1000
        process.terminate()
    return wall, cpu


def _first_answer(port: int, request: Request) -> None:
    """Send the request until there is an answer.

    Raises:
        SystemExit: the answer is not 2xx, or there is none in time.
    """
    until = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < until:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)) as client:
            try:
                headers = {"Content-Type": request.media_type, "Accept": "*/*"}
                client.request(request.method, request.path, request.body, headers)
                answer = client.getresponse()
            except ConnectionError:
                time.sleep(_PAUSE_SECONDS)
                continue
            if not 200 <= answer.status < 300:
                raise SystemExit(f"{request.method} {request.path}: {answer.status} {answer.read()[:300]!r}")
            return
    raise SystemExit(f"{request.method} {request.path}: no answer")


def _imports(start: Start) -> str:
    """Return the packages that take longest to import, in milliseconds, without those that they import."""
    with tempfile.TemporaryFile() as log:
        _once(start, log, PYTHONPROFILEIMPORTTIME="1")
        log.seek(0)
        lines = [line for line in log.read().decode().splitlines() if line.startswith("import time:")]
    took = Counter[str]()
    for line in lines[1:]:
        own, _, name = line.removeprefix("import time:").split("|")
        took[name.strip().partition(".")[0]] += int(own)
    return ", ".join(f"{name} {own / 1000:.0f}" for name, own in took.most_common(_PACKAGES_SHOWN))
