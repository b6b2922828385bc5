"""The tasks that wait in Google Cloud Tasks, for the desk."""

from collections.abc import AsyncIterator, Collection
from functools import cached_property

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud.tasks_v2 import CloudTasksAsyncClient, ListTasksRequest, Task

from shared.errors import QueueUnavailable
from shared.queue.cloud_tasks import cloud_tasks_client

#: Tasks that are listed at a time; Cloud Tasks gives at most a thousand.
_PAGE = 1000


class CloudTasksList:
    """A `TaskList` of the Cloud Tasks queue `projects/P/locations/L/queues/Q`."""

    def __init__(self, queue: str, emulator_host: str | None) -> None:
        self._queue = queue
        self._emulator_host = emulator_host

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        request = ListTasksRequest(parent=self._queue, response_view=Task.View.FULL, page_size=_PAGE)
        try:
            async for task in await self._client.list_tasks(request):
                yield task.name, task.http_request.body
        except (GoogleAPIError, GoogleAuthError) as error:
            raise QueueUnavailable(f"Cloud Tasks: {type(error).__name__}") from error

    async def delete(self, names: Collection[str]) -> None:
        for name in names:
            try:
                await self._client.delete_task(name=name)
            except NotFound:
                continue  # it was delivered in the meantime
            except (GoogleAPIError, GoogleAuthError) as error:
                raise QueueUnavailable(f"Cloud Tasks: {type(error).__name__}") from error

    async def overwrite(self) -> None:
        """Nothing to do: what is deleted is Google's to overwrite."""

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            await self._client.transport.close()  # type: ignore[no-untyped-call] # the vendor left it untyped

    @cached_property
    def _client(self) -> CloudTasksAsyncClient:
        return cloud_tasks_client(self._emulator_host)
