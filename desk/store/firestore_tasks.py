"""Tasks that lie in a Firestore collection, for the desk: those in the spool, and those that were parked."""

from collections.abc import AsyncIterator, Collection
from functools import cached_property

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1 import AsyncClient

from shared.errors import StoreUnavailable

_TIMEOUT_SECONDS = 60


class FirestoreTasks:
    """A `TaskList` of a top-level `collection` in `database` of `project`; each document holds a `body`."""

    def __init__(self, project: str, database: str, collection: str) -> None:
        self._project = project
        self._database = database
        self._collection = collection

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        try:
            async for task in self._client.collection(self._collection).stream(timeout=_TIMEOUT_SECONDS):
                body = (task.to_dict() or {}).get("body")
                if isinstance(body, bytes):
                    yield task.id, body
        except (GoogleAPIError, GoogleAuthError) as fault:
            raise StoreUnavailable(type(fault).__name__) from fault

    async def delete(self, names: Collection[str]) -> None:
        try:
            for name in names:
                await self._client.document(self._collection, name).delete(timeout=_TIMEOUT_SECONDS)
        except (GoogleAPIError, GoogleAuthError) as fault:
            raise StoreUnavailable(type(fault).__name__) from fault

    async def overwrite(self) -> None:
        """Nothing to do: what is deleted is Google's to overwrite."""

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()  # type: ignore[no-untyped-call]

    @cached_property
    def _client(self) -> AsyncClient:
        return AsyncClient(project=self._project, database=self._database)
