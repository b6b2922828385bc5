"""The cost of single steps in this process: validate, seal, serialise, enqueue a task, read, commit.

The last three call the queue and the store, so that running it in two checkouts compares their clients.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import uvloop

from shared.crypto import sealing
from shared.models.requests import SignRequest
from shared.queue import QueueName
from shared.queue.cloud_tasks import CloudTasksQueue
from shared.store.entities import GrantMail, MailKind
from shared.web.body import parse
from tests.bench.figures import Figures
from tests.bench.settings import BASE, DELIVER_URL, QUEUES, firestore_store, part
from tests.bench.signers import signer, submission
from tests.support.deployment import CAMPAIGN, signature

TIMES, AT_ONCE = 2000, 64
_PERSONAL = "x" * 400


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Measure the CPU time of this process; the servers run in separate processes."""
    recipient = sealing.parse_recipient(BASE["DELIVER_RECIPIENT"])
    with part("tasks_server") as tasks, part("firestore_server") as database:
        for round_ in range(rounds + 1):
            kept = figures if round_ else Figures()
            _once(kept, "check", lambda: parse(SignRequest, signature()))
            _once(kept, "seal", lambda: sealing.seal(_PERSONAL, [recipient]))
            _once(kept, "submission", lambda: submission().model_dump_json())
            uvloop.run(_enqueue(kept, tasks))
            uvloop.run(_read_and_commit(kept, database))


def _once(figures: Figures, name: str, work: Callable[[], object]) -> None:
    before = time.process_time()
    for _ in range(TIMES):
        work()
    figures.add(f"step/{name}/cpu_ms", 1000 * (time.process_time() - before) / TIMES, "ms")


async def _enqueue(figures: Figures, tasks: str) -> None:
    queue = CloudTasksQueue(
        queues=QUEUES,
        deliver_url=DELIVER_URL,
        audience="https://deliver.example.org",
        service_account="queue@undersign-bench.iam.gserviceaccount.com",
        emulator_host=tasks,
    )
    await _many(figures, "enqueue", lambda: queue.enqueue(QueueName.SIGNATURES, bytes(1500)))
    await queue.aclose()


async def _read_and_commit(figures: Figures, database: str) -> None:
    """Measure settling a mail, a commit of one document, and an undue reminder, a read of two documents."""
    one = signer()
    with firestore_store(database, "undersign-bench") as store:
        granted = await store.admit(one.address, one.submission, datetime.now(UTC))
        if not isinstance(granted, GrantMail):
            raise SystemExit("a new signer is granted no mail")
        settle = partial(store.settle, granted, sent=True)
        remind = partial(store.claim, one.address, one.submission.id, MailKind.REMINDER, datetime.now(UTC))
        await _many(figures, "commit", settle)
        await store.confirm(CAMPAIGN, one.address.digest, one.submission.id, datetime.now(UTC))
        await _many(figures, "read", remind)


async def _many(figures: Figures, name: str, call: Callable[[], Awaitable[object]]) -> None:
    """Call it repeatedly with `AT_ONCE` concurrent calls, as in a rush."""

    async def work() -> None:
        for _ in range(TIMES // AT_ONCE):
            await call()

    await work()
    before = time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    done = TIMES // AT_ONCE * AT_ONCE
    figures.add(f"step/{name}/cpu_ms", 1000 * (time.process_time() - before) / done, "ms")
