"""Measure an export from Google's Firestore emulator: rate, peak memory, and what a kill in the middle costs.

    python scripts/bench_export.py 100000

Writes that many confirmed signatures into the emulator, exports them, kills an export in the middle, and lets it
go on; then opens the export. Prints rates and the peak of memory, and fails if one signature is lost or repeated.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyrage
from google.cloud.firestore_v1 import AsyncClient

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from shared.sealing import Sealer  # noqa: E402
from shared.store import Signature, Status, Submission  # noqa: E402
from shared.store.documents import SIGNATURE  # noqa: E402
from tests.emulator import firestore_emulator  # noqa: E402

_PROJECT = "undersign-bench"
_BATCH = 400
_COUNTRIES = ("DE", "FR", "IT", "PL", "ES", "EL")


def signatures(number: int, sealer: Sealer) -> Iterator[Signature]:
    """Confirmed ones, each sealed as deliver seals them."""
    for i in range(number):
        person = {"email": f"signer-{i}@example.org", "name": f"Signer {i}", "locale": "en"}
        country = _COUNTRIES[i % len(_COUNTRIES)]
        kept = Submission(
            id=f"s{i}",
            sealed=sealer.for_campaign({**person, "country": country}),
            partner_sealed=None,
            country=country,
            partner=None,
            source=None,
            locale="en",
            newsletter=None,
            consent_version="1",
            signed_at=datetime.now(UTC),
            mailbox_class="other",
        )
        yield Signature(Status.CONFIRMED, (kept,), confirmed_at=datetime.now(UTC))


def seed(campaign: str, number: int, recipient: str) -> None:
    """Write them in a process of its own: a child's peak of memory begins with what its parent holds."""
    process = multiprocessing.get_context("spawn").Process(target=_seed, args=(campaign, number, recipient))
    process.start()
    process.join()


def _seed(campaign: str, number: int, recipient: str) -> None:
    asyncio.run(_write(campaign, number, Sealer([recipient], {})))


async def _write(campaign: str, number: int, sealer: Sealer) -> None:
    """In batches, several at a time."""
    client = AsyncClient(project=_PROJECT, database="(default)")
    slots = asyncio.Semaphore(4)

    async def commit(batch: object) -> None:
        async with slots:
            await batch.commit()  # type: ignore[attr-defined]

    tasks, batch = [], client.batch()
    for signature in signatures(number, sealer):
        digest = f"{uuid.uuid4().hex}{uuid.uuid4().hex}"[:52]
        batch.create(
            client.document("campaigns", campaign, "signatures", digest), SIGNATURE.dump_python(signature)
        )
        if len(batch) == _BATCH:
            tasks.append(asyncio.create_task(commit(batch)))
            batch = client.batch()
            await asyncio.sleep(0)
    await asyncio.gather(*tasks, commit(batch))


def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds that a command took, and its peak of memory in MiB."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def run_and_kill(command: list[str], folder: Path, environment: dict[str, str], after: int) -> int:
    """Kill the export once it has `after` signatures. How many it had kept by then."""
    state = folder / "killed" / "unfinished.json"
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        while not state.exists() or json.loads(state.read_text())["signatures"] < after:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    kept: int = json.loads(state.read_text())["signatures"]
    return kept


def ids(export: Path) -> list[str]:
    """Of all signatures in an export."""
    with (export / "signatures.ndjson").open() as lines:
        return [json.loads(line)["id"] for line in lines]


def main(number: int) -> None:
    identity = pyrage.x25519.Identity.generate()
    with firestore_emulator() as host, tempfile.TemporaryDirectory() as temporary:
        if host is None:
            raise SystemExit(
                "Google's Firestore emulator is needed: gcloud components install cloud-firestore-emulator"
            )
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        folder = Path(temporary)
        (folder / "key.txt").write_text(f"{identity}\n")
        shutil.copytree(ROOT / "shared" / "campaigns", folder / "campaigns", ignore=shutil.ignore_patterns("*.py"))
        [campaign] = [file.stem for file in (folder / "campaigns").glob("*.toml")][:1]
        print(f"Writing {number:,} signatures into the emulator …", flush=True)
        seed(campaign, number, str(identity.to_public()))
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "STORE": "firestore",
            "FIRESTORE_PROJECT": _PROJECT,
            "CAMPAIGNS_FOLDER": str(folder / "campaigns"),
        }
        undersign = [sys.executable, "-m", "desk.main"]
        seconds, peak = run([*undersign, "export", campaign, "--to", "whole"], folder, environment)
        print(f"EXPORT  {number / seconds:,.0f} signatures a second; peak memory {peak:.0f} MiB", flush=True)
        killed = [*undersign, "export", campaign, "--to", "killed"]
        kept = run_and_kill(killed, folder, environment, number // 2)
        run(killed, folder, environment)
        whole, resumed = ids(folder / "whole"), ids(folder / "killed")
        if whole != resumed or len(set(resumed)) != number:
            raise SystemExit("the export that was killed differs")
        print(f"KILLED after {kept:,}, and went on: {len(resumed):,} signatures, each once", flush=True)
        seconds, peak = run([*undersign, "open", "whole", "-i", "key.txt"], folder, environment)
        print(f"OPEN    {number / seconds:,.0f} signatures a second; peak memory {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
