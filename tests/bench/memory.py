"""Memory of each function: after its start, and the peak with 250 concurrent requests."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial

import httpx

from tests.bench import load
from tests.bench.figures import Figures
from tests.bench.served import Served, serving
from tests.bench.settings import BASE, firestore, part, queue
from tests.bench.signers import signer
from tests.bench.writing import CONFIRM, DELIVER, deployed, send
from tests.support.deployment import CAMPAIGN, COUNT, SIGNATURES

AT_ONCE = 250
#: Each makes one request, which is enough to keep 250 concurrent for a while.
SIGNERS = 1000
_INTERVAL_SECONDS = 0.05
_PAGE = f"/c/{CAMPAIGN}?lang=en"


def measure(figures: Figures, rounds: int, seconds: float) -> None:
    """Start new processes in every round: a process seldom returns memory to the system."""
    with part("tasks_server") as tasks, part("firestore_server") as database:
        for _ in range(rounds):
            with serving("empty", {}) as empty:
                _look(figures, "empty", empty, partial(load.get, f"{empty.url}/", AT_ONCE, seconds))
            with serving("embed", BASE) as embed:
                _look(figures, "embed", embed, partial(load.get, embed.url + _PAGE, AT_ONCE, seconds))
            with serving("count", {**BASE, **firestore(database, "undersign-bench")}) as count:
                _look(figures, "count", count, partial(load.get, count.url + COUNT, AT_ONCE, seconds))
            with serving("sign", {**BASE, **queue(tasks)}) as sign:
                _look(figures, "sign", sign, partial(load.sign, sign.url + SIGNATURES, AT_ONCE, seconds))
            with deployed(database) as functions:
                signers = [signer() for _ in range(SIGNERS)]
                for step in (DELIVER, CONFIRM):
                    served = functions[step.of]
                    requests = [step.request(each) for each in signers]
                    _look(figures, step.of, served, partial(_send, served, requests))


def _send(served: Served, requests: list[httpx.Request]) -> None:
    asyncio.run(send(served, requests, AT_ONCE))


def _look(figures: Figures, name: str, served: Served, work: Callable[[], object]) -> None:
    """Add a function's memory before `work`, and its peak during it."""
    figures.add(f"memory/{name}/at_rest", served.memory_mib, "MiB")
    done, seen = threading.Event(), [0.0]

    def look() -> None:
        while not done.wait(_INTERVAL_SECONDS):
            seen.append(served.memory_mib)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        work()
    finally:
        done.set()
        looking.join()
    figures.add(f"memory/{name}/busy", max(seen), "MiB")
