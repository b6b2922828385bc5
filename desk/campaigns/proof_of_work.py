"""`undersign campaign proof-of-work`: ask browsers for work, or stop it, within a minute, without a deployment."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from desk.settings import command
from desk.terminal.output import print_text
from desk.workspace import CampaignId, change_overlay


class Mode(StrEnum):
    ON = "on"
    OFF = "off"
    #: While confirmations fall far behind mails.
    AUTOMATIC = "automatic"
    #: As the campaign file says.
    FILE = "file"


def proof_of_work(
    campaign: CampaignId,
    mode: Annotated[
        Mode,
        typer.Argument(
            help="automatic: while confirmations fall far behind mails; file: as the campaign file says."
        ),
    ],
) -> None:
    """Have browsers work for about a second for each signature, a price for programs that send thousands.

    What comes without, from browsers that run no scripts, is accepted, mailed later than others, and labelled.
    """
    place = asyncio.run(set_mode(campaign, mode))
    print_text(
        "Proof of work for {campaign} is [yellow]{state}[/] within a minute, in {place}. "
        "To go by the campaign file again: {command} campaign proof-of-work {campaign} file",
        campaign=campaign,
        state="as in its file" if mode is Mode.FILE else mode,
        place=place,
        command=command(),
    )


async def set_mode(campaign: str, mode: Mode) -> str:
    """Set when browsers are asked for work, and return in words where."""
    change = {"proof_of_work": None if mode is Mode.FILE else mode.value}
    _, place = await change_overlay(campaign, lambda overlay, _: overlay.model_copy(update=change))
    return place
