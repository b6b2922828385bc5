"""Delivers a `LocalQueue`'s tasks as Cloud Tasks does: over HTTP, with its headers and exponential backoff."""

import asyncio
import contextlib
from datetime import datetime, timedelta

import httpx

from shared import log
from shared.clock import Clock, utc_now
from shared.errors import QueueUnavailable
from shared.queue.local import DELIVERY_TIMEOUT, Lease, LocalQueue, microseconds

CONCURRENT_DELIVERIES = 8
FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(hours=1)
POLL_SECONDS = 0.2


class Dispatcher:
    """Delivers the tasks of a `LocalQueue`, a few at a time, until deliver answers each with 2xx.

    Args:
        queue: several dispatchers, in as many processes, may share its file.
        client: which should not read proxies from the environment (`trust_env=False`); the caller closes it.
        deliver_url: where each task is POSTed.
    """

    def __init__(self, queue: LocalQueue, client: httpx.AsyncClient, deliver_url: str) -> None:
        self._queue = queue
        self._client = client
        self._deliver_url = deliver_url
        self._free = asyncio.Semaphore(CONCURRENT_DELIVERIES)
        self._stopping = False

    async def dispatch_due(self, now: datetime) -> int:
        """Try each task that is due at `now` once, and return how many there were.

        Raises:
            QueueUnavailable: the file does not answer.
        """
        tried = 0
        async with asyncio.TaskGroup() as deliveries:
            while await self._start_next(deliveries, lambda: now):
                tried += 1
        return tried

    async def run(self, clock: Clock = utc_now) -> None:
        """Deliver until stopped or cancelled. What is cut off by that is offered again after a backoff."""
        async with asyncio.TaskGroup() as deliveries:
            while not self._stopping:
                started = False
                # A file that is locked for long, or not yet there, is asked again like an empty one.
                with contextlib.suppress(QueueUnavailable):
                    started = await self._start_next(deliveries, clock)
                if not started:
                    await asyncio.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Start no more deliveries: `run` ends with those that are under way."""
        self._stopping = True

    async def _start_next(self, deliveries: asyncio.TaskGroup, clock: Clock) -> bool:
        # Waits for a free place before it leases, so that no lease runs out in a queue in front of the POST.
        await self._free.acquire()
        lease = None
        try:
            lease = await self._queue.lease(clock())
        finally:
            if lease is None:
                self._free.release()
        if lease is None:
            return False
        deliveries.create_task(self._deliver(lease, clock)).add_done_callback(lambda _: self._free.release())
        return True

    async def _deliver(self, lease: Lease, clock: Clock) -> None:
        status = None
        try:
            status = await self._post(lease, clock())
        finally:
            # Where even this fails, the lease runs out and the task is retried.
            with contextlib.suppress(QueueUnavailable):
                await self._settle(lease, status, clock())

    async def _post(self, lease: Lease, now: datetime) -> int | None:
        """Return the status of deliver's answer; None where none came."""
        try:
            async with asyncio.timeout(DELIVERY_TIMEOUT.total_seconds()):
                response = await self._client.post(
                    self._deliver_url, content=lease.body, headers=_headers(lease, now), timeout=None
                )
        except (httpx.HTTPError, TimeoutError):
            return None
        except Exception as error:  # noqa: BLE001 - one delivery that fails in a new way must not end the others
            log.exception("dispatch", error)
            return None
        return response.status_code

    async def _settle(self, lease: Lease, status: int | None, now: datetime) -> None:
        if status is not None and 200 <= status < 300:
            await self._queue.done(lease)
        else:
            executed = status is not None and status < 500
            await self._queue.retry(lease, at=now + _backoff(lease.retries), executed=executed)


def _headers(lease: Lease, now: datetime) -> dict[str, str]:
    """https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler"""
    eta = lease.due_at or microseconds(now)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": lease.queue,
        "X-CloudTasks-TaskName": str(lease.task),
        "X-CloudTasks-TaskRetryCount": str(lease.retries),
        "X-CloudTasks-TaskExecutionCount": str(lease.executions),
        "X-CloudTasks-TaskETA": f"{eta // 1_000_000}.{eta % 1_000_000:06}",
    }


def _backoff(retries: int) -> timedelta:
    # The exponent is capped because a timedelta overflows long before a task gives up, which it never does.
    doublings = min(retries, 12)
    return min(FIRST_BACKOFF * (1 << doublings), LONGEST_BACKOFF)
