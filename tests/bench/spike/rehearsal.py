"""A load run against the real sign, deliver and confirm on this machine: open loop, with backlog.

One process of each, as functions-framework serves them, on SQLite and the local outbox; Cloud Tasks is the tests'
own server. Signers do not wait for one another: each presses at a moment that was drawn before, opens the mail
after a delay of their own, and presses the button in it.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import uvloop

from tests.bench.served import cpu_seconds, with_children
from tests.bench.spike.client import Client
from tests.bench.spike.journal import BUTTON, COUNTED, MAILED, Journal
from tests.support.deployment import REPOSITORY, SIGNATURES, Identities, signature
from tests.support.processes import function

QUEUES = "projects/undersign-test/locations/europe-west1/queues"
#: Nobody listens there: links are opened where confirm really is.
PUBLIC_URL = "http://localhost:1"
_LINK = re.compile(rb"/v1/confirm/[\w.~-]+")
_TO = re.compile(rb"^To: (\w+-\d+)@", re.M)
#: Where quoted-printable breaks a line (RFC 2045, 6.7). Links hold nothing that it would have to quote.
_SOFT_BREAK = re.compile(rb"=\r?\n")
_LOOK_SECONDS = 0.05
#: In which nobody signs, to see what else is going on.
_PAUSE_SECONDS = 3
#: After the last press; then those who are not counted yet are left out.
_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Signer:
    """`press_at`: in seconds from the begin. `opens_after`: from the mail on, in seconds; None for never."""

    press_at: float
    opens_after: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured. `cpu_seconds`: of each part, which are the functions, `tasks` and `load`.

    `others`: cores that anything else kept busy just before.
    """

    journal: Journal
    cpu_seconds: Mapping[str, float]
    others: float


#: With whom everything warms up.
_FIRST = [Signer(0.05 * number, opens_after=0) for number in range(40)]


def run(signers: Sequence[Signer]) -> Run:
    """Start everything, let all of them sign, and stop it."""
    with _deployment() as there:
        return uvloop.run(there.load(signers))


@dataclass(frozen=True, slots=True)
class _Deployment:
    folder: Path
    sign: str
    confirm: str
    #: The processes that each part was started as.
    roots: Mapping[str, set[psutil.Process]]

    async def load(self, signers: Sequence[Signer]) -> Run:
        journal = Journal(bin_seconds=1)
        async with Client() as client:
            # The first requests of each function are slower.
            await _Crowd(self, client, Journal(bin_seconds=1), _FIRST, "first").come()
            machine = _machine_seconds()
            await asyncio.sleep(_PAUSE_SECONDS)
            others = (_machine_seconds() - machine) / _PAUSE_SECONDS
            before = self._cpu_seconds()
            await _Crowd(self, client, journal, signers, "signer").come()
            used = {name: after - before[name] for name, after in self._cpu_seconds().items()}
        return Run(journal, used, others)

    def mails(self) -> Iterator[tuple[str, str, float]]:
        """Yield new ones: to whom, the path of the link, and when it was written."""
        for file in (self.folder / "outbox").glob("*.eml"):
            written, content = file.stat().st_mtime, _SOFT_BREAK.sub(b"", file.read_bytes())
            file.unlink()
            to, link = _TO.search(content), _LINK.search(content)
            if to and link:
                yield to[1].decode(), link[0].decode(), written

    def _cpu_seconds(self) -> dict[str, float]:
        return {
            # Of this process alone for the load: what it has started are the other parts.
            part: sum(cpu_seconds([root] if part == "load" else with_children(root)) for root in roots)
            for part, roots in self.roots.items()
        }


class _Crowd:
    """All signers of a run. Times are those of the wall clock, for the outbox's files have no other."""

    def __init__(
        self, there: _Deployment, client: Client, journal: Journal, signers: Sequence[Signer], name: str
    ) -> None:
        self._there = there
        self._client = client
        self._journal = journal
        self._signers = signers
        self._begin = time.time()
        self._names = [f"{name}-{number}" for number in range(len(signers))]
        loop = asyncio.get_running_loop()
        self._mails: dict[str, asyncio.Future[tuple[str, float]]] = {
            each: loop.create_future() for each in self._names
        }

    async def come(self) -> None:
        postman = asyncio.create_task(self._bring_mail())
        all_of_them = [asyncio.create_task(self._sign(number)) for number in range(len(self._signers))]
        last = self._signers[-1].press_at
        await asyncio.wait(all_of_them, timeout=last + _TIMEOUT_SECONDS)
        late = [one for one in (postman, *all_of_them) if one.cancel()]
        await asyncio.gather(*late, return_exceptions=True)
        for one in all_of_them:
            if not one.cancelled():
                one.result()  # raises what it died of

    async def _sign(self, number: int) -> None:
        signer = self._signers[number]
        pressed_at = self._begin + signer.press_at
        await asyncio.sleep(pressed_at - time.time())
        self._journal.press(signer.press_at, 1)
        status = await self._client.post(
            self._there.sign + SIGNATURES, _body(f"{self._names[number]}@example.org")
        )
        if status != HTTPStatus.ACCEPTED:
            self._journal.refused += 1
            return
        self._journal.accept(signer.press_at, time.time() - self._begin, 1)
        path, mailed_at = await self._mails[self._names[number]]
        self._reach(MAILED, signer, mailed_at)
        if signer.opens_after is not None:
            await asyncio.sleep(mailed_at + signer.opens_after - time.time())
            await self._confirm(signer, self._there.confirm + path)

    async def _confirm(self, signer: Signer, link: str) -> None:
        opened = await self._client.get(link)
        button_at = time.time()
        counted = await self._client.post(link, b"")
        assert (opened, counted) == (HTTPStatus.OK, HTTPStatus.OK), "a link that deliver mailed must count"
        self._reach(COUNTED, signer, time.time())
        self._journal.times[BUTTON].add(time.time() - button_at, 1)

    def _reach(self, stage: str, signer: Signer, now: float) -> None:
        self._journal.reach(stage, signer.press_at, now - self._begin, 1)

    async def _bring_mail(self) -> None:
        while True:
            for name, path, written in self._there.mails():
                self._mails[name].set_result((path, written))
                await asyncio.sleep(0)
            await asyncio.sleep(_LOOK_SECONDS)


def _machine_seconds() -> float:
    """Used by anybody on the machine."""
    used = psutil.cpu_times()
    return float(used.user + used.nice + used.system)


def _body(email: str) -> bytes:
    return json.dumps(signature(email=email)).encode()


@contextmanager
def _deployment() -> Iterator[_Deployment]:
    with TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        # deliver puts reminders into a file, from which nobody takes them: they are due tomorrow.
        kept = {
            **Identities().environment(),
            "PUBLIC_URL": PUBLIC_URL,
            "STORE": "sqlite",
            "TASKS": "local",
            "MAIL": "outbox",
            "LOCAL_FOLDER": name,
        }
        this = psutil.Process()
        roots = {"load": {this}}

        def start(part: str, made: AbstractContextManager[str]) -> str:
            before = set(this.children())
            address = running.enter_context(made)
            roots[part] = set(this.children()) - before
            return address

        host = start("tasks", _tasks_server())
        deliver = start("deliver", function("deliver", kept, folder / "deliver.log"))
        confirm = start("confirm", function("confirm", kept, folder / "confirm.log"))
        sign = start("sign", function("sign", {**kept, **_cloud_tasks(host, deliver)}, folder / "sign.log"))
        yield _Deployment(folder, sign, confirm, roots)


@contextmanager
def _tasks_server() -> Iterator[str]:
    """Where it listens."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.spike.tasks_server"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def _cloud_tasks(host: str, deliver: str) -> dict[str, str]:
    return {
        "TASKS": "cloud_tasks",
        "CLOUD_TASKS_EMULATOR_HOST": host,
        "TASKS_QUEUES": QUEUES,
        "DELIVER_URL": f"{deliver}/v1/tasks/deliver",
        "DELIVER_AUDIENCE": "https://deliver.example.org",
        "TASKS_SERVICE_ACCOUNT": "queue@undersign-test.iam.gserviceaccount.com",
    }
