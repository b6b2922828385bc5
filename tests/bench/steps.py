"""What the steps of a request cost alone, in this process: where sign's time goes, and a call to each database."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import uvloop

from shared.crypto import sealing
from shared.google_cloud.access import MetadataServer
from shared.google_cloud.firestore import Database, put
from shared.models.requests import SignRequest
from shared.queue.cloud_tasks import CloudTasksQueue
from shared.web.body import parse
from tests.bench.figures import Figures
from tests.bench.settings import BASE, DELIVER_URL, QUEUE, part
from tests.bench.signers import submission
from tests.support.deployment import CAMPAIGN, signature

TIMES, AT_ONCE = 2000, 64
_PERSONAL = "x" * 400


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Processor time of this process, in which the servers on the other side are not."""
    recipient = sealing.parse_recipient(BASE["DELIVER_RECIPIENT"])
    with part("tasks_server") as tasks, part("firestore_server") as database:
        for round_ in range(rounds + 1):
            kept = figures if round_ else Figures()
            _once(kept, "check", lambda: parse(SignRequest, signature()))
            _once(kept, "seal", lambda: sealing.seal(_PERSONAL, [recipient]))
            _once(kept, "submission", lambda: submission().model_dump_json())
            uvloop.run(_calls(kept, tasks, database))


def _once(figures: Figures, name: str, work: Callable[[], object]) -> None:
    before = time.process_time()
    for _ in range(TIMES):
        work()
    figures.add(f"step/{name}/cpu_ms", 1000 * (time.process_time() - before) / TIMES, "ms")


async def _calls(figures: Figures, tasks: str, database: str) -> None:
    queue = CloudTasksQueue(
        queue=QUEUE,
        deliver_url=DELIVER_URL,
        audience="https://deliver.example.org",
        service_account="queue@undersign-bench.iam.gserviceaccount.com",
        emulator_host=tasks,
    )
    firestore = Database("undersign-bench", "(default)", MetadataServer(), database)
    one = firestore.name("campaigns", CAMPAIGN, "signatures", "one")
    content = {"status": "pending", "sealed": bytes(900), "signed_at": datetime.now(UTC)}
    await _many(figures, "enqueue", lambda: queue.enqueue(bytes(1500)))
    await _many(figures, "commit", lambda: firestore.commit([put(one, content)]))
    await _many(figures, "read", lambda: firestore.read(one))
    await queue.aclose()


async def _many(figures: Figures, name: str, call: Callable[[], Awaitable[object]]) -> None:
    """So many at once, over and over, as in a rush."""

    async def work() -> None:
        for _ in range(TIMES // AT_ONCE):
            await call()

    await work()
    before = time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    done = TIMES // AT_ONCE * AT_ONCE
    figures.add(f"step/{name}/cpu_ms", 1000 * (time.process_time() - before) / done, "ms")
