"""Who may call deliver: the queue and the scheduler, whether or not the platform checks their tokens."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.errors import Unavailable
from shared.web.callers import CERTIFICATES_MAX_AGE, UNCHECKED_SECONDS, Callers
from tests.support.clock import NOW
from tests.support.http_receiver import serving
from tests.support.oidc import Issuer, checked_by_cloud_run, claims

QUEUE = "queue@p.iam.gserviceaccount.com"
AUDIENCE = "https://deliver-1234.europe-west1.run.app"
#: Claims that are not those of one who may call.
WRONG: list[dict[str, Any]] = [
    {"aud": "https://deliver-9.europe-west1.run.app"},
    {"aud": [AUDIENCE, "https://elsewhere.example"]},
    {"email": "somebody@else.iam.gserviceaccount.com"},
    {"email": ["queue@p.iam.gserviceaccount.com"]},
    {"email": None},
    {"email_verified": False},
    {"email_verified": "true"},
    {"iss": "https://accounts.google.com.evil.example"},
    {"iss": {}},
]


class World:
    """Who may call, Google's certificates, and two clocks."""

    callers: Callers

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.is_away = False
        self.reads = 0
        self.now = NOW
        self.seconds = 0.0

    async def answer(self, _request: Request) -> Response:
        self.reads += 1
        return Response(status_code=503) if self.is_away else JSONResponse(self.issuer.certificates)

    def clock(self) -> datetime:
        return self.now


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with serving(Starlette(routes=[Route("/certs", made.answer)])) as url:
        made.callers = Callers([QUEUE], AUDIENCE, made.clock, f"{url}/certs", lambda: made.seconds)
        yield made


async def test_the_queue_is_admitted_by_the_platform(world: World) -> None:
    """Cloud Run has checked the token, whose signature it takes away; no certificate is read."""
    assert await world.callers.admits(checked_by_cloud_run(claims(QUEUE, AUDIENCE)))
    assert world.reads == 0


async def test_the_queue_is_admitted_by_its_signature(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the platform checks nobody, which the log says once."""
    for _ in range(3):
        assert await world.callers.admits(world.issuer.authorization(claims(QUEUE, AUDIENCE)))

    logged = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert logged == ["platform_checks_nobody"]
    assert world.reads == 1


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_nobody_else_is_admitted(world: World, wrong: dict[str, Any]) -> None:
    """However the token was checked: it is for this service, from Google, for one of the accounts."""
    content = claims(QUEUE, AUDIENCE, **wrong)

    assert not await world.callers.admits(checked_by_cloud_run(content))
    assert not await world.callers.admits(world.issuer.authorization(content))


async def test_no_token_of_somebody_elses_is_admitted(world: World) -> None:
    """A wrong key, one that has expired, one from the future, another algorithm."""
    right = claims(QUEUE, AUDIENCE)
    forged = [
        Issuer().authorization(right),
        Issuer("two").authorization(right),
        world.issuer.authorization({**right, "exp": right["iat"] - 3600}),
        world.issuer.authorization({**right, "iat": right["iat"] + 3600}),
        world.issuer.authorization(right, "none"),
        world.issuer.authorization(right, "HS256"),
    ]

    assert not any([await world.callers.admits(each) for each in forged])


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer a.b.c", "Basic YTpi", "Bearer ü.e30.e30"])
async def test_what_is_no_token_is_not_admitted(world: World, header: str) -> None:
    """Among it no header at all."""
    assert not await world.callers.admits(header)


async def test_a_token_without_a_signature_is_refused_where_the_platform_checks_nobody(world: World) -> None:
    """Anybody can write that Google has removed it. What is refused then is retried, and admitted later."""
    unsigned = checked_by_cloud_run(claims(QUEUE, AUDIENCE))
    await world.callers.admits(world.issuer.authorization(claims(QUEUE, AUDIENCE)))

    refused = not await world.callers.admits(unsigned)
    world.seconds += UNCHECKED_SECONDS

    assert refused
    assert await world.callers.admits(unsigned)


async def test_certificates_are_kept_while_google_does_not_answer(world: World) -> None:
    """They change every few days only."""
    token = world.issuer.authorization(claims(QUEUE, AUDIENCE))
    await world.callers.admits(token)
    world.is_away = True
    world.now += 2 * CERTIFICATES_MAX_AGE

    assert await world.callers.admits(token)
    assert world.reads == 2


async def test_new_certificates_are_read_within_an_hour(world: World) -> None:
    """Google publishes them before it uses them."""
    await world.callers.admits(world.issuer.authorization(claims(QUEUE, AUDIENCE)))
    world.issuer = Issuer("two")
    token = world.issuer.authorization(claims(QUEUE, AUDIENCE))
    before = await world.callers.admits(token)
    world.now += CERTIFICATES_MAX_AGE + timedelta(seconds=1)

    assert (before, await world.callers.admits(token)) == (False, True)


async def test_without_any_certificate_nobody_is_told_no(world: World) -> None:
    """The caller comes again, as while any other service is away."""
    world.is_away = True

    with pytest.raises(Unavailable):
        await world.callers.admits(world.issuer.authorization(claims(QUEUE, AUDIENCE)))
