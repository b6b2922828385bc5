"""Each defence is needed: a scene in which all is well with it, and in which the ledgers disagree without it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.queue import QueueName
from tests.chaos.ledgers import check
from tests.chaos.proxy import Mode
from tests.chaos.run import drain, ledgers, scheduler
from tests.chaos.signers import Signer, Signers
from tests.chaos.system import PROCESSES, System, system
from tests.support.deployment import SIGNATURES, signature
from tests.support.polling import until_async

#: A scene that waits in vain fails, and does not keep all tests waiting.
_LONGEST_SECONDS = 300

Scene = Callable[[Signers, Signer], Awaitable[None]]


async def doubled_tasks(all_: Signers, signer: Signer) -> None:
    """Somebody signs twice, and the queue delivers each task twice at once."""
    all_.system.queue.doubled = 1
    await signer.sign()
    await signer.sign()


async def many_presses(_all: Signers, signer: Signer) -> None:
    """Somebody presses the button to confirm twenty times at once."""
    await signer.sign()
    path = (await signer.letter()).confirm[0]
    await asyncio.gather(*(signer.confirm(path) for _ in range(20)))


async def late_task(all_: Signers, signer: Signer) -> None:
    """Somebody signs twice, and withdraws before the second task is delivered."""
    await signer.sign()
    letter = await signer.letter()
    all_.system.queue.held = {QueueName.SIGNATURES}
    await signer.sign()
    await signer.withdraw(letter.withdraw)


async def late_withdrawal(all_: Signers, signer: Signer) -> None:
    """Somebody withdraws while the database is down, signs again, and the signature is delivered first."""
    await signer.sign()
    letter = await signer.letter()
    await signer.confirm(letter.confirm[0])
    async with front(all_.system, "database", mode=Mode.REFUSE):
        all_.system.queue.held = {QueueName.PRESSES}
        await signer.withdraw(letter.withdraw)
        await signer.sign()
    while not [letter for letter in all_.system.inbox.letters(signer.address) if not letter.confirm]:
        await all_.system.inbox.arrival(signer.address)  # of the mail that says: you have already signed


async def late_presses(all_: Signers, signer: Signer) -> None:
    """Somebody confirms and withdraws while the database is down, signs again, and that is delivered first."""
    await signer.sign()
    letter = await signer.letter()
    async with front(all_.system, "database", mode=Mode.REFUSE):
        all_.system.queue.held = {QueueName.PRESSES}
        await signer.confirm(letter.confirm[0])
        await signer.withdraw(letter.withdraw)
        await signer.sign()
    await signer.letter(other_than=[letter])
    # Nothing is lost unless the new submission is done with, and then the press to confirm comes first.

    async def is_idle() -> bool:
        return all_.system.queue.is_idle

    await until_async(is_idle)
    all_.system.queue.at_once = asyncio.Semaphore(1)


async def no_place_for_a_task(all_: Signers, signer: Signer) -> None:
    """Somebody signs while neither the queue nor the spool takes anything."""
    async with front(all_.system, "queue", "spool", mode=Mode.REFUSE):
        pressing = asyncio.create_task(signer.sign())
        await asyncio.wait([pressing], timeout=20)
    await pressing


async def no_queue(all_: Signers, signer: Signer) -> None:
    """Somebody presses the widget's button while the queue is down: that is accepted, as always."""
    async with front(all_.system, "queue", mode=Mode.REFUSE):
        assert await signer.press("sign", SIGNATURES, {202}, json=signature()) == 202, "sign is not available"


@asynccontextmanager
async def front(system: System, *names: str, mode: Mode) -> AsyncIterator[None]:
    for name in names:
        system.fronts[name].become(mode)
    yield
    for name in names:
        system.fronts[name].become(Mode.PASS)


#: By what is switched off: the scene, and what the ledgers then say.
SCENES: Mapping[str, tuple[Scene, set[str]]] = {
    "claims": (doubled_tasks, {"beyond_caps"}),
    "conditions": (many_presses, {"counted_twice"}),
    "tombstones": (late_task, {"told_and_not_so"}),
    "second submissions": (late_withdrawal, {"lost"}),
    "second presses": (late_presses, {"lost"}),
    "receipt": (no_place_for_a_task, {"lost"}),
}


async def faults(folder: Path, *scenes: Scene, **environment: str) -> set[str]:
    """Play scenes, let the time pass until all queues are empty, and return what is wrong."""
    chance = random.Random(1)
    async with system(folder, chance, processes=dict.fromkeys(PROCESSES, 1), **environment) as made:
        async with asyncio.timeout(_LONGEST_SECONDS), Signers(made, chance) as signers, scheduler(made):
            for number, scene in enumerate(scenes):
                signer = Signer(signers, f"signer-{number}@example.org", chance)
                await signers.act(scene(signers, signer))
                made.queue.reset()
                await drain(made, signers)
        return set(check(await ledgers(made, signers)).faults)


async def test_all_is_well_with_every_defence(tmp_path: Path) -> None:
    """What the tests below find without one is not there."""
    assert await faults(tmp_path, no_queue, *(scene for scene, _ in SCENES.values())) == set()


@pytest.mark.parametrize("defence", SCENES)
async def test_the_ledgers_show_that_a_defence_is_missing(tmp_path: Path, defence: str) -> None:
    """Of all that could go wrong, exactly that which it prevents."""
    scene, found = SCENES[defence]

    assert await faults(tmp_path, scene, CHAOS_WITHOUT=defence) >= found


async def test_without_the_spool_sign_is_no_more_available_than_the_queue(tmp_path: Path) -> None:
    """People are asked to try again."""
    with pytest.raises(AssertionError, match="sign is not available"):
        await faults(tmp_path, no_queue, SPOOL_PROJECT="", SPOOL_DATABASE="")
