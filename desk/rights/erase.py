"""`undersign erase`: remove all that is kept of an address (GDPR, Article 17)."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from desk.private_files import create_private
from desk.rights.address import Email, OnlyCampaign, parse_address
from desk.rights.receipt import DEAD_LETTERS, Erasure, step
from desk.rights.search import closing, find_campaigns, find_tasks, load_rights, task_places
from desk.runtime import Rights
from desk.terminal.output import out, print_warning
from shared.clock import utc_now
from shared.store.entities import Address
from shared.store.removals import MAX_BACKUP_DAYS, Removal, expiry


def erase(
    email: Email,
    campaign: OnlyCampaign = None,
    receipt: Annotated[Path | None, typer.Option(help="Write the receipt to this new file as well.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Remove all that is kept of an address, in every place, and take its signature off the count.

    Ends with status 1 where something is left to be done, which the receipt names; run it again then.
    """
    address = parse_address(email)
    rights = load_rights()
    if not yes:
        # Not on standard output, where the receipt goes: that does not say the address.
        question = f"Remove all that is kept of {address} in {rights.place}? This cannot be undone."
        typer.confirm(question, abort=True, err=True)
    done = Erasure(rights.campaigns, rights.broken, [rights.place, *rights.queues])
    with create_private(receipt) if receipt else nullcontext() as file:
        try:
            asyncio.run(_erase(rights, address, campaign, done))
        finally:
            if done.begun:
                _print_receipt(done.receipt(utc_now()), file)
    if not done.is_whole:
        print_warning("Run the same command again" + (", with another file for the receipt." if receipt else "."))
        raise typer.Exit(1)


def _print_receipt(receipt: str, file: BinaryIO | None) -> None:
    if file:
        file.write(f"{receipt}\n".encode())
    out.print(receipt, markup=False)


async def _erase(rights: Rights, email: str, only: str | None, done: Erasure) -> None:
    """Remove everything that answers now, and keep in `done` at any moment what is gone.

    The queues go first, or a task in one might bring the signature back. Then all is looked for once more: a task
    may have come in meanwhile.
    """
    async with closing(rights):
        known = await find_campaigns(rights, only)
        done.begun = True
        for _ in range(2):
            for name in task_places(rights):
                with step(name, done.failed):
                    await _remove_tasks(rights, name, email, only, done)
            for campaign in known:
                with step(f"the records of campaign {campaign}", done.failed):
                    await _forget(rights, campaign, email, done)
        if rights.outbox:
            wanted = rights.digester.address("", email)  # however it is written
            with step("the outbox", done.failed):
                done.mails = rights.outbox.forget(lambda to: rights.digester.address("", to) == wanted)
        # Also where nothing was found: an earlier run may have come no further than this.
        with step(rights.place, done.traces):
            await rights.maintenance.overwrite()
        for name, queue in rights.queues.items():
            with step(name, done.traces):
                await queue.overwrite()
        done.ended = True


async def _remove_tasks(rights: Rights, place: str, email: str, only: str | None, done: Erasure) -> None:
    tasks = task_places(rights)[place]
    found = await find_tasks(rights, tasks, email, only)
    done.unopened[place] = found.unopened
    for campaign, names in found.names.items():
        removed = done.of(campaign)
        for name in names:
            await tasks.delete([name])
            if place == DEAD_LETTERS:
                removed.dead_letters += 1
            else:
                removed.waiting += 1


async def _forget(rights: Rights, campaign: str, email: str, done: Erasure) -> None:
    address = rights.digester.address(campaign, email)
    if seen := await rights.maintenance.find(address):
        done.doubtful[campaign] = seen
        await _note_removal(rights, address, done)
    found = await rights.maintenance.forget(address)
    doubtful = done.doubtful.pop(campaign, None)
    # Seen before, and not there now: the commit that got no answer had gone through.
    if gone := found or doubtful:
        done.of(campaign).records.append(gone)


async def _note_removal(rights: Rights, address: Address, done: Erasure) -> None:
    """Note first what is then removed: a backup that is restored brings it back, unless there is a note of it."""
    if rights.removals is None:
        return
    now, known = utc_now(), rights.campaigns.get(address.campaign)
    expire_at = expiry(now, known.privacy.backup_days if known else MAX_BACKUP_DAYS)
    await rights.removals.add(Removal(address.campaign, address.digest, address.mailbox, now, expire_at))
    done.of(address.campaign).noted_until = expire_at
