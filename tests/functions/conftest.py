from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import World, world


@pytest.fixture
async def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """All functions on SQLite, the local queue and the outbox."""
    async with world(tmp_path, monkeypatch) as made:
        yield made
