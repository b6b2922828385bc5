"""The settings of the measured functions, and the servers that they need."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from unittest import mock

from google.cloud.firestore import Client

from shared.store.firestore import FirestoreStore
from tests.support.deployment import PUBLIC_URL, Identities
from tests.support.emulator import firestore_emulator
from tests.support.relay import PASSWORD, USER

IDENTITIES = Identities()
QUEUES = "projects/undersign-bench/locations/europe-west1/queues"
DELIVER_URL = "https://deliver.example.org/v1/tasks/deliver"


BASE = {"PUBLIC_URL": PUBLIC_URL, **IDENTITIES.environment()}


def queue(host: str) -> dict[str, str]:
    """Return the settings for Cloud Tasks at `host`."""
    return {
        "TASKS": "cloud_tasks",
        "TASKS_QUEUES": QUEUES,
        "DELIVER_URL": DELIVER_URL,
        "DELIVER_AUDIENCE": "https://deliver.example.org",
        "TASKS_SERVICE_ACCOUNT": "queue@undersign-bench.iam.gserviceaccount.com",
        "CLOUD_TASKS_EMULATOR_HOST": host,
        # A deployment has a spool, too, though nothing is written to it here.
        "SPOOL_PROJECT": "undersign-bench",
        "SPOOL_DATABASE": "spool",
    }


def firestore(host: str, project: str) -> dict[str, str]:
    """Return the settings for Firestore at `host`."""
    return {"STORE": "firestore", "FIRESTORE_PROJECT": project, "FIRESTORE_EMULATOR_HOST": host}


def mail(relay: str) -> dict[str, str]:
    """Return the settings for the relay at `relay` (host:port)."""
    port = int(relay.rpartition(":")[2])
    first = {
        "name": "first",
        "host": "localhost",
        "port": port,
        "user": USER,
        "mails_per_second": 100,
        "connections": 4,
    }
    return {
        "MAIL": "smtp",
        "RELAYS": json.dumps([first]),
        "SMTP_PASSWORD_FIRST": PASSWORD,
        "SSL_CERT_FILE": str(authority_file(port)),
    }


def authority_file(port: int) -> Path:
    """Return where the relay on this port leaves the certificate of its authority."""
    return Path(gettempdir()) / f"undersign-bench-relay-{port}.pem"


@contextmanager
def part(module: str, *arguments: str) -> Iterator[str]:
    """Run a server from parts/ in a separate process, and yield its `host:port`."""
    command = [sys.executable, "-m", f"tests.bench.parts.{module}", *arguments]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@contextmanager
def emulator() -> Iterator[str]:
    """Run Google's emulator and yield its `host:port`.

    Raises:
        SystemExit: the emulator is missing.
    """
    with firestore_emulator() as host:
        if host is None:
            raise SystemExit(
                "Google's Firestore emulator is missing: gcloud components install cloud-firestore-emulator"
            )
        yield host


def firestore_client(host: str, project: str) -> Client:
    """Return Google's own client, for operations that the store does not have."""
    with mock.patch.dict(os.environ, FIRESTORE_EMULATOR_HOST=host):
        return Client(project)


@contextmanager
def firestore_store(host: str, project: str) -> Iterator[FirestoreStore]:
    """Yield our store on Firestore at `host`."""
    with mock.patch.dict(os.environ, FIRESTORE_EMULATOR_HOST=host):
        store = FirestoreStore(project, "(default)")
        yield store
        store.close()
