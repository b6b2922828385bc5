"""The CDN in front of count and embed: what makes another copy, and what reaches the functions in a storm."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, NoReturn

import httpx
import pytest

from desk.store.sqlite import SqliteMaintenance
from infra.cost import usage
from infra.deploy.terraform import resources
from shared.campaigns.loader import load_all
from shared.campaigns.overlay import Overlay
from shared.errors import StoreUnavailable
from shared.web import routes
from shared.web.routes import CountPath, EmbedPath
from tests.infra.edge import Key, Location, lifetime, policies, varied
from tests.infra.test_routes import example
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, COUNT, PUBLIC_URL, REPOSITORY, World

PARTNERS = ("digital-rights", "libertes-ouvertes")

#: The address of each route whose answers are kept, in its shortest form that is answered.
ADDRESSES = {
    **{path: example(path) for path in (*CountPath, *EmbedPath) if path not in {EmbedPath.HOME, EmbedPath.OEMBED}},
    **{
        path: f"{example(path)}?lang=en"
        for path in (
            CountPath.PROGRESS,
            CountPath.STREAM,
            EmbedPath.PETITION,
            EmbedPath.PRIVACY,
            EmbedPath.SNIPPETS,
            EmbedPath.SHEET,
            EmbedPath.FORM,
            EmbedPath.LINKS,
        )
    },
    EmbedPath.IMAGE: EmbedPath.IMAGE.format(campaign=CAMPAIGN, file=next(iter(load_all()[CAMPAIGN].images))),
}

#: Headers that browsers and trackers send, by name; each request has one of each.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "accept-language": ("de", "fr-BE, fr;q=0.8", "tlh"),
    "accept-encoding": ("gzip, deflate, br, zstd", "gzip", "identity", "made-up-7"),
    "origin": ("https://digital-rights.example.org", "https://fan.example.org", "null"),
    "cookie": ("session=1", "theme=dark"),
    "user-agent": ("Mozilla/5.0", "curl/8.5.0"),
    "referer": ("https://fan.example.org/tracker", PUBLIC_URL),
    "accept": ("*/*", "text/html", "application/json"),
    "cache-control": ("no-cache", "max-age=0"),
    "sec-fetch-site": ("cross-site", "same-origin"),
}


def some_headers(chance: random.Random) -> dict[str, str]:
    return {name: chance.choice(values) for name, values in HEADERS.items()}


def and_query(address: str, *pieces: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{'&'.join(pieces)}"


def made_up(chance: random.Random) -> str:
    return "".join(chance.choice("abcdefghijklmnopqrstuvwxyz0123456789-") for _ in range(chance.randint(1, 12)))


#: Names that anybody might put into a query; those of our own parameters among them, differently written, too.
NAMES = (
    *("lang", "partner", "embed", "moved", "theme", "size", "source", "origin", "LANG", "%6cang", "embed[]"),
    *("utm_source", "fbclid", "_", "t", "callback", ""),
)


def made_up_queries(address: str, chance: random.Random) -> Iterator[str]:
    for name in NAMES:
        for _ in range(4):
            yield and_query(address, f"{name}={made_up(chance)}")
            yield and_query(address, f"{name}={made_up(chance)}", f"{name}={made_up(chance)}")


#: Pieces of queries that mean something, or look as if they did.
PIECES = (
    *(
        "lang=en",
        "lang=de",
        "lang=DE",
        "lang=de-AT",
        "lang=xx",
        "lang=",
        "lang",
        "%6cang=fr",
        "lang=%66r",
        "LANG=fr",
    ),
    *(
        f"partner={PARTNERS[0]}",
        f"partner={PARTNERS[1]}",
        "partner=nobody",
        "partner=",
        "%70artner=digital-rights",
    ),
    *("theme=light", "theme=dark", "theme=Light", "theme=", "%74heme=light", "size=compact", "size=1"),
    *("embed=1", "embed=0", "embed=01", "embed=%31", "embed", "%65mbed=1", "embed=1%00", "moved=1", "moved=yes"),
    *(
        "source=radio",
        "source=share",
        "origin=https%3A%2F%2Fdigital-rights.example.org",
        "utm_source=x",
        "_=7",
        "",
    ),
)


async def kept_by_key(
    deployed: World, plan: dict[str, Any], function: str, urls: Iterator[str], *, decodes: bool = False
) -> dict[Key, set[bytes]]:
    """What the CDN would keep of the answers to these requests."""
    chance, policy = random.Random(1), policies(plan)[function]
    kept: defaultdict[Key, set[bytes]] = defaultdict(set)
    functions = deployed.client_of(deployed.apps[function])
    for url in urls:
        headers = some_headers(chance)
        response = await functions.get(url, headers=headers)
        if lifetime(response):
            sent = sorted((name, value) for name, value in response.headers.items() if name != "last-modified")
            key = policy.key(url, decodes=decodes) + varied(response, headers)
            kept[key].add(repr(sent).encode() + response.content)
    return kept


def function_of(path: str) -> str:
    return routes.function_by_path()[path]


def query_of(deployed: World, path: str) -> tuple[str, ...]:
    """The parameters that make another answer of a route."""
    found: tuple[str, ...] = next(
        route.query for route in deployed.functions[function_of(path)].app.routes if route.path == path
    )
    return found


async def test_the_cache_is_asked_by_the_parameters_that_are_read(deployed: World, plan: dict[str, Any]) -> None:
    """And by no other: one that is read and not in the key would mix up answers."""
    assert {name: policy.parameters for name, policy in policies(plan).items()} == {
        name: frozenset(each for route in deployed.functions[name].app.routes for each in route.query)
        for name in routes.CACHED
    }


#: A value of each parameter that makes another answer, where the parameter makes one.
VALUES = {"lang": "de", "partner": PARTNERS[0], "embed": "1", "moved": "1", "theme": "light", "size": "compact"}


@pytest.mark.parametrize("path", ADDRESSES)
async def test_a_route_admits_its_own_parameters_alone(deployed: World, plan: dict[str, Any], path: str) -> None:
    """Each of them makes another answer; with one of another route, there would be two copies of the same."""
    function = function_of(path)
    functions, admitted = deployed.client_of(deployed.apps[function]), query_of(deployed, path)
    shortest = await functions.get(ADDRESSES[path])

    for name in policies(plan)[function].parameters:
        address = ADDRESSES[path].replace("lang=en", "lang=de") if name == "lang" else ADDRESSES[path]
        if f"{name}=" not in address:
            address = and_query(address, f"{name}={VALUES[name]}")
        response = await functions.get(address)

        if name in admitted:
            assert (response.status_code, response.text != shortest.text) == (200, True), address
        else:
            assert (response.status_code, response.headers["cache-control"]) == (302, "no-store"), address
            assert response.headers["location"] == ADDRESSES[path]


@pytest.mark.parametrize("path", ADDRESSES)
async def test_made_up_queries_make_no_copies_of_their_own(
    deployed: World, plan: dict[str, Any], path: str
) -> None:
    """However many there are, and whatever headers come with them: one copy is kept, or none."""
    urls = made_up_queries(ADDRESSES[path], random.Random(7))

    kept = await kept_by_key(deployed, plan, function_of(path), urls)

    assert len(kept) <= 1, sorted(kept)[:5]


@pytest.mark.parametrize("decodes", [False, True])
@pytest.mark.parametrize("path", ADDRESSES)
async def test_all_requests_with_one_key_get_the_same_bytes(
    deployed: World, plan: dict[str, Any], path: str, decodes: bool
) -> None:
    """The first request decides what all get: no order, repeat or encoding may plant another answer."""
    chance, address = random.Random(3), ADDRESSES[path].partition("?")[0]
    urls = (
        and_query(chance.choice((address, f"{address}?lang=en")), *chance.choices(PIECES, k=chance.randint(1, 3)))
        for _ in range(150)
    )

    kept = await kept_by_key(deployed, plan, function_of(path), urls, decodes=decodes)

    assert {len(answers) for answers in kept.values()} <= {1}


#: Seconds for which the CDN keeps the answer of each route, and for which it serves it in an outage after that:
#: pages for an hour, the count for ten minutes, a history for the step from one of its points to the next.
AGES = {
    **dict.fromkeys(ADDRESSES, (15, 3600)),
    **dict.fromkeys((CountPath.COUNT, CountPath.COUNT_CSV, CountPath.BADGE), (5, 600)),
    **dict.fromkeys((CountPath.ECI_PROGRESSION, CountPath.ECI_MAP), (5, 600)),
    **dict.fromkeys((CountPath.UK_PETITION, CountPath.UK_COUNT), (5, 600)),
    CountPath.OVERLAY: (5, 5),
    **dict.fromkeys((CountPath.HISTORY, CountPath.HISTORY_CSV), (60, 86400)),
    **dict.fromkeys((CountPath.HOURS, CountPath.HOURS_CSV, CountPath.MILESTONES), (60, 3600)),
    **dict.fromkeys((CountPath.PROGRESS, CountPath.STREAM), (30, 3600)),
    EmbedPath.SCRIPT: (300, 86400),
    EmbedPath.IMAGE: (31536000, 3600),
}


async def test_answers_are_kept_as_long_as_is_written_down(deployed: World, plan: dict[str, Any]) -> None:
    """In docs/architecture.md. A count that were not kept would bring every reader to the functions."""
    kept = {}
    for path, address in ADDRESSES.items():
        function = function_of(path)
        response = await deployed.client_of(deployed.apps[function]).get(address)
        assert response.status_code == 200
        kept[path] = (lifetime(response), policies(plan)[function].stale_seconds(response))

    assert kept == AGES


class Outage:
    """Functions that stop answering: while `status` is set, the balancer answers with it in their place.

    With headers that allow to keep the answer, which an error must not be all the same.
    """

    def __init__(self, deployed: World) -> None:
        self._deployed = deployed
        self.status: int | None = None

    async def fetch(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        if self.status is not None:
            return httpx.Response(self.status, headers={"cache-control": "public, max-age=60"})
        return await self._deployed.client.get(url, headers=headers)


@pytest.fixture
def outage(deployed: World) -> Outage:
    return Outage(deployed)


@pytest.fixture
def location(deployed: World, plan: dict[str, Any], outage: Outage) -> Location:
    return Location(plan, outage.fetch, lambda: deployed.now)


@pytest.mark.parametrize("path", ADDRESSES)
async def test_in_an_outage_readers_are_answered_for_as_long_as_is_written_down(
    deployed: World, location: Location, outage: Outage, path: str
) -> None:
    """Pages, the count and the widget stay up; then the error shows."""
    before = await location.get(ADDRESSES[path], {})
    outage.status = 503

    answers = []
    for late in (-1, 1):
        deployed.now = NOW + timedelta(seconds=sum(AGES[path]) + late)
        answers.append(await location.get(ADDRESSES[path], {}))

    assert (answers[0].status_code, answers[0].content) == (200, before.content)
    assert answers[1].status_code == 503


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_an_error_is_never_kept(deployed: World, location: Location, outage: Outage, status: int) -> None:
    """It takes no copy's place, and is gone as soon as the function answers again."""
    await location.get(COUNT, {})
    outage.status = status
    deployed.now = NOW + timedelta(seconds=60)

    with_a_copy, without = [await location.get(address, {}) for address in (COUNT, f"{COUNT}.svg?lang=en")]
    outage.status = None
    recovered = [await location.get(address, {}) for address in (COUNT, f"{COUNT}.svg?lang=en")]

    assert (with_a_copy.status_code, without.status_code) == (200, status)
    assert [answer.status_code for answer in recovered] == [200, 200]


@pytest.mark.parametrize(("raised", "status"), [(StoreUnavailable, 503), (RuntimeError, 500)])
async def test_no_function_lets_an_error_be_kept(
    deployed: World, monkeypatch: pytest.MonkeyPatch, raised: type[Exception], status: int
) -> None:
    """Neither with a fault of ours, nor of the database, nor with an address that does not exist."""

    async def get(campaign: str, now: datetime) -> NoReturn:
        raise raised

    monkeypatch.setattr(deployed.functions["count"].snapshots, "get", get)
    answers = [
        await deployed.client.get(address)
        for address in (COUNT, f"{COUNT}.svg?lang=en", "/c/nobody?lang=en", "/embed/nothing.js")
    ]

    assert [answer.status_code for answer in answers] == [status, status, 404, 404]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_a_page_that_is_stale_cannot_be_signed_on_after_a_pause(deployed: World, location: Location) -> None:
    """Its next reader sees the form once more, but sign knows of the pause, for no overlay is that stale."""
    page, overlay = ADDRESSES[EmbedPath.PETITION], ADDRESSES[CountPath.OVERLAY]
    for address in (page, overlay):
        await location.get(address, {})
    with closing(SqliteMaintenance(deployed.folder / "store.db")) as records:
        await records.change_overlay(CAMPAIGN, lambda _: Overlay(paused=True))

    deployed.now = NOW + timedelta(seconds=11)
    published = await location.get(overlay, {})
    deployed.now = NOW + timedelta(minutes=50)
    await deployed.sign()  # sign and embed read the overlay
    await deployed.client.get(page)
    await deployed.overlays()
    first, refused, second = await location.get(page, {}), await deployed.sign(), await location.get(page, {})

    assert published.json()["paused"]
    assert 'name="email"' in first.text
    assert refused.status_code == 409
    assert 'name="email"' not in second.text


async def test_after_a_quiet_time_a_number_is_ten_minutes_old_at_most(deployed: World, location: Location) -> None:
    """Its first reader sees the last one and the next the present one; later than that, the first waits for it."""

    async def total(at: timedelta) -> int:
        deployed.now = NOW + at
        number: int = (await location.get(COUNT, {})).json()["total"]
        return number

    quiet, long_quiet = timedelta(seconds=604), timedelta(seconds=606)
    before = await total(timedelta())
    await deployed.press(await deployed.sign_and_deliver())
    first, second = await total(quiet), await total(quiet)
    await deployed.press(await deployed.sign_and_deliver(email="bob@example.org"))
    later = await total(quiet + long_quiet)

    assert (before, first, second, later) == (0, 0, 1, 2)


async def test_a_storm_of_trackers_hardly_reaches_the_functions(deployed: World, plan: dict[str, Any]) -> None:
    """20,000 people have a fan page open that asks twice a second and keeps its browser from answering."""
    viewers, places, seconds = usage.STORM_VIEWERS, usage.CDN_LOCATIONS, 10
    count = deployed.client_of(deployed.apps["count"])

    async def fetch(url: str, headers: Mapping[str, str]) -> httpx.Response:
        return await count.get(url, headers=headers)

    chance = random.Random(5)
    locations = [Location(plan, fetch, lambda: deployed.now) for _ in range(places)]
    people = [(locations[number % places], some_headers(chance)) for number in range(viewers)]

    for turn in range(usage.STORM_POLLS_A_SECOND * seconds):
        deployed.now = NOW + timedelta(seconds=turn / usage.STORM_POLLS_A_SECOND)
        for number, (location, headers) in enumerate(people):
            answer = await location.get(f"{COUNT}?_={turn}{number}", headers)
            assert answer.status_code == 200

    fetched = sum(len(location.fetched) for location in locations)
    assert (
        fetched == places * seconds / 5
    )  # each place asks once in the five seconds for which it keeps the answer
    assert fetched / seconds < 100


def test_the_cdn_compresses_what_it_answers_and_nothing_else_is_compressed(plan: dict[str, Any]) -> None:
    """Were it the functions, every value of Accept-Encoding would make a copy; and links are not compressed."""
    services = resources(plan, "google_compute_backend_service")

    assert {service["name"]: service["compression_mode"] for service in services} == {
        "sign": None,
        "confirm": None,
        "count": "AUTOMATIC",
        "embed": "AUTOMATIC",
    }


def test_the_limits_are_those_that_are_written_down(plan: dict[str, Any]) -> None:
    """In docs/api.md: requests a minute from one address, of those that the cache does not answer."""
    limits = {
        policy["name"]: rule["rate_limit_options"][0]["rate_limit_threshold"][0]["count"]
        for policy in resources(plan, "google_compute_security_policy")
        for rule in policy["rule"]
        if rule["action"] == "throttle"
    }

    assert set(limits) == {"reading", "signing"}
    page = " ".join((REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8").split())
    assert f"{limits['reading']:,} requests a minute from one address, {limits['signing']:,} for signing" in page
