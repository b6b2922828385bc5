"""What browsers are told with every answer, whichever function gives it and whatever went wrong."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.runtime import Dependencies
from shared.web.app import App
from tests.support.deployment import CAMPAIGN, COUNT, LINKS, SIGNATURES, World

REQUESTS = [
    ("GET", COUNT),
    ("GET", f"/v1/campaigns/{CAMPAIGN}/count.svg"),
    ("GET", f"/v1/campaigns/{CAMPAIGN}/history.csv"),
    ("GET", f"/v1/campaigns/{CAMPAIGN}/overlay"),
    ("GET", f"/c/{CAMPAIGN}?lang=en"),
    ("GET", f"/c/{CAMPAIGN}"),
    ("GET", f"/c/{CAMPAIGN}/share.png"),
    ("GET", f"/c/{CAMPAIGN}/qr.svg"),
    ("GET", f"/v1/oembed?url=http://localhost/c/{CAMPAIGN}"),
    ("GET", f"/c/{CAMPAIGN}/images/nothing.png"),
    ("GET", "/embed/v1.js"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/health/sign"),
    ("GET", "/v1/confirm/not-a-token"),
    ("GET", "/nowhere"),
    ("POST", LINKS),
    ("POST", SIGNATURES),
    ("DELETE", SIGNATURES),
    ("OPTIONS", SIGNATURES),
]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
async def test_no_browser_guesses_what_an_answer_is(deployed: World, method: str, path: str) -> None:
    """Text that somebody has typed is never run as a script. Over plain HTTP nothing is said about TLS."""
    answer = await deployed.client.request(method, path)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    ("public_url", "known"), [("https://sign.example.org", True), ("http://localhost", False)]
)
async def test_where_there_is_tls_browsers_come_over_tls_alone(public_url: str, *, known: bool) -> None:
    """For a year from the last answer, also if it is an error (RFC 6797)."""
    app = App("count", Dependencies(public_url=public_url, campaigns={}), [])

    async def answer(request: Request) -> Response:
        return await app.answer(request)

    served = httpx.ASGITransport(Starlette(routes=[Route("/{path:path}", answer)]))
    async with httpx.AsyncClient(transport=served, base_url=public_url) as client:
        answers = [await client.get(path) for path in ("/v1/health/count", "/v1/nowhere")]

    assert [each.status_code for each in answers] == [200, 404]
    wanted = "max-age=31536000" if known else None
    assert [each.headers.get("strict-transport-security") for each in answers] == [wanted] * 2
