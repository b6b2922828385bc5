"""Processes that are killed at the worst moment, and many at once: nothing is lost, and nothing happens twice."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shared.crypto.tokens import Purpose, Tokens
from shared.mail.outbox import Outbox, Received
from shared.queue.envelopes import Envelopes
from shared.queue.local import LEASE, LocalQueue
from shared.store.entities import Confirmed
from shared.store.firestore import FirestoreStore
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, SIGNATURES, Identities, signature, world
from tests.support.messages import RecordingQueue, submission_message
from tests.support.polling import PATIENCE_SECONDS, until
from tests.support.processes import functions
from tests.support.servers import server

HOUR = timedelta(hours=1)


@contextmanager
def silent_relay() -> Iterator[int]:
    """The port of a mail relay that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def relay(port: int) -> dict[str, str]:
    local = {"name": "first", "host": "127.0.0.1", "port": port, "starttls": False}
    return {"MAIL": "smtp", "RELAYS": json.dumps([{**local, "mails_per_second": 10, "connections": 4}])}


def mailbox_claims(folder: Path) -> list[dict[str, object]]:
    with closing(sqlite3.connect(folder / "store.db")) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'mailboxes'").fetchall():
            return []  # the server has not created it yet
        rows = database.execute("SELECT document FROM mailboxes").fetchall()
    return [claim for row in rows for claim in json.loads(row[0])["claims"]]


def tasks(folder: Path) -> list[tuple[bytes, datetime]]:
    """The tasks in the local queue: their bodies, and when they are due."""
    with closing(sqlite3.connect(folder / "tasks.db")) as database:
        rows = database.execute("SELECT body, due_at FROM tasks").fetchall()
    return [(body, datetime.fromtimestamp(due_at / 1e6, UTC)) for body, due_at in rows]


def test_killing_everything_between_accept_and_deliver_loses_nothing(tmp_path: Path) -> None:
    """The signature was accepted, deliver could not mail it yet, and the machine went down."""
    with server(tmp_path, **relay(port=1)) as running:
        accepted = httpx.post(running.url + SIGNATURES, json=signature(), trust_env=False)
        running.kill()
    assert accepted.status_code == 202

    with server(tmp_path) as restarted:
        # A task in progress when the machine went down is delivered again once its lease has expired.
        mail = restarted.mail_to("ann@example.org", LEASE.total_seconds() + PATIENCE_SECONDS)
        httpx.post(mail.links["confirm"].replace(_origin(mail.links["confirm"]), restarted.url), trust_env=False)
        count = httpx.get(f"{restarted.url}/v1/campaigns/{CAMPAIGN}/count", trust_env=False).json()

    assert count["total"] == 1


def _origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


async def test_killing_deliver_between_claim_and_mark_mails_nothing_within_the_hour_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether that mail went out: the task is delivered again, waits an hour, and is mailed then."""
    body = _crash_while_mailing(tmp_path)
    claimed_at = datetime.now(UTC)

    status, mails_within_the_hour = _redeliver(tmp_path, body)

    assert (status, mails_within_the_hour) == (204, [])
    assert any(claimed_at + HOUR / 2 < due < claimed_at + 2 * HOUR for _, due in tasks(tmp_path))
    kept = json.loads((tmp_path / "secrets.json").read_text())
    async with world(tmp_path, monkeypatch, **kept) as later:
        later.now = datetime.now(UTC) + 2 * HOUR
        await later.deliver()
        assert [mail.to for mail in later.outbox.received()] == ["ann@example.org"]


def _crash_while_mailing(folder: Path) -> bytes:
    """Kill deliver while the relay keeps it waiting, and return the body of its task."""
    with silent_relay() as port, server(folder, **relay(port)) as running:
        httpx.post(running.url + SIGNATURES, json=signature(), trust_env=False)
        until(lambda: (folder / "store.db").exists() and mailbox_claims(folder))
        running.kill()
    [(body, _)] = tasks(folder)
    return body


def _redeliver(folder: Path, body: bytes) -> tuple[int, list[Received]]:
    """Restart and deliver the same task; return the status and what was mailed."""
    with server(folder) as restarted:
        answer = httpx.post(f"{restarted.url}/v1/tasks/deliver", content=body, trust_env=False)
        return answer.status_code, restarted.mails()


async def test_five_hundred_submissions_for_one_address_across_three_processes_send_two_mails(
    tmp_path: Path, emulator: str, project: str
) -> None:
    """None is lost: each is mailed, waits in the queue, or is left for the queue to retry."""
    identities, recording = Identities(), RecordingQueue()
    envelopes = Envelopes(recording, str(identities.deliver.to_public()))
    for number in range(500):
        await envelopes.send(submission_message(number, "ann@example.org"))
    environment = {
        **identities.environment(),
        "PUBLIC_URL": PUBLIC_URL,
        "STORE": "firestore",
        "FIRESTORE_PROJECT": project,
        "FIRESTORE_EMULATOR_HOST": emulator,
        "TASKS": "local",
        "MAIL": "outbox",
        "LOCAL_FOLDER": str(tmp_path),
    }

    with functions(["deliver"] * 3, environment, tmp_path) as addresses:
        async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
            answers = await asyncio.gather(
                *(
                    client.post(f"{addresses[number % 3]}/v1/tasks/deliver", content=body)
                    for number, body in enumerate(recording.bodies)
                )
            )

    mailed = Outbox(tmp_path / "outbox", lambda: datetime.now(UTC)).received()
    to_retry = sum(answer.status_code != 204 for answer in answers)
    queue = LocalQueue(tmp_path / "tasks.db")
    in_queue = await queue.pending()
    await queue.aclose()
    waiting = in_queue - len(mailed)  # each mail has put its reminder there, too
    assert len(mailed) == 2
    assert len(mailed) + waiting + to_retry == 500
    assert waiting > to_retry, "contention should be the exception"
    assert await _confirmable(project, environment, mailed[0].links["confirm"])


async def _confirmable(project: str, environment: dict[str, str], link: str) -> bool:
    """Whether the mailed submission is stored, so that its link counts it."""
    named = Tokens(environment["TOKEN_KEYS"].split()).verify(
        Purpose.CONFIRM, link.rsplit("/", 1)[1], datetime.now(UTC)
    )
    store = FirestoreStore(project, "(default)")
    outcome = await store.confirm(named.campaign, named.digest, named.submission, datetime.now(UTC))
    store.close()
    return isinstance(outcome, Confirmed)
