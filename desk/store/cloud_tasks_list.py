"""The tasks that wait in Google Cloud Tasks, for the desk."""

from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from functools import partial

from google.api_core.exceptions import NotFound
from google.cloud.tasks_v2 import CloudTasksAsyncClient, ListTasksRequest, Task

from shared.queue.cloud_tasks import CloudTasksClient

#: Tasks that are listed at a time; Cloud Tasks gives at most a thousand.
_PAGE = 1000
#: A page may hold 32 MB.
_ATTEMPT_SECONDS = 20.0
_RETRY_SECONDS = 40.0


class CloudTasksList:
    """A `TaskList` of the Cloud Tasks queue `projects/P/locations/L/queues/Q`."""

    def __init__(self, queue: str, emulator_host: str | None) -> None:
        self._queue = queue
        self._client = CloudTasksClient(
            emulator_host, attempt_seconds=_ATTEMPT_SECONDS, retry_seconds=_RETRY_SECONDS
        )

    async def tasks(self) -> AsyncIterator[tuple[str, bytes]]:
        request = ListTasksRequest(parent=self._queue, response_view=Task.View.FULL, page_size=_PAGE)
        while True:
            page = await self._client.call(
                lambda client, seconds: client.list_tasks(request, retry=None, timeout=seconds)
            )
            for task in page.tasks:
                yield task.name, task.http_request.body
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def count(self, most: int) -> int:
        request = ListTasksRequest(parent=self._queue, page_size=min(most, _PAGE))
        number = 0
        while number < most:
            page = await self._client.call(
                lambda client, seconds: client.list_tasks(request, retry=None, timeout=seconds)
            )
            number += len(page.tasks)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        return min(number, most)

    async def delete(self, names: Collection[str]) -> None:
        for name in names:
            await self._client.call(partial(_delete, name))

    async def overwrite(self) -> None:
        """Nothing to do: what is deleted is Google's to overwrite."""

    async def aclose(self) -> None:
        await self._client.aclose()


async def _delete(name: str, client: CloudTasksAsyncClient, seconds: float) -> None:
    with suppress(NotFound):  # it was delivered in the meantime
        await client.delete_task(name=name, retry=None, timeout=seconds)
