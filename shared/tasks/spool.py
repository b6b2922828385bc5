"""The spool: tasks that Cloud Tasks could not take, in a Firestore database of their own.

It is a database of its own, because roles are given per database: sign may create there and do nothing else. sign
writes through REST, so that it need not carry Firestore's client, and its slow start, for a day that may never
come (https://cloud.google.com/firestore/docs/reference/rest).
"""

import asyncio
import base64
from functools import cached_property

import google.auth
import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from shared.errors import QueueUnavailable

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
        try:
            await asyncio.to_thread(self._create, document)
        except (requests.RequestException, GoogleAuthError) as fault:
            raise QueueUnavailable(f"spool: {type(fault).__name__}") from fault

    def _create(self, document: object) -> None:
        self._session.post(self._url, json=document, timeout=_TIMEOUT_SECONDS).raise_for_status()

    @cached_property
    def _session(self) -> requests.Session:
        if self._emulator_host:
            session = requests.Session()
            session.headers["Authorization"] = "Bearer owner"
            session.trust_env = False
            return session
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
