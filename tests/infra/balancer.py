"""The load balancer on this machine: the plan's own map of paths, in front of functions that run here."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from shared.web.routes import DEFAULT


class Balancer:
    """`routes`: function and path templates, in the order in which they are tried.

    Templates: https://cloud.google.com/load-balancing/docs/url-map-concepts#wildcards-regx-dynamic
    """

    def __init__(self, routes: Sequence[Mapping[str, Any]]) -> None:
        self._routes = [
            (re.compile(_pattern(path)), route["function"]) for route in routes for path in route["paths"]
        ]

    def function(self, path: str) -> str:
        return next((function for pattern, function in self._routes if pattern.fullmatch(path)), DEFAULT)


def _pattern(template: str) -> str:
    """{name=*} and * are one segment, ** is the rest."""
    parts = re.split(r"(\{\w+=\*\}|\*\*|\*)", template)
    return "".join({"**": ".*"}.get(part, "[^/]+") if "*" in part else re.escape(part) for part in parts)


class Paths(httpx.AsyncBaseTransport):
    """Carries calls to functions on this machine. `addresses`: by function.

    `public`: the host that the balancer stands for. Any other is a function's own, and begins with its name.
    """

    def __init__(self, balancer: Balancer, public: str, addresses: Mapping[str, str]) -> None:
        self._balancer = balancer
        self._public = public
        self._addresses = addresses
        self._carrier = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        function = self._balancer.function(request.url.path) if host == self._public else host.split("-")[0]
        here = httpx.URL(self._addresses[function])
        request.url = request.url.copy_with(scheme=here.scheme, host=here.host, port=here.port)
        return await self._carrier.handle_async_request(request)

    async def aclose(self) -> None:
        await self._carrier.aclose()
