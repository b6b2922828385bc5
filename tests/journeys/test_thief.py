"""A thief of the store, the log and the queue, without the secrets, learns of nobody who signed.

Real components keep what they keep of people whose signatures are pending, confirmed and withdrawn. Then every
byte of it is searched for what they sent, in any form in which it could be read, or a guess of it be tested.
"""

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import idna
import pytest
from google.cloud import firestore

from desk.store.sqlite import SqliteMaintenance
from shared.models.labels import Label
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import CAMPAIGN, LINKS, PAGE_HEADERS, SIGNATURES, signature
from tests.support.emulator import free_port
from tests.support.polling import until_async
from tests.support.servers import Server, server
from tests.support.traces import find, readable_forms

#: Who signs, by what becomes of the signature. The words are such that chance spells none of them.
PEOPLE = {
    "pending": ("Zebedaios.Quillfeather+tag@thistlewood-verein.example.org", "Zebedaios Quillfeather"),
    "confirmed": ("oyvind.bjoernstjerne@münchhausen-familie.de", "Øyvind Bjørnstjerne"),
    "withdrawn": ("persephone.vandersloot@gmail.com", "Persephone Vandersloot"),
    "links": ("hieronymus.karlsruher@gmx.de", "Hieronymus Karlsruher"),
}
CLIENT = {"X-Forwarded-For": "203.0.113.177", "User-Agent": "Quuxbrowser/98.7 (Unheard-of OS)"}
AS_JSON = {"Accept": "application/json"}
#: What a local run keeps, and a thief of the store does not have: the keys, and the mails in place of mailboxes.
NOT_STOLEN = {"outbox", "secrets.json"}


def what_nobody_may_learn() -> Iterator[str]:
    """Addresses, their parts, names, and where the forms came from."""
    for email, name in PEOPLE.values():
        local, domain = email.split("@")
        yield from (email, local, local.partition("+")[0], name, *name.split())
        if domain not in {"gmail.com", "gmx.de"}:  # of a large provider, its name is stored
            yield from (domain, domain.partition(".")[0])
    yield CLIENT["X-Forwarded-For"]
    yield "Quuxbrowser"


async def let_people_sign(running: Server) -> None:
    """Bring each of them as far as `PEOPLE` says, and let some requests fail, for errors are logged as well."""

    async with httpx.AsyncClient(base_url=running.url, headers=CLIENT, trust_env=False, timeout=30) as client:
        links = {}
        for state, (email, name) in PEOPLE.items():
            body = signature(email=email, name=name, partner="digital-rights", newsletter=True)
            (await client.post(SIGNATURES, json=body, headers=PAGE_HEADERS)).raise_for_status()
            links[state] = await until_async(partial(_mailed_links, client, email))
        for state in ("confirmed", "withdrawn"):
            (await client.post(links[state]["confirm"], headers=AS_JSON)).raise_for_status()
        (await client.post(links["withdrawn"]["withdraw"], headers=AS_JSON)).raise_for_status()
        (await client.post(LINKS, json={"email": PEOPLE["links"][0], "locale": "en"})).raise_for_status()
        email, name = PEOPLE["pending"]
        refused = await client.post(SIGNATURES, json={**signature(email=email, name=name), name: email})
        unknown = await client.post(links["pending"]["confirm"][:-9] + "~u", headers=AS_JSON)
        assert (refused.status_code, unknown.status_code) == (422, 404)


async def _mailed_links(client: httpx.AsyncClient, email: str) -> dict[str, str]:
    local, domain = email.split("@")
    to = f"{local}@{idna.encode(domain).decode()}"
    content = (await client.get("/dev/mail.json")).json()
    return next((mail["links"] for mail in content if mail["to"] in {email, to}), {})


def test_the_search_finds_a_text_in_every_form() -> None:
    """Amid other bytes: a search that finds nothing proves nothing."""
    text = "Quillfeather@münchhausen.de"
    found = {name: find(text, b"\x00\xff{" + form + b"}\x00") for name, form in readable_forms(text)}
    inside_base64 = base64.b64encode(b"{'email': '" + text.encode() + b"'}")

    assert [name for name, names in found.items() if name not in names] == []
    assert find(text, inside_base64) == {"utf-8, base64", "utf-8, base64 for URLs"}
    assert find(text, b"nothing of the kind") == set()


async def test_the_files_of_a_server_name_nobody(tmp_path: Path) -> None:
    """Store, queue, their journals, and the log, as they lie on the disk while it runs."""
    with server(tmp_path) as running:
        await let_people_sign(running)
        stolen = {
            file.name: file.read_bytes()
            for file in tmp_path.rglob("*")
            if file.is_file() and not NOT_STOLEN & {*file.relative_to(tmp_path).parts}
        }

    assert {"store.db", "tasks.db", "server.log"} <= stolen.keys()
    assert found_in(stolen) == {}
    store = SqliteMaintenance(tmp_path / "store.db")
    records = [each.signature async for page in store.scan(CAMPAIGN) for each in page]
    store.close()
    assert len(records) == len(PEOPLE)
    # Words of a short list, and nothing that was made from an address, a network or a time.
    assert {label for each in records for sent in each.submissions for label in sent.labels} <= {*Label}


@pytest.fixture
async def queue() -> AsyncIterator[CloudTasksServer]:
    async with CloudTasksServer() as running:
        yield running


async def test_documents_tasks_and_log_of_a_deployment_name_nobody(
    tmp_path: Path, emulator: str, project: str, queue: CloudTasksServer
) -> None:
    """Every document of the database, every task that was in the queue, and what the functions have logged."""
    port = free_port()
    environment = {
        "STORE": "firestore",
        "FIRESTORE_PROJECT": project,
        "FIRESTORE_EMULATOR_HOST": emulator,
        "PORT": f"{port}",
        "TASKS": "cloud_tasks",
        "CLOUD_TASKS_EMULATOR_HOST": queue.host,
        "TASKS_QUEUES": "projects/undersign-test/locations/europe-west1/queues",
        "DELIVER_URL": f"http://127.0.0.1:{port}/v1/tasks/deliver",
        "DELIVER_AUDIENCE": "https://deliver.example.org",
        "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
    }
    with server(tmp_path, **environment) as running:
        await let_people_sign(running)
        await queue.drain()
    documents = dict(documents_below(firestore.Client(project=project).collections()))
    tasks = {task.name: task.http_request.body for task in queue.created}

    assert len([path for path in documents if "/signatures/" in path]) == len(PEOPLE)
    assert len(tasks) > 2 * len(PEOPLE)
    assert found_in({**documents, **tasks, "server.log": running.log.read_bytes()}) == {}


def documents_below(collections: Iterator[Any]) -> Iterator[tuple[str, bytes]]:
    """Yield each document's path, and all that it holds, its path included."""
    for collection in collections:
        for document in collection.list_documents():
            yield document.path, b"\n".join([document.path.encode(), *_values(document.get().to_dict())])
            yield from documents_below(document.collections())


def _values(content: Any) -> Iterator[bytes]:
    match content:
        case Mapping():
            for key, value in content.items():
                yield from (key.encode(), *_values(value))
        case list():
            for value in content:
                yield from _values(value)
        case bytes():
            yield content
        case _:
            yield str(content).encode()


def found_in(stolen: Mapping[str, bytes]) -> dict[str, dict[str, set[str]]]:
    """What was found of people, by place and text: the forms in which it is there."""
    texts = sorted({*what_nobody_may_learn()})
    found = {place: {text: find(text, content) for text in texts} for place, content in stolen.items()}
    there = {place: {text: forms for text, forms in each.items() if forms} for place, each in found.items()}
    return {place: each for place, each in there.items() if each}
