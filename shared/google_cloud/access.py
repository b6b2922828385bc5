"""Access tokens for Google's APIs, as the service account that a function runs as.

From the metadata server of Google Cloud
(https://cloud.google.com/run/docs/container-contract#metadata-server), which needs no more than HTTP.
google.auth asks there, too, and brings cryptography and requests along: a fifth of what an empty function takes to
start.
"""

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Protocol

from shared.errors import Unavailable

HOST = "metadata.google.internal"
_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
_TIMEOUT_SECONDS = 3
_ATTEMPTS = 3
#: The metadata server hands out the same token until five minutes before its end, google.auth asks for the next
#: one 225 seconds before it.
_EARLY_SECONDS = 225


class Access(Protocol):
    """Whom Google's APIs take us for."""

    async def token(self) -> str:
        """What stands behind "Bearer".

        Raises:
            AccessUnavailable: nobody gives us one now.
        """


class AccessUnavailable(Unavailable):
    """The metadata server does not answer."""


class MetadataServer:
    """Implements `Access` on Google Cloud. `host`: of the server, with its port if that is unusual."""

    def __init__(self, host: str = HOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._renewing: asyncio.Task[None] | None = None

    async def token(self) -> str:
        if not self._token or self._clock() >= self._renew_at:
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._renew())
                self._renewing.add_done_callback(_look_at)
            # Who goes away meanwhile takes nothing from the others that wait.
            await asyncio.shield(self._renewing)
        return self._token

    async def _renew(self) -> None:
        asked_at = self._clock()
        answer = await asyncio.to_thread(self._ask)
        self._token = answer["access_token"]
        self._renew_at = asked_at + answer["expires_in"] - _EARLY_SECONDS

    def _ask(self) -> dict[str, Any]:
        for attempt in range(_ATTEMPTS):
            try:
                return self._get()
            except (OSError, HTTPException, ValueError) as fault:
                if attempt == _ATTEMPTS - 1:
                    raise AccessUnavailable("metadata server") from fault
        raise AssertionError

    def _get(self) -> dict[str, Any]:
        connection = HTTPConnection(self._host, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", _PATH, headers={"Metadata-Flavor": "Google"})
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise ValueError(f"status {answer.status}")
            content: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        return content


def _look_at(renewing: asyncio.Task[None]) -> None:
    """Whoever waited may have gone away; asyncio would complain that nobody looked at the failure."""
    if not renewing.cancelled():
        renewing.exception()
