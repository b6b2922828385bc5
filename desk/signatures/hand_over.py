"""`undersign hand-over`: record that signatures reached whom they are for."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from desk.errors import CommandError, validate
from desk.signatures.export import HELD
from desk.signatures.open import Opened, OpenedFile
from desk.terminal.output import out
from desk.workspace import CampaignId, change_overlay
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import HandOver, Overlay
from shared.clock import utc_now


def hand_over(
    campaign: CampaignId,
    manifest: Annotated[
        Path,
        typer.Argument(
            help="manifest.json of the folder that `undersign open` made, or hand-over.json of open.html."
        ),
    ],
    to: Annotated[str, typer.Option(help="Whom they were given to.", prompt="Given to whom")],
    file: Annotated[
        str | None, typer.Option(help="Which file of that folder was given; by default all signatures.")
    ] = None,
) -> None:
    """Record that signatures were handed over: to whom, how many, and the sum of the very file."""
    record, place = asyncio.run(record_hand_over(campaign, _read(manifest), str(manifest), to, file, utc_now()))
    out.print(
        f"Recorded in {place}: {record.signatures:,} signatures to {record.to}, SHA-256 {record.sha256}.",
        markup=False,
    )


async def record_hand_over(
    campaign: str, manifest: bytes, name: str, to: str, file: str | None, now: datetime
) -> tuple[HandOver, str]:
    """Record a hand-over, and return it, and in words where. `name`: of the manifest, for errors.

    Raises:
        CommandError: the manifest is not of this campaign's signatures, or not all of the file were opened.
    """
    given = _given_file(campaign, _parse(manifest, name), name, file)
    record = validate(HandOver, {"to": to, "signatures": given.signatures, "sha256": given.sha256, "at": now})

    def append(overlay: Overlay, _: Campaign) -> Overlay:
        others = tuple(each for each in overlay.hand_overs if each != record)
        return overlay.model_copy(update={"hand_overs": (*others, record)})

    _, place = await change_overlay(campaign, append)
    return record, place


def _given_file(campaign: str, opened: Opened, name: str, file: str | None) -> OpenedFile:
    """Return what the manifest says of the file that was given."""
    if opened.campaign != campaign:
        raise CommandError(f"{name} is of {opened.campaign or 'no campaign'}, not of {campaign}.")
    if opened.source == HELD:
        raise CommandError(f"{name} is of signatures that are held, which are not counted: release them first.")
    file = file or next((each for each in opened.files if Path(each).stem == "signatures"), "signatures.csv")
    if file not in opened.files:
        raise CommandError(f"{name} names no {file}. It names: {', '.join(opened.files)}.")
    given = opened.files[file]
    if opened.damaged or given.signatures < 1:
        raise CommandError(
            f"{file} holds {given.signatures:,} signatures, and {len(opened.damaged):,} were not opened."
        )
    return given


def _read(manifest: Path) -> bytes:
    try:
        return manifest.read_bytes()
    except FileNotFoundError:
        raise CommandError(
            f"There is no {manifest}: name manifest.json in the folder that undersign open made, or "
            "hand-over.json of open.html."
        ) from None


def _parse(manifest: bytes, name: str) -> Opened:
    try:
        return Opened.model_validate_json(manifest)
    except ValidationError:
        raise CommandError(
            f"{name} is no manifest of opened signatures, which undersign open makes, "
            "nor hand-over.json of open.html."
        ) from None
