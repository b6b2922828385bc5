"""The files of a server on one machine, read to be moved: records as Firestore keeps them, and tasks."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from desk.errors import CommandError
from shared.databases import sqlite
from shared.queue import QueueName
from shared.store.documents import DAY, DOMAIN, MAILBOX, SIGNATURE
from shared.store.firestore import DEAD_LETTERS, overlay_path, tally_document

#: How long another process may keep the file, in seconds, before it counts as a server that still runs.
_BUSY_SECONDS = 1

#: Path and content of a document.
Document = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class WaitingTask:
    """A task of the server's queue. `due`: None for at once."""

    id: int
    queue: QueueName
    body: bytes
    due: datetime | None


class ServerFiles:
    """What lies in the LOCAL_FOLDER of a server that is stopped.

    Raises:
        CommandError: there is no server's file, or it is in use.
    """

    def __init__(self, folder: Path) -> None:
        for file in (folder / "store.db", folder / "tasks.db"):
            if not file.is_file():
                raise CommandError(f"{folder} holds no {file.name}: name the server's LOCAL_FOLDER.")
            _check_unused(file)
        self._store = sqlite.connect(folder / "store.db", "")
        self._tasks = sqlite.connect(folder / "tasks.db", "")

    def campaigns(self) -> list[str]:
        """List every campaign of which anything is kept."""
        tables = ("signatures", "mailboxes", "tally", "funnel", "history", "overlays")
        select = " UNION ".join(f"SELECT campaign FROM {table}" for table in tables)  # noqa: S608 - our own names
        return sorted(campaign for [campaign] in self._store.execute(select))

    def records(self, campaign: str) -> Iterator[Document]:
        """Yield all documents of a campaign but its tally."""
        for collection, key, parse in _COLLECTIONS:
            select = f"SELECT {key}, document FROM {collection} WHERE campaign = ?"  # noqa: S608 - our own names
            for name, document in self._store.execute(select, (campaign,)):
                yield f"campaigns/{campaign}/{collection}/{name}", parse(document)
        for [overlay] in self._store.execute("SELECT document FROM overlays WHERE campaign = ?", (campaign,)):
            yield overlay_path(campaign), {"overlay": overlay}
        yield from self._funnel(campaign)

    def tally(self, campaign: str) -> dict[str, Any]:
        """Return the tally as one document."""
        select = "SELECT field, key, SUM(value) FROM tally WHERE campaign = ? GROUP BY field, key"
        rows = self._store.execute(select, (campaign,))
        return {"total": 0, **tally_document({(field, key): value for field, key, value in rows})}

    def dead_letters(self) -> Iterator[Document]:
        """Yield the tasks that nobody could deliver."""
        for task, body, reason, expire_at in self._store.execute("SELECT * FROM dead_letters"):
            expires = datetime.fromtimestamp(expire_at, UTC)
            yield f"{DEAD_LETTERS}/{task}", {"body": body, "reason": reason, "expire_at": expires}

    def tasks(self, number: int) -> list[WaitingTask]:
        """Return the first tasks, at most so many."""
        select = "SELECT id, queue, body, due_at FROM tasks ORDER BY id LIMIT ?"
        return [
            WaitingTask(id_, QueueName(queue), body, datetime.fromtimestamp(due / 1e6, UTC) if due else None)
            for id_, queue, body, due in self._tasks.execute(select, (number,))
        ]

    def remove(self, tasks: Iterable[WaitingTask]) -> None:
        """Remove tasks from the server's queue."""
        self._tasks.executemany("DELETE FROM tasks WHERE id = ?", ((task.id,) for task in tasks))

    def close(self) -> None:
        """Close the files."""
        self._store.close()
        self._tasks.close()

    def _funnel(self, campaign: str) -> Iterator[Document]:
        """Yield a document a day, named like those that deliver and confirm add to."""
        days = dict[str, dict[str, Any]]()
        select = "SELECT day, stage, dimension, key, value FROM funnel WHERE campaign = ?"
        for day, stage, dimension, key, value in self._store.execute(select, (campaign,)):
            days.setdefault(day, {}).setdefault(stage, {}).setdefault(dimension, {})[key] = value
        for day, document in days.items():
            yield f"campaigns/{campaign}/funnel/moved.{day}", document


def _json(kind: Any) -> Callable[[str], dict[str, Any]]:
    return lambda document: kind.dump_python(kind.validate_json(document))


#: Each with what its documents are called after, and how they are parsed.
_COLLECTIONS = (
    ("signatures", "digest", _json(SIGNATURE)),
    ("mailboxes", "mailbox", _json(MAILBOX)),
    ("domains", "domain", _json(DOMAIN)),
    ("history", "day", _json(DAY)),
)


def _check_unused(file: Path) -> None:
    """Leave write-ahead logging, which SQLite allows only where no other process has the file open."""
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS)) as database:
            database.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError:
        raise CommandError(f"{file} is in use: stop the server, then run the same again.") from None
