"""`undersign move`: from a server on one machine to a deployment on Google Cloud.

Nothing is lost on the way, and the command can be repeated after an interruption: a task is removed from the
server's queue once Cloud Tasks has it.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from desk import runtime
from desk.errors import CommandError
from desk.runtime import Move
from desk.settings import command
from desk.terminal.output import out, pluralize, print_text
from desk.terminal.progress import ProgressBar
from shared.errors import Unopenable
from shared.models.messages import parse_task

_TASKS_AT_ONCE = 20


def move(
    folder: Annotated[Path, typer.Argument(help="The server's LOCAL_FOLDER. Stop the server first.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Move all that a server on one machine keeps to a deployment on Google Cloud."""
    wired = runtime.move(folder)
    with closing(wired.files) as files:
        _check_keys(wired)
        for campaign in files.campaigns():
            total = files.tally(campaign)["total"]
            out.print(f"{campaign}: {pluralize(total, 'confirmed signature')}", markup=False)
        if not yes:
            typer.confirm(f"Move all of it from {folder} to {wired.place}?", abort=True)
        asyncio.run(_move(wired))
    print_text(
        "[green]Moved[/] to {place}. Compare the counts with: {command} audit CAMPAIGN",
        place=wired.place,
        command=command(),
    )


def _check_keys(wired: Move) -> None:
    """Check that deliver will be able to open the server's tasks.

    Raises:
        CommandError: it has other keys.
    """
    for task in wired.files.tasks(1):
        try:
            wired.opener.open(parse_task(task.body).sealed)
        except Unopenable:
            raise CommandError(
                "DELIVER_IDENTITIES cannot open what waits in the server's queue. The deployment needs the "
                "server's secrets: see docs/self-hosting.md."
            ) from None


async def _move(wired: Move) -> None:
    try:
        with ProgressBar() as bar:
            for campaign in wired.files.campaigns():
                bar.begin(campaign)
                await wired.target.add_campaign(wired.files, campaign, bar.advance)
            bar.begin("Dead letters")
            await wired.target.add_dead_letters(wired.files, bar.advance)
            bar.begin("Waiting tasks")
            await _move_tasks(wired, bar.advance)
    finally:
        wired.target.close()
        await wired.queue.aclose()


async def _move_tasks(wired: Move, progress: Callable[[int], None]) -> None:
    """Move what waits. If this is interrupted, a task may be moved twice: deliver takes no harm from that."""
    while some := wired.files.tasks(_TASKS_AT_ONCE):
        await asyncio.gather(*(wired.queue.enqueue(each.queue, each.body, not_before=each.due) for each in some))
        wired.files.remove(some)
        progress(len(some))
