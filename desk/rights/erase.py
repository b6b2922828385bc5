"""`undersign erase`: remove all that is kept of an address, or of many (GDPR, Article 17)."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from desk.errors import CommandError
from desk.private_files import create_folder, create_private
from desk.progress import Progress
from desk.rights.address import EmailOrNone, OnlyCampaign, parse_address, read_addresses
from desk.rights.receipt import DEAD_LETTERS, Erasure, Run, step
from desk.rights.search import (
    SEARCHING,
    FoundTask,
    TaskSearch,
    closing,
    find_campaigns,
    load_rights,
    task_places,
)
from desk.runtime import Rights
from desk.store.maintenance import expect_lower_total
from desk.terminal.output import errors, out, print_warning
from desk.terminal.progress import ProgressBar
from shared.clock import utc_now
from shared.stats import fall
from shared.store.entities import Address
from shared.store.removals import MAX_BACKUP_DAYS, Removal, expiry

#: Addresses whose records are removed at a time.
_AT_ONCE = 20

#: What was removed, by address.
Erasures = Mapping[str, Erasure]


def erase(
    email: EmailOrNone = None,
    file: Annotated[
        Path | None, typer.Option(help="In place of ADDRESS: a file with one address on each line.")
    ] = None,
    campaign: OnlyCampaign = None,
    receipt: Annotated[
        Path | None,
        typer.Option(
            help="Write the receipt to this new file as well; with --file, the receipts to this new folder, each "
            "named after its line."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Remove all that is kept of an address, in every place, and take its signature off the count.

    Ends with status 1 where something is left to be done, which the receipt names; run it again then. Erase many
    addresses with --file: what waits in the queues is then opened once for all of them.
    """
    if (email is None) == (file is None) or (file and receipt is None):
        raise CommandError("Name one address; or with --file a file of them, and with --receipt a new folder.")
    lines = read_addresses(file) if file else {parse_address(email or ""): 1}
    rights = load_rights()
    if not yes:
        # Not on standard output, where the receipt goes: that does not say the address.
        whose = f"the {len(lines):,} addresses in {file}" if file else next(iter(lines))
        question = f"Remove all that is kept of {whose} in {rights.place}? This cannot be undone."
        typer.confirm(question, abort=True, err=True)
    run = new_run(rights)
    erasures = {address: Erasure(run) for address in lines}
    if file and receipt:
        _erase_many(rights, run, erasures, campaign, receipt, list(lines.values()))
    else:
        _erase_and_print(rights, erasures, campaign, receipt)
    if not all(done.is_whole for done in erasures.values()):
        another = f", with another {'folder' if file else 'file'} for the receipt{'s' if file else ''}."
        print_warning("Run the same command again" + (another if receipt else "."))
        raise typer.Exit(1)


def _erase_and_print(rights: Rights, erasures: Erasures, only: str | None, receipt: Path | None) -> None:
    [done] = erasures.values()
    try:
        with ProgressBar(errors) as bar:
            asyncio.run(erase_one(rights, erasures, only, receipt, bar))
    finally:
        if done.text:
            out.print(done.text, markup=False)


async def erase_one(
    rights: Rights, erasures: Erasures, only: str | None, receipt: Path | None, progress: Progress
) -> None:
    """Remove all that is kept of one address; once something may be gone, the receipt is written in any case.

    Raises:
        CommandError: there is such a file, or no such campaign; nothing was removed.
    """
    [done] = erasures.values()
    with create_private(receipt) if receipt else nullcontext() as file:
        try:
            await _erase(rights, done.run, erasures, only, progress)
        finally:
            if done.run.begun:
                done.text = done.receipt(utc_now())
                if file:
                    file.write(f"{done.text}\n".encode())


def _erase_many(
    rights: Rights, run: Run, erasures: Erasures, only: str | None, folder: Path, lines: Sequence[int]
) -> None:
    """Write a receipt for each address into the new `folder`, named after its line."""
    create_folder(folder)
    try:
        with ProgressBar(errors) as bar:
            asyncio.run(_erase(rights, run, erasures, only, bar))
    finally:
        if run.begun:
            _write_receipts(folder, dict(zip(lines, erasures.values(), strict=True)))


def new_run(rights: Rights) -> Run:
    """Return a run that has not begun."""
    return Run(rights.campaigns, rights.broken, [rights.place, *rights.queues])


def _write_receipts(folder: Path, erasures: Mapping[int, Erasure]) -> None:
    """Write the receipt of each line, and print which lines are not finished."""
    for line, done in erasures.items():
        with create_private(folder / f"{line}.txt") as file:
            file.write(f"{done.receipt(utc_now())}\n".encode())
    unfinished = [f"{line}" for line, done in erasures.items() if not done.is_whole]
    out.print(
        f"{len(erasures) - len(unfinished):,} of {len(erasures):,} addresses are erased; receipts in {folder}.",
        markup=False,
    )
    if unfinished:
        out.print(f"NOT finished: line {', '.join(unfinished)}.", markup=False)


async def _erase(rights: Rights, run: Run, erasures: Erasures, only: str | None, progress: Progress) -> None:
    """Remove everything that answers now, and keep in `erasures` at any moment what is gone.

    The queues go first, or a task in one might bring the signature back. Then all is looked for once more: a task
    may have come in meanwhile.
    """
    search = TaskSearch(rights, list(erasures), only)
    run.unopened = search.unopened
    async with closing(rights):
        known = await find_campaigns(rights, only)
        run.begun = True
        for _ in range(2):
            progress.begin(SEARCHING)
            for place in task_places(rights):
                with step(place, run.failed):
                    for task in await search.find(place, progress.advance):
                        await _remove_task(rights, place, task, erasures[task.email])
            for campaign in known:
                await _forget_all(rights, run, campaign, erasures)
        with step("the outbox", run.failed):
            _forget_mails(rights, erasures)
        # Also where nothing was found: an earlier run may have come no further than this.
        with step(rights.place, run.traces):
            await rights.maintenance.overwrite()
        for name, queue in rights.queues.items():
            with step(name, run.traces):
                await queue.overwrite()
        run.ended = True


async def _remove_task(rights: Rights, place: str, task: FoundTask, done: Erasure) -> None:
    await task_places(rights)[place].delete([task.name])
    removed = done.of(task.campaign)
    if place == DEAD_LETTERS:
        removed.dead_letters += 1
    else:
        removed.waiting += 1


async def _forget_all(rights: Rights, run: Run, campaign: str, erasures: Erasures) -> None:
    if len(erasures) > fall.MAX_WITHDRAWN:
        # An overlay that nobody can read costs a false alarm, and not the erasure.
        with step(f"the overlay of campaign {campaign}", run.failed), suppress(ValidationError):
            await expect_lower_total(rights.maintenance, campaign, utc_now())
    pairs = list(erasures.items())
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        await asyncio.gather(*(_forget(rights, campaign, email, done) for email, done in some))


async def _forget(rights: Rights, campaign: str, email: str, done: Erasure) -> None:
    address = rights.digester.address(campaign, email)
    with step(f"the records of campaign {campaign}", done.failed):
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


def _forget_mails(rights: Rights, erasures: Erasures) -> None:
    # Of no campaign: however an address is written, its digest is the same.
    wanted = {rights.digester.address("", email): done for email, done in erasures.items()}

    def concerns(to: str) -> bool:
        done = wanted.get(rights.digester.address("", to))
        if done:
            done.mails += 1
        return done is not None

    if rights.outbox:
        rights.outbox.forget(concerns)
