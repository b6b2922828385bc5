"""A deployment of real parts: processes of each function, Google's emulator, a Cloud Tasks server, mail relays.

A proxy stands in front of each, for the adversary. People reach a function through its proxy, as through the load
balancer, and so does the queue.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.chaos.clocks import Clocks
from tests.chaos.inbox import Inbox
from tests.chaos.proxy import Proxy
from tests.chaos.task_queue import UnreliableTasks
from tests.support.deployment import PUBLIC_URL, REPOSITORY, Identities
from tests.support.emulator import firestore_emulator
from tests.support.missing import missing
from tests.support.processes import running
from tests.support.relay import Relay, relay

PROJECT, SPOOL = "chaos", "spool"
QUEUES = f"projects/{PROJECT}/locations/europe-west1/queues"
PROCESSES: Mapping[str, int] = {"sign": 2, "deliver": 2, "confirm": 2, "count": 1}
_RELAYS = ("first", "second")
#: Proxies by what is behind them. sign reaches the spool through one of its own, all others the database.
FRONTS = (*PROCESSES, "database", "spool", "queue", *_RELAYS)


class Instance:
    """One process of a function; `running` within a proxy's upstreams."""

    _process: subprocess.Popen[bytes] | None = None

    def __init__(self, function: str, name: str, environment: Mapping[str, str], log: Path) -> None:
        self.function = function
        self.name = name
        self.environment = dict(environment)
        self._log = log
        self._exit = contextlib.ExitStack()

    async def start(self) -> str:
        """Start it; return its host:port once it answers."""
        started = running(self.function, self.environment, self._log)
        self._process, url = await asyncio.to_thread(self._exit.enter_context, started)
        return url.removeprefix("http://")

    def exchange(self) -> "Instance":
        """Return the process that runs as an instance of its own, and have none."""
        old = Instance(self.function, self.name, self.environment, self._log)
        old._exit, old._process = self._exit, self._process
        self._exit, self._process = contextlib.ExitStack(), None
        return old

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes, if it has begun."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def stop(self) -> None:
        """End it with SIGTERM, as the platform does, unless it has ended."""
        self.send(signal.SIGCONT)
        await asyncio.to_thread(self._exit.close)


class Database:
    """The emulator, which can be restarted with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._restarts = 0
        self._exit = contextlib.ExitStack()

    async def start(self) -> str:
        """Start it; return its host:port."""
        host = await asyncio.to_thread(self._exit.enter_context, firestore_emulator())
        if host is None:
            missing("Google's Firestore emulator (gcloud components install cloud-firestore-emulator)")
        assert host
        self.host = host
        return host

    async def restart(self) -> str:
        """Export the data, start another one, and import it; return its host:port."""
        self._restarts += 1
        folder = self._folder / f"export-{self._restarts}"
        for name in ("(default)", SPOOL):
            (folder / name).mkdir(parents=True)
            await self._call("export", name, folder / name)
        await self.stop()
        await self.start()
        for name in ("(default)", SPOOL):
            [metadata] = (folder / name).glob("*/*.overall_export_metadata")
            await self._call("import", name, metadata)
        return self.host

    async def _call(self, what: str, database: str, path: Path) -> None:
        body = {"database": f"projects/{PROJECT}/databases/{database}", "export_directory": str(path)}
        async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
            url = f"http://{self.host}/emulator/v1/projects/{PROJECT}:{what}"
            (await client.post(url, json=body)).raise_for_status()

    async def stop(self) -> None:
        await asyncio.to_thread(self._exit.close)


@dataclass
class System:
    """A running deployment. `fronts`: the proxies. `relays`: by name, as are `fronts` and `instances`."""

    clocks: Clocks
    inbox: Inbox
    database: Database
    queue: UnreliableTasks
    relays: Mapping[str, Relay]
    fronts: Mapping[str, Proxy]
    instances: Mapping[str, Instance]
    identities: Identities
    environment: dict[str, str]

    def url(self, function: str) -> str:
        """Return where a function is reached."""
        return f"http://{self.fronts[function].host}"

    def of(self, function: str) -> Sequence[Instance]:
        """Return the processes of a function."""
        return [each for each in self.instances.values() if each.function == function]

    async def start(self, instance: Instance) -> None:
        """Start a process and send requests to it."""
        place = self.of(instance.function).index(instance)
        self.fronts[instance.function].upstreams[place] = await instance.start()

    async def restart(self, instance: Instance) -> None:
        """Start the process again, with what its environment is now, as a roll-out does: the new one first."""
        old = instance.exchange()
        await self.start(instance)
        await old.stop()

    async def call(self, path: str) -> None:
        """Call deliver as the scheduler does; it may fail."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            with contextlib.suppress(httpx.HTTPError):
                await client.post(self.url("deliver") + path)


def _settings(fronts: Mapping[str, Proxy], identities: Identities) -> dict[str, str]:
    relays = [
        {"name": name, "host": "127.0.0.1", "port": int(fronts[name].host.rpartition(":")[2]), "starttls": False}
        | {"mails_per_second": 100, "connections": 4}
        for name in _RELAYS
    ]
    return {
        **identities.environment(),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "site"), str(REPOSITORY)]),
        "PUBLIC_URL": PUBLIC_URL,
        "OVERLAY_URL": f"http://{fronts['count'].host}",
        "STORE": "firestore",
        "FIRESTORE_PROJECT": PROJECT,
        "SPOOL_PROJECT": PROJECT,
        "SPOOL_DATABASE": SPOOL,
        "TASKS": "cloud_tasks",
        "CLOUD_TASKS_EMULATOR_HOST": fronts["queue"].host,
        "TASKS_QUEUES": QUEUES,
        "DELIVER_URL": f"http://{fronts['deliver'].host}/v1/tasks/deliver",
        "DELIVER_AUDIENCE": "https://deliver.example.org",
        "TASKS_SERVICE_ACCOUNT": f"queue@{PROJECT}.iam.gserviceaccount.com",
        "MAIL": "smtp",
        "RELAYS": json.dumps(relays),
    }


def _instances(
    fronts: Mapping[str, Proxy],
    environment: Mapping[str, str],
    processes: Mapping[str, int],
    clocks: Clocks,
    folder: Path,
) -> Iterator[Instance]:
    for function, number in processes.items():
        for each in range(number):
            name = f"{function}-{each}"
            database = fronts["spool" if function == "sign" else "database"].host
            own = {"CHAOS_CLOCKS": clocks.setting(name), "FIRESTORE_EMULATOR_HOST": database}
            yield Instance(function, name, {**environment, **own}, folder / f"{name}.log")


@asynccontextmanager
async def system(
    folder: Path, chance: random.Random, *, processes: Mapping[str, int] = PROCESSES, **environment: str
) -> AsyncIterator[System]:
    """Run a deployment; everything lies in `folder`.

    `processes`: how many of each function. `environment`: of all functions, beside the settings.
    """
    async with AsyncExitStack() as closing:
        clocks, inbox, database = Clocks(folder), Inbox(), Database(folder)
        queue = await closing.enter_async_context(UnreliableTasks(clocks.now, chance))
        relays = {name: await closing.enter_async_context(relay()) for name in _RELAYS}
        for each in relays.values():
            each.taken = inbox
        fronts = {name: await closing.enter_async_context(Proxy([""], chance)) for name in FRONTS}
        fronts["queue"].upstreams = [queue.host]
        for name, each in relays.items():
            fronts[name].upstreams = [f"127.0.0.1:{each.port}"]
        closing.push_async_callback(database.stop)
        fronts["database"].upstreams = fronts["spool"].upstreams = [await database.start()]
        identities = Identities()
        settings = _settings(fronts, identities) | environment
        instances = {each.name: each for each in _instances(fronts, settings, processes, clocks, folder)}
        made = System(clocks, inbox, database, queue, relays, fronts, instances, identities, settings)
        for function, number in processes.items():
            fronts[function].upstreams = [""] * number
        for instance in instances.values():
            closing.push_async_callback(instance.stop)
        await asyncio.gather(*map(made.start, instances.values()))
        yield made
