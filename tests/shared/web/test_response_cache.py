"""Answers that everybody gets alike are kept for a moment; all others never."""

from datetime import datetime

import pytest
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from shared.web.response_cache import FOR, MOST, Kept
from tests.support.clock import NOW

PUBLIC = {"Cache-Control": "public, max-age=5"}


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(clock: Clock) -> Kept:
    return Kept(clock)


def request(method: str = "GET", path: str = "/count", query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
    )


@pytest.mark.parametrize("answer", [Response("7", headers=PUBLIC), HTMLResponse("<p>7", headers=PUBLIC)])
def test_a_public_answer_is_there_for_the_next_reader(kept: Kept, answer: Response) -> None:
    """Whatever else the two send along."""
    kept.keep(request(accept_language="de"), answer)

    assert kept.get(request(accept_language="fr", origin="https://a.example")) is answer


def test_an_answer_is_made_anew_after_a_moment(kept: Kept, clock: Clock) -> None:
    """Fresh until then, and not a moment longer."""
    kept.keep(request(), Response("7", headers=PUBLIC))

    clock.now = NOW + FOR
    late = kept.get(request())
    kept.keep(request(path="/other"), Response("8", headers=PUBLIC))

    assert late is None
    assert kept.get(request()) is None


@pytest.mark.parametrize(
    "other",
    [
        request(path="/count.svg"),
        request(query="lang=de"),
        request(accept_encoding="gzip, br"),
        request(if_none_match='W/"a"'),
        request("HEAD"),
        request("POST"),
        request("OPTIONS"),
    ],
    ids=["path", "query", "encoding", "condition", "HEAD", "POST", "OPTIONS"],
)
def test_another_question_gets_another_answer(kept: Kept, other: Request) -> None:
    """What an answer depends on is part of what it is kept under."""
    kept.keep(request(), Response("7", headers=PUBLIC))

    assert kept.get(other) is None


@pytest.mark.parametrize(
    "private",
    [
        Response("7"),
        Response("7", headers={"Cache-Control": "no-store"}),
        Response("7", 404, headers=PUBLIC),
        Response("7", 302, headers=PUBLIC),
        FileResponse(__file__, headers=PUBLIC),
    ],
    ids=["says nothing", "private", "fault", "redirect", "file"],
)
def test_what_caches_may_not_keep_is_not_kept(kept: Kept, private: Response) -> None:
    """Nor what can be sent only once."""
    kept.keep(request(), private)

    assert kept.get(request()) is None


def test_an_answer_to_a_form_is_not_kept(kept: Kept) -> None:
    """Even if it were public."""
    kept.keep(request("POST"), Response("7", headers=PUBLIC))

    assert kept.get(request("POST")) is None
    assert kept.get(request()) is None


def test_whoever_makes_up_queries_fills_no_memory(kept: Kept) -> None:
    """There is room for so many and no more."""
    for number in range(3 * MOST):
        kept.keep(request(query=f"x={number}"), Response("7", headers=PUBLIC))

    there = sum(kept.get(request(query=f"x={number}")) is not None for number in range(3 * MOST))
    assert 0 < there <= MOST
