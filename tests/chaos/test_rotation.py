"""Keys are rotated while two hundred people sign, in the steps of infra/README.md ("Day by day")."""

import asyncio
import random
import secrets
from collections.abc import Sequence
from pathlib import Path

import pyrage

from tests.chaos.ledgers import check
from tests.chaos.run import drain, ledgers
from tests.chaos.signers import Signers
from tests.chaos.system import System, system

_SIGNERS = 200
_PER_SECOND = 8


async def test_keys_are_rotated_while_people_sign_and_no_link_breaks(tmp_path: Path) -> None:
    """Nobody is turned away, nothing is lost, and nobody is counted twice; then the old identity is retired."""
    chance = random.Random(14)
    async with system(tmp_path, chance) as made:
        # A signer who is answered with anything but what a button says raises that at the end.
        async with Signers(made, chance) as signers:
            await asyncio.gather(_arrivals(signers), _rotate(made))
            await drain(made, signers)
            newest = made.environment["DELIVER_IDENTITIES"].split()[-1]
            await _roll_out(made, ["deliver"], DELIVER_IDENTITIES=newest)
            signers.arrive()
            await drain(made, signers)

        assert check(await ledgers(made, signers)).faults == {}
        assert all(press.is_answered for press in signers.presses if press.function == "sign")
        assert len({each.address for each in signers.heard}) >= _SIGNERS


async def _arrivals(signers: Signers) -> None:
    for _ in range(_SIGNERS):
        signers.arrive()
        await asyncio.sleep(1 / _PER_SECOND)


async def _rotate(system: System) -> None:
    """Rotate the keys of links, confirm first, and then deliver's identity, deliver first."""
    token_keys = f"{system.environment['TOKEN_KEYS']} {secrets.token_urlsafe(48)}"
    await _roll_out(system, ["confirm", "deliver"], TOKEN_KEYS=token_keys)

    new = pyrage.x25519.Identity.generate()
    identities = f"{system.environment['DELIVER_IDENTITIES']} {new}"
    recipient = str(new.to_public())
    await _roll_out(
        system, ["deliver", "confirm", "sign"], DELIVER_IDENTITIES=identities, DELIVER_RECIPIENT=recipient
    )


async def _roll_out(system: System, functions: Sequence[str], **environment: str) -> None:
    """Restart each process of these functions, one after the other, with changed settings."""
    system.environment.update(environment)
    for function in functions:
        for instance in system.of(function):
            instance.environment.update(environment)
            await system.restart(instance)
