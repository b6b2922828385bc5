"""The last total of each campaign in Firestore, in the database of the spool, which no restore touches."""

from dataclasses import asdict

from pydantic import TypeAdapter

from shared.databases import firestore
from shared.databases.firestore import FirestoreDatabase, until_committed
from shared.store.entities import TotalAt

_TOTAL = TypeAdapter(TotalAt)


class FirestoreTotals:
    """Implements `totals.Totals` in `database` of `project`: one document for each campaign."""

    def __init__(self, project: str, database: str) -> None:
        self._database = FirestoreDatabase(project, database)

    async def note(self, campaign: str, total: TotalAt) -> None:
        await until_committed(lambda: self._database.commit(firestore.put(_path(campaign), asdict(total))))

    async def last(self, campaign: str) -> TotalAt | None:
        [stored] = await until_committed(lambda: self._database.read(_path(campaign)))
        return _TOTAL.validate_python(stored.to_dict()) if stored.exists else None

    def close(self) -> None:
        self._database.close()


def _path(campaign: str) -> str:
    return f"totals/{campaign}"
