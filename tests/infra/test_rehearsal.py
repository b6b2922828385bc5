"""The deployed shape on this machine: staged bundles, the plan's variables, the plan's paths, the plan's schedule.

Each function runs as a process of its own from its bundle, on the Python and the packages that it is deployed
with, and with the environment that Terraform would give it and nothing else, but for the hosts of Google's
parts and of the relays, which stand here. A variable that Terraform forgets keeps it from starting.
"""

import json
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pyrage
import pytest
import pytest_asyncio

from desk import runtime
from infra.deploy import canary, terraform
from infra.deploy.build import build
from shared.crypto.tokens import Tokens
from shared.web import routes
from tests.desk.commands import plain_key, undersign
from tests.infra.balancer import Balancer, Paths
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import signature
from tests.support.polling import until_async
from tests.support.processes import function
from tests.support.relay import AUTHORITY, PASSWORD, Relay, relay, server_tls

CAMPAIGN = canary.CAMPAIGN
START = f"/v1/campaigns/{CAMPAIGN}"
AS_PROGRAM = {"Accept": "application/json"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


def begin(folder: Path) -> None:
    """A campaign that may open to the public: with two keys that were shown to open."""
    keys = [folder.parent / name for name in ("ann.age", "bob.age")]
    given = {
        "title": "Save the swifts",
        "addressee": "European Commission",
        "organisation": "Friends of Swifts",
        "postal-address": "Mauerseglerweg 1, 10115 Berlin, Germany",
        "email": "info@swifts.example.org",
        "website": "https://swifts.example.org",
        "mail-provider": "Mail Example GmbH",
        "mail-place": "Germany",
        "recipient": " ".join(plain_key(key) for key in keys),
    }
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    made = undersign("campaign", "new", CAMPAIGN, "--folder", folder, *options)
    assert made.exit_code == 0, made.output


@dataclass
class Deployment:
    """What a person reaches, and what stands around it.

    `jobs`: the schedule's addresses, by name. `settings`: of the desk, for these databases and this queue.
    """

    public: httpx.AsyncClient
    tasks: CloudTasksServer
    relay: Relay
    jobs: Mapping[str, str]
    settings: Mapping[str, str]

    def links(self) -> dict[str, str]:
        """Of the newest mail."""
        content = self.relay.taken[-1].content
        assert isinstance(content, bytes)
        text = message_from_bytes(content, policy=default).get_body(("plain",))
        assert text
        words = text.get_content().split()
        return {kind: next(word for word in words if f"/v1/{kind}/" in word) for kind in ("confirm", "withdraw")}

    async def total(self) -> int:
        return int((await self.public.get(f"{START}/count")).json()["total"])


def values_of_secrets() -> dict[str, str]:
    """What `make secrets` would have put into Secret Manager, by name."""
    return {
        "deliver-identities": str(pyrage.x25519.Identity.generate()),
        "pepper": secrets.token_urlsafe(32),
        "token-keys": secrets.token_urlsafe(32),
        "smtp-password-first": PASSWORD,
        "smtp-password-second": PASSWORD,
    }


def here(
    environment: Mapping[str, str], swaps: Mapping[str, str], emulator: str, tasks: str, relay_port: int
) -> dict[str, str]:
    """The same, with what was planned and the hosts of Google's parts and of the relays swapped for those here."""
    swapped = dict(environment)
    for planned, real in swaps.items():
        swapped = {name: value.replace(planned, real) for name, value in swapped.items()}
    if {"FIRESTORE_PROJECT", "SPOOL_PROJECT"} & environment.keys():
        swapped["FIRESTORE_EMULATOR_HOST"] = emulator
    if "TASKS_QUEUES" in environment:
        swapped["CLOUD_TASKS_EMULATOR_HOST"] = tasks
    if "RELAYS" in environment:
        relays = [{**each, "host": "localhost", "port": relay_port} for each in json.loads(environment["RELAYS"])]
        swapped["RELAYS"] = json.dumps(relays)
    return swapped


@dataclass(frozen=True)
class Prepared:
    """What is there before anything runs, and is not written to. `folder`: build/, campaigns/ and ca.pem."""

    folder: Path
    secrets: Mapping[str, str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "ca.pem").write_bytes(AUTHORITY.cert_pem.bytes())
    begin(folder / "campaigns")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder / "campaigns"))
        keys = [part for name in ("ann.age", "bob.age") for part in ("-i", folder / name)]
        assert undersign("prove", CAMPAIGN, *keys).exit_code == 0
        build(folder / "build")
    return Prepared(folder, values_of_secrets())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed_once(
    prepared: Prepared,
    plan: dict[str, Any],
    emulator_host: str,
    deployed_python: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Deployment]:
    """Five processes, which take seconds to start: each test leaves no signature in the count behind."""
    logs, addresses = tmp_path_factory.mktemp("logs"), dict[str, str]()
    identity = pyrage.x25519.Identity.from_str(prepared.secrets["deliver-identities"])
    swaps = {
        plan["variables"]["project"]["value"]: f"p-{uuid.uuid4().hex[:12]}",
        plan["variables"]["deliver_recipient"]["value"]: str(identity.to_public()),
        # As after a restore: a backup is restored into a database of another name.
        plan["variables"]["database"]["value"]: "restored-1",
    }
    given = terraform.outputs(plan)
    balancer = Balancer(given["routes"])
    paths = Paths(balancer, given["public_url"].removeprefix("https://"), addresses)
    async with AsyncExitStack() as running:
        post = await running.enter_async_context(relay(server_tls(), user="undersign"))
        tasks = await running.enter_async_context(CloudTasksServer(transport=paths))
        for planned in terraform.resources(plan, "google_cloudfunctions2_function"):
            name, service = planned["name"], planned["service_config"][0]
            environment = here(service["environment_variables"], swaps, emulator_host, tasks.host, post.port)
            for secret in service["secret_environment_variables"]:
                environment[secret["key"]] = prepared.secrets[secret["secret"]]
            if name == "deliver":
                desk = dict(environment)
            if "RELAYS" in environment:
                environment["SSL_CERT_FILE"] = str(prepared.folder / "ca.pem")
            addresses[name] = running.enter_context(
                function(
                    planned["build_config"][0]["entry_point"],
                    environment,
                    logs / f"{name}.log",
                    source=prepared.folder / "build" / name,
                    python=deployed_python(name),
                )
            )
        public = httpx.AsyncClient(transport=paths, base_url=given["public_url"], timeout=30)
        jobs = {
            job["name"]: job["http_target"][0]["uri"]
            for job in terraform.resources(plan, "google_cloud_scheduler_job")
        }
        settings = {**desk, "CLOUD_TASKS_EMULATOR_HOST": tasks.host}
        yield Deployment(await running.enter_async_context(public), tasks, post, jobs, settings)


@pytest.fixture
def deployment(
    deployed_once: Deployment, prepared: Prepared, emulator: str, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(prepared.folder / "campaigns"))
    return deployed_once


async def test_a_signature_goes_all_the_way(deployment: Deployment) -> None:
    """Petition, form, queue, mail, button, count, schedule, withdrawal: through the balancer's own map."""
    public = deployment.public
    for name in routes.PUBLIC:
        assert (await public.get(routes.health(name))).json()["function"] == name
    petition = await public.get(f"/c/{CAMPAIGN}?lang=en")
    assert "Save the swifts" in petition.text

    signed = await public.post(f"{START}/signatures", json=signature(email="ann@example.org"))
    await deployment.tasks.drain()
    links = deployment.links()
    page = await public.get(links["confirm"])
    pressed = await public.post(links["confirm"], headers=AS_PROGRAM)

    assert (signed.status_code, page.status_code, pressed.json()) == (202, 200, {"status": "confirmed"})
    assert links["confirm"].startswith("https://petition.example.org/")
    assert await deployment.total() == 1

    for address in deployment.jobs.values():
        assert (await public.post(address)).status_code == 204
    assert [point["total"] for point in (await public.get(f"{START}/history")).json()["points"]] == [1]
    assert "1 person has signed" in (await public.get(f"/c/{CAMPAIGN}/progress?lang=en")).text
    assert (await public.post(links["withdraw"], headers=AS_PROGRAM)).json() == {"status": "withdrawn"}

    async def is_counted_no_more() -> bool:
        return await deployment.total() == 0

    await until_async(is_counted_no_more)


async def test_the_canary_runs_and_leaves_nothing_behind(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `make deploy` does to try out what it has deployed."""
    for name, value in deployment.settings.items():
        monkeypatch.setenv(name, value)
    rights = runtime.rights()
    tokens = Tokens([deployment.settings["TOKEN_KEYS"]])
    email, mails = "canary@petition.example.org", len(deployment.relay.taken)

    await canary.run(deployment.public, rights, tokens, email, pause=0.1)

    assert await deployment.total() == 0
    assert not await rights.maintenance.find(rights.digester.address(CAMPAIGN, email))
    assert len(deployment.relay.taken) == mails + 1
    rights.maintenance.close()
    for queue in (*rights.queues.values(), rights.dead_letters):
        await queue.aclose()


async def test_a_canary_that_fails_says_at_which_step(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the relay turns it away."""
    for name, value in deployment.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(canary, "_TIMEOUT_SECONDS", 1)
    deployment.relay.at_rcpt = "451 4.7.1 come again later"
    rights = runtime.rights()
    tokens = Tokens([deployment.settings["TOKEN_KEYS"]])

    with pytest.raises(canary.CanaryFailed, match="until deliver stores it and the relay accepts its mail"):
        await canary.run(deployment.public, rights, tokens, "canary@petition.example.org", pause=0.1)
    deployment.relay.at_rcpt = None
    await deployment.tasks.drain()  # or deliver would wait for the relay, in this loop, when it is told to end
    rights.maintenance.close()
    for queue in (*rights.queues.values(), rights.dead_letters):
        await queue.aclose()


async def test_deliver_cannot_be_reached_from_outside(deployment: Deployment) -> None:
    """Its paths lead to embed, which knows nothing of them."""
    for path in ("/v1/tasks/deliver", "/v1/tasks/snapshot", "/v1/health/deliver"):
        assert (await deployment.public.post(path)).status_code == 404
