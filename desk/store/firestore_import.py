"""Writes what a server on one machine has kept to Firestore."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from desk.errors import CommandError
from desk.store.firestore import FirestoreMaintenance
from desk.store.server_files import Document, ServerFiles
from shared.databases import firestore
from shared.databases.firestore import until_committed

#: Documents in one commit: of a few KiB each, they stay far below the 10 MiB that Firestore takes.
_AT_ONCE = 200


class FirestoreImport:
    """Can be repeated: what is there already is left as it is."""

    def __init__(self, target: FirestoreMaintenance) -> None:
        self._target = target

    async def add_campaign(self, files: ServerFiles, campaign: str, progress: Callable[[int], None]) -> None:
        """Add all records of a campaign, unless that was done before.

        Its tally comes last, in one commit with the note that it is done: it would be added twice otherwise.

        Raises:
            CommandError: people have signed at the deployment already.
            StoreUnavailable: the database does not answer.
        """
        database, path = self._target.database, f"campaigns/{campaign}/desk/move"
        [note] = await until_committed(lambda: database.read(path))
        if note.exists and note.get("finished"):
            return
        if not note.exists:
            await self._check_empty(campaign)
            await until_committed(lambda: database.commit(firestore.put(path, {"finished": False})))
        await self._add(files.records(campaign), progress)
        tally = firestore.put(f"campaigns/{campaign}/tally/moved", files.tally(campaign))
        await until_committed(lambda: database.commit(tally, firestore.put(path, {"finished": True})))

    async def add_dead_letters(self, files: ServerFiles, progress: Callable[[int], None]) -> None:
        """Add the tasks that nobody could deliver. Raises StoreUnavailable."""
        await self._add(files.dead_letters(), progress)

    def close(self) -> None:
        """Close the connection."""
        self._target.close()

    async def _check_empty(self, campaign: str) -> None:
        async for _ in self._target.scan(campaign):
            raise CommandError(
                f"{campaign}: people have signed at this deployment already, and some may have signed at both. "
                "Move before your domain leads there."
            )

    async def _add(self, documents: Iterable[Document], progress: Callable[[int], None]) -> None:
        left = iter(documents)
        while some := dict(islice(left, _AT_ONCE)):
            await until_committed(partial(self._create_missing, some))
            progress(len(some))

    async def _create_missing(self, documents: Mapping[str, dict[str, Any]]) -> None:
        database = self._target.database
        there = {each.reference.path for each in await database.read(*documents) if each.exists}
        lacking = {path: content for path, content in documents.items() if path not in there}
        if lacking:
            await database.commit(*(firestore.replace(path, content, None) for path, content in lacking.items()))
