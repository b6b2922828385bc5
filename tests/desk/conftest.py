"""Deployments that the desk's commands work on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.deployment import World, world


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `make run` leaves behind, below the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "TASKS", "FIRESTORE_PROJECT", "LOCAL_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secrets.json").write_text("{}")
    return tmp_path / "var"


@pytest.fixture(params=["sqlite", "firestore"])
async def deployed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, campaign_id: str
) -> AsyncIterator[World]:
    """A deployment on each store."""
    monkeypatch.chdir(tmp_path)
    settings = {}
    if request.param == "firestore":
        request.getfixturevalue("emulator")
        settings = {"STORE": "firestore", "FIRESTORE_PROJECT": campaign_id}
    async with world(tmp_path / "var", monkeypatch, **settings) as made:
        yield made
