"""The public address on this machine, once its URL map leads to a bucket.

The rules are those of the URL map in Terraform's state, read as
https://docs.cloud.google.com/load-balancing/docs/url-map-concepts says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx


@dataclass
class Objects(httpx.BaseTransport):
    """Cloud Storage, in as far as objects are put there. `objects`: headers and content, by bucket and name."""

    objects: dict[str, tuple[httpx.Headers, bytes]] = field(default_factory=dict)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert (request.method, request.headers["authorization"]) == ("PUT", "Bearer ya29.token")
        self.objects[unquote(request.url.path).lstrip("/")] = (request.headers, request.read())
        return httpx.Response(200)


def leads_to_bucket(state: Mapping[str, Any]) -> bool:
    """Return whether a state of infra/retired, as `terraform show -json` prints it, holds the URL map."""
    resources = state.get("values", {}).get("root_module", {}).get("resources", [])
    return any(each["address"] == "google_compute_url_map.https" for each in resources)


def answer(
    state: Mapping[str, Any], objects: Mapping[str, tuple[httpx.Headers, bytes]], request: httpx.Request
) -> httpx.Response:
    """Answer as the load balancer does with this state of infra/retired."""
    found = {
        each["address"]: each["values"] for each in state["values"]["root_module"]["resources"] if "values" in each
    }
    [paths] = found["google_compute_url_map.https"]["path_matcher"]
    backends = {
        each["id"]: each for address, each in found.items() if address.startswith("google_compute_backend_bucket.")
    }
    for rule in sorted(paths["route_rules"], key=lambda rule: rule["priority"]):
        if prefix := next(
            (match["prefix_match"] for match in rule["match_rules"] if _matches(match, request)), None
        ):
            if rule["url_redirect"]:
                location = rule["url_redirect"][0]["path_redirect"]
                return httpx.Response(303, headers={"Location": location}, request=request)
            path = (
                rule["route_action"][0]["url_rewrite"][0]["path_prefix_rewrite"] + request.url.path[len(prefix) :]
            )
            return _object(backends[rule["service"]], path, objects, request)
    return _object(backends[paths["default_service"]], request.url.path, objects, request)


def _matches(match: Mapping[str, Any], request: httpx.Request) -> bool:
    return request.url.path.startswith(match["prefix_match"]) and all(
        request.url.params.get(wanted["name"]) == wanted["exact_match"]
        for wanted in match["query_parameter_matches"]
    )


def _object(
    backend: Mapping[str, Any],
    path: str,
    objects: Mapping[str, tuple[httpx.Headers, bytes]],
    request: httpx.Request,
) -> httpx.Response:
    status, name = 200, f"{backend['bucket_name']}{path}{'index.html' if path.endswith('/') else ''}"
    if name not in objects:
        status, name = 404, f"{backend['bucket_name']}/404.html"
    stored, body = objects[name]
    headers = [(name, stored[name]) for name in ("Content-Type", "Cache-Control")]
    headers += [tuple(line.split(": ", 1)) for line in backend["custom_response_headers"]]
    return httpx.Response(status, headers=headers, content=body, request=request)
