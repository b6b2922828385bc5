"""`undersign access` and `erase`: somebody asks what is kept of them, or wants it gone (GDPR, Articles 15 and 17).

An address is found by its digest, for which deliver's pepper is needed. What waits in the queue is sealed to
deliver, so its identity is needed, too. Both are in Secret Manager; whoever runs these commands must be allowed to
read them.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from pydantic_core import PydanticCustomError
from rich.console import Console

from desk import private_files, runtime
from desk.errors import CommandError
from desk.keys.prove import IdentityFiles, read_all
from desk.rights.receipt import PARKED, Erasure, file_trouble, step, unopened_lines
from desk.runtime import Rights
from desk.store.maintenance import Found
from desk.terminal import output
from desk.terminal.output import out
from shared.campaigns.model import Campaign
from shared.clock import utc_now
from shared.crypto.sealing import Opener
from shared.errors import Unopenable
from shared.models.fields import check_email
from shared.models.messages import Message, parse_message, parse_task
from shared.queue import TaskList
from shared.store.entities import Claim, Mailbox, Signature, Submission

#: In place of an address.
_ASK = "-"

Email = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS",
        help=f"The email address, as the person writes it. {_ASK} asks for it, or reads it from standard input, "
        "so that it stands neither in the history of the shell nor in the list of processes.",
    ),
]
CampaignId = Annotated[
    str | None, typer.Option("--campaign", help="In this campaign only; by default in all.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Concerning:
    """Tasks of one place that concern an address: names by campaign. `unopened`: how many nobody can open."""

    names: Mapping[str, Sequence[str]]
    unopened: int


@dataclass(frozen=True, slots=True)
class Kept:
    """All that one campaign keeps of an address. `waiting`, `parked`: how many tasks."""

    campaign: str
    found: Found
    waiting: int
    parked: int

    def __bool__(self) -> bool:
        return bool(self.found or self.waiting or self.parked)


def access(
    email: Email,
    campaign: CampaignId = None,
    identity: IdentityFiles = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Write it to this new file, as JSON to give to the person.", show_default=False),
    ] = None,
) -> None:
    """Say all that is kept of an address. With a key of the campaign (-i), also what is sealed."""
    address = _address(email)
    opener = Opener(read_all(identity)) if identity else None
    rights = _rights()
    everything, unopened = asyncio.run(_look_up(rights, address, campaign))
    report = [_report(rights, kept, opener) for kept in everything]
    text = json.dumps(report, indent=2, ensure_ascii=False, default=str)
    for line in unopened_lines(unopened, utc_now()):
        _remark(line)
    if not report:
        out.print(
            f"Nothing is kept of this address in {rights.place}: "
            "it has not signed, or what it signed is gone already.",
            markup=False,
        )
    elif to:
        with _new(to) as file:
            file.write(f"{text}\n".encode())
        out.print(f"Written to {to}.", markup=False)
    else:
        out.print(text, markup=False)


def erase(
    email: Email,
    campaign: CampaignId = None,
    receipt: Annotated[
        Path | None, typer.Option(help="Write the receipt to this new file as well.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Remove all that is kept of an address, in every place, and take its signature off the count.

    Ends with status 1 where something is left to be done, which the receipt names; run it again then.
    """
    address = _address(email)
    if not yes:
        # Not on standard output, where the receipt goes: that does not say the address.
        typer.confirm(f"Remove all that is kept of {address}? This cannot be undone.", abort=True, err=True)
    rights = _rights()
    done = Erasure(rights.campaigns, rights.broken, [rights.place, *rights.queues])
    with _new(receipt) if receipt else nullcontext() as file:
        try:
            asyncio.run(_erase(rights, address, campaign, done))
        finally:
            if done.begun:
                _hand_out(done.receipt(utc_now()), file)
    if not done.is_whole:
        _remark("Run the same command again" + (", with another file for the receipt." if receipt else "."))
        raise typer.Exit(1)


def _hand_out(receipt: str, file: BinaryIO | None) -> None:
    if file:
        file.write(f"{receipt}\n".encode())
    out.print(receipt, markup=False)


def _address(given: str) -> str:
    """
    Raises:
        CommandError: it is none, or there is none.
    """
    if given == _ASK:
        given = typer.prompt("The email address", err=True) if output.at_terminal() else sys.stdin.readline()
        if not given:
            raise CommandError("There is no terminal to ask for the address at, and none on standard input.")
    email = given.strip()
    try:
        return check_email(email)
    except PydanticCustomError:
        raise CommandError(
            f"{email} is no email address: write it as the person does, as in ann@example.org"
        ) from None


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner's eyes only, that was not there before; nor is it afterwards if nothing was written.

    Raises:
        CommandError: there is such a file.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists already: choose another name.") from None
    with os.fdopen(descriptor, "wb") as file:
        try:
            yield file
        finally:
            if not private_files.sync(file):
                path.unlink()


def _remark(told: str) -> None:
    """Tell the person at the desk what does not belong to what they asked for."""
    Console(stderr=True, soft_wrap=True).print(told, style="yellow", markup=False, highlight=False)


def _rights() -> Rights:
    """With a warning for each campaign file that does not load: no such file keeps anybody from their rights."""
    rights = runtime.rights()
    for campaign, told in rights.broken.items():
        _remark(
            f"The file of campaign {campaign} does not load; what is stored of it is searched without.\n{told}"
        )
    return rights


@asynccontextmanager
async def _closing(rights: Rights) -> AsyncIterator[None]:
    try:
        yield
    finally:
        rights.records.close()
        for place in _places(rights).values():
            await place.aclose()


def _places(rights: Rights) -> Mapping[str, TaskList]:
    """Wherever tasks may lie."""
    return {**rights.queues, PARKED: rights.parked}


async def _look_up(rights: Rights, email: str, only: str | None) -> tuple[list[Kept], Mapping[str, int]]:
    """What the campaigns keep, those left out that keep nothing; and how many tasks nobody can open, by place."""
    async with _closing(rights):
        known = await _campaigns(rights, only)
        tasks = {name: await _concerning(rights, place, email, only) for name, place in _places(rights).items()}
        everything = []
        for campaign in sorted({*known, *(campaign for each in tasks.values() for campaign in each.names)}):
            numbers = {name: len(each.names.get(campaign, ())) for name, each in tasks.items()}
            parked = numbers.pop(PARKED)
            address = rights.digester.address(campaign, email)
            # What is stored nowhere but in a queue needs no look into the store, whatever its name is.
            found = await rights.records.find(address) if campaign in known else Found(None, Mailbox())
            everything.append(Kept(campaign, found, sum(numbers.values()), parked))
        return [kept for kept in everything if kept], {name: each.unopened for name, each in tasks.items()}


async def _erase(rights: Rights, email: str, only: str | None, done: Erasure) -> None:
    """Whatever is away, the rest is removed, and `done` knows at any moment what is gone.

    The queues go first, or a task in one might bring the signature back. Then all is looked for once more: a task
    may have come in meanwhile.
    """
    async with _closing(rights):
        known = await _campaigns(rights, only)
        done.begun = True
        for _ in range(2):
            for name in _places(rights):
                with step(name, done.failed):
                    await _remove_tasks(rights, name, email, only, done)
            for campaign in known:
                with step(f"the records of campaign {campaign}", done.failed):
                    await _forget(rights, campaign, email, done)
        if rights.outbox:
            with step("the outbox", done.failed):
                done.mails = _empty_outbox(rights, email)
        # Also where nothing was found: an earlier run may have come no further than this.
        with step(rights.place, done.traces):
            await rights.records.overwrite()
        for name, queue in rights.queues.items():
            with step(name, done.traces):
                await queue.overwrite()
        done.ended = True


async def _campaigns(rights: Rights, only: str | None) -> Sequence[str]:
    """Those that have a file, be it broken, and those of which something is stored; or the one that is asked for.

    Raises:
        CommandError: there is no such campaign.
    """
    known = sorted({*rights.campaigns, *rights.broken, *await rights.records.campaigns()})
    if only is not None and only not in known:
        raise CommandError(f"There is no campaign {only}. There are: {', '.join(known) or 'none'}.")
    return known if only is None else [only]


async def _remove_tasks(rights: Rights, place: str, email: str, only: str | None, done: Erasure) -> None:
    tasks = _places(rights)[place]
    concerning = await _concerning(rights, tasks, email, only)
    done.unopened[place] = concerning.unopened
    for campaign, names in concerning.names.items():
        removed = done.of(campaign)
        for name in names:
            await tasks.delete([name])
            if place == PARKED:
                removed.parked += 1
            else:
                removed.waiting += 1


async def _forget(rights: Rights, campaign: str, email: str, done: Erasure) -> None:
    address = rights.digester.address(campaign, email)
    if seen := await rights.records.find(address):
        done.doubtful[campaign] = seen
    found = await rights.records.forget(address)
    doubtful = done.doubtful.pop(campaign, None)
    # Seen before, and not there now: the commit that got no answer had gone through.
    if gone := found or doubtful:
        done.of(campaign).records.append(gone)


def _empty_outbox(rights: Rights, email: str) -> int:
    """How many mails there were to the address, however it was written."""
    wanted = rights.digester.address("", email)
    return rights.outbox.forget(lambda to: rights.digester.address("", to) == wanted) if rights.outbox else 0


async def _concerning(rights: Rights, place: TaskList, email: str, only: str | None) -> Concerning:
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
    return Concerning(names, unopened)


def _campaign_of(message: Message) -> str:
    # A token begins with its campaign, in clear (shared/crypto/tokens.py).
    return message.token.partition("~")[0] if message.kind == "press" else message.campaign


def _is_about(rights: Rights, message: Message, campaign: str, email: str) -> bool:
    digest = rights.digester.address(campaign, email).digest
    if message.kind == "press":
        return digest in message.token
    return rights.digester.address(campaign, message.email).digest == digest


def _report(rights: Rights, kept: Kept, opener: Opener | None) -> dict[str, Any]:
    """What a person may know (GDPR, Article 15), without our own names for it."""
    signature = kept.found.signature
    campaign = rights.campaigns.get(kept.campaign)
    return {
        "campaign": kept.campaign,
        **(_told_by_file(campaign) if campaign else _told_without_file(rights, kept.campaign)),
        "kept_until": _kept_until(campaign, signature),
        "signature": _signature(signature, opener) if signature else None,
        "mails": [_mail(claim) for claim in kept.found.mailbox.claims],
        "waiting_in_the_queue": kept.waiting,
        "put_aside": kept.parked,
    }


def _told_by_file(campaign: Campaign) -> dict[str, Any]:
    privacy = campaign.privacy
    return {
        "controllers": [controller.model_dump() for controller in campaign.controllers],
        "purpose": campaign.text(campaign.default_language).consent,
        "recipients": privacy.recipients,
        "processors": [processor.model_dump() for processor in privacy.processors],
        "complain_to": f"{privacy.supervisory_authority}, {privacy.supervisory_authority_website}",
    }


def _told_without_file(rights: Rights, campaign: str) -> dict[str, Any]:
    trouble = file_trouble(campaign, rights.broken)
    told = (
        "who keeps this, what for, for how long, who receives it and where to complain must be told in another way"
    )
    return {"note": f"The file of this campaign {trouble}: {told}."}


def _mail(claim: Claim) -> dict[str, Any]:
    return {"what": claim.key.split(":")[0], "at": claim.at, "sent": claim.sent}


def _kept_until(campaign: Campaign | None, signature: Signature | None) -> date | None:
    if signature and signature.expire_at:
        return signature.expire_at.date()
    return campaign.purged_on if campaign else None


def _signature(signature: Signature, opener: Opener | None) -> dict[str, Any]:
    return {
        "status": signature.status,
        "confirmed_at": signature.confirmed_at,
        "withdrawn_at": signature.withdrawn_at,
        "signed": [_submission(submission, opener) for submission in signature.submissions],
    }


def _submission(submission: Submission, opener: Opener | None) -> dict[str, Any]:
    return {
        "signed_at": submission.signed_at,
        "country": submission.country,
        "partner": submission.partner,
        "source": submission.source,
        "locale": submission.locale,
        "mail_provider": submission.mailbox_class,
        "newsletter": submission.newsletter,
        "consent_version": submission.consent_version,
        "sealed": _unsealed(submission.sealed, opener),
    }


def _unsealed(sealed: bytes, opener: Opener | None) -> Any:
    if opener is None:
        return "name and address, which only a key of the campaign opens (-i)"
    try:
        return json.loads(opener.open(sealed))
    except Unopenable:
        raise CommandError("This key does not open what was signed: it is not one of the campaign's.") from None
