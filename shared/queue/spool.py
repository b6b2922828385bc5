"""The spool: tasks that Cloud Tasks could not take, in a Firestore database of their own.

It is a database of its own, because roles are given per database: sign may create there and do nothing else.
"""

import asyncio
import secrets
from functools import cached_property

from shared import settings as environment
from shared.errors import QueueUnavailable
from shared.google_cloud import firestore
from shared.google_cloud.access import AccessUnavailable, MetadataServer
from shared.google_cloud.rpc import Fault

COLLECTION = "spool"
#: The signer has waited for Cloud Tasks by then.
TIMEOUT_SECONDS = 5


class FirestoreSpool:
    """Creates documents in `database` of `project`."""

    def __init__(self, project: str, database: str) -> None:
        self._project = project
        self._name = database

    async def keep(self, body: bytes) -> None:
        task = firestore.create(self._database.name(COLLECTION, _random_id()), {"body": body})
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._database.commit([task])
        except firestore.Conflict:
            return  # an attempt whose answer got lost has kept it: nobody else has this name
        except (Fault, AccessUnavailable, TimeoutError) as fault:
            raise QueueUnavailable(f"spool: {type(fault).__name__}") from fault

    @cached_property
    def _database(self) -> firestore.Database:
        return firestore.Database(self._project, self._name, MetadataServer(), environment.firestore_emulator())


def _random_id() -> str:
    return secrets.token_hex(16)
