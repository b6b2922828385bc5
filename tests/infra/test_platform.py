"""What Cloud Run does to an instance, done to the functions as deployed: it freezes them, and it ends them.

https://cloud.google.com/run/docs/container-contract#lifecycle
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.infra.rehearsal import CAMPAIGN, START, Deployment, Prepared, deploy
from tests.support.deployment import signature

#: Of a worker without a heartbeat, as the platform sets it: short, so that the tests are.
TIMEOUT_SECONDS = 2
FREEZES, REQUESTS_A_FREEZE = 4, 25
AS_PROGRAM = {"Accept": "application/json"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(
    prepared: Prepared, plan: dict[str, Any], emulator_host: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    logs = tmp_path_factory.mktemp("logs")
    async with deploy(prepared, plan, emulator_host, logs, TIMEOUT_SECONDS) as deployed:
        yield deployed


@contextmanager
def frozen(deployment: Deployment) -> Iterator[None]:
    """Stop all processes of all functions meanwhile; their sockets still take what is sent."""
    for process in deployment.processes.values():
        os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in deployment.processes.values():
            os.killpg(process.pid, signal.SIGCONT)


async def requests(deployment: Deployment) -> Mapping[str, Callable[[], Awaitable[httpx.Response]]]:
    """A request to each function, which it answers with a 2xx however often it comes."""
    public, tasks = deployment.public, deployment.tasks
    assert (await public.post(f"{START}/signatures", json=signature())).status_code == 202
    await tasks.drain()
    task, link = tasks.created[0].http_request, deployment.links()["confirm"]
    return {
        "sign": lambda: public.post(f"{START}/signatures", json=signature()),
        "deliver": lambda: public.post(task.url, content=task.body),
        "confirm": lambda: public.post(link, headers=AS_PROGRAM),
        "count": lambda: public.get(f"{START}/count"),
        "embed": lambda: public.get(f"/c/{CAMPAIGN}?lang=en"),
    }


async def outcome(answer: Awaitable[httpx.Response]) -> int | str:
    """The status of an answer; the name of the error where there is none."""
    try:
        return (await answer).status_code
    except httpx.TransportError as error:
        return type(error).__name__


async def test_a_frozen_instance_loses_no_request(deployment: Deployment) -> None:
    """Frozen for longer than a worker may be silent, it is asked over new and over idle connections."""
    asked = await requests(deployment)
    outcomes = {name: Counter[int | str]() for name in asked}

    for _ in range(FREEZES):
        with frozen(deployment):
            waiting = {
                name: [asyncio.create_task(outcome(ask())) for _ in range(REQUESTS_A_FREEZE)]
                for name, ask in asked.items()
            }
            await asyncio.sleep(1.5 * TIMEOUT_SECONDS)
        for name, answers in waiting.items():
            outcomes[name].update(await asyncio.gather(*answers))

    total = FREEZES * REQUESTS_A_FREEZE
    assert outcomes == {
        "sign": {202: total},
        "deliver": {204: total},
        "confirm": {200: total},
        "count": {200: total},
        "embed": {200: total},
    }
    assert not [log.name for log in deployment.logs.iterdir() if "WORKER TIMEOUT" in log.read_text()]
