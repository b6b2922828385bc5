"""The spool: tasks that Cloud Tasks did not accept, in a Firestore database of their own.

It is a database of its own, because roles are given per database: sign may create there and do nothing else.
"""

import secrets
from contextlib import suppress

from google.api_core.exceptions import AlreadyExists, DeadlineExceeded, GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import AsyncClient

from shared.circuit_breaker import CircuitBreaker
from shared.databases.firestore import COMMIT_AGAIN, NO_ANSWER, FirestoreDatabase
from shared.errors import QueueUnavailable

COLLECTION = "spool"
#: The signer has waited for Cloud Tasks by then.
TIMEOUT_SECONDS = 5.0


class FirestoreSpool:
    """Creates documents in `database` of `project`."""

    def __init__(self, project: str, database: str) -> None:
        breaker = CircuitBreaker("spool", QueueUnavailable, NO_ANSWER)
        self._database = FirestoreDatabase(project, database, TIMEOUT_SECONDS, breaker)

    async def keep(self, body: bytes) -> None:
        path = f"{COLLECTION}/{_random_id()}"

        async def create(client: AsyncClient, seconds: float) -> None:
            # An attempt whose answer got lost has kept it: nobody else has this name.
            with suppress(AlreadyExists):
                await client.document(path).create({"body": body}, retry=None, timeout=seconds)

        try:
            await self._database.call(create, retried=(*COMMIT_AGAIN, DeadlineExceeded))
        except (GoogleAPIError, GoogleAuthError) as error:
            raise QueueUnavailable(f"spool: {type(error).__name__}") from error

    async def aclose(self) -> None:
        """Close the connection."""
        self._database.close()


def _random_id() -> str:
    return secrets.token_hex(16)
