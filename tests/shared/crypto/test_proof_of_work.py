"""Proof of work: what counts as a solution, and for what."""

import re
from datetime import timedelta
from typing import Any

import pytest

from shared.crypto.proof_of_work import NONCES, challenge, is_solved
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, REPOSITORY
from tests.support.work import solved

EMAIL = "jörg@example.org"


@pytest.fixture(scope="module")
def nonces() -> list[int]:
    found: list[int] = solved(EMAIL, NOW)["nonces"]
    return found


DAY = challenge(NOW).day


def test_the_numbers_found_are_a_solution(nonces: list[int]) -> None:
    """In any order, for a browser tries several at once."""
    assert is_solved(CAMPAIGN, DAY, EMAIL, nonces, NOW)
    assert is_solved(CAMPAIGN, DAY, EMAIL, nonces[::-1], NOW)


def test_a_solution_is_for_one_address_in_one_campaign(nonces: list[int]) -> None:
    """As it is written: another spelling is more work."""
    assert not is_solved(CAMPAIGN, DAY, "ann@example.org", nonces, NOW)
    assert not is_solved(CAMPAIGN, DAY, EMAIL.upper(), nonces, NOW)
    assert not is_solved("another", DAY, EMAIL, nonces, NOW)


@pytest.mark.parametrize(("days", "holds"), [(-1, False), (0, True), (1, True), (2, False)])
def test_a_solution_holds_until_the_end_of_the_next_day(nonces: list[int], days: int, holds: bool) -> None:
    """A form may have been loaded before midnight; nobody works for the days to come and all that follow."""
    assert is_solved(CAMPAIGN, DAY, EMAIL, nonces, NOW + timedelta(days=days)) is holds


def test_another_days_solution_does_not_hold_under_todays_name(nonces: list[int]) -> None:
    """The day is part of what is worked for."""
    tomorrow = NOW + timedelta(days=1)

    assert not is_solved(CAMPAIGN, challenge(tomorrow).day, EMAIL, nonces, tomorrow)


def test_the_program_in_the_documentation_finds_it() -> None:
    """Partners copy it from docs/api.md."""
    text = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    program = dict[str, Any]()
    exec(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[0], program)  # noqa: S102 - our own

    found = program["solve"](challenge(NOW).model_dump(), CAMPAIGN, EMAIL)

    assert is_solved(CAMPAIGN, found["day"], EMAIL, found["nonces"], NOW)


def test_the_work_is_done_as_often_as_asked(nonces: list[int]) -> None:
    """One number too few, one twice, one too many or one that is wrong is no solution."""
    wrong = nonces[-1] + 1 if nonces[-1] + 1 not in nonces else nonces[-1] + 2

    for tried in ([], nonces[:-1], [*nonces[:-1], nonces[0]], [*nonces, wrong], [*nonces[:-1], wrong]):
        assert not is_solved(CAMPAIGN, DAY, EMAIL, tried, NOW), tried
    assert len(nonces) == NONCES
