"""On any host with Application Default Credentials, nothing asks for Google Cloud's metadata server."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.databases.firestore import FirestoreDatabase
from shared.queue.cloud_tasks import cloud_tasks_client
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import PUBLIC_URL, world
from tests.support.silent_proxy import SilentProxy


@pytest.fixture
async def metadata_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SilentProxy]:
    """A metadata server that nobody should ask: it counts connections and answers nothing."""
    async with SilentProxy("127.0.0.1:1") as server:
        monkeypatch.setenv("GCE_METADATA_HOST", server.host)
        monkeypatch.setenv("GCE_METADATA_IP", server.host)
        yield server


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of a service account, with a new key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "project_id": "undersign-test",
        "private_key_id": "one",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "anywhere@undersign-test.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.example.org/token",
    }
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


async def test_a_signature_is_counted_without_a_metadata_server(
    credentials: None,
    metadata_server: SilentProxy,
    emulator: str,
    project: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is signed, delivered, mailed and confirmed on Firestore and Cloud Tasks."""
    async with AsyncExitStack() as stack:
        discard = httpx.MockTransport(lambda _: httpx.Response(204))
        tasks = await stack.enter_async_context(CloudTasksServer(transport=discard))
        settings = {
            "STORE": "firestore",
            "FIRESTORE_PROJECT": project,
            "TASKS": "cloud_tasks",
            "CLOUD_TASKS_EMULATOR_HOST": tasks.host,
            "TASKS_QUEUES": "projects/undersign-test/locations/europe-west1/queues",
            "DELIVER_URL": f"{PUBLIC_URL}/v1/tasks/deliver",
            "DELIVER_AUDIENCE": PUBLIC_URL,
            "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
        }
        here = await stack.enter_async_context(world(tmp_path, monkeypatch, **settings))

        await here.sign()
        task = tasks.created[0].http_request
        delivered = await here.client.post("/v1/tasks/deliver", content=task.body)
        [mail] = here.outbox.received()
        await here.press(mail)

        assert delivered.status_code == 204
        assert (await here.count())["total"] == 1
    assert metadata_server.accepted == 0


async def test_googles_clients_use_the_default_credentials(
    credentials: None, metadata_server: SilentProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No emulator is named, as in production."""
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)

    queue, store = cloud_tasks_client(None), FirestoreDatabase("undersign-test", "(default)")

    assert queue.api_endpoint == "cloudtasks.googleapis.com"
    assert store.client.project == "undersign-test"
    assert metadata_server.accepted == 0
    await queue.transport.close()  # type: ignore[no-untyped-call] # the vendor left it untyped
    store.close()
