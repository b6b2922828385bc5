"""`undersign access` and `erase`: somebody asks what is kept of them, or wants it gone (GDPR, Articles 15 and 17).

An address is found by its digest, for which deliver's pepper is needed. What waits in the queue is sealed to
deliver, so its identity is needed, too. Both are in Secret Manager; whoever runs these commands must be allowed to
read them.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import PydanticCustomError

from desk import files
from desk.asking import out
from desk.faults import Fault
from desk.keys import IdentityFiles, read_all
from shared import runtime
from shared.campaigns import Campaign
from shared.errors import Unopenable
from shared.models import check_email, parse_message, parse_task
from shared.runtime import Rights, utc_now
from shared.sealing import Opener
from shared.store import Address, Claim, Signature, Submission
from shared.store.records import Found
from shared.tasks import TaskList

Email = Annotated[str, typer.Argument(metavar="ADDRESS", help="The email address, as the person writes it.")]
CampaignId = Annotated[
    str | None, typer.Option("--campaign", help="In this campaign only; by default in all.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Kept:
    """All that one campaign keeps of an address. `tasks`: what waits, by queue."""

    campaign: Campaign
    address: Address
    found: Found
    tasks: Sequence[tuple[TaskList, list[str]]]

    @property
    def waiting(self) -> int:
        return sum(len(names) for _, names in self.tasks)

    def __bool__(self) -> bool:
        return bool(self.found or self.waiting)


def access(
    email: Email,
    campaign: CampaignId = None,
    identity: IdentityFiles = None,
    to: Annotated[
        Path | None, typer.Option(help="Write it to this file, as JSON to give to the person.", show_default=False)
    ] = None,
) -> None:
    """Say all that is kept of an address. With a key of the campaign (-i), also what is sealed."""
    opener = Opener(read_all(identity)) if identity else None
    checked = _checked(email)
    report = [_report(kept, opener) for kept in asyncio.run(_look_up(checked, campaign))]
    text = json.dumps(report, indent=2, ensure_ascii=False, default=str)
    if to:
        with files.opened(to) as file:
            file.write(f"{text}\n".encode())
        out.print(f"Written to {to}.")
    elif report:
        out.print(text, markup=False)
    if not report:
        out.print("Nothing is kept of this address: it has not signed, or what it signed is gone already.")


def erase(
    email: Email,
    campaign: CampaignId = None,
    receipt: Annotated[
        Path | None, typer.Option(help="Write the receipt to this file as well.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Remove all that is kept of an address, in every place, and take its signature off the count."""
    checked = _checked(email)
    if not yes:
        typer.confirm(f"Remove all that is kept of {email}? This cannot be undone.", abort=True)
    erased = asyncio.run(_erase(checked, campaign))
    text = _receipt(erased, utc_now())
    out.print(text, markup=False)
    if receipt:
        files.replace(receipt, text)


def _checked(email: str) -> str:
    try:
        return check_email(email)
    except PydanticCustomError:
        raise Fault(f"{email} is no email address: write it as the person does, as in ann@example.org") from None


async def _look_up(email: str, campaign: str | None) -> list[Kept]:
    async with _rights() as rights:
        return [kept async for kept in _kept(rights, email, campaign)]


async def _erase(email: str, campaign: str | None) -> list[Kept]:
    """What was kept, and is gone.

    The queue goes first, or a task in it might bring the signature back. Then all is looked for once more: a task
    may have come in meanwhile.
    """
    async with _rights() as rights:
        erased = [kept async for kept in _kept(rights, email, campaign)]
        for kept in erased:
            await _remove(rights, kept)
        async for left in _kept(rights, email, campaign):
            await _remove(rights, left)
        if rights.outbox:
            _empty_outbox(rights, email)
        await rights.records.overwrite()
        for queue in rights.queues:
            await queue.overwrite()
        return erased


async def _remove(rights: Rights, kept: Kept) -> None:
    for queue, names in kept.tasks:
        await queue.delete(names)
    await rights.records.forget(kept.address)


def _empty_outbox(rights: Rights, email: str) -> None:
    [campaign, *_] = rights.campaigns
    wanted = rights.digester.address(campaign, email).digest
    if rights.outbox:
        rights.outbox.forget(lambda to: rights.digester.address(campaign, to).digest == wanted)


@asynccontextmanager
async def _rights() -> AsyncIterator[Rights]:
    rights = runtime.rights()
    try:
        yield rights
    finally:
        rights.records.close()
        for queue in rights.queues:
            await queue.aclose()


async def _kept(rights: Rights, email: str, only: str | None) -> AsyncIterator[Kept]:
    """What each campaign keeps; campaigns that keep nothing are left out."""
    if only is not None and only not in rights.campaigns:
        raise Fault(f"There is no campaign {only}. There are: {', '.join(sorted(rights.campaigns))}.")
    addresses = {
        campaign: rights.digester.address(campaign, email) for campaign in ([only] if only else rights.campaigns)
    }
    waiting = [(queue, await _concerning(rights, queue, addresses.values())) for queue in rights.queues]
    for campaign, address in addresses.items():
        tasks = [(queue, names.get(campaign, [])) for queue, names in waiting]
        kept = Kept(rights.campaigns[campaign], address, await rights.records.find(address), tasks)
        if kept:
            yield kept


async def _concerning(rights: Rights, queue: TaskList, addresses: Iterable[Address]) -> dict[str, list[str]]:
    """The names of the tasks that concern these addresses, by campaign."""
    digests = {address.digest: address.campaign for address in addresses}
    names = dict[str, list[str]]()
    async for name, body in queue.tasks():
        if (digest := _digest_in(rights, body, digests)) is not None:
            names.setdefault(digests[digest], []).append(name)
    return names


def _digest_in(rights: Rights, body: bytes, digests: Iterable[str]) -> str | None:
    """Which of these addresses a task is about; None also for what nobody can open, which is then put aside."""
    try:
        message = parse_message(rights.opener.open(parse_task(body).sealed))
    except Unopenable:
        return None
    if message.kind == "press":
        # The token names the digest, in clear.
        return next((digest for digest in digests if digest in message.token), None)
    digest = rights.digester.address(message.campaign, message.email).digest
    return digest if digest in digests else None


def _report(kept: Kept, opener: Opener | None) -> dict[str, Any]:
    """What a person may know (GDPR, Article 15), without our own names for it."""
    privacy = kept.campaign.privacy
    signature = kept.found.signature
    return {
        "campaign": kept.campaign.id,
        "controllers": [controller.model_dump() for controller in kept.campaign.controllers],
        "purpose": kept.campaign.text(kept.campaign.default_language).consent,
        "recipients": privacy.recipients,
        "processors": [processor.model_dump() for processor in privacy.processors],
        "kept_until": _kept_until(kept.campaign, signature),
        "complain_to": f"{privacy.supervisory_authority}, {privacy.supervisory_authority_website}",
        "signature": _signature(signature, opener) if signature else None,
        "mails": [_mail(claim) for claim in kept.found.mailbox.claims],
        "waiting_in_the_queue": kept.waiting,
    }


def _mail(claim: Claim) -> dict[str, Any]:
    return {"what": claim.key.split(":")[0], "at": claim.at, "sent": claim.sent}


def _kept_until(campaign: Campaign, signature: Signature | None) -> date:
    if signature and signature.expire_at:
        return signature.expire_at.date()
    return campaign.purged_on


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
        raise Fault("This key does not open what was signed: it is not one of the campaign's.") from None


def _receipt(erased: Sequence[Kept], now: datetime) -> str:
    """What was done, to give to the person. Holds neither the address nor anything made from it."""
    lines = [f"Erasure of personal data (GDPR, Article 17), {now:%Y-%m-%d %H:%M} UTC, receipt {uuid.uuid4()}", ""]
    if not erased:
        lines.append("Nothing was kept of this address.")
    for kept in erased:
        lines += _erased_lines(kept, now)
    return "\n".join(lines)


def _erased_lines(kept: Kept, now: datetime) -> Iterable[str]:
    signature, campaign = kept.found.signature, kept.campaign
    yield f"Campaign {campaign.id}:"
    if signature:
        counted = ", and taken off the count" if signature.confirmed_at else ""
        yield f"  - the {signature.status} signature was removed{counted}"
    if kept.found.mailbox.claims:
        yield f"  - the record of {len(kept.found.mailbox.claims)} mails was removed"
    if kept.waiting:
        yield f"  - {kept.waiting} tasks that waited in the queue were removed"
    if campaign.privacy.backup_days:
        gone = now.date() + timedelta(days=campaign.privacy.backup_days)
        yield f"  - backups hold it until {gone}, and are not used otherwise"
    yield "  - exports that were made before hold it still: whoever has one deletes it, or makes it anew"
