"""All functions in this process, loaded as the platform loads them, with a clock that tests move by hand."""

import importlib.util
import itertools
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pyrage
import pytest
from functions_framework.aio import create_asgi_app_from_module
from starlette.applications import Starlette
from starlette.types import ASGIApp

from functions import server
from shared.campaigns.live import LiveCampaigns
from shared.campaigns.loader import FOLDER as CAMPAIGNS
from shared.campaigns.overlay import PublishedOverlay
from shared.mail import Mail
from shared.mail.outbox import Outbox, Received
from shared.models.labels import Label
from shared.models.messages import SubmissionMessage
from shared.queue import QueueName
from shared.queue.local import LocalQueue
from shared.queue.local_dispatcher import Dispatcher
from shared.web.routes import FUNCTIONS, CountPath, DeliverPath, SignPath
from tests.support.clock import NOW

REPOSITORY = Path(__file__).parents[2]
CAMPAIGN = "reclaim-your-face"
CONSENT_VERSION = "2026-11-27"
PUBLIC_URL = "http://localhost:8080"
SIGNATURES = SignPath.SIGNATURES.format(campaign=CAMPAIGN)
LINKS = SignPath.LINKS.format(campaign=CAMPAIGN)
COUNT = CountPath.COUNT.format(campaign=CAMPAIGN)
#: What browsers send with the form of any page of ours; without it, a signature is labelled.
PAGE_HEADERS = {"Referer": f"{PUBLIC_URL}/"}


def signature(**fields: Any) -> dict[str, Any]:
    """Return a body that sign accepts, changed by `fields`; a field that is None is left out."""
    body = {
        "email": "ann@example.org",
        "name": "Ann Example",
        "country": "DE",
        "locale": "en",
        "consent": True,
        "consent_version": CONSENT_VERSION,
    }
    return {name: value for name, value in {**body, **fields}.items() if value is not None}


class Identities:
    """The keys of a test's deployment, including the private ones."""

    def __init__(self) -> None:
        self.deliver = pyrage.x25519.Identity.generate()
        self.campaign = pyrage.x25519.Identity.generate()

    def environment(self) -> dict[str, str]:
        return {
            "TOKEN_KEYS": secrets.token_urlsafe(32),
            "PEPPER": secrets.token_urlsafe(32),
            "DELIVER_IDENTITIES": str(self.deliver),
            "DELIVER_RECIPIENT": str(self.deliver.to_public()),
            "THROWAWAY_RECIPIENT": str(self.campaign.to_public()),
        }

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Open data that is sealed to the organisers."""
        content: dict[str, Any] = json.loads(pyrage.decrypt(sealed, [self.campaign]))
        return content


class World:
    """A separate deployment. `client` reaches every function under one origin."""

    def __init__(self, folder: Path, functions: Mapping[str, ModuleType], identities: Identities) -> None:
        self.now = NOW
        self.folder = folder
        self._mails = itertools.count()
        self.functions = functions
        self.identities = identities
        self.outbox = Outbox(folder / "outbox", self._next_moment)
        self.queue = LocalQueue(folder / "tasks.db")
        for name, module in functions.items():
            module.deps.now = lambda: self.now
            if isinstance(live := module.deps.campaigns, LiveCampaigns):
                read = self._published_overlay if name in {"sign", "embed"} else module.deps.store.overlay
                module.deps.campaigns = LiveCampaigns(live.files, read, lambda: self.now)
        functions["deliver"].deps.mailer = self.outbox
        self.apps = {
            name: create_asgi_app_from_module(name, None, None, module, None)  # type: ignore[no-untyped-call]
            for name, module in functions.items()
        }
        self.client = self.client_of(Starlette(routes=server.one_origin(self.apps)))

    async def _published_overlay(self, campaign: str) -> PublishedOverlay:
        answer = await self.client.get(f"/v1/campaigns/{campaign}/overlay")
        return PublishedOverlay.model_validate_json(answer.content)

    async def overlays(self) -> None:
        """Wait until every function has finished reading overlays."""
        for module in self.functions.values():
            if isinstance(module.deps.campaigns, LiveCampaigns):
                await module.deps.campaigns.settled()

    async def funnels(self) -> None:
        """Write what every function has counted for the funnel."""
        for module in self.functions.values():
            if hasattr(module.deps, "funnel"):
                await module.deps.funnel.write()

    def client_of(self, app: ASGIApp) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC_URL)

    def _next_moment(self) -> datetime:
        """Return the time for a mail: later than that of the mail before, even if the clock stands still."""
        return self.now + timedelta(microseconds=next(self._mails))

    async def sign(self, **fields: Any) -> httpx.Response:
        """POST one signature as JSON, as a page of ours does."""
        return await self.client.post(SIGNATURES, json=signature(**fields), headers=PAGE_HEADERS)

    async def deliver(self) -> None:
        """Let the queue deliver what is due now, and what becomes due by that."""
        dispatcher = Dispatcher(self.queue, self.client, PUBLIC_URL + DeliverPath.TASK)
        while await dispatcher.dispatch_due(self.now):
            pass

    async def sign_and_deliver(self, **fields: Any) -> Received:
        """Sign, and return the resulting mail."""
        assert (await self.sign(**fields)).status_code == 202
        await self.deliver()
        return self.outbox.received()[0]

    async def sign_with_labels(self, *labels: Label, email: str, country: str = "DE") -> Received:
        """Sign as a program does that sign finds reason for these labels in, and return the resulting mail."""
        await self.functions["sign"].deps.envelopes.send(self.message(*labels, email=email, country=country))
        await self.deliver()
        return self.outbox.received()[0]

    def message(self, *labels: Label, email: str, country: str = "DE") -> SubmissionMessage:
        """Make the message of somebody who signs now."""
        return SubmissionMessage(
            id=secrets.token_hex(16),
            campaign=CAMPAIGN,
            email=email,
            name="Ann Example",
            country=country,
            locale="en",
            consent_version=CONSENT_VERSION,
            partner=None,
            source=None,
            newsletter=None,
            postal_code=None,
            signed_at=self.now,
            labels=labels,
        )

    async def press(self, mail: Received, purpose: str = "confirm") -> httpx.Response:
        """Press the button on the page of a mail's link, and ask for JSON."""
        return await self.client.post(mail.links[purpose], headers={"Accept": "application/json"})

    async def count(self) -> dict[str, Any]:
        """Return the current public count."""
        self.functions["count"].snapshots.clear()
        response = await self.client.get(COUNT)
        assert response.status_code == 200
        content: dict[str, Any] = response.json()
        return content

    async def snapshot(self) -> None:
        """Call the hourly snapshot."""
        assert (await self.client.post(DeliverPath.SNAPSHOT)).status_code == 204
        self.functions["count"].lines.clear()
        self.functions["count"].snapshots.clear()


class BrokenQueue:
    """A queue that raises `error` for every task."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def enqueue(self, queue: QueueName, body: bytes, *, not_before: datetime | None = None) -> None:
        raise self.error

    async def aclose(self) -> None:
        pass


class BrokenMailer:
    """A mailer that raises `error` for every mail, and counts them."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.given = 0

    async def send(self, mail: Mail) -> None:
        self.given += 1
        raise self.error


@asynccontextmanager
async def world(folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> AsyncIterator[World]:
    """Set up a deployment. `environment`: overrides of settings, as in STORE="firestore"."""
    identities = Identities()
    local = {"PUBLIC_URL": PUBLIC_URL, "STORE": "sqlite", "TASKS": "local", "MAIL": "outbox"}
    for name, value in {**local, "LOCAL_FOLDER": str(folder), **identities.environment(), **environment}.items():
        monkeypatch.setenv(name, value)
    async with AsyncExitStack() as closing:
        made = World(folder, {name: load(name) for name in FUNCTIONS}, identities)
        closing.push_async_callback(made.queue.aclose)
        await closing.enter_async_context(made.client)
        closing.push_async_callback(made.overlays)
        for module in made.functions.values():
            if hasattr(module.deps, "store"):
                closing.callback(module.deps.store.close)
            if hasattr(module.deps, "funnel"):
                closing.push_async_callback(module.deps.funnel.write)
            if hasattr(module.deps, "envelopes"):
                closing.push_async_callback(module.deps.envelopes.aclose)
        yield made


def load(function: str) -> ModuleType:
    """Execute a function's module again, with the settings of the environment, and return it."""
    source = REPOSITORY / "functions" / function / "main.py"
    spec = importlib.util.spec_from_file_location(f"tests_{function}_main", source)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def campaign_file(folder: Path, name: str, **replace: str) -> Path:
    """Write a copy of the example campaign under another name, with strings replaced; return its path.

    Its picture and logos come along, its translations do not.
    """
    text = (CAMPAIGNS / f"{CAMPAIGN}.toml").read_text(encoding="utf-8")
    for old, new in replace.items():
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    others = shutil.ignore_patterns("*.toml", "share.png")
    shutil.copytree(CAMPAIGNS / CAMPAIGN, folder / name, ignore=others, dirs_exist_ok=True)
    return path
