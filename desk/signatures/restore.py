"""`undersign restore`: finish what the restore of a backup leaves undone.

A backup holds what was withdrawn or erased after it, and lacks what was confirmed after it. The first is noted in
the spool's database (`shared/store/removals.py`); the second may be in another database of the project, as a rule
the one that the restored one replaces.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import typer

from desk import runtime
from desk.runtime import Restoration
from desk.settings import command
from desk.store.maintenance import Maintenance
from desk.store.merge import merge_signatures
from desk.terminal.output import out, print_note, print_text, table
from shared.clock import utc_now
from shared.store.entities import Address, Signature, Withdrawal
from shared.store.removals import Removal

#: Removals that are done at a time.
_AT_ONCE = 20

#: Signatures by campaign.
Numbers = Counter[str]


def restore(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATABASE",
            help="First copy what another database of the project holds and this one lacks, or holds as it was "
            "earlier.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Remove from a restored database what was withdrawn or erased after its backup. May be repeated.

    How to restore one is in infra/RUNBOOK.md.
    """
    restoration = runtime.restoration(source)
    print_note(f"Working on {restoration.place}.")
    if not yes:
        copied = f"copy signatures from {source} and " if source else ""
        typer.confirm(f"In {restoration.place}, {copied}remove what was withdrawn or erased?", abort=True)
    copies, removals = asyncio.run(_restore(restoration, utc_now()))
    shown = table("campaign", "copied", "removed again")
    for campaign in sorted(copies.keys() | removals.keys()):
        shown.add_row(campaign, f"{copies[campaign]:,}", f"{removals[campaign]:,}")
    out.print(shown)
    print_text(
        "[green]Done[/] in {place}. Now check the count of each: {command} audit CAMPAIGN",
        place=restoration.place,
        command=command(),
    )


async def _restore(restoration: Restoration, now: datetime) -> tuple[Numbers, Numbers]:
    """Return how many signatures were copied, and how many removed again."""
    async with _closing(restoration):
        removals = [removal async for removal in restoration.removals.all()]
        copies = await _copy(restoration, removals, now)
        return copies, await _remove(restoration.maintenance, removals)


@asynccontextmanager
async def _closing(restoration: Restoration) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for each in (restoration.maintenance, restoration.source, restoration.removals):
            if each:
                each.close()


async def _copy(restoration: Restoration, removals: Sequence[Removal], now: datetime) -> Numbers:
    copies = Numbers()
    if restoration.source is None:
        return copies
    removed_at = {(removal.campaign, removal.digest): removal.at for removal in removals}
    for campaign in await restoration.source.campaigns():
        if (await restoration.maintenance.overlay(campaign)).purged:
            continue  # its signatures are gone for good

        async for page in restoration.source.scan(campaign):
            there = {each.digest: each.signature for each in page}

            def merge(
                digest: str,
                here: Signature | None,
                campaign: str = campaign,
                there: Mapping[str, Signature] = there,
            ) -> Signature | None:
                return merge_signatures(here, there[digest], removed_at.get((campaign, digest)), now)

            copies[campaign] += await restoration.maintenance.change(campaign, list(there), merge)
    return copies


async def _remove(maintenance: Maintenance, removals: Sequence[Removal]) -> Numbers:
    removed = Numbers()
    for start in range(0, len(removals), _AT_ONCE):
        some = removals[start : start + _AT_ONCE]
        found = await asyncio.gather(*(_remove_again(maintenance, removal) for removal in some))
        removed.update(removal.campaign for removal, was_there in zip(some, found, strict=True) if was_there)
    return removed


async def _remove_again(maintenance: Maintenance, removal: Removal) -> bool:
    """Withdraw or erase; return whether anything was there. What was signed after the removal stays."""
    if removal.mailbox is not None:
        address = Address(removal.campaign, removal.digest, removal.mailbox)
        signature = (await maintenance.find(address)).signature
        if not signature or all(each.signed_at <= removal.at for each in signature.submissions):
            return bool(await maintenance.forget(address))
    outcome = await maintenance.withdraw(removal.campaign, removal.digest, removal.at, deferred=True)
    return outcome is not Withdrawal.ALREADY
