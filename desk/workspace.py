"""Where the desk finds what it works on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from desk import runtime
from desk.errors import CommandError
from desk.store.maintenance import Records
from desk.terminal.output import aside
from shared.campaigns.model import Campaign


def campaign_file(campaign: str, folder: Path | None = None) -> Path:
    """The file of a campaign. `folder`: where the campaign files are, unless it is the usual one.

    Raises:
        CommandError: there is none; says which there are.
    """
    folder = folder or runtime.campaigns_folder()
    path = folder / f"{campaign}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.toml"))) or "none"
        raise CommandError(f"There is no campaign {campaign} in {folder}. There are: {known}.")
    return path


@asynccontextmanager
async def opened(campaign: str) -> AsyncIterator[tuple[Campaign, Records]]:
    """A campaign, and the store that its signatures are in.

    Raises:
        CommandError: there is no such campaign.
        ConfigurationError: nobody said which store, or a campaign file does not load.
    """
    campaign_file(campaign)
    desk = runtime.desk()
    aside("Working on {place}.", place=desk.place)
    try:
        yield desk.campaigns[campaign], desk.records
    finally:
        desk.records.close()
