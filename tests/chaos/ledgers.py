"""The ledgers of a run: what signers heard, what they were mailed, what the store holds, what the counter says.

`check` compares them and knows nothing of how they came about: an address's last answer says what must be stored.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

from shared.store.entities import PRESSED, Status

#: The caps for one mailbox, as docs/architecture.md promises them, and not as the code has them.
MAILS_PER_HOUR = 2
MAILS_BEFORE_DAILY = 5
MONTH = timedelta(days=30)
#: By how much the clocks of two processes may differ in a run, and a mail be later than its claim.
TOLERANCE = timedelta(minutes=5)


#: Instead of a country: confirmed, and not counted yet.
HELD = "held"


class Answer(StrEnum):
    """What a signer was told in the end, however often the press had to be repeated."""

    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    #: "This link is no longer valid."
    GONE = "gone"
    #: A link from before a withdrawal was pressed, and its signer thanked: it must count nothing.
    THANKED = "thanked for a link from before a withdrawal"
    #: No answer, or an error: it may have been done or not.
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer to somebody with this address."""

    address: str
    answer: Answer
    at: datetime


class MailKind(StrEnum):
    CONFIRM = "confirm"
    REMINDER = "reminder"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail that a relay took. `at`: its Date. `submissions`: those that its links confirm."""

    address: str
    at: datetime
    kind: MailKind
    submissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Everything as it was when no fault was left and the queues were empty.

    `recounted`, `tally`: signatures by country, and those HELD, from the records and in the tally. `shown`:
    the total at `/count`.
    """

    heard: Sequence[Heard]
    mailed: Sequence[Mailed]
    stored: Mapping[str, Status]
    recounted: Mapping[str, int]
    tally: Mapping[str, int]
    shown: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong: addresses, or how many. `second_mails` and `thanked` are limits that are documented."""

    lost: Sequence[str] = ()
    never_mailed: Sequence[str] = ()
    told_and_not_so: Sequence[str] = ()
    turned_away: Sequence[str] = ()
    counted_unasked: Sequence[str] = ()
    counted_twice: int = 0
    not_counted: int = 0
    shown_wrongly: int = 0
    beyond_caps: Sequence[str] = ()
    second_mails: int = 0
    thanked: int = 0

    @property
    def faults(self) -> Mapping[str, object]:
        """Return what must not be, by name; empty if the run was right."""
        limits = {"second_mails", "thanked"}
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in limits}
        return {name: value for name, value in values.items() if value}


def check(ledgers: Ledgers) -> Findings:
    """Compare the ledgers."""
    answers = _by_address(ledgers.heard)
    expected = {address: _expected(heard) for address, heard in answers.items()}
    stored = {address: ledgers.stored.get(address) for address in expected}
    too_many, too_few = _differences(ledgers.tally, ledgers.recounted)
    return Findings(
        lost=[each for each, must_be in expected.items() if _is_lost(must_be, stored[each])],
        never_mailed=_never_mailed(ledgers, expected),
        told_and_not_so=[
            each for each, must_be in expected.items() if must_be is Status.WITHDRAWN and _is_there(stored[each])
        ],
        turned_away=[each for each, heard in answers.items() if _is_turned_away(heard)],
        counted_unasked=[
            each for each, must_be in expected.items() if must_be is Status.PENDING and stored[each] in PRESSED
        ],
        counted_twice=too_many,
        not_counted=too_few,
        shown_wrongly=abs(ledgers.shown - sum(ledgers.tally.values()) + ledgers.tally.get(HELD, 0)),
        beyond_caps=sorted(_beyond_caps(ledgers.mailed)),
        second_mails=sum(number - 1 for number in _confirm_mails(ledgers.mailed).values()),
        thanked=sum(each.answer is Answer.THANKED for each in ledgers.heard),
    )


def mailbox(address: str) -> str:
    """Return the mailbox of one of a run's addresses, all of which are at a provider without rules of its own."""
    local, domain = address.split("@")
    return f"{local.partition('+')[0]}@{domain}"


def _by_address(heard: Iterable[Heard]) -> Mapping[str, Sequence[Answer]]:
    grouped = defaultdict[str, list[Answer]](list)
    for each in heard:
        grouped[each.address].append(each.answer)
    return grouped


def _expected(answers: Sequence[Answer]) -> Status | None:
    """Return what must be stored after these answers; None: anything may be."""
    status: Status | None = Status.WITHDRAWN  # or nothing, which is as good
    for answer in answers:
        match answer:
            case Answer.ACCEPTED if status is Status.WITHDRAWN:
                status = Status.PENDING
            case Answer.CONFIRMED:
                status = Status.CONFIRMED
            case Answer.WITHDRAWN:
                status = Status.WITHDRAWN
            case Answer.NOTHING:
                status = None
    return status


def _is_turned_away(answers: Sequence[Answer]) -> bool:
    """Tell whether a link was refused of a signature that had been accepted, and not withdrawn since."""
    return any(
        answer is Answer.GONE and _expected(answers[:number]) is not Status.WITHDRAWN
        for number, answer in enumerate(answers)
    )


def _is_lost(must_be: Status | None, stored: Status | None) -> bool:
    if must_be is Status.CONFIRMED:
        return stored not in PRESSED
    return must_be is Status.PENDING and not _is_there(stored)


def _is_there(stored: Status | None) -> bool:
    return stored is Status.PENDING or stored in PRESSED


def _never_mailed(ledgers: Ledgers, expected: Mapping[str, Status | None]) -> Sequence[str]:
    """List who is still pending and has had no link to confirm since the signature was accepted."""
    accepted_at = dict[str, datetime]()
    for each in ledgers.heard:
        if each.answer in {Answer.CONFIRMED, Answer.WITHDRAWN}:
            accepted_at.pop(each.address, None)
        elif each.answer is Answer.ACCEPTED:
            accepted_at.setdefault(each.address, each.at)
    mailed = {
        each.address
        for each in ledgers.mailed
        if each.submissions and each.address in accepted_at and each.at > accepted_at[each.address] - TOLERANCE
    }
    return [each for each, must_be in expected.items() if must_be is Status.PENDING and each not in mailed]


def _differences(tally: Mapping[str, int], recounted: Mapping[str, int]) -> tuple[int, int]:
    """Return how many the tally has too many, and how many too few, over all countries."""
    differences = [tally.get(key, 0) - recounted.get(key, 0) for key in tally.keys() | recounted.keys()]
    return sum(each for each in differences if each > 0), -sum(each for each in differences if each < 0)


def _confirm_mails(mailed: Sequence[Mailed]) -> Counter[str]:
    return Counter(
        each.submissions[0] for each in mailed if each.kind is MailKind.CONFIRM and len(each.submissions) == 1
    )


def _beyond_caps(mailed: Sequence[Mailed]) -> Iterator[str]:
    """Yield the mailboxes that have had more than two mails in an hour, or after five in a month two in a day.

    The first mail of a day that holds the withdraw link alone is outside the daily cap.
    """
    by_mailbox = defaultdict[str, list[Mailed]](list)
    for each in sorted(mailed, key=lambda each: each.at):
        by_mailbox[mailbox(each.address)].append(each)
    for address, mails in by_mailbox.items():
        if any(_is_beyond(mails[:number], mail) for number, mail in enumerate(mails)):
            yield address


def _is_beyond(before: Sequence[Mailed], mail: Mailed) -> bool:
    def within(window: timedelta) -> Sequence[Mailed]:
        return [each for each in before if mail.at - each.at < window - TOLERANCE]

    counted = within(timedelta(days=1))
    if mail.kind is MailKind.SIGNED and all(each.kind is not MailKind.SIGNED for each in counted):
        counted = ()
    is_daily = len(within(MONTH)) >= MAILS_BEFORE_DAILY
    return len(within(timedelta(hours=1))) >= MAILS_PER_HOUR or (is_daily and len(counted) > 0)
