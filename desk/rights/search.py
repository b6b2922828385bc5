"""Find what is kept of an address: signatures and mails in the store, and tasks wherever they wait.

An address is found by its digest, for which deliver's pepper is needed. What waits in the queue is sealed to
deliver, so its identity is needed, too. Both are in Secret Manager; the person who runs these commands must be
allowed to read them.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from desk import runtime
from desk.errors import CommandError
from desk.rights.receipt import DEAD_LETTERS
from desk.runtime import Rights
from desk.settings import RightsSettings
from desk.terminal.output import print_note, print_warning
from shared.errors import Unopenable
from shared.models.messages import Message, parse_message, parse_task
from shared.queue import TaskList

#: What progress calls the search.
SEARCHING = "Searching tasks"


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task that concerns an address."""

    name: str
    campaign: str
    email: str


def load_rights(settings: RightsSettings | None = None) -> Rights:
    """Wire the store and the queues, say where they are, and warn of each campaign file that does not load.

    No such file keeps anybody from their rights. `settings`: as they were loaded elsewhere; None loads them.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    rights = runtime.rights(settings)
    print_note(f"Working on {rights.place}.")
    for campaign, error in rights.broken.items():
        print_warning(
            f"The file of campaign {campaign} does not load; what is stored of it is searched without.\n{error}"
        )
    return rights


@asynccontextmanager
async def closing(rights: Rights) -> AsyncIterator[None]:
    """Close the store and the queues at the end."""
    try:
        yield
    finally:
        rights.maintenance.close()
        if rights.removals:
            rights.removals.close()
        for place in task_places(rights).values():
            await place.aclose()


def task_places(rights: Rights) -> Mapping[str, TaskList]:
    """Return every place in which tasks may lie, by its name."""
    return {**rights.queues, DEAD_LETTERS: rights.dead_letters}


async def find_campaigns(rights: Rights, only: str | None) -> Sequence[str]:
    """Return the campaigns that have a file, also a broken one, or stored signatures; or the one asked for.

    Raises:
        CommandError: there is no such campaign.
    """
    known = sorted({*rights.campaigns, *rights.broken, *await rights.maintenance.campaigns()})
    if only is not None and only not in known:
        raise CommandError(f"There is no campaign {only}. There are: {', '.join(known) or 'none'}.")
    return known if only is None else [only]


class TaskSearch:
    """Finds the tasks of some addresses, wherever they wait.

    Opening a task is what takes long, so each is opened once, however many addresses are looked for, and however
    often a place is searched: a task never changes.
    """

    def __init__(self, rights: Rights, emails: Collection[str], only: str | None) -> None:
        self._rights = rights
        self._emails = emails
        self._only = only
        #: Of each campaign, the addresses by digest.
        self._wanted = dict[str, Mapping[str, str]]()
        #: By place, the tasks that were opened and concern none of the addresses.
        self._others = defaultdict[str, set[str]](set)
        #: How many tasks nobody can open, by place.
        self.unopened = Counter[str]()

    async def find(self, place: str, progress: Callable[[], None]) -> Sequence[FoundTask]:
        """Find the tasks of one place that concern one of the addresses; `progress` is called for each task."""
        others, found = self._others[place], list[FoundTask]()
        async for name, body in task_places(self._rights)[place].tasks():
            progress()
            if name in others:
                continue
            if task := self._open(place, name, body):
                found.append(task)
            else:
                others.add(name)
        return found

    def _open(self, place: str, name: str, body: bytes) -> FoundTask | None:
        """Return the task if it concerns one of the addresses."""
        try:
            message = parse_message(self._rights.opener.open(parse_task(body).sealed))
        except Unopenable:
            self.unopened[place] += 1
            return None
        campaign, digest = self._whose(message)
        if self._only not in {None, campaign}:
            return None
        email = self._addresses(campaign).get(digest)
        return FoundTask(name, campaign, email) if email else None

    def _whose(self, message: Message) -> tuple[str, str]:
        """Return the campaign and the digest of the address that a message concerns."""
        if message.kind == "press":
            # A token begins with both, in clear (shared/crypto/tokens.py).
            campaign, digest, *_ = [*message.token.split("~"), ""]
            return campaign, digest
        return message.campaign, self._rights.digester.address(message.campaign, message.email).digest

    def _addresses(self, campaign: str) -> Mapping[str, str]:
        if campaign not in self._wanted:
            digest = partial(self._rights.digester.address, campaign)
            self._wanted[campaign] = {digest(email).digest: email for email in self._emails}
        return self._wanted[campaign]
