"""The cost of deliver, confirm and withdraw, on Google's emulator and on a database that answers at once."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx

from tests.bench.figures import Figures
from tests.bench.served import Served, serving
from tests.bench.settings import BASE, emulator, firestore, mail, part, queue
from tests.bench.signers import Signer, signer

AT_ONCE = 16
SIGNERS = 400
_PROGRAM = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Step:
    """A request that each signer makes once."""

    name: str
    of: str
    request: Callable[[Signer], httpx.Request]


DELIVER = Step(
    "deliver", "deliver", lambda each: httpx.Request("POST", "http://x/v1/tasks/deliver", content=each.task)
)
PAGE = Step("confirm_page", "confirm", lambda each: httpx.Request("GET", f"http://x{each.confirm}"))
CONFIRM = Step(
    "confirm", "confirm", lambda each: httpx.Request("POST", f"http://x{each.confirm}", headers=_PROGRAM)
)
WITHDRAW = Step(
    "withdraw", "confirm", lambda each: httpx.Request("POST", f"http://x{each.withdraw}", headers=_PROGRAM)
)
STEPS = (DELIVER, PAGE, CONFIRM, WITHDRAW)


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Take new signers through all steps in every round."""
    with (
        emulator() as google,
        part("firestore_server") as at_once,
        deployed(at_once) as quick,
        deployed(google) as slow,
    ):
        for round_ in range(rounds + 1):
            kept = figures if round_ else Figures()
            _take_through(kept, quick, "")
            _take_through(kept, slow, "/emulator")


@contextmanager
def deployed(database: str) -> Iterator[dict[str, Served]]:
    """Run deliver and confirm on a database, with a queue and a relay."""
    with ExitStack() as running:
        settings = {
            **BASE,
            **queue(running.enter_context(part("tasks_server"))),
            **firestore(database, f"p-{uuid4().hex[:12]}"),
            **mail(running.enter_context(part("relay"))),
        }
        yield {name: running.enter_context(serving(name, settings)) for name in ("deliver", "confirm")}


def _take_through(figures: Figures, functions: dict[str, Served], on: str) -> None:
    signers = [signer() for _ in range(SIGNERS)]
    for step in STEPS:
        served = functions[step.of]
        before = served.cpu_ms
        seconds = asyncio.run(send(served, map(step.request, signers), AT_ONCE))
        figures.add(f"{step.name}{on}/per_second", SIGNERS / seconds, "requests/s")
        figures.add(f"{step.name}{on}/cpu_ms", (served.cpu_ms - before) / SIGNERS, "ms")


async def send(served: Served, requests: Iterable[httpx.Request], at_once: int) -> float:
    """Send the requests, `at_once` at a time, and return how many seconds they took.

    Raises:
        SystemExit: an answer was not 2xx.
    """
    left = iter(list(requests))
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=60) as client:

        async def work() -> None:
            for request in left:
                request.url = request.url.copy_with(netloc=httpx.URL(served.url).netloc)
                try:
                    answer = await client.send(request)
                except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    # gunicorn closes a connection after 2 seconds without a read, even if it was just busy.
                    answer = await client.send(request)
                if not answer.is_success:
                    raise SystemExit(f"{request.method} {request.url}: {answer.status_code} {answer.text[:300]}")

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(at_once)))
        return time.perf_counter() - started
