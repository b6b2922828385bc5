"""SQLite files that several processes write, and that survive a power cut. For one machine."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from shared.errors import Unavailable

#: How long to wait for another process that writes to the file.
BUSY_SECONDS = 20.0

T = TypeVar("T")


class SqliteDatabase:
    """The file at `path` with tables as in `schema`, both made by the first use. Its methods raise `unavailable`.

    SQLite blocks, and a connection belongs to a thread, so this has one of its own; SQLite serves one writer at a
    time anyway.
    """

    def __init__(self, path: Path, schema: str, unavailable: type[Unavailable]) -> None:
        self.path = path
        self._schema = schema
        self._unavailable = unavailable
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=path.stem)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` with the connection; each statement is a transaction of its own."""

        def in_thread() -> T:
            try:
                return work(self._connection)
            except (sqlite3.Error, OSError) as error:
                raise self._unavailable(type(error).__name__) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, in_thread)

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do all of `work` or nothing, on what no other process changes meanwhile."""

        def transaction(connection: sqlite3.Connection) -> T:
            # IMMEDIATE takes the write lock before the first read.
            connection.execute("BEGIN IMMEDIATE")
            try:
                outcome = work(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return outcome

        return await self.run(transaction)

    def close(self) -> None:
        """Close the file, which cannot be used afterwards."""
        if "_connection" in self.__dict__:
            self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        return connect(self.path, self._schema)


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """Open the database at `path`, made if it does not exist, in autocommit mode; `schema` may run more than once.

    Write-ahead logging lets readers go on while one process writes. With it synchronous=NORMAL survives a killed
    process, but a power cut takes the last commits along; what was answered with 2xx must not be lost, so FULL
    (https://sqlite.org/pragma.html#pragma_synchronous).

    Raises:
        sqlite3.Error, OSError: it cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten, not only let go
        connection.executescript(schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Where several processes open a new file at once, SQLite answers this with BUSY without waiting for its
    # timeout (seen with 3.40: one open in 150), so the waiting is done here.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def copy(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment to a new file, while others write to it.

    The copy holds no trace of what was deleted (https://sqlite.org/lang_vacuum.html#vacuuminto).

    Raises:
        sqlite3.Error, OSError: it cannot be read, or `target` cannot be written or exists already.
    """
    with closing(connect(source, "")) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    with target.open("r+b") as file:  # Windows syncs only what is open for writing
        os.fsync(file.fileno())


def overwrite(connection: sqlite3.Connection) -> None:
    """Make a new file of what is left after something was deleted, and empty the write-ahead log.

    `secure_delete` overwrites what is deleted; copies that SQLite made when it moved rows from page to page may be
    left where no row is any more (https://sqlite.org/pragma.html#pragma_secure_delete).

    Raises:
        sqlite3.Error: somebody else keeps the file busy.
    """
    connection.execute("VACUUM")
    [busy] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[:1]
    if busy:
        raise sqlite3.OperationalError("somebody reads the file without end")
