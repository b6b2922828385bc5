"""The spool: tasks that Cloud Tasks could not take, in a Firestore database of their own.

It is a database of its own, because roles are given per database: sign may create there and do nothing else. sign
writes through REST (https://cloud.google.com/firestore/docs/reference/rest), and imports what that needs on a day
that may never come: at the start it would take a fifth of it.
"""

import asyncio
import base64
from functools import cached_property
from typing import TYPE_CHECKING

from shared.errors import QueueUnavailable

if TYPE_CHECKING:
    import requests

COLLECTION = "spool"
_TIMEOUT_SECONDS = 5
_SCOPE = "https://www.googleapis.com/auth/datastore"


class FirestoreSpool:
    """Creates documents in `database` of `project`. `emulator_host`: host:port of Google's emulator, in tests."""

    def __init__(self, project: str, database: str, emulator_host: str | None) -> None:
        self._emulator_host = emulator_host
        server = f"http://{emulator_host}" if emulator_host else "https://firestore.googleapis.com"
        self._url = f"{server}/v1/projects/{project}/databases/{database}/documents/{COLLECTION}"

    async def keep(self, body: bytes) -> None:
        document = {"fields": {"body": {"bytesValue": base64.b64encode(body).decode()}}}
        await asyncio.to_thread(self._create, document)

    def _create(self, document: object) -> None:
        import requests
        from google.auth.exceptions import GoogleAuthError

        try:
            self._session.post(self._url, json=document, timeout=_TIMEOUT_SECONDS).raise_for_status()
        except (requests.RequestException, GoogleAuthError) as fault:
            raise QueueUnavailable(f"spool: {type(fault).__name__}") from fault

    @cached_property
    def _session(self) -> "requests.Session":
        import google.auth
        import requests
        from google.auth.transport.requests import AuthorizedSession

        if self._emulator_host:
            session = requests.Session()
            session.headers["Authorization"] = "Bearer owner"
            session.trust_env = False
            return session
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
