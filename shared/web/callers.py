"""Checks the OIDC token of those who call deliver, which makes a wrong setting of the platform harder to exploit.

Cloud Run checks the token itself where an IAM role says who may call, and then passes it on without its signature,
which nobody can verify again (https://cloud.google.com/run/docs/troubleshooting#signature-removed). Where everyone
may call, the token arrives whole, and its signature is verified here. Once one has arrived so, tokens without a
signature are refused for a while: the platform does not check them, and anybody could have made them up. Until an
instance has seen a whole one, it believes those, too.

What is refused is not lost: Cloud Tasks and Cloud Scheduler retry it.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from google.auth import jwt
from pydantic import TypeAdapter

from shared import log
from shared.cache import StaleWhileRevalidate
from shared.clock import Clock
from shared.errors import Unavailable

#: Google's certificates (X.509, PEM) by the ids of their keys, where google.oauth2.id_token reads them. Each is
#: published before it is used.
CERTIFICATES_URL = "https://www.googleapis.com/oauth2/v1/certs"
CERTIFICATES_MAX_AGE = timedelta(hours=1)
#: Tokens without a signature are refused for so long after one that had its own.
UNCHECKED_SECONDS = 600.0

_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_REMOVED = ".SIGNATURE_REMOVED_BY_GOOGLE"
_CLOCK_SKEW_SECONDS = 60
_TIMEOUT_SECONDS = 5
_MAX_BYTES = 100_000
_Certificates = Mapping[str, str]
_CERTIFICATES = TypeAdapter[dict[str, str]](dict[str, str])


class Callers:
    """Those who may call, by their service accounts.

    Args:
        accounts: their addresses.
        audience: of their tokens: deliver's own address.
        now: the time, for the certificates' age.
        certificates_url: where the certificates are.
        monotonic: a clock in seconds that is never set.
    """

    def __init__(
        self,
        accounts: Collection[str],
        audience: str,
        now: Clock,
        certificates_url: str = CERTIFICATES_URL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        async def read(_key: str, _now: datetime, _last: _Certificates | None) -> _Certificates:
            return _CERTIFICATES.validate_json(await asyncio.to_thread(_get, certificates_url))

        self._accounts = accounts
        self._audience = audience
        self._now = now
        self._certificates = StaleWhileRevalidate(
            read, max_age=CERTIFICATES_MAX_AGE, log_event="certificates_are_stale"
        )
        self._monotonic = monotonic
        self._unchecked_until = 0.0

    async def admits(self, authorization: str) -> bool:
        """Tell whether a request with this Authorization header comes from one of the accounts.

        Raises:
            Unavailable: the certificates were never read, and cannot be now.
        """
        try:
            await self._verify(authorization.removeprefix("Bearer "))
        except ValueError as error:
            log.exception("caller_refused", error, function="deliver")
            return False
        return True

    async def _verify(self, token: str) -> None:
        """Check the claims, and that the platform or the signature vouches for them.

        Raises:
            ValueError: neither does, or they are wrong.
        """
        claims = _decode(token, verify=False)
        if not (
            claims.get("iss") in _ISSUERS
            and claims.get("aud") == self._audience
            and claims.get("email") in self._accounts
            and claims.get("email_verified") is True
        ):
            raise ValueError("claims")
        if token.endswith(_REMOVED):
            if self._monotonic() < self._unchecked_until:
                raise ValueError("the platform checks nobody")
            return
        certificates = await self._certificates.get("google", self._now())
        _decode(token, certificates, clock_skew_in_seconds=_CLOCK_SKEW_SECONDS)
        self._note_unchecked()

    def _note_unchecked(self) -> None:
        now = self._monotonic()
        if now >= self._unchecked_until:
            log.event("platform_checks_nobody", "ERROR", function="deliver")
        self._unchecked_until = now + UNCHECKED_SECONDS


def _decode(token: str, *certificates: _Certificates, **options: Any) -> Mapping[str, Any]:
    claims: Mapping[str, Any] = jwt.decode(token, *certificates, **options)  # type: ignore[no-untyped-call]
    return claims


def _get(url: str) -> bytes:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read(_MAX_BYTES)
    except HTTPError as error:
        error.close()  # or its connection stays open until somebody collects it
        raise Unavailable("certificates") from error
    except (OSError, HTTPException) as error:
        raise Unavailable("certificates") from error
    return content
