"""The main journey, from the form to the counter, through every function."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.deployment import World, world


@pytest.fixture(params=["sqlite", "firestore"])
async def deployed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    environment = {}
    if request.param == "firestore":
        request.getfixturevalue("emulator")
        environment = {"STORE": "firestore", "FIRESTORE_PROJECT": request.getfixturevalue("project")}
    async with world(tmp_path, monkeypatch, **environment) as made:
        yield made


async def test_a_signature_is_counted_when_its_signer_presses_the_button(deployed: World) -> None:
    """Before the press the total is 0, and after it 1."""
    mail = await deployed.sign_and_deliver(country="DE")
    before = await deployed.count()

    pressed = await deployed.press(mail)

    assert before["total"] == 0
    assert pressed.json() == {"status": "confirmed"}
    assert (await deployed.count())["total"] == 1
