"""`undersign export`: write all confirmed signatures, still sealed, into files to carry to another machine.

A line of `signatures.ndjson` is {"id", "confirmed_at", "sealed"}: a random id, when the button was pressed, and an
age file in base64 that the campaign's keys open. `partner-<slug>.ndjson` holds the same for a partner with a key
of its own: only those who said yes to its news, sealed to that key. `held.ndjson` holds the same of signatures
that are held, for the organisers to look at: they are in no other file and no number. Those that were dropped are
left out. So long as there is an `unfinished.json`, the export is not whole, and the same command goes on where it
stopped.
"""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Self

import typer
from pydantic import AwareDatetime, BaseModel, Field, NonNegativeInt, ValidationError, model_validator

from desk import private_files
from desk.errors import CommandError
from desk.offline_pages import pages
from desk.progress import Progress
from desk.settings import deployment
from desk.terminal.output import pluralize, print_note, print_text, print_warning
from desk.terminal.progress import ProgressBar
from desk.workspace import CampaignId, open_campaign
from shared.campaigns.model import Campaign
from shared.clock import utc_now
from shared.models.fields import SLUG
from shared.models.sealed import CountryCode, PartnerSlug, Text
from shared.store.entities import Signature, Status

SIGNATURES = "signatures.ndjson"
HELD = "held.ndjson"
MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
#: Lies in the folder for as long as an export writes to it.
LOCK = "export.lock"

_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_File = Annotated[str, Field(pattern=rf"^(signatures|held|partner-{SLUG})\.ndjson$")]


class _Untrusted(BaseModel, extra="forbid", hide_input_in_errors=True):
    """What lies beside the signatures, which anybody may have changed; much of it becomes names of files."""


class PartnerFile(_Untrusted):
    """What a partner may have: those who said yes to its news."""

    file: str
    sha256: _Sha256
    contacts: NonNegativeInt


class HeldFile(_Untrusted):
    """Signatures that are held: confirmed, and not counted."""

    file: Annotated[str, Field(pattern=r"^held\.ndjson$")]
    sha256: _Sha256
    signatures: NonNegativeInt


class ConsentText(_Untrusted):
    """A version of the consent text in one language. `shown_until`: None for the present one. Days: ISO 8601."""

    version: Text
    language: Text
    shown_from: Text
    shown_until: Text | None
    text: Text


class Manifest(_Untrusted):
    """What an export holds. `as_of`: signatures that were confirmed later are not in it.

    `consents`: the texts that the campaign file held then, for the versions that signatures name.
    """

    campaign: str
    as_of: AwareDatetime
    file: Annotated[str, Field(pattern=r"^signatures\.ndjson$")]
    sha256: _Sha256
    signatures: NonNegativeInt
    by_country: dict[CountryCode, NonNegativeInt]
    by_partner: dict[PartnerSlug, NonNegativeInt]
    partners: dict[PartnerSlug, PartnerFile]
    held: HeldFile | None = None
    consents: tuple[ConsentText, ...] = ()

    @model_validator(mode="after")
    def _partners_have_files_of_their_own(self) -> Self:
        if any(each.file != partner_file(partner) for partner, each in self.partners.items()):
            raise ValueError("another file than a partner's")
        return self


class Unfinished(_Untrusted):
    """How far an export has come, kept after each page, once its lines are on the disk.

    `place`: where the records are, in words. `after`: the last digest that was read. `sizes`: of each file, in
    bytes; what follows them was written by a process that was killed, and is written again.
    """

    campaign: str
    place: str
    as_of: AwareDatetime
    after: str = ""
    signatures: NonNegativeInt = 0
    held: NonNegativeInt = 0
    by_country: Counter[CountryCode] = Counter()
    by_partner: Counter[PartnerSlug] = Counter()
    contacts: Counter[PartnerSlug] = Counter()
    sizes: dict[_File, NonNegativeInt] = {}


def export(
    campaign: CampaignId,
    to: Annotated[
        Path | None,
        typer.Option(help="The folder to write to; by default CAMPAIGN-export, or CAMPAIGN-production-export."),
    ] = None,
) -> None:
    """Write all confirmed signatures, sealed to the campaign's keys, into a folder to carry to an offline machine.

    If it is stopped, or the network goes away, the same command goes on where it was.
    """
    folder = to or Path(folder_name(campaign))
    with ProgressBar() as bar:
        manifest = asyncio.run(write_export(campaign, folder, utc_now(), bar))
    print_text(
        "[green]{signatures}[/] exported, as of {as_of} UTC, to {folder}. Without a key of the campaign nobody "
        "can read them.\n\n"
        "Carry the folder to a machine that has a key. There:\n\n"
        "    undersign open {folder} -i YOUR-KEY\n\n"
        "or open {page} in a browser. Counts and SHA-256 sums are in {manifest}.",
        signatures=pluralize(manifest.signatures, "signature"),
        as_of=f"{manifest.as_of:%Y-%m-%d %H:%M:%S}",
        folder=folder,
        page=folder / pages.OPEN,
        manifest=folder / MANIFEST,
    )
    if manifest.held:
        print_warning(
            f"Not among them: {manifest.held.signatures:,} that are held. To look at them, open {folder / HELD}."
        )


async def write_export(campaign: str, folder: Path, now: datetime, progress: Progress) -> Manifest:
    """Write an export into a folder, from where an earlier one was stopped that began it; return its manifest.

    Raises:
        CommandError: the folder holds something else, or is in use, or the campaign was purged.
    """
    async with open_campaign(campaign) as (known, desk):
        maintenance = desk.maintenance
        if purged := (await maintenance.overlay(campaign)).purged:
            raise CommandError(f"{campaign} was purged on {purged:%Y-%m-%d}: there is nothing left to export.")
        _begin_folder(folder)
        with private_files.exclusive_lock(folder / LOCK):
            state = _begin(campaign, desk.place, folder, now)
            total = (await maintenance.tally(campaign)).total
            with Export(folder, state) as export:
                progress.begin("Exporting", total, state.signatures)
                async for page in maintenance.scan(campaign, state.after):
                    before = state.signatures
                    for record in page:
                        export.add(record.signature)
                    export.keep(page[-1].digest)
                    progress.advance(state.signatures - before)
            return await asyncio.to_thread(_finish, folder, state, _consents(known))


def _begin_folder(folder: Path) -> None:
    """Create the folder, which must hold nothing or an export that was stopped."""
    if not (folder / UNFINISHED).exists():
        private_files.create_folder(folder, but=LOCK)


def folder_name(campaign: str) -> str:
    """Return the usual name of the folder of an export, which tells those of several deployments apart."""
    named = deployment()
    return f"{campaign}-{named.name}-export" if named else f"{campaign}-export"


def _begin(campaign: str, place: str, folder: Path, now: datetime) -> Unfinished:
    """Return the state of an export that was stopped, else of a new one."""
    _begin_folder(folder)  # once more, for another export may have ended since
    unfinished = folder / UNFINISHED
    if not unfinished.exists():
        state = Unfinished(campaign=campaign, place=place, as_of=now)
        private_files.replace(unfinished, state.model_dump_json())
        return state
    try:
        state = Unfinished.model_validate_json(unfinished.read_bytes())
    except ValidationError:
        raise CommandError(
            f"{unfinished} is damaged, or of an older undersign: delete the folder and export again."
        ) from None
    if (state.campaign, state.place) != (campaign, place):
        raise CommandError(
            f"{folder} holds an unfinished export of {state.campaign}, in {state.place}: choose another folder."
        )
    print_note(f"Going on after {pluralize(state.signatures, 'signature')}.")
    return state


class Export(ExitStack):
    """The files of one export, from where `state` says they were left. A context manager."""

    def __init__(self, folder: Path, state: Unfinished) -> None:
        super().__init__()
        self._folder = folder
        self._state = state
        self._files = dict[str, BinaryIO]()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.push(self)
            for name in self._state.sizes.keys() | {SIGNATURES}:
                self._file(name)
            for file in (*self._folder.glob(partner_file("*")), *self._folder.glob(HELD)):
                if file.name not in self._files:  # begun by a process that was killed before it had kept a line
                    file.unlink()
            opened.pop_all()
        return self

    def add(self, signature: Signature) -> None:
        """Write a signature, if it was confirmed by `as_of` and not dropped."""
        state = self._state
        at = signature.confirmed_at
        if signature.status not in {Status.CONFIRMED, Status.HELD} or not at or at > state.as_of:
            return
        [kept] = signature.submissions
        common = {"id": kept.id, "confirmed_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
        if signature.status is Status.HELD:
            self._write(HELD, common, kept.sealed)
            state.held += 1
            return
        self._write(SIGNATURES, common, kept.sealed)
        state.signatures += 1
        state.by_country[kept.country] += 1
        if kept.partner:
            state.by_partner[kept.partner] += 1
            if kept.partner_sealed:
                self._write(partner_file(kept.partner), common, kept.partner_sealed)
                state.contacts[kept.partner] += 1

    def keep(self, after: str) -> None:
        """Make durable what has been added; a later run goes on after digest `after`."""
        self._state.sizes = {name: private_files.sync(file) for name, file in self._files.items()}
        self._state.after = after
        private_files.replace(self._folder / UNFINISHED, self._state.model_dump_json())

    def _write(self, name: str, common: Mapping[str, str], sealed: bytes) -> None:
        line = {**common, "sealed": base64.b64encode(sealed).decode()}
        self._file(name).write(json.dumps(line).encode() + b"\n")

    def _file(self, name: str) -> BinaryIO:
        if name not in self._files:
            try:
                file = private_files.open_private(self._folder / name, self._state.sizes.get(name, 0))
            except EOFError:
                raise CommandError(
                    f"{name} is shorter than {UNFINISHED} says: delete the folder and export again."
                ) from None
            self._files[name] = self.enter_context(file)
        return self._files[name]


def partner_file(partner: str) -> str:
    """Return the name of the file with a partner's contacts."""
    return f"partner-{partner}.ndjson"


def _consents(campaign: Campaign) -> tuple[ConsentText, ...]:
    """Return the consent texts of all versions and languages, the earliest version first."""
    earlier = campaign.earlier_consents
    present_from = earlier[-1].shown_until if earlier else campaign.opens_at.date()
    versions: list[tuple[str, date, date | None]] = [
        *((each.version, each.shown_from, each.shown_until) for each in earlier),
        (campaign.consent_version, present_from, None),
    ]
    return tuple(
        ConsentText(
            version=version,
            language=language,
            shown_from=shown_from.isoformat(),
            shown_until=shown_until.isoformat() if shown_until else None,
            text=text,
        )
        for version, shown_from, shown_until in versions
        for language in sorted(campaign.texts)
        if (text := campaign.consent(version, language))
    )


def _finish(folder: Path, state: Unfinished, consents: tuple[ConsentText, ...]) -> Manifest:
    """Write the manifest and the page that opens the files, and remove the mark of an unfinished export.

    Raises:
        CommandError: a file does not hold as many lines as were written to it.
    """
    manifest = Manifest(
        campaign=state.campaign,
        as_of=state.as_of,
        file=SIGNATURES,
        sha256=_sha256(folder / SIGNATURES, state.signatures),
        signatures=state.signatures,
        by_country=dict(sorted(state.by_country.items())),
        by_partner=dict(sorted(state.by_partner.items())),
        partners={
            partner: PartnerFile(
                file=partner_file(partner),
                sha256=_sha256(folder / partner_file(partner), contacts),
                contacts=contacts,
            )
            for partner, contacts in sorted(state.contacts.items())
        },
        held=HeldFile(file=HELD, sha256=_sha256(folder / HELD, state.held), signatures=state.held)
        if state.held
        else None,
        consents=consents,
    )
    private_files.replace(folder / MANIFEST, manifest.model_dump_json(indent=2))
    private_files.replace(folder / pages.OPEN, pages.render(pages.OPEN))
    (folder / UNFINISHED).unlink(missing_ok=True)
    return manifest


def _sha256(file: Path, written: int) -> str:
    """Return the SHA-256 of a file that holds as many lines as were written to it."""
    if (found := private_files.count_lines(file)) != written:
        raise CommandError(
            f"{file.name} holds {pluralize(found, 'line')} and not {written:,}: something else wrote to it. "
            "Delete the folder and export again."
        )
    return private_files.sha256(file)
