"""What `undersign erase` has removed, noted while it is removed, and the receipt of it."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from desk.store.maintenance import Kept
from desk.terminal.output import pluralize
from shared.campaigns.model import Campaign
from shared.errors import Unavailable
from shared.store.entities import TOMBSTONE_TTL
from shared.store.tally import numbers_of

#: The name, in receipts, of the tasks that nobody could open; the store keeps each for as long as a tombstone.
DEAD_LETTERS = "the tasks that were put aside"


@dataclass(slots=True)
class Removed:
    """What was removed in one campaign. `records`: as a rule one; two if somebody signed again meanwhile.

    `noted_until`: how long it is known that these records are to be removed from a backup that is restored.
    """

    records: list[Kept] = field(default_factory=list)
    waiting: int = 0
    dead_letters: int = 0
    noted_until: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.records or self.waiting or self.dead_letters)


@dataclass(slots=True)
class Run:
    """One run of `undersign erase`: what the receipts of all its addresses say.

    `campaigns`: those whose files load; `broken`: those whose files do not. `places`: that are searched.
    """

    campaigns: Mapping[str, Campaign]
    broken: Mapping[str, str]
    places: Sequence[str]
    #: From here on, something may be gone.
    begun: bool = False
    #: The last step was reached.
    ended: bool = False
    #: Tasks that could not be opened, so that nobody knows whom they concern, by place.
    unopened: Mapping[str, int] = field(default_factory=dict)
    #: Why, by what did not succeed when it was last tried.
    failed: dict[str, str] = field(default_factory=dict)
    #: The same for places in which traces are left of what was removed.
    traces: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Erasure:
    """What a run has removed of one address. `text`: the receipt, once it was written."""

    run: Run
    text: str = ""
    mails: int = 0
    #: What was found, and may be gone or not, because the database did not answer.
    doubtful: dict[str, Kept] = field(default_factory=dict)
    #: Why, by what did not succeed for this address when it was last tried.
    failed: dict[str, str] = field(default_factory=dict)
    _removed: dict[str, Removed] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is left to be done."""
        return self.run.ended and not self.run.failed and not self.run.traces and not self.failed

    def of(self, campaign: str) -> Removed:
        """Return what is gone in a campaign, to be added to."""
        return self._removed.setdefault(campaign, Removed())

    def receipt(self, now: datetime) -> str:
        """Return the receipt to give to the person. It holds neither the address nor anything made from it."""
        lines = [f"Erasure of personal data (GDPR, Article 17), {now:%Y-%m-%d %H:%M} UTC, receipt {uuid.uuid4()}"]
        lines += [f"Searched: {'; '.join(self.run.places)}.", ""]
        removed = {campaign: each for campaign, each in self._removed.items() if each}
        for campaign, each in removed.items():
            lines += self._removed_lines(campaign, each, now)
        if self.mails:
            lines.append(
                f"Outbox of this machine, of whichever campaign: {pluralize(self.mails, 'mail')} removed."
            )
        if not removed and not self.mails:
            lines.append("Nothing was kept of this address." if self.is_whole else "Nothing was found to remove.")
        lines += unopened_lines(self.run.unopened, now)
        return "\n".join([*lines, *self._left_lines()])

    def _removed_lines(self, campaign: str, removed: Removed, now: datetime) -> Iterable[str]:
        known = self.run.campaigns.get(campaign)
        yield f"Campaign {campaign}{'' if known else f', whose file {file_state(campaign, self.run.broken)}'}:"
        for found in removed.records:
            if signature := found.signature:
                taken_off = ", and taken off the count" if numbers_of(signature) else ""
                yield f"  - the {signature.status} signature was removed{taken_off}"
            if found.mailbox.claims:
                yield f"  - the record of {pluralize(len(found.mailbox.claims), 'mail')} was removed"
        if removed.waiting:
            yield f"  - {_tasks(removed.waiting, 'that waited in the queue')} removed"
        if removed.dead_letters:
            yield f"  - {_tasks(removed.dead_letters, 'that had been put aside')} removed"
        if known is None:
            yield "  - backups may hold it still: for how long stands in the campaign's file"
        elif known.privacy.backup_days:
            gone = now.date() + timedelta(days=known.privacy.backup_days)
            yield f"  - backups hold it until {gone}, and are not used otherwise"
        if removed.noted_until:
            yield (
                f"  - a note with the digest of the address, kept until {removed.noted_until:%Y-%m-%d}, says that "
                "this was removed, so that it is removed again should a backup be restored"
            )
        yield "  - exports that were made before still hold it: anyone who has one deletes it, or exports again"

    def _left_lines(self) -> Iterable[str]:
        """Yield what is still to be done."""
        for place, why in self.run.traces.items():
            yield (
                f"What was removed has left traces in {place}, until this command has run through. As a rule "
                f"another program is reading there, and will have read it all before long ({why})."
            )
        failed = {**self.run.failed, **self.failed}
        if not failed and self.run.ended:
            return
        yield "NOT finished, run the same command again:"
        for what, why in failed.items():
            yield f"  - {what}: {why}"
        for campaign, found in self.doubtful.items():
            kept = f"the {found.signature.status} signature" if found.signature else "the record of mails"
            yield f"  - campaign {campaign}: {kept} was found, and may be there still"
        if not self.run.ended:
            yield "  - it was broken off"


@contextmanager
def step(what: str, failures: dict[str, str]) -> Iterator[None]:
    """Run one of several steps; note in `failures` why it failed, so that the others are still tried."""
    try:
        yield
    except (Unavailable, OSError) as error:
        failures[what] = str(error)
    else:
        failures.pop(what, None)


def unopened_lines(unopened: Mapping[str, int], now: datetime) -> Iterable[str]:
    """Yield a sentence for each place with tasks that could not be opened, and how long they are kept."""
    days = TOMBSTONE_TTL.days
    for place, number in unopened.items():
        if number and place == DEAD_LETTERS:
            gone = now.date() + TOMBSTONE_TTL
            kept = f"is kept for {days} days after it was put aside, the last of them until {gone} at most"
        else:
            kept = f"is put aside about a day after it is due, and then kept for {days} days"
        if number:
            yield (
                f"In {place}: {pluralize(number, 'task')} that no key of deliver's opens; about whom, nobody "
                f"can tell. Each {kept}."
            )


def file_state(campaign: str, broken: Mapping[str, str]) -> str:
    """Say why a campaign has no file that loads."""
    return "does not load" if campaign in broken else "is missing"


def _tasks(number: int, which: str) -> str:
    return f"{pluralize(number, 'task')} {which} {'was' if number == 1 else 'were'}"
