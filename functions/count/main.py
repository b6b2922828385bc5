"""count: the public counter and its history, as JSON, CSV, badge and page.

Everything it says is cacheable, and any page may read it.
"""

import asyncio
from http import HTTPStatus

import functions_framework.aio
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared import runtime
from shared.errors import StoreUnavailable
from shared.models.responses import Count, History
from shared.stats import aliases, count_csv, history, milestones
from shared.stats import count as counter
from shared.stats.count import Snapshot
from shared.stats.history import Line
from shared.web import badge, feed, pages
from shared.web.app import App, Route
from shared.web.call import Call, answer_json
from shared.web.routes import CountPath

deps = runtime.count()
snapshots = counter.snapshots(deps.store)
lines = history.lines(deps.store)

#: For browsers and for the CDN, which serves a number for ten minutes more while `count` does not answer: see
#: `serve_while_stale` in infra/balancer.tf. Not by `stale-while-revalidate`, for browsers follow that as well, and
#: would show the old number to a signer who comes back from confirming.
NUMBER_CACHE = "public, max-age=5"

#: Older by no more than the step from one point to the next, an answer lacks one point at most.
DAYS_CACHE = "public, max-age=60, stale-while-revalidate=86400"
HOURS_CACHE = "public, max-age=60, stale-while-revalidate=3600"
#: The page says as of when its numbers are.
PAGE_CACHE = {"Cache-Control": "public, max-age=15, s-maxage=30, stale-while-revalidate=3600"}

#: A change is to be in force within a minute, see `shared/campaigns/overlay.py`. Without a time of its own, an
#: overlay would be served as long as a number; sign and embed keep their last copy while count does not answer.
OVERLAY_CACHE = {"Cache-Control": "public, max-age=5, stale-while-revalidate=5"}


async def get_count(call: Call) -> Response:
    """Show the count as JSON."""
    return _json(call, await _count(call), NUMBER_CACHE)


async def get_count_csv(call: Call) -> Response:
    """List the count by country as a table, with the names of the countries in one language."""
    locale = call.locale(cacheable=True)
    table = count_csv.as_csv(await _count(call), locale)
    return _csv(call, counter.etag(table), table, "countries", NUMBER_CACHE)


async def get_eci_progression(call: Call) -> Response:
    """Show total and goal in the Commission's shape."""
    return _alias(call, aliases.progression(await _count(call)))


async def get_eci_map(call: Call) -> Response:
    """Show the countries in the Commission's shape."""
    return _alias(call, aliases.distribution_map(await _count(call)))


async def get_uk_petition(call: Call) -> Response:
    """Show the petition in UK Parliament's shape."""
    locale = call.locale(cacheable=True)
    url = deps.public_url + CountPath.UK_PETITION.format(campaign=call.campaign.id)
    return _alias(call, aliases.petition(await _count(call), call.campaign, locale, url))


async def get_uk_count(call: Call) -> Response:
    """Show the total in UK Parliament's shape."""
    return _alias(call, aliases.petition_count(await _count(call)))


async def get_badge(call: Call) -> Response:
    """Show the count as a picture."""
    locale = call.locale(cacheable=True)
    query = call.request.query_params
    theme, is_compact = query.get("theme", "dark"), query.get("size") == "compact"
    title = call.campaign.text(locale.language).title
    picture = badge.svg(await _count(call), title, locale, theme=theme, is_compact=is_compact)
    return _cacheable(call, counter.etag(picture), picture, "image/svg+xml", NUMBER_CACHE)


async def get_history(call: Call) -> Response:
    """List the count of each day since the start."""
    return _json(call, history.by_day(call.campaign.id, await _line(call)), DAYS_CACHE)


async def get_history_csv(call: Call) -> Response:
    """List the count of each day as a table."""
    return _history_csv(call, history.by_day(call.campaign.id, await _line(call)), "days", DAYS_CACHE)


async def get_hours(call: Call) -> Response:
    """List the count of each hour of the last weeks."""
    return _json(call, history.by_hour(call.campaign.id, await _line(call)), HOURS_CACHE)


async def get_hours_csv(call: Call) -> Response:
    """List the count of each hour as a table."""
    return _history_csv(call, history.by_hour(call.campaign.id, await _line(call)), "hours", HOURS_CACHE)


async def get_milestones(call: Call) -> Response:
    """List the goals that were reached, and when, as a feed."""
    locale = call.locale(cacheable=True)
    paths = [path.format(campaign=call.campaign.id) for path in (CountPath.MILESTONES, CountPath.PROGRESS)]
    url, page = (f"{deps.public_url}{path}?lang={locale.language}" for path in paths)
    reached = milestones.reached(await _line(call), call.campaign.goal_steps)
    content = feed.atom(call.campaign, locale, reached, url=url, page=page)
    return _cacheable(call, counter.etag(content), content, "application/atom+xml", HOURS_CACHE)


async def get_progress(call: Call) -> Response:
    """Show the page for journalists; with `embed=1` for a frame in any page."""
    count, line = await _count_and_line(call)
    query = call.request.query_params
    return pages.progress(
        call.campaign,
        call.locale(),
        count,
        line,
        PAGE_CACHE,
        public_url=deps.public_url,
        partner=query.get("partner"),
        framed=query.get("embed") == "1",
    )


async def get_stream(call: Call) -> Response:
    """Show the number for a live stream; the widget's script keeps it up to date."""
    query = call.request.query_params
    theme, size = query.get("theme", "dark"), query.get("size", "")
    return pages.stream(call.campaign, call.locale(), await _count(call), PAGE_CACHE, theme=theme, size=size)


async def get_overlay(call: Call) -> Response:
    """Publish the overlay, for the functions that may not read the database.

    Raises:
        StoreUnavailable: it was never read; an empty one would lift a pause.
    """
    snapshot = await _snapshot(call)
    if snapshot.overlay is None:
        raise StoreUnavailable("overlay")
    return answer_json(snapshot.overlay.published(call.campaign, deps.now()), headers=OVERLAY_CACHE)


async def _count(call: Call) -> Count:
    return (await _count_and_line(call))[0]


async def _count_and_line(call: Call) -> tuple[Count, Line]:
    """Return the count and the history; both are cached, and read at the same time.

    While there is no history, an empty one: the count is worth showing alone.
    """
    now = deps.now()
    snapshot, _ = await asyncio.gather(_snapshot(call), lines.wait(call.campaign.id, now))
    line = lines.peek(call.campaign.id, now) or Line([], now)
    return counter.public(call.campaign, snapshot, line.hours), line


async def _snapshot(call: Call) -> Snapshot:
    return await snapshots.get(call.campaign.id, deps.now())


async def _line(call: Call) -> Line:
    return await lines.get(call.campaign.id, deps.now())


def _json(call: Call, numbers: Count | History, cache_control: str) -> Response:
    content = numbers.model_dump_json(exclude_none=True)
    return _cacheable(call, counter.etag(numbers), content, "application/json", cache_control)


def _alias(call: Call, content: BaseModel) -> Response:
    """Answer with another program's shape, whose readers expect its empty fields as well."""
    return _cacheable(call, counter.etag(content), content.model_dump_json(), "application/json", NUMBER_CACHE)


def _history_csv(call: Call, content: History, step: str, cache_control: str) -> Response:
    return _csv(call, counter.etag(content, "csv"), history.as_csv(content), step, cache_control)


def _csv(call: Call, tag: str, table: str, name: str, cache_control: str) -> Response:
    response = _cacheable(call, tag, table, "text/csv", cache_control)
    response.headers["Content-Disposition"] = f'attachment; filename="{call.campaign.id}-{name}.csv"'
    return response


def _cacheable(call: Call, tag: str, content: str, media_type: str, cache_control: str) -> Response:
    """Return the answer, or 304 where the client has these numbers already (RFC 9110, 13.1.2)."""
    headers = {"Cache-Control": cache_control, "ETag": tag}
    known = {known.strip() for known in call.request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


app = App(
    "count",
    deps,
    [
        Route(CountPath.COUNT, {"GET": get_count}, cors="any"),
        Route(CountPath.COUNT_CSV, {"GET": get_count_csv}, cors="any", query=("lang",)),
        Route(CountPath.ECI_PROGRESSION, {"GET": get_eci_progression}, cors="any"),
        Route(CountPath.ECI_MAP, {"GET": get_eci_map}, cors="any"),
        Route(CountPath.UK_PETITION, {"GET": get_uk_petition}, cors="any", query=("lang",)),
        Route(CountPath.UK_COUNT, {"GET": get_uk_count}, cors="any"),
        Route(CountPath.HISTORY, {"GET": get_history}, cors="any"),
        Route(CountPath.HISTORY_CSV, {"GET": get_history_csv}, cors="any"),
        Route(CountPath.HOURS, {"GET": get_hours}, cors="any"),
        Route(CountPath.HOURS_CSV, {"GET": get_hours_csv}, cors="any"),
        Route(CountPath.MILESTONES, {"GET": get_milestones}, cors="any", query=("lang",)),
        Route(
            CountPath.PROGRESS,
            {"GET": get_progress},
            is_page=True,
            query=("lang", "partner", "embed"),
            in_language=True,
        ),
        Route(
            CountPath.STREAM, {"GET": get_stream}, is_page=True, query=("lang", "theme", "size"), in_language=True
        ),
        Route(CountPath.OVERLAY, {"GET": get_overlay}, cors="any"),
        Route(CountPath.BADGE, {"GET": get_badge}, cors="any", query=("lang", "theme", "size")),
    ],
)
runtime.finish_startup()


@functions_framework.aio.http
async def count(request: Request) -> Response:
    """Answer a request, as functions-framework hands it over."""
    return await app.answer(request)
