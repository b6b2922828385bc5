"""The deployed shape on this machine: staged bundles, the plan's variables, the plan's paths, the plan's schedule.

Each function runs as a process of its own from its bundle, on the Python and the packages that it is deployed
with, and with the environment that Terraform and the platform would give it and nothing else, but for the hosts of
Google's parts and of the relays, which stand here. A variable that Terraform forgets keeps it from starting.
"""

import json
import re
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import pyrage
import pytest

from infra.deploy import canary, terraform
from infra.deploy.build import build
from tests.desk.commands import plain_key, undersign
from tests.infra.balancer import Balancer, Paths
from tests.support.cloud_tasks_server import CloudTasksServer
from tests.support.deployment import CONSENT_VERSION
from tests.support.oidc import checked_by_cloud_run, claims
from tests.support.processes import running
from tests.support.relay import AUTHORITY, PASSWORD, Relay, relay, server_tls

CAMPAIGN = canary.CAMPAIGN
START = f"/v1/campaigns/{CAMPAIGN}"


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
    file = folder / f"{CAMPAIGN}.toml"
    version = f'consent_version = "{CONSENT_VERSION}"'
    file.write_text(re.sub("^consent_version = .*", version, file.read_text(), flags=re.MULTILINE))


@dataclass
class Deployment:
    """What a person reaches, and what stands around it.

    `jobs`: what the schedule calls, by name: address and Authorization header behind Cloud Run.
    `settings`: of the desk, for these databases and this queue.
    `processes`: the newest instance of each function. `start`: starts another, which takes its place.
    `logs`: a file for each function.
    """

    public: httpx.AsyncClient
    tasks: CloudTasksServer
    relay: Relay
    jobs: Mapping[str, tuple[str, str]]
    settings: Mapping[str, str]
    processes: Mapping[str, Popen[bytes]]
    start: Callable[[str], None]
    logs: Path

    def links(self, mail: int = -1) -> dict[str, str]:
        """Of a mail, by default of the newest."""
        content = self.relay.taken[mail].content
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


def added_by_the_platform(name: str, timeout_seconds: int) -> dict[str, str]:
    """What every function finds in its environment besides; a planned value of the same name wins.

    https://cloud.google.com/run/docs/container-contract#env-vars,
    https://cloud.google.com/functions/docs/configuring/env-var#runtime_environment_variables_set_automatically;
    CLOUD_RUN_TIMEOUT_SECONDS and LOG_EXECUTION_ID as deployed functions show them.
    """
    return {
        "K_SERVICE": name,
        "K_REVISION": f"{name}-00001-abc",
        "K_CONFIGURATION": name,
        "FUNCTION_TARGET": name,
        "FUNCTION_SIGNATURE_TYPE": "http",
        "CLOUD_RUN_TIMEOUT_SECONDS": str(timeout_seconds),
        "LOG_EXECUTION_ID": "true",
    }


@dataclass(frozen=True)
class Prepared:
    """What is there before anything runs, and is not written to. `folder`: build/, campaigns/ and ca.pem.

    `python`: the interpreter for a function, by its name.
    """

    folder: Path
    python: Callable[[str], Path]
    secrets: Mapping[str, str]


def prepare(folder: Path, python: Callable[[str], Path]) -> Prepared:
    """Stage the bundles into `folder`, with a campaign that may open to the public."""
    (folder / "ca.pem").write_bytes(AUTHORITY.cert_pem.bytes())
    begin(folder / "campaigns")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(folder / "campaigns"))
        keys = [part for name in ("ann.age", "bob.age") for part in ("-i", folder / name)]
        assert undersign("prove", CAMPAIGN, *keys).exit_code == 0
        build(folder / "build")
    return Prepared(folder, python, values_of_secrets())


def environments_here(
    prepared: Prepared,
    plan: Mapping[str, Any],
    emulator: str,
    tasks: str,
    relay_port: int,
    timeout_seconds: int | None,
) -> dict[str, dict[str, str]]:
    """The environment of each planned function, on this machine."""
    identity = pyrage.x25519.Identity.from_str(prepared.secrets["deliver-identities"])
    swaps = {
        plan["variables"]["project"]["value"]: f"p-{uuid.uuid4().hex[:12]}",
        plan["variables"]["deliver_recipient"]["value"]: str(identity.to_public()),
        # As after a restore: a backup is restored into a database of another name.
        plan["variables"]["database"]["value"]: "restored-1",
    }
    made = dict[str, dict[str, str]]()
    for planned in terraform.resources(plan, "google_cloudfunctions2_function"):
        name, service = planned["build_config"][0]["entry_point"], planned["service_config"][0]
        environment = here(service["environment_variables"], swaps, emulator, tasks, relay_port)
        for secret in service["secret_environment_variables"]:
            environment[secret["key"]] = prepared.secrets[secret["secret"]]
        if "RELAYS" in environment:
            environment["SSL_CERT_FILE"] = str(prepared.folder / "ca.pem")
        made[name] = {
            **added_by_the_platform(name, timeout_seconds or service["timeout_seconds"]),
            **environment,
        }
    return made


@asynccontextmanager
async def deploy(
    prepared: Prepared, plan: Mapping[str, Any], emulator_host: str, logs: Path, timeout_seconds: int | None = None
) -> AsyncIterator[Deployment]:
    """Run all functions as planned, in five processes, which take seconds to start.

    `timeout_seconds`: what the platform says of a function's timeout, by default as planned.
    """
    given = terraform.outputs(plan)
    addresses, processes = dict[str, str](), dict[str, Popen[bytes]]()
    paths = Paths(Balancer(given["routes"]), given["public_url"].removeprefix("https://"), addresses)
    async with AsyncExitStack() as stack:
        post = await stack.enter_async_context(relay(server_tls(), user="undersign"))
        tasks = await stack.enter_async_context(CloudTasksServer(transport=paths))
        environments = environments_here(prepared, plan, emulator_host, tasks.host, post.port, timeout_seconds)

        def start(name: str) -> None:
            source, python = prepared.folder / "build" / name, prepared.python(name)
            function = running(name, environments[name], logs / f"{name}.log", source=source, python=python)
            processes[name], addresses[name] = stack.enter_context(function)

        for name in environments:
            start(name)
        public = httpx.AsyncClient(transport=paths, base_url=given["public_url"], timeout=30)
        swapped = plan["variables"]["project"]["value"], environments["deliver"]["FIRESTORE_PROJECT"]
        jobs = {
            job["name"]: _call(job["http_target"][0], swapped)
            for job in terraform.resources(plan, "google_cloud_scheduler_job")
        }
        settings = {name: value for name, value in environments["deliver"].items() if name != "SSL_CERT_FILE"}
        await stack.enter_async_context(public)
        yield Deployment(public, tasks, post, jobs, settings, processes, start, logs)


def _call(target: Mapping[str, Any], swapped: tuple[str, str]) -> tuple[str, str]:
    """`swapped`: the project that was planned, and the one here."""
    [token] = target["oidc_token"]
    account = token["service_account_email"].replace(*swapped)
    return target["uri"], checked_by_cloud_run(claims(account, token["audience"]))
