"""`undersign access`: all that is kept of an address (GDPR, Article 15)."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from desk.errors import CommandError
from desk.keys.identity_files import IdentityFiles, read_identities
from desk.private_files import create_private
from desk.progress import Progress
from desk.rights.address import Email, OnlyCampaign, parse_address
from desk.rights.receipt import DEAD_LETTERS, file_state, unopened_lines
from desk.rights.search import SEARCHING, TaskSearch, closing, find_campaigns, load_rights, task_places
from desk.runtime import Rights
from desk.store.maintenance import Kept
from desk.terminal.output import errors, out, print_warning
from desk.terminal.progress import ProgressBar
from shared.campaigns.model import Campaign
from shared.clock import utc_now
from shared.crypto.sealing import Opener
from shared.errors import Unopenable
from shared.store.entities import Mailbox, Signature, Submission
from shared.store.removals import Removal


def access(
    email: Email,
    campaign: OnlyCampaign = None,
    identity: IdentityFiles = None,
    to: Annotated[
        Path | None, typer.Option(help="Write it to this new file, as JSON to give to the person.")
    ] = None,
) -> None:
    """Say all that is kept of an address. With a key of the campaign (-i), also what is sealed."""
    address = parse_address(email)
    opener = Opener(read_identities(identity)) if identity else None
    rights = load_rights()
    with ProgressBar(errors) as bar:
        report, unopened = asyncio.run(_look_up(rights, address, campaign, opener, bar))
    for line in unopened_lines(unopened, utc_now()):
        print_warning(line)
    if not report:
        out.print(
            f"Nothing is kept of this address in {rights.place}: "
            "it has not signed, or what it signed is gone already.",
            markup=False,
        )
    elif to:
        _write(to, report)
        out.print(f"Written to {to}.", markup=False)
    else:
        out.print(_text(report), markup=False)


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """What was found of an address: in how many `campaigns`, and what to warn of. `file`: the answer, if any."""

    file: Path
    campaigns: int
    warnings: Sequence[str]


async def write_answer(rights: Rights, email: str, file: Path, progress: Progress) -> AccessAnswer:
    """Write all that is kept of an address to a new file, to give to the person; nothing is kept, no file.

    Raises:
        CommandError: there is such a file.
    """
    report, unopened = await _look_up(rights, email, None, None, progress)
    if report:
        _write(file, report)
    broken = [
        f"The file of campaign {campaign} does not load: it was searched without." for campaign in rights.broken
    ]
    return AccessAnswer(file, len(report), [*broken, *unopened_lines(unopened, utc_now())])


def _write(file: Path, report: Sequence[Mapping[str, Any]]) -> None:
    with create_private(file) as opened:
        opened.write(f"{_text(report)}\n".encode())


def _text(report: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(report, indent=2, ensure_ascii=False, default=str)


async def _look_up(
    rights: Rights, email: str, only: str | None, opener: Opener | None, progress: Progress
) -> tuple[list[dict[str, Any]], Mapping[str, int]]:
    """Report what each campaign keeps of an address, if anything; and how many tasks nobody can open, by place."""
    async with closing(rights):
        known = await find_campaigns(rights, only)
        waiting, dead_letters, unopened = await _count_tasks(rights, email, only, progress)
        reports = []
        for campaign in sorted({*known, *waiting, *dead_letters}):
            address = rights.digester.address(campaign, email)
            # What is stored nowhere but in a queue needs no look into the store, whatever its name is.
            found = await rights.maintenance.find(address) if campaign in known else Kept(None, Mailbox())
            note = await rights.removals.find(campaign, address.digest) if rights.removals else None
            tasks = {"waiting_in_the_queue": waiting[campaign], "put_aside": dead_letters[campaign]}
            if found or any(tasks.values()) or note:
                report = _report(rights, campaign, found, opener)
                reports.append({**report, **tasks, "note_of_removal": _note_of_removal(note)})
        return reports, unopened


async def _count_tasks(
    rights: Rights, email: str, only: str | None, progress: Progress
) -> tuple[Counter[str], Counter[str], Mapping[str, int]]:
    """Count the tasks of an address by campaign: waiting and dead letters; and those nobody can open, by place."""
    search = TaskSearch(rights, [email], only)
    waiting, dead_letters = Counter[str](), Counter[str]()
    progress.begin(SEARCHING)
    for place in task_places(rights):
        tasks = await search.find(place, progress.advance)
        (dead_letters if place == DEAD_LETTERS else waiting).update(task.campaign for task in tasks)
    return waiting, dead_letters, search.unopened


def _report(rights: Rights, campaign: str, found: Kept, opener: Opener | None) -> dict[str, Any]:
    """Return what a person may know (GDPR, Article 15), without our own names for it."""
    signature, file = found.signature, rights.campaigns.get(campaign)
    claims = found.mailbox.claims
    return {
        "campaign": campaign,
        **(_facts_of_file(file) if file else {"note": _note_without_file(rights, campaign)}),
        "kept_until": _kept_until(file, signature),
        "signature": _signature(signature, opener, file) if signature else None,
        "mails": [{"what": claim.key.split(":")[0], "at": claim.at, "sent": claim.sent} for claim in claims],
        "waiting_since": [waiting.signed_at for waiting in found.mailbox.waiting],
        "no_mail_before": found.mailbox.suppressed_until,
    }


def _note_of_removal(note: Removal | None) -> dict[str, Any] | None:
    """Return what is kept for the case that a backup is restored."""
    return {"removed_at": note.at, "kept_until": note.expire_at.date()} if note else None


def _facts_of_file(campaign: Campaign) -> dict[str, Any]:
    privacy = campaign.privacy
    return {
        "controllers": [controller.model_dump(exclude={"logo"}) for controller in campaign.controllers],
        "purpose": campaign.text(campaign.default_language).consent,
        "recipients": privacy.recipients,
        "processors": [processor.model_dump() for processor in privacy.processors],
        "complain_to": f"{privacy.supervisory_authority}, {privacy.supervisory_authority_website}",
    }


def _note_without_file(rights: Rights, campaign: str) -> str:
    return (
        f"The file of this campaign {file_state(campaign, rights.broken)}: who keeps this, what for, for how "
        "long, who receives it and where to complain must be given in another way."
    )


def _kept_until(campaign: Campaign | None, signature: Signature | None) -> date | None:
    if signature and signature.expire_at:
        return signature.expire_at.date()
    return campaign.purged_on if campaign else None


def _signature(signature: Signature, opener: Opener | None, file: Campaign | None) -> dict[str, Any]:
    return {
        "status": signature.status,
        "confirmed_at": signature.confirmed_at,
        "withdrawn_at": signature.withdrawn_at,
        "screened_at": signature.screened_at,
        "signed": [_submission(submission, opener, file) for submission in signature.submissions],
    }


def _submission(submission: Submission, opener: Opener | None, file: Campaign | None) -> dict[str, Any]:
    consent = file.consent(submission.consent_version, submission.locale) if file else None
    return {
        "signed_at": submission.signed_at,
        "country": submission.country,
        "partner": submission.partner,
        "source": submission.source,
        "locale": submission.locale,
        "mail_provider": submission.mailbox_class,
        "labels": submission.labels,
        "digest_of_the_mail_domain": submission.domain,
        "newsletter": submission.newsletter,
        "consent_version": submission.consent_version,
        "consent": consent or "a text that the campaign's file does not hold any more",
        "sealed": _unsealed(submission.sealed, opener),
    }


def _unsealed(sealed: bytes, opener: Opener | None) -> Any:
    if opener is None:
        return "name and address, which only a key of the campaign opens (-i)"
    try:
        return json.loads(opener.open(sealed))
    except Unopenable:
        raise CommandError("This key does not open what was signed: it is not one of the campaign's.") from None
