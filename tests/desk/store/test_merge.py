"""Which signature stands where a restored database and another hold one of the same address."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from desk.store.merge import merge_signatures
from shared.store.entities import PENDING_TTL, TOMBSTONE_TTL, Signature, Status, Submission
from shared.store.transitions import screen, undo_screening
from tests.support.clock import NOW

HOUR = timedelta(hours=1)


def submission(name: str, signed_at: datetime = NOW) -> Submission:
    return Submission(name, b"", None, "DE", None, None, "en", None, "1", signed_at, "other")


def pending(*submissions: Submission, withdrawn_at: datetime | None = None) -> Signature:
    return Signature(Status.PENDING, submissions, withdrawn_at=withdrawn_at, expire_at=NOW + PENDING_TTL)


def confirmed(at: datetime, name: str = "a") -> Signature:
    return Signature(Status.CONFIRMED, (submission(name, at - HOUR),), confirmed_at=at)


def withdrawn(at: datetime) -> Signature:
    return Signature(Status.WITHDRAWN, withdrawn_at=at, expire_at=at + TOMBSTONE_TTL)


FIRST, LATER = NOW + HOUR, NOW + 2 * HOUR


HELD = screen(confirmed(NOW), Status.HELD, FIRST)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (None, pending(submission("a"))),
        (None, confirmed(FIRST)),
        (pending(submission("a")), confirmed(FIRST)),
        (confirmed(FIRST), withdrawn(LATER)),
        (withdrawn(FIRST), confirmed(LATER)),
        (confirmed(FIRST), confirmed(LATER, "b")),
        (confirmed(FIRST), pending(submission("b"), withdrawn_at=LATER)),
        (confirmed(FIRST), replace(confirmed(FIRST), status=Status.HELD, screened_at=LATER)),
        (replace(confirmed(FIRST), status=Status.HELD, screened_at=LATER), withdrawn(LATER)),
        (HELD, undo_screening(HELD, FIRST, LATER)),
    ],
)
def test_what_was_pressed_later_stands(here: Signature | None, there: Signature) -> None:
    """It is copied, and what it was merged into does not come back from there."""
    assert merge_signatures(here, there, None, NOW) == there
    assert here is None or merge_signatures(there, here, None, NOW) is None
    assert merge_signatures(there, there, None, NOW) is None


def test_links_of_both_work_where_both_are_pending() -> None:
    """A signer may press any that was mailed."""
    here, there = pending(submission("a")), pending(submission("b", NOW + HOUR))

    both = merge_signatures(here, there, None, NOW)

    assert both
    assert [each.id for each in both.submissions] == ["a", "b"]
    assert merge_signatures(both, there, None, NOW) is None


@pytest.mark.parametrize("there", [confirmed(FIRST), pending(submission("a", FIRST - HOUR))])
def test_what_was_removed_does_not_come_back(there: Signature) -> None:
    """But what was signed after the removal does."""
    assert merge_signatures(None, there, LATER, NOW) is None
    assert merge_signatures(None, there, NOW - HOUR, NOW) == there


def test_what_has_expired_is_not_copied_and_does_not_stand() -> None:
    """Whether or not a database has deleted it yet."""
    gone, after = pending(submission("a")), NOW + PENDING_TTL

    assert merge_signatures(None, gone, None, after) is None
    assert merge_signatures(gone, confirmed(FIRST), None, after) == confirmed(FIRST)
