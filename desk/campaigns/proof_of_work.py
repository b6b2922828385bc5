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
    set_to = None if mode is Mode.FILE else mode.value
    change = {"proof_of_work": set_to}
    _, place = asyncio.run(change_overlay(campaign, lambda overlay, _: overlay.model_copy(update=change)))
    print_text(
        "Proof of work for {campaign} is [yellow]{state}[/] within a minute, in {place}. "
        "To go by the campaign file again: {command} campaign proof-of-work {campaign} file",
        campaign=campaign,
        state=set_to or "as in its file",
        place=place,
        command=command(),
    )
