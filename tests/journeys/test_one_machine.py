"""A petition on one machine that goes down again and again."""

import asyncio
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.deployment import PAGE_HEADERS, signature, world
from tests.support.machine import CAMPAIGN, Machine, confirm_path, settings
from tests.support.polling import PATIENCE_SECONDS, until_async
from tests.support.relay import Relay, relay

#: Of as many mail domains, since one small domain gets few mails an hour.
SIGNERS = {f"signer@family{number}.example" for number in range(1000)}
#: After how many mails the server is killed.
KILLED_AFTER = (100, 250, 400, 550, 700)
AT_ONCE = 8
JSON = {"Accept": "application/json"}


async def sign_all(machine: Machine, addresses: Iterator[str]) -> None:
    """Sign for one address after the other, each until it is accepted."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        for address in addresses:
            await until_async(partial(is_accepted, client, machine, address))


async def is_accepted(client: httpx.AsyncClient, machine: Machine, address: str) -> bool:
    """Sign once; the server may be down, or go down meanwhile."""
    url = f"{machine.url}/v1/campaigns/{CAMPAIGN}/signatures"
    with suppress(httpx.TransportError):
        answer = await client.post(url, json=signature(email=address), headers=PAGE_HEADERS)
        return answer.status_code == HTTPStatus.ACCEPTED
    return False


async def kill_again_and_again(machine: Machine, mails: Relay) -> None:
    """Kill the server at several moments of the way, and start it again each time."""
    for number in KILLED_AFTER:
        await mailed(mails, number)
        machine.kill()
        await machine.start()


async def mailed(mails: Relay, number: int) -> None:
    """Wait until the relay has taken so many mails."""

    async def look() -> bool:
        return len(mails.taken) >= number

    await until_async(look)


async def press_all(machine: Machine, paths: Iterable[str]) -> list[int]:
    """Press the button on the page of every link; return the statuses."""
    waiting, statuses = iter(paths), list[int]()

    async def press() -> None:
        async with httpx.AsyncClient(base_url=machine.url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
            for path in waiting:
                statuses.append((await client.post(path, headers=JSON)).status_code)

    await asyncio.gather(*(press() for _ in range(AT_ONCE)))
    return statuses


async def mailed_after_the_crashes(
    folder: Path, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Let two hours pass and return the links that come then, by address.

    A task that was being delivered is tried again when its lease has run out; if its mail may have gone out, an
    hour later.
    """
    async with world(folder, monkeypatch, **environment) as later:
        later.now = datetime.now(UTC) + timedelta(hours=2)
        await later.deliver()
        return {mail.to: urlsplit(mail.links["confirm"]).path for mail in later.outbox.received()}


async def test_a_thousand_signatures_survive_five_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that was accepted is mailed and can be confirmed, and the count is right."""
    async with relay() as mails:
        environment = settings(tmp_path, mails.port)
        addresses = iter(sorted(SIGNERS))
        async with Machine(environment, tmp_path / "log") as machine:
            killing = asyncio.create_task(kill_again_and_again(machine, mails))
            await asyncio.gather(*(sign_all(machine, addresses) for _ in range(AT_ONCE)))
            await killing
            await mailed(mails, len(SIGNERS) - len(KILLED_AFTER) * AT_ONCE)

        links = await mailed_after_the_crashes(tmp_path / "data", environment | {"MAIL": "outbox"}, monkeypatch)
        links |= {envelope.rcpt_tos[0]: confirm_path(envelope) for envelope in mails.taken}
        async with machine:
            statuses = await press_all(machine, links.values())
            audit = undersign("audit", environment)
            count = httpx.get(f"{machine.url}/v1/campaigns/{CAMPAIGN}/count", trust_env=False).json()

    assert links.keys() == SIGNERS
    assert set(statuses) == {HTTPStatus.OK}
    assert count["total"] == len(SIGNERS)
    assert "The tally is right" in audit


def undersign(command: str, environment: Mapping[str, str]) -> str:
    """Run a command of the desk on the machine, as its operator would; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "desk.main", command, CAMPAIGN],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
