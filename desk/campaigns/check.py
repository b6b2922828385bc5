"""`undersign campaign check`: what keeps a campaign file from loading, and a campaign that loads from opening."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from desk import runtime, workspace
from desk.errors import CommandError
from desk.terminal.output import out
from shared import campaigns
from shared.campaigns import loader
from shared.campaigns.problems import CampaignFiles
from shared.errors import ConfigurationError

#: How a comment begins that marks what was only drafted.
TO_DO = "TO DO: "


def check_campaigns(
    campaign: Annotated[
        str | None, typer.Argument(help="The campaign's id; by default all.", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where campaign files are; by default CAMPAIGNS_FOLDER.", show_default=False),
    ] = None,
    ready: Annotated[
        bool, typer.Option("--ready", help="Fail as well if a campaign is not ready to open.")
    ] = False,
) -> None:
    """Say what is wrong with campaign files, in which line, and what to write instead.

    Ends with status 1 if a file does not load. What only keeps a campaign from opening is a warning.
    """
    files = [workspace.campaign_file(campaign, folder)] if campaign else _all(folder or runtime.campaigns_folder())
    passed = [_passes(file, ready=ready) for file in files]
    if not all(passed):
        raise typer.Exit(1)


def _all(folder: Path) -> list[Path]:
    """List all campaign files.

    Raises:
        CommandError: there are none.
    """
    if found := sorted(folder.glob("*.toml")):
        return found
    raise CommandError(f"There is no campaign file in {folder}. To begin one: undersign campaign new")


def _passes(file: Path, *, ready: bool) -> bool:
    """Return whether a file is good enough, and print what is wrong with it."""
    try:
        loaded = campaigns.load(file)
    except ConfigurationError as error:
        out.print(f"[red]does not load[/]  {file.name}")
        _print(str(error).splitlines())
        return False
    files = loader.read(file)
    unready = [files.describe(*error) for error in loaded.unready_keys()]
    out.print(f"[yellow]not ready[/]      {file.name}" if unready else f"[green]ready[/]          {file.name}")
    _print(unready)
    _print(_to_do(files))
    return not (ready and unready)


def _to_do(files: CampaignFiles) -> Iterator[str]:
    """Yield what comments in the files mark as still to be done."""
    for file in (files.main, *files.translations.values()):
        for line, comment in sorted(file.lines.comments.items()):
            if comment.startswith(TO_DO):
                yield f"{file.name}:{line}: still to do: {comment.removeprefix(TO_DO)}"


def _print(sentences: Iterator[str] | list[str]) -> None:
    for sentence in sentences:
        out.print(f"  {sentence}", markup=False)
