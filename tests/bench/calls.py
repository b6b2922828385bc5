"""Calls per signature: tasks, calls to Firestore, documents read and written, counted by a proxy."""

import asyncio

import httpx

from tests.bench.figures import Figures
from tests.bench.served import serving
from tests.bench.settings import BASE, emulator, firestore, queue
from tests.bench.signers import signer
from tests.bench.writing import CONFIRM, DELIVER, PAGE, deployed, send
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.counting_proxy import CountingProxy
from tests.support.deployment import COUNT, SIGNATURES, signature

#: Written and read every few seconds by each process, however many people sign: statistics and the desk's changes.
_BY_THE_CLOCK = {"funnel", "funnel_writes", "funnel funnel_writes", "desk"}

SIGNERS = 20
READERS = 500


def measure(figures: Figures, _rounds: int, _seconds: float) -> None:
    """Count once, since the number of calls does not vary."""
    with emulator() as host:
        asyncio.run(_measure(figures, host))


async def _measure(figures: Figures, emulator: str) -> None:
    nowhere = httpx.MockTransport(lambda _request: httpx.Response(204))
    async with CountingProxy(emulator) as proxy, CloudTasksServer(transport=nowhere) as tasks:
        await _sign(figures, tasks, proxy)
        await _deliver_and_confirm(figures, proxy)
        await _count(figures, proxy)


async def _sign(figures: Figures, tasks: CloudTasksServer, proxy: CountingProxy) -> None:
    with serving("sign", {**BASE, **queue(tasks.host), **firestore(proxy.host, "p-calls")}) as sign:
        requests = [
            httpx.Request("POST", f"http://x{SIGNATURES}", json=signature(email=f"signer-{n}@example.org"))
            for n in range(SIGNERS)
        ]
        await send(sign, requests, 1)
    figures.add("calls/sign/tasks", tasks.calls / SIGNERS, "calls")
    _note(figures, "sign", proxy, SIGNERS)


async def _deliver_and_confirm(figures: Figures, proxy: CountingProxy) -> None:
    with deployed(proxy.host) as functions:
        signers = [signer() for _ in range(SIGNERS)]
        await send(functions["deliver"], map(DELIVER.request, signers), 1)
        _note(figures, "deliver", proxy, SIGNERS)
        for step in (PAGE, CONFIRM):
            await send(functions["confirm"], map(step.request, signers), 1)
        _note(figures, "confirm", proxy, SIGNERS)


async def _count(figures: Figures, proxy: CountingProxy) -> None:
    with serving("count", {**BASE, **firestore(proxy.host, "p-calls")}) as count:
        await send(count, [httpx.Request("GET", f"http://x{COUNT}") for _ in range(READERS)], 1)
    _note(figures, "count", proxy, READERS)


def _note(figures: Figures, name: str, proxy: CountingProxy, times: int) -> None:
    """Add the calls divided by `times`, and reset the proxy."""
    calls = sum(number for call, number in proxy.calls.items() if call.collections not in _BY_THE_CLOCK)
    for what, documents in (("reads", proxy.reads), ("writes", proxy.writes)):
        number = sum(count for collection, count in documents.items() if collection not in _BY_THE_CLOCK)
        figures.add(f"calls/{name}/{what}", number / times, "documents")
    figures.add(f"calls/{name}/firestore", calls / times, "calls")
    figures.add(f"calls/{name}/by_the_clock", proxy.calls.total() - calls, "calls in all")
    proxy.forget()
