"""What the comparison of a run's ledgers finds, and what it leaves alone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.store.entities import Status
from tests.chaos.ledgers import HELD, Answer, Heard, Ledgers, Mailed, MailKind, check
from tests.support.clock import NOW

ANN, BEN = "ann@example.org", "ben@example.org"
HOUR = timedelta(hours=1)
ACCEPTED, CONFIRMED, WITHDRAWN = Answer.ACCEPTED, Answer.CONFIRMED, Answer.WITHDRAWN
#: Ann has signed and confirmed.
RIGHT = Ledgers(
    heard=[Heard(ANN, ACCEPTED, NOW), Heard(ANN, CONFIRMED, NOW)],
    mailed=[Mailed(ANN, NOW, MailKind.CONFIRM, ("1",))],
    stored={ANN: Status.CONFIRMED},
    recounted={"DE": 1},
    tally={"DE": 1},
    shown=1,
)
NOBODY: dict[str, Any] = {"stored": {}, "recounted": {}, "tally": {}, "shown": 0}


def faults(**changed: Any) -> set[str]:
    return set(check(replace(RIGHT, **changed)).faults)


def heard(*answers: Answer) -> list[Heard]:
    return [Heard(ANN, answer, NOW) for answer in answers]


def mails(*at: timedelta, to: str = ANN, kind: MailKind = MailKind.CONFIRM) -> list[Mailed]:
    return [Mailed(to, NOW + each, kind, (f"{number}",)) for number, each in enumerate(at)]


def test_nothing_is_wrong_where_all_ledgers_say_the_same() -> None:
    """Somebody signed, confirmed, is stored, is counted, and had one mail."""
    assert faults() == set()


@pytest.mark.parametrize(
    ("answers", "stored", "found"),
    [
        ([ACCEPTED], None, {"lost"}),
        ([ACCEPTED], Status.WITHDRAWN, {"lost"}),
        ([ACCEPTED], Status.CONFIRMED, {"counted_unasked"}),
        ([ACCEPTED, CONFIRMED], None, {"lost"}),
        ([ACCEPTED, CONFIRMED], Status.PENDING, {"lost"}),
        ([ACCEPTED, CONFIRMED, WITHDRAWN], Status.CONFIRMED, {"told_and_not_so"}),
        ([ACCEPTED, WITHDRAWN], Status.PENDING, {"told_and_not_so"}),
        ([ACCEPTED, CONFIRMED, WITHDRAWN, ACCEPTED], Status.WITHDRAWN, {"lost"}),
        ([ACCEPTED, CONFIRMED, WITHDRAWN, Answer.THANKED], Status.CONFIRMED, {"told_and_not_so"}),
        ([ACCEPTED, Answer.GONE], Status.PENDING, {"turned_away"}),
        ([ACCEPTED], Status.PENDING, set()),
        ([ACCEPTED, CONFIRMED, ACCEPTED], Status.CONFIRMED, set()),
        ([ACCEPTED, CONFIRMED], Status.HELD, set()),
        ([ACCEPTED], Status.HELD, {"counted_unasked"}),
        ([ACCEPTED, CONFIRMED, WITHDRAWN], Status.HELD, {"told_and_not_so"}),
        ([ACCEPTED, CONFIRMED, WITHDRAWN], Status.WITHDRAWN, set()),
        ([ACCEPTED, CONFIRMED, WITHDRAWN], None, set()),
        ([ACCEPTED, CONFIRMED, WITHDRAWN, Answer.GONE], Status.WITHDRAWN, set()),
        ([ACCEPTED, CONFIRMED, WITHDRAWN, ACCEPTED], Status.PENDING, set()),
        ([Answer.NOTHING], None, set()),
        ([Answer.NOTHING], Status.PENDING, set()),
    ],
)
def test_the_last_answer_says_what_must_be_stored(
    answers: list[Answer], stored: Status | None, found: set[str]
) -> None:
    """And where there was none, either is right."""
    statuses = {} if stored is None else {ANN: stored}
    assert faults(heard=heard(*answers), stored=statuses) == found


def test_who_was_accepted_is_mailed_a_link_to_confirm() -> None:
    """A mail from before a withdrawal does not count as one, nor does one without such a link."""
    pending = {"stored": {ANN: Status.PENDING}}
    again = [*heard(ACCEPTED, CONFIRMED, WITHDRAWN), Heard(ANN, ACCEPTED, NOW + HOUR)]

    assert faults(heard=heard(ACCEPTED), mailed=[], **pending) == {"never_mailed"}
    assert faults(heard=heard(ACCEPTED), mailed=[Mailed(ANN, NOW, MailKind.SIGNED)], **pending) == {"never_mailed"}
    assert faults(heard=again, mailed=mails(timedelta(0)), **pending) == {"never_mailed"}
    assert faults(heard=again, mailed=mails(timedelta(0), HOUR), **pending) == set()


def test_the_tally_is_what_the_records_add_up_to_in_every_country() -> None:
    """One too many here and one too few there are two faults, though the total is right."""
    assert faults(tally={"DE": 2}, shown=2) == {"counted_twice"}
    assert faults(tally={}, shown=0) == {"not_counted"}
    assert faults(tally={"FR": 1}) == {"counted_twice", "not_counted"}
    assert faults(shown=2) == {"shown_wrongly"}


def test_what_is_held_is_counted_apart() -> None:
    """It is in the tally, and in no total."""
    held = {"DE": 1, HELD: 1}

    assert faults(recounted=held, tally=held) == set()
    assert faults(recounted=held, tally=held, shown=2) == {"shown_wrongly"}
    assert faults(recounted=held) == {"not_counted"}


@pytest.mark.parametrize(
    ("times", "is_beyond"),
    [
        ([0 * HOUR, 0 * HOUR], False),
        ([0 * HOUR, 0.5 * HOUR, 0.9 * HOUR], True),
        ([0 * HOUR, 0 * HOUR, 1 * HOUR, 1 * HOUR, 2 * HOUR], False),
        ([0 * HOUR, 0 * HOUR, 1 * HOUR, 1 * HOUR, 2 * HOUR, 3 * HOUR], True),
        ([0 * HOUR, 0 * HOUR, 1 * HOUR, 1 * HOUR, 2 * HOUR, 26 * HOUR, 50 * HOUR], False),
        ([0 * HOUR, 0 * HOUR, 1 * HOUR, 1 * HOUR, 2 * HOUR, 26 * HOUR, 27 * HOUR], True),
        ([0 * HOUR, 0 * HOUR, 1 * HOUR, 1 * HOUR, 2 * HOUR, 721 * HOUR], False),
    ],
)
def test_a_mailbox_gets_two_mails_an_hour_five_in_all_and_then_one_a_day(
    times: list[timedelta], is_beyond: bool
) -> None:
    """After a month the first ones no longer count."""
    assert faults(mailed=mails(*times)) == ({"beyond_caps"} if is_beyond else set())


def test_the_withdraw_link_may_come_once_a_day_besides() -> None:
    """Though never more than two mails an hour."""
    five = mails(0 * HOUR, 0 * HOUR, HOUR, HOUR, 2 * HOUR)

    def link(*at: timedelta) -> list[Mailed]:
        return mails(*at, kind=MailKind.SIGNED)

    assert faults(mailed=five + link(3 * HOUR)) == set()
    assert faults(mailed=five + link(3 * HOUR, 28 * HOUR)) == set()
    assert faults(mailed=five + link(3 * HOUR, 4 * HOUR)) == {"beyond_caps"}
    assert faults(mailed=five + link(1.5 * HOUR)) == {"beyond_caps"}


def test_tags_share_the_caps_of_their_mailbox() -> None:
    """Three addresses of one person are one mailbox; those of three people are three."""
    tagged = [*mails(0 * HOUR), *mails(0 * HOUR, to="ann+1@example.org"), *mails(0 * HOUR, to="ann+2@example.org")]

    assert faults(mailed=tagged) == {"beyond_caps"}
    assert faults(mailed=[*tagged[:2], *mails(0 * HOUR, 0 * HOUR, to=BEN)]) == set()


def test_second_mails_for_one_submission_are_a_figure_and_no_fault() -> None:
    """A reminder does not count as one, nor does a mail on request, with the links of several submissions."""
    repeated = [
        *[Mailed(ANN, NOW, MailKind.CONFIRM, ("1",))] * 2,
        Mailed(ANN, NOW + 24 * HOUR, MailKind.REMINDER, ("1",)),
        Mailed(ANN, NOW + 48 * HOUR, MailKind.CONFIRM, ("1", "2")),
    ]

    findings = check(replace(RIGHT, mailed=repeated))

    assert (findings.second_mails, findings.faults) == (1, {})
