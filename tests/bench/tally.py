"""Confirming in a rush, when each document of the tally takes only one write a second."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from uuid import uuid4

from shared.store.firestore import FirestoreStore
from tests.bench.figures import Figures
from tests.bench.served import processors, step_aside
from tests.bench.settings import firestore_store, part
from tests.bench.signers import Signer, admit, signer
from tests.support.deployment import CAMPAIGN

PER_SECOND = 330
SECONDS = 20
#: Stores, each of which chooses its documents independently, as different processes of confirm do.
PROCESSES = 10


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Confirm `PER_SECOND` signatures a second from the start, on a new tally.

    On all cores, as no function is measured: on one, the stores and the database would wait for each other.
    """
    os.sched_setaffinity(0, {core for cores in processors() for core in cores})
    for _ in range(rounds):
        with part("firestore_server", "--contended") as host, ExitStack() as opened:
            project = f"p-{uuid4().hex[:12]}"
            stores = [opened.enter_context(firestore_store(host, project)) for _ in range(PROCESSES)]
            waits = asyncio.run(_confirm_all(stores))
        figures.add("tally/confirm_p99_ms", 1000 * waits[len(waits) * 99 // 100], "ms")
        figures.add("tally/confirm_longest_ms", 1000 * waits[-1], "ms")
    step_aside()


async def _confirm_all(stores: Sequence[FirestoreStore]) -> list[float]:
    """Return how long each confirmation took, in seconds, the longest last."""
    signers = [signer() for _ in range(PER_SECOND * SECONDS)]
    await admit(stores[0], signers)
    begun = asyncio.get_running_loop().time() + 1
    confirming = (
        _confirm(stores[number % PROCESSES], each, begun + number / PER_SECOND)
        for number, each in enumerate(signers)
    )
    return sorted(await asyncio.gather(*confirming))


async def _confirm(store: FirestoreStore, each: Signer, at: float) -> float:
    await asyncio.sleep(at - asyncio.get_running_loop().time())
    began = time.perf_counter()
    await store.confirm(CAMPAIGN, each.address.digest, each.submission.id, datetime.now(UTC))
    return time.perf_counter() - began
