"""`undersign campaign check`: what keeps a campaign file from loading, and a campaign that loads from opening."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from desk import runtime, workspace
from desk.campaigns import edit
from desk.errors import CommandError
from desk.terminal.output import out
from shared import campaigns
from shared.campaigns import loader
from shared.campaigns.model import CANARY, Campaign
from shared.campaigns.problems import CampaignFiles
from shared.errors import ConfigurationError


def check_campaigns(
    campaign: Annotated[str | None, typer.Argument(help="The campaign's id; by default all.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where campaign files are; by default CAMPAIGNS_FOLDER.")
    ] = None,
    ready: Annotated[
        bool, typer.Option("--ready", help="Fail as well if a campaign is not ready to open.")
    ] = False,
) -> None:
    """Say what is wrong with campaign files, in which line, and what to write instead.

    Ends with status 1 if a file does not load. What only keeps a campaign from opening is a warning.
    """
    folder = folder or runtime.campaigns_folder()
    files = [workspace.campaign_file(campaign, folder)] if campaign else sorted(folder.glob("*.toml"))
    if not files:
        raise CommandError(f"There is no campaign file in {folder}. To begin one: undersign campaign new")
    passed = [_passes(file, ready=ready) for file in files]
    if not all(passed):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a campaign file, in sentences: what keeps it from loading, from opening, and the rest."""

    errors: Sequence[str] = ()
    unready: Sequence[str] = ()
    hints: Sequence[str] = ()


def examine(file: Path) -> Verdict:
    """Find what is wrong with a campaign file."""
    try:
        loaded = campaigns.load(file)
    except ConfigurationError as error:
        return Verdict(errors=str(error).splitlines())
    files = loader.read(file)
    unready = [files.describe(*error) for error in edit.unready(loaded)]
    if loaded.id != CANARY:
        unready += [f"{each.name}: still to do: {each.text}" for each in edit.to_do(files)]
    return Verdict(unready=unready, hints=[*_missing_texts(loaded, files)])


def _passes(file: Path, *, ready: bool) -> bool:
    """Return whether a file is good enough, and print what is wrong with it."""
    found = examine(file)
    if found.errors:
        _print(f"[red]does not load[/]  {file.name}", found.errors)
        return False
    verdict = "[yellow]not ready[/]      " if found.unready else "[green]ready[/]          "
    _print(f"{verdict}{file.name}", [*found.unready, *found.hints])
    return not (ready and found.unready)


def _missing_texts(campaign: Campaign, files: CampaignFiles) -> Iterator[str]:
    """Yield what a translation lacks and may lack.

    Earlier consents, if it was added later; otherwise its signers would see the form once more. The next step.
    """
    for language in sorted(campaign.texts):
        for error in campaign.missing_next_step(language):
            yield files.describe(*error)
        for location, message in campaign.missing_consents(language):
            yield files.describe(location, f"{message}, unless there was no {language} then")


def _print(verdict: str, sentences: Sequence[str]) -> None:
    out.print(verdict)
    for sentence in sentences:
        out.print(f"  {sentence}", markup=False)
