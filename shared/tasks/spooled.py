"""What waits in the spool, for the desk."""

from collections.abc import AsyncIterator, Collection
from functools import cached_property

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1 import AsyncClient

from shared.errors import StoreUnavailable
from shared.tasks.spool import COLLECTION

_TIMEOUT_SECONDS = 60


class Spooled:
    """A `TaskList` of the spool in `database` of `project`."""

    def __init__(self, project: str, database: str) -> None:
        self._project = project
        self._database = database

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        try:
            async for task in self._client.collection(COLLECTION).stream(timeout=_TIMEOUT_SECONDS):
                body = (task.to_dict() or {}).get("body")
                if isinstance(body, bytes):
                    yield task.id, body
        except (GoogleAPIError, GoogleAuthError) as fault:
            raise StoreUnavailable(type(fault).__name__) from fault

    async def delete(self, names: Collection[str]) -> None:
        try:
            for name in names:
                await self._client.document(COLLECTION, name).delete(timeout=_TIMEOUT_SECONDS)
        except (GoogleAPIError, GoogleAuthError) as fault:
            raise StoreUnavailable(type(fault).__name__) from fault

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()  # type: ignore[no-untyped-call]

    @cached_property
    def _client(self) -> AsyncClient:
        return AsyncClient(project=self._project, database=self._database)
