"""Cloud CDN on this machine: what it keeps of the functions' answers, under which keys, and for how long.

As https://cloud.google.com/cdn/docs/caching and https://cloud.google.com/cdn/docs/serving-stale-content say. Where
those leave something open, it is what is worse for the functions: parameters in another order, written otherwise
or repeated make another key, and so does every other value of a header that `Vary` names. What a location lacks
it fetches once, however many wait for it. A copy that is no longer fresh is served while a fresh one is fetched,
and on while none can be had, until its time is up; `stale-if-error` means nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import httpx

from infra.deploy.terraform import outputs, resources
from shared.clock import Clock
from tests.infra.balancer import Balancer

Key = tuple[str, ...]
Fetch = Callable[[str, Mapping[str, str]], Awaitable[httpx.Response]]

#: An answer with another status is never kept, whatever its headers say.
CACHEABLE = {200, 203, 204, 206, 300, 301, 302, 307, 308, 404, 405, 410, 421, 451, 501}


@dataclass(frozen=True, slots=True)
class Policy:
    """What the plan says of the cache in front of one function.

    `parameters`: those that are part of the key. `serve_while_stale`: seconds, for answers that name none.
    """

    parameters: frozenset[str]
    serve_while_stale: int

    def stale_seconds(self, response: httpx.Response) -> float:
        """Return how long after its lifetime an answer is served while a fresh one is fetched."""
        return float(directives(response).get("stale-while-revalidate", self.serve_while_stale))

    def key(self, url: str, *, decodes: bool = False) -> Key:
        """`decodes`: whether the names of parameters are compared as they are meant, not as they are written."""
        parts = urlsplit(url)
        kept = []
        for piece in parts.query.split("&"):
            name = piece.partition("=")[0]
            if (unquote_plus(name) if decodes else name) in self.parameters:
                kept.append(piece)
        return (parts.path, *kept)


def policies(plan: Mapping[str, Any]) -> dict[str, Policy]:
    """Of every function that has a cache in front, by its name."""
    return {
        service["name"]: Policy(
            frozenset(policy["cache_key_policy"][0]["query_string_whitelist"]), policy["serve_while_stale"]
        )
        for service in resources(plan, "google_compute_backend_service")
        for policy in service["cdn_policy"]
    }


def directives(response: httpx.Response) -> dict[str, str]:
    """Cache-Control, by name."""
    given = response.headers.get("cache-control", "").split(",")
    return {name.strip(): value for name, _, value in (each.partition("=") for each in given)}


def lifetime(response: httpx.Response) -> float:
    """Seconds for which an answer may be kept; 0 for one that may not."""
    found = directives(response)
    is_private = (
        "public" not in found or {"no-store", "private"} & found.keys() or "set-cookie" in response.headers
    )
    if is_private or response.status_code not in CACHEABLE:
        return 0
    return float(found.get("s-maxage", found.get("max-age", 0)))


def varied(response: httpx.Response, headers: Mapping[str, str]) -> Key:
    """The values of the headers that the answer varies by."""
    names = [name.strip() for name in response.headers.get("vary", "").lower().split(",") if name.strip()]
    return tuple(headers.get(name, "") for name in names)


@dataclass(frozen=True, slots=True)
class Copy:
    """What a location keeps. `stale_until`: how long it is served while a fresh one is fetched."""

    response: httpx.Response
    fresh_until: datetime
    stale_until: datetime


class Location:
    """One of the places at which the CDN keeps answers. `fetched`: what it has asked the functions for."""

    def __init__(self, plan: Mapping[str, Any], fetch: Fetch, now: Clock) -> None:
        self._balancer = Balancer(outputs(plan)["routes"])
        self._policies = policies(plan)
        self._fetch = fetch
        self._now = now
        self._newest: dict[Key, httpx.Response] = {}
        self._copies: dict[Key, Copy] = {}
        self.fetched: list[str] = []

    async def get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Answer a GET from the copy that is kept, else with what the function answers."""
        policy = self._policies[self._balancer.function(urlsplit(url).path)]
        key = policy.key(url)
        newest = self._newest.get(key)
        copy = self._copies.get(key + varied(newest, headers)) if newest else None
        if copy and self._now() < copy.fresh_until:
            return copy.response
        fresh = await self._fill(key, policy, url, headers)
        return copy.response if copy and self._now() < copy.stale_until else fresh

    async def _fill(self, key: Key, policy: Policy, url: str, headers: Mapping[str, str]) -> httpx.Response:
        self.fetched.append(url)
        response = await self._fetch(url, headers)
        if seconds := lifetime(response):
            fresh_until = self._now() + timedelta(seconds=seconds)
            stale = timedelta(seconds=policy.stale_seconds(response))
            self._newest[key] = response
            self._copies[key + varied(response, headers)] = Copy(response, fresh_until, fresh_until + stale)
        return response
