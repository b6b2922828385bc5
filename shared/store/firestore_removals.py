"""Notes of removals in Firestore, in the database of the spool, which no backup is made of."""

from collections.abc import AsyncIterator
from dataclasses import asdict

from pydantic import TypeAdapter

from shared.databases import firestore
from shared.databases.firestore import FirestoreDatabase, unavailable_for_errors, until_committed
from shared.store.removals import Removal

_REMOVAL = TypeAdapter(Removal)
_COLLECTION = "removals"
_STREAM_TIMEOUT_SECONDS = 300


class FirestoreRemovals:
    """Implements `removals.Removals` in `database` of `project`: one document for each address."""

    def __init__(self, project: str, database: str) -> None:
        self._database = FirestoreDatabase(project, database)

    async def add(self, removal: Removal) -> None:
        path = _path(removal.campaign, removal.digest)

        async def work() -> None:
            [stored] = await self._database.read(path)
            if not stored.exists or _REMOVAL.validate_python(stored.to_dict()).at < removal.at:
                await self._database.commit(firestore.replace(path, asdict(removal), stored.update_time))

        await until_committed(work)

    async def find(self, campaign: str, digest: str) -> Removal | None:
        [stored] = await until_committed(lambda: self._database.read(_path(campaign, digest)))
        return _REMOVAL.validate_python(stored.to_dict()) if stored.exists else None

    async def all(self) -> AsyncIterator[Removal]:
        with unavailable_for_errors():
            notes = self._database.client.collection(_COLLECTION)
            async for note in notes.stream(timeout=_STREAM_TIMEOUT_SECONDS):
                yield _REMOVAL.validate_python(note.to_dict())

    def close(self) -> None:
        self._database.close()


def _path(campaign: str, digest: str) -> str:
    return f"{_COLLECTION}/{campaign}~{digest}"
