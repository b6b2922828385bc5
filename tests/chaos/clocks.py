"""The clocks of a run: one that all processes share and that can jump ahead, and one of each that can be wrong.

Waiting for the real one would take a day for each reminder. Each clock is a file that holds by how many seconds it
is ahead; `site/sitecustomize.py` reads it in the processes.
"""

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

_MARGIN = timedelta(seconds=10)


class Clocks:
    """Clocks in files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ahead = timedelta(0)
        self._jumped = asyncio.Event()
        self._changed = asyncio.Condition()
        self._is_wrong = False
        self._needed_right = 0
        self._write("common", self._ahead)

    def now(self) -> datetime:
        """Return the time by the common clock."""
        return datetime.now(UTC) + self._ahead

    def jump(self, by: timedelta) -> None:
        """Move the common clock ahead, by hours."""
        self._advance(by)
        self._jumped.set()
        self._jumped = asyncio.Event()

    async def jumped(self) -> None:
        """Wait until the common clock jumps."""
        await self._jumped.wait()

    def setting(self, process: str) -> str:
        """Return what CHAOS_CLOCKS is for a process."""
        self._write(process, timedelta(0))
        return os.pathsep.join(str(self._folder / name) for name in ("common", process))

    @asynccontextmanager
    async def wrong(self, process: str, by: timedelta) -> AsyncIterator[None]:
        """Let the clock of one process be ahead of the others, or behind where it is negative.

        Afterwards the others have passed the time that it showed.
        """
        self._is_wrong = True
        async with self._changed:
            await self._changed.wait_for(lambda: not self._needed_right)
        self._write(process, by)
        yield
        self._write(process, timedelta(0))
        self._advance(abs(by) + _MARGIN)
        self._is_wrong = False
        async with self._changed:
            self._changed.notify_all()

    async def until_right(self) -> None:
        """Wait until no clock is wrong, and keep them right until `release`."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_wrong)
            self._needed_right += 1

    async def release(self) -> None:
        """Let clocks be wrong again."""
        async with self._changed:
            self._needed_right -= 1
            self._changed.notify_all()

    def _advance(self, by: timedelta) -> None:
        self._ahead += by
        self._write("common", self._ahead)

    def _write(self, name: str, ahead: timedelta) -> None:
        path = self._folder / name
        # In place, for processes have mapped it.
        with path.open("r+b" if path.exists() else "wb") as file:
            file.write(struct.pack("d", ahead.total_seconds()))
