"""`undersign hand-over`: record that signatures reached whom they are for."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from desk.errors import CommandError, validate
from desk.signatures.export import HELD
from desk.signatures.open import Opened
from desk.terminal.output import out
from desk.workspace import CampaignId, change_overlay
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import HandOver, Overlay
from shared.clock import utc_now


def hand_over(
    campaign: CampaignId,
    manifest: Annotated[Path, typer.Argument(help="manifest.json of the folder that `undersign open` made.")],
    to: Annotated[str, typer.Option(help="Whom they were given to.", prompt="Given to whom")],
    file: Annotated[
        str | None, typer.Option(help="Which file of that folder was given; by default all signatures.")
    ] = None,
) -> None:
    """Record that signatures were handed over: to whom, how many, and the sum of the very file."""
    opened = _read_manifest(manifest)
    if opened.campaign != campaign:
        raise CommandError(f"{manifest} is of {opened.campaign or 'no campaign'}, not of {campaign}.")
    if opened.source == HELD:
        raise CommandError(
            f"{manifest} is of signatures that are held, which are not counted: release them first."
        )
    file = file or next((name for name in opened.files if Path(name).stem == "signatures"), "signatures.csv")
    if file not in opened.files:
        raise CommandError(f"{manifest} names no {file}. It names: {', '.join(opened.files)}.")
    given = opened.files[file]
    if opened.damaged or not given.signatures:
        raise CommandError(
            f"{file} holds {given.signatures:,} signatures, and {len(opened.damaged):,} were not opened."
        )
    values = {"to": to, "signatures": given.signatures, "sha256": given.sha256, "at": utc_now()}
    record = validate(HandOver, values)

    def append(overlay: Overlay, _: Campaign) -> Overlay:
        others = tuple(each for each in overlay.hand_overs if each != record)
        return overlay.model_copy(update={"hand_overs": (*others, record)})

    _, place = asyncio.run(change_overlay(campaign, append))
    out.print(
        f"Recorded in {place}: {record.signatures:,} signatures to {record.to}, SHA-256 {record.sha256}.",
        markup=False,
    )


def _read_manifest(manifest: Path) -> Opened:
    try:
        return Opened.model_validate_json(manifest.read_bytes())
    except FileNotFoundError:
        raise CommandError(
            f"There is no {manifest}: name manifest.json in the folder that undersign open made."
        ) from None
    except ValidationError:
        raise CommandError(
            f"{manifest} is no manifest of opened signatures, which undersign open makes."
        ) from None
