"""Reads the overlay as count publishes it, for functions that may not read the database."""

import asyncio
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

from shared.campaigns.overlay import PublishedOverlay, parse_overlay
from shared.circuit_breaker import CircuitBreaker
from shared.errors import StoreUnavailable

_TIMEOUT_SECONDS = 5
#: Far more than a thousand partners need.
_MAX_BYTES = 500_000


class _NoRedirects(HTTPRedirectHandler):
    """What count publishes is at its own address, or nowhere: another host may not say who is a partner."""

    def redirect_request(self, *_: object) -> None:
        """Follow none, which makes the answer an error."""


async def read_overlay(base_url: str, breaker: CircuitBreaker, campaign: str) -> PublishedOverlay:
    """Read the overlay of one campaign from count at `base_url`.

    Raises:
        StoreUnavailable: no answer, a redirect, an answer that is too large, or the breaker is open.
        ValidationError: an answer that is no overlay.
    """
    url = f"{base_url}/v1/campaigns/{campaign}/overlay"
    with breaker.attempt(_TIMEOUT_SECONDS) as seconds:
        content = await asyncio.to_thread(_get, url, seconds)
    if content is None:
        raise StoreUnavailable("overlay: refused")
    return parse_overlay(PublishedOverlay, campaign, content)


def _get(url: str, timeout_seconds: float) -> bytes | None:
    """Return what is at `url`; None where that is refused, as by a count that does not know a new campaign yet."""
    try:
        with build_opener(ProxyHandler({}), _NoRedirects).open(url, timeout=timeout_seconds) as answer:
            content: bytes = answer.read(_MAX_BYTES + 1)
    except HTTPError as error:
        error.close()  # or its connection stays open until somebody collects it
        if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        raise StoreUnavailable("overlay") from error
    except (OSError, HTTPException) as error:
        raise StoreUnavailable("overlay") from error
    if len(content) > _MAX_BYTES:
        raise StoreUnavailable("overlay: too large")
    return content
