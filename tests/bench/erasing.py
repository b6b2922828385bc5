"""How long `undersign erase` takes while many tasks wait, for one address and for many."""

import asyncio
import secrets
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.models.messages import ReminderMessage
from shared.queue.envelopes import Envelopes
from shared.queue.local import LocalQueue
from tests.bench import desk
from tests.bench.figures import Figures
from tests.bench.settings import BASE
from tests.support.deployment import CAMPAIGN

WAITING = 20_000
ADDRESSES = 1_000


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Measure with SQLite, where listing costs next to nothing: Cloud Tasks lists a thousand tasks a call."""
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**BASE, "STORE": "sqlite", "TASKS": "local", "LOCAL_FOLDER": folder}
            asyncio.run(_fill(Path(folder)))
            addresses = Path(folder) / "addresses.txt"
            addresses.write_text("".join(f"{_email(number)}\n" for number in range(1, 1 + ADDRESSES)))
            one, _ = desk.run(environment, "erase", _email(0), "--yes")
            receipts = f"{folder}/receipts"
            many, peak = desk.run(environment, "erase", "--file", str(addresses), "--receipt", receipts, "--yes")
        figures.add("erase/1/seconds", one, "s")
        figures.add(f"erase/{ADDRESSES}/seconds", many, "s")
        figures.add(f"erase/{ADDRESSES}/peak", peak, "MiB")


async def _fill(folder: Path) -> None:
    queue = LocalQueue(folder / "tasks.db")
    envelopes = Envelopes(queue, BASE["DELIVER_RECIPIENT"])
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for number in range(WAITING):
        message = ReminderMessage(
            submission_id=secrets.token_hex(16), campaign=CAMPAIGN, email=_email(number), locale="en"
        )
        await envelopes.send(message, not_before=tomorrow)
    await queue.aclose()


def _email(number: int) -> str:
    return f"signer{number}@example{number % 100}.org"
