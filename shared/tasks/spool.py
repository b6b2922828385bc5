"""The spool: tasks that Cloud Tasks could not take, in a Firestore database of their own.

It is a database of its own, because roles are given per database: sign may create there and do nothing else.
"""

import asyncio
import secrets
from functools import cached_property

from shared import settings as environment
from shared.access import AccessUnavailable, MetadataServer
from shared.errors import QueueUnavailable
from shared.google_rpc import Fault
from shared.store import firestore_rpc as rpc

COLLECTION = "spool"
#: The signer has waited for Cloud Tasks by then.
TIMEOUT_SECONDS = 5


class FirestoreSpool:
    """Creates documents in `database` of `project`."""

    def __init__(self, project: str, database: str) -> None:
        self._project = project
        self._name = database

    async def keep(self, body: bytes) -> None:
        task = rpc.create(self._database.name(COLLECTION, _random_id()), {"body": body})
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._database.commit([task])
        except rpc.Conflict:
            return  # an attempt whose answer got lost has kept it: nobody else has this name
        except (Fault, AccessUnavailable, TimeoutError) as fault:
            raise QueueUnavailable(f"spool: {type(fault).__name__}") from fault

    @cached_property
    def _database(self) -> rpc.Database:
        return rpc.Database(self._project, self._name, MetadataServer(), environment.firestore_emulator())


def _random_id() -> str:
    return secrets.token_hex(16)
