"""count: the public counter, as JSON and as a badge. Everything it says is cacheable and readable by any page."""

from http import HTTPStatus

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import badge, http, runtime
from shared import count as counter
from shared.http import Call
from shared.models import Count

service = runtime.count()
snapshots = counter.Snapshots(service.store)

#: A CDN in front answers for five seconds, serves a stale copy while it asks again, and for a day if we are away.
CACHE_CONTROL = "public, max-age=5, s-maxage=5, stale-while-revalidate=30, stale-if-error=86400"
#: A browser that may show a stale picture while it asks again shows the old number to whoever comes back from
#: confirming, and has no reason to look a second time.
BADGE_CACHE_CONTROL = "public, max-age=5, s-maxage=5, stale-if-error=86400"

#: A change is to be in force within a minute, see `shared/overlay.py`.
OVERLAY_CACHE = {
    "Cache-Control": "public, max-age=5, s-maxage=5, stale-while-revalidate=5, stale-if-error=86400",
    "X-Content-Type-Options": "nosniff",
}


async def get_count(call: Call) -> Response:
    count = await _count(call)
    content = count.model_dump_json(exclude_none=True)
    return _cacheable(call, counter.etag(count), content, "application/json", CACHE_CONTROL)


async def get_badge(call: Call) -> Response:
    count = await _count(call)
    say = call.say_cacheably(call.campaign)
    picture = badge.svg(count, call.campaign.text(say.language).title, say)
    return _cacheable(call, counter.etag(count, say.language), picture, "image/svg+xml", BADGE_CACHE_CONTROL)


async def get_overlay(call: Call) -> Response:
    """For the functions that may not read the database."""
    snapshot = await snapshots.get(call.campaign.id, service.now())
    return http.answer_json(snapshot.overlay.published, headers=OVERLAY_CACHE)


async def _count(call: Call) -> Count:
    return counter.public(call.campaign, await snapshots.get(call.campaign.id, service.now()))


def _cacheable(call: Call, tag: str, content: str, media_type: str, cache_control: str) -> Response:
    """The answer, or 304 where the client has these numbers already (RFC 9110, 13.1.2)."""
    headers = {"Cache-Control": cache_control, "ETag": tag, "X-Content-Type-Options": "nosniff"}
    known = {known.strip() for known in call.request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


app = http.App(
    "count",
    service.campaigns,
    service.public_url,
    [
        http.Route("/v1/campaigns/{campaign}/count", {"GET": get_count}, cors="any"),
        http.Route("/v1/campaigns/{campaign}/overlay", {"GET": get_overlay}, cors="any"),
        http.Route("/v1/campaigns/{campaign}/count.svg", {"GET": get_badge}, cors="any"),
    ],
)
runtime.freeze_startup_objects()


@functions_framework.aio.http
async def count(request: Request) -> Response:
    return await app.answer(request)
