"""Find what is kept of an address: signatures and mails in the store, and tasks wherever they wait.

An address is found by its digest, for which deliver's pepper is needed. What waits in the queue is sealed to
deliver, so its identity is needed, too. Both are in Secret Manager; the person who runs these commands must be
allowed to read them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from desk import runtime
from desk.errors import CommandError
from desk.rights.receipt import DEAD_LETTERS
from desk.runtime import Rights
from desk.terminal.output import print_note, print_warning
from shared.errors import Unopenable
from shared.models.messages import Message, parse_message, parse_task
from shared.queue import TaskList


@dataclass(frozen=True, slots=True)
class FoundTasks:
    """Tasks of one place that concern an address: names by campaign. `unopened`: how many nobody can open."""

    names: Mapping[str, Sequence[str]]
    unopened: int


def load_rights() -> Rights:
    """Wire the store and the queues, say where they are, and warn of each campaign file that does not load.

    No such file keeps anybody from their rights.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    rights = runtime.rights()
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


async def find_tasks(rights: Rights, place: TaskList, email: str, only: str | None) -> FoundTasks:
    """Find the tasks of one place that concern an address."""
    names, unopened = dict[str, list[str]](), 0
    async for name, body in place.tasks():
        try:
            message = parse_message(rights.opener.open(parse_task(body).sealed))
        except Unopenable:
            unopened += 1
            continue
        campaign = _campaign_of(message)
        if only in {None, campaign} and _is_about(rights, message, campaign, email):
            names.setdefault(campaign, []).append(name)
    return FoundTasks(names, unopened)


def _campaign_of(message: Message) -> str:
    # A token begins with its campaign, in clear (shared/crypto/tokens.py).
    return message.token.partition("~")[0] if message.kind == "press" else message.campaign


def _is_about(rights: Rights, message: Message, campaign: str, email: str) -> bool:
    digest = rights.digester.address(campaign, email).digest
    if message.kind == "press":
        return digest in message.token
    return rights.digester.address(campaign, message.email).digest == digest
