"""What signers notice while a service that sign or confirm calls is frozen: how long they wait, and how it ends.

A frozen process keeps its port and answers nothing, which is the worst kind of outage: every attempt waits for its
deadline. Each function has just started when the service freezes.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import psutil

from tests.bench.figures import Figures
from tests.bench.served import serving
from tests.bench.settings import BASE, emulator, firestore, firestore_store, part, queue
from tests.bench.signers import admit, signer
from tests.support.deployment import SIGNATURES, signature

OUTAGE_SECONDS = 40
#: By then every process has noticed.
NOTICED_SECONDS = 10
PER_SECOND = 4
_BROWSER = {"Accept": "text/html"}
#: Sends the next request.
Send = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Answer:
    """When its request was sent, in seconds since the outage began; how long it took; whether it was a success."""

    at: float
    seconds: float
    is_success: bool


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Freeze one service after the other, in every round."""
    for _ in range(rounds):
        with emulator() as database, part("tasks_server") as tasks, ExitStack() as running:
            settings = {**BASE, **queue(tasks), **firestore(database, f"p-{uuid4().hex[:12]}")}
            count = running.enter_context(serving("count", settings)).url
            settings["OVERLAY_URL"] = count
            _freeze(figures, "sign", "queue", [tasks], settings)
            _freeze(figures, "sign", "database", [database], settings)
            _freeze(figures, "sign", "count", [count], settings)
            _freeze(figures, "sign", "queue and database", [tasks, database], settings)
            _freeze(figures, "confirm", "database", [database], settings)


def _freeze(figures: Figures, function: str, service: str, frozen: list[str], settings: dict[str, str]) -> None:
    """Send requests to a function while the services that listen at `frozen` are frozen."""
    paths = _confirm_paths(settings) if function == "confirm" else []
    with serving(function, settings) as served:
        send = _confirm(served.url, paths) if paths else _sign(served.url)
        with _frozen(frozen):
            answers = asyncio.run(_send_regularly(send))
    name = f"outages/{function} without {service}"
    figures.add(f"{name}/longest_ms", 1000 * max(answer.seconds for answer in answers), "ms")
    later = sorted(answer.seconds for answer in answers if answer.at >= NOTICED_SECONDS)
    figures.add(f"{name}/p95_ms", 1000 * later[len(later) * 95 // 100], "ms")
    figures.add(f"{name}/success", 100 * sum(each.is_success for each in answers) / len(answers), "%")


def _sign(url: str) -> Send:
    address = url + SIGNATURES
    return lambda client: client.post(address, json=signature(email=f"signer-{uuid4().hex}@example.org"))


def _confirm(url: str, paths: Iterable[str]) -> Send:
    left = iter(paths)
    return lambda client: client.post(url + next(left), headers=_BROWSER)


def _confirm_paths(settings: dict[str, str]) -> list[str]:
    """Store signers as pending, and return the paths of their links."""
    signers = [signer() for _ in range(OUTAGE_SECONDS * PER_SECOND)]
    with firestore_store(settings["FIRESTORE_EMULATOR_HOST"], settings["FIRESTORE_PROJECT"]) as store:
        asyncio.run(admit(store, signers))
    return [each.confirm for each in signers]


@contextmanager
def _frozen(addresses: list[str]) -> Iterator[None]:
    """Freeze the processes that listen at `addresses` (host:port, perhaps in a URL)."""
    ports = {int(address.rpartition(":")[2]) for address in addresses}
    listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    processes = {each.pid for each in listening if each.laddr.port in ports and each.pid}
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


async def _send_regularly(send: Send) -> list[Answer]:
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        began = time.monotonic()

        async def one(at: float) -> Answer:
            await asyncio.sleep(began + at - time.monotonic())
            sent = time.monotonic()
            answer = await send(client)
            return Answer(sent - began, time.monotonic() - sent, answer.is_success)

        return await asyncio.gather(*(one(number / PER_SECOND) for number in range(OUTAGE_SECONDS * PER_SECOND)))
