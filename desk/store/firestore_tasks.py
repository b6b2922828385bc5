"""Tasks that lie in a Firestore collection, for the desk: those in the spool, and the dead letters."""

from collections.abc import AsyncIterator, Collection

from google.cloud.firestore import AsyncClient
from google.cloud.firestore_v1.async_aggregation import AsyncAggregationQuery

from shared.databases import firestore
from shared.databases.firestore import READ_AGAIN, FirestoreDatabase, unavailable_for_errors


class FirestoreTasks:
    """A `TaskList` of a top-level `collection` in `database` of `project`; each document holds a `body`."""

    def __init__(self, project: str, database: str, collection: str) -> None:
        self._database = FirestoreDatabase(project, database)
        self._collection = collection

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        with unavailable_for_errors():
            tasks = self._database.stream(lambda client: client.collection(self._collection).stream())
            async for task in tasks:
                body = (task.to_dict() or {}).get("body")
                if isinstance(body, bytes):
                    yield task.id, body

    async def count(self, most: int) -> int:
        async def attempt(client: AsyncClient, seconds: float) -> int:
            counted = AsyncAggregationQuery(client.collection(self._collection).limit(most)).count()
            [[result]] = await counted.get(retry=None, timeout=seconds)
            return int(result.value)

        with unavailable_for_errors():
            return await self._database.call(attempt, READ_AGAIN)

    async def delete(self, names: Collection[str]) -> None:
        with unavailable_for_errors():
            for name in names:
                await self._database.commit(firestore.delete(f"{self._collection}/{name}"))

    async def overwrite(self) -> None:
        """Nothing to do: what is deleted is Google's to overwrite."""

    async def aclose(self) -> None:
        self._database.close()
