"""Firestore through Google's client, with the deadlines, the retries and the errors that a request needs."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, nullcontext
from functools import cached_property
from typing import Any, TypeVar

from google.api_core.exceptions import (
    Conflict,
    DeadlineExceeded,
    FailedPrecondition,
    GoogleAPIError,
    InternalServerError,
    NotFound,
    ResourceExhausted,
    RetryError,
    ServiceUnavailable,
)
from google.api_core.retry_async import AsyncRetry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import (
    AsyncClient,
    AsyncQuery,
    AsyncWriteBatch,
    DocumentSnapshot,
    Increment,
)

from shared.circuit_breaker import CircuitBreaker
from shared.errors import StoreUnavailable

#: For one call with all its attempts.
TIMEOUT_SECONDS = 10.0
#: For one behind which somebody waits, and that can be done later.
SHORT_TIMEOUT_SECONDS = 6.0

#: What says that the database is away, and not that a call is wrong.
NO_ANSWER = (ServiceUnavailable, DeadlineExceeded)
READ_AGAIN = (ServiceUnavailable, InternalServerError, DeadlineExceeded)
#: As Google's client has it: a commit that may have been done is not repeated, but for UNAVAILABLE.
COMMIT_AGAIN = (ServiceUnavailable, ResourceExhausted)

#: Somebody else wrote first. ABORTED, a kind of `Conflict`, is contention on a document that many write to.
CONFLICTS = (Conflict, FailedPrecondition, NotFound)
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.02

Errors = tuple[type[Exception], ...]
#: Adds itself to a batch.
Write = Callable[[AsyncClient, AsyncWriteBatch], None]
T = TypeVar("T")
#: One attempt, which is given the seconds it may take.
Attempt = Callable[[AsyncClient, float], Awaitable[T]]
#: Starts a long query.
Stream = Callable[[AsyncClient], AsyncGenerator[T, Any]]


class FirestoreDatabase:
    """One database. The client finds Application Default Credentials, or the emulator, by itself.

    Its methods raise Google's errors, for which there is `unavailable_for_errors`.

    Args:
        project, database: where it is.
        timeout_seconds: for one call with all its attempts.
        breaker: for a caller that has another way while the database does not answer. It does not guard `stream`.
    """

    def __init__(
        self,
        project: str,
        database: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._project = project
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._breaker = breaker

    @cached_property
    def client(self) -> AsyncClient:
        """Google's client, made by the first call: its channel belongs to the event loop in which it is made."""
        return AsyncClient(project=self._project, database=self._database)

    async def read(self, *paths: str, fields: Sequence[str] | None = None) -> list[DocumentSnapshot[Any]]:
        """Read the documents at these paths, in their order, all as of one moment; one may not exist.

        `fields`: the paths of those to read, by default all.
        """

        async def attempt(client: AsyncClient, seconds: float) -> dict[str, DocumentSnapshot[Any]]:
            documents = [client.document(path) for path in paths]
            answers = client.get_all(documents, fields, retry=None, timeout=seconds)
            return {answer.reference.path: answer async for answer in answers}

        found = await self.call(attempt, READ_AGAIN)
        return [found[path] for path in paths]

    async def query(
        self, path: str, *, start: str | None = None, limit: int | None = None
    ) -> Sequence[DocumentSnapshot[Any]]:
        """Read the collection at `path`, by ids where `start` says from which on; at most `limit` documents."""

        async def attempt(client: AsyncClient, seconds: float) -> Sequence[DocumentSnapshot[Any]]:
            collection = client.collection(path)
            query = AsyncQuery(collection) if limit is None else collection.limit(limit)
            if start is not None:
                query = query.order_by("__name__").start_at({"__name__": collection.document(start)})
            return await query.get(retry=None, timeout=seconds)

        return await self.call(attempt, READ_AGAIN)

    async def commit(self, *writes: Write, retried: Errors = COMMIT_AGAIN) -> list[Any]:
        """Do all of these writes or none; return the update_time that each document then has."""

        async def attempt(client: AsyncClient, seconds: float) -> list[Any]:
            batch = client.batch()
            for write in writes:
                write(client, batch)
            results = await batch.commit(retry=None, timeout=seconds)
            return [result.update_time for result in results]

        return await self.call(attempt, retried)

    async def call(self, attempt: Attempt[T], retried: Errors) -> T:
        """Make a call until it succeeds, fails with another error than those `retried`, or time is up.

        Raises:
            Unavailable: the breaker is open.
        """
        until = time.monotonic() + self._timeout_seconds
        # Where a deadline without an answer is worth another attempt, half of the time is left for that.
        longest = self._timeout_seconds / (2 if DeadlineExceeded in retried else 1)

        async def once() -> T:
            client, limit = self.client, min(longest, until - time.monotonic())
            try:
                with self._breaker.attempt(limit) if self._breaker else nullcontext(limit) as seconds:
                    return await attempt(client, seconds)
            except DeadlineExceeded:
                self._drop(client)
            # Not the same again, which would keep the client, and with it the connection, while another is tried.
            del client
            raise _no_answer()

        return await _retry(once, retried, self._timeout_seconds)

    async def stream(self, start: Stream[T]) -> AsyncIterator[T]:
        """Yield what a long query streams, for as long as something comes.

        Raises:
            DeadlineExceeded: nothing came for as long as a call may take; the next stream has another connection.
        """
        client = self.client
        async with aclosing(start(client)) as answers:
            while True:
                try:
                    async with asyncio.timeout(self._timeout_seconds):
                        answer = await anext(answers)
                except StopAsyncIteration:
                    return
                except (TimeoutError, DeadlineExceeded):
                    self._drop(client)
                    break
                yield answer
        del client, answers
        raise _no_answer()

    async def collect(self, start: Stream[T]) -> list[T]:
        """Read a whole stream, and begin it again where it breaks off."""

        async def once() -> list[T]:
            return [each async for each in self.stream(start)]

        return await _retry(once, READ_AGAIN, 2 * self._timeout_seconds)

    def _drop(self, client: AsyncClient) -> None:
        """Make the next call open another connection: this one may have died silently.

        It would swallow every call for a minute or more.
        """
        if self.__dict__.get("client") is client:
            self.close()

    def close(self) -> None:
        """Drop the client, whose connection closes with the last call under way; the next call opens another."""
        self.__dict__.pop("client", None)


async def _retry(work: Callable[[], Awaitable[T]], retried: Errors, seconds: float) -> T:
    """Do `work` again after one of the errors `retried`, with exponential backoff, until `seconds` are over."""
    retry = AsyncRetry(if_exception_type(*retried), initial=0.1, maximum=1, timeout=seconds)
    try:
        return await retry(work)()
    except RetryError as error:
        raise error.cause from None


def _no_answer() -> DeadlineExceeded:
    return DeadlineExceeded("no answer in time")  # type: ignore[no-untyped-call]


def replace(path: str, content: dict[str, Any], update_time: Any) -> Write:
    """Write a whole document if nobody has written it since `update_time`; None: if it does not exist.

    Every field of our documents is always present, so that an update of all of them leaves nothing of the old one.
    """
    if update_time is None:
        return lambda client, batch: batch.create(client.document(path), content)
    unchanged = AsyncClient.write_option(last_update_time=update_time)
    return lambda client, batch: batch.update(client.document(path), content, unchanged)


def put(path: str, content: dict[str, Any], *, only: Sequence[str] = ()) -> Write:
    """Write a whole document, whatever is there; or of it the fields at the paths in `only`."""
    return lambda client, batch: batch.set(client.document(path), content, merge=list(only) or False)


def increment(path: str, numbers: Mapping[str, Any]) -> Write:
    """Add to the numbers of a document, which is made where it does not exist. Maps of numbers may lie in maps."""
    return lambda client, batch: batch.set(client.document(path), _increments(numbers), merge=True)


def _increments(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _increments(number) if isinstance(number, Mapping) else Increment(number)
        for name, number in numbers.items()
    }


def delete(path: str, update_time: Any = None) -> Write:
    """Remove a document; where an `update_time` is given, if it still has that."""
    unchanged = AsyncClient.write_option(last_update_time=update_time) if update_time is not None else None
    return lambda client, batch: batch.delete(client.document(path), unchanged)


async def until_committed(work: Callable[[], Awaitable[T]]) -> T:
    """Do `work` again for as long as somebody else was faster; every conflict means that somebody got on.

    Raises:
        StoreUnavailable: the database does not answer, or contention does not end.
    """
    with unavailable_for_errors():
        for attempt in range(_ATTEMPTS):
            try:
                return await work()
            except CONFLICTS:
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * (attempt + 1)))  # noqa: S311 - no secret
    raise StoreUnavailable("contention")


@contextmanager
def unavailable_for_errors() -> Iterator[None]:
    """Raise `StoreUnavailable`, named by Google's error and without its words, which could quote what was sent."""
    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        raise StoreUnavailable(type(error).__name__) from error
