"""`undersign move`: from a server on one machine to a deployment on Google Cloud.

Nothing is lost on the way, and the command can be repeated: records that are there already are left as they are, a
campaign's tally is written in one commit with the note that it has been moved, and a task is removed from the
server's queue once Cloud Tasks has it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import Field
from rich.progress import Progress

from desk.errors import CommandError
from desk.settings import DeskSettings, load_for_desk
from desk.store.firestore import FirestoreMaintenance
from desk.store.server_files import Document, ServerFiles, WaitingTask
from desk.terminal.output import out, pluralize
from desk.terminal.progress import progress_bar
from shared.crypto.sealing import Opener
from shared.databases import firestore
from shared.databases.firestore import until_committed
from shared.errors import Unopenable
from shared.models.messages import parse_task
from shared.queue.cloud_tasks import CloudTasksQueue
from shared.settings import CloudTasksSettings, FirestoreSettings, Keys, QueueSettings, split_keys

#: Documents in one commit: of a few KiB each, they stay far below the 10 MiB that Firestore takes.
_AT_ONCE = 200
_TASKS_AT_ONCE = 20


class MoveSettings(DeskSettings):
    """Where everything is moved to: Firestore and Cloud Tasks."""

    queue: QueueSettings
    deliver_identities: Keys = Field(description="deliver's age identities, which open what waits in the queue")


def move(
    folder: Annotated[Path, typer.Argument(help="The server's LOCAL_FOLDER. Stop the server first.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Move all that a server on one machine keeps to a deployment on Google Cloud."""
    settings = load_for_desk(MoveSettings)
    if not (isinstance(settings.store, FirestoreSettings) and isinstance(settings.queue, CloudTasksSettings)):
        raise CommandError(
            "Name the deployment that everything is moved to, with STORE=firestore and all that follows."
        )
    target = FirestoreMaintenance(settings.store.firestore_project, settings.store.firestore_database)
    place = f"the database {settings.store.firestore_database} of project {settings.store.firestore_project}"
    with closing(ServerFiles(folder)) as files:
        _check_keys(files, Opener(split_keys(settings.deliver_identities)))
        totals = {campaign: files.tally(campaign)["total"] for campaign in files.campaigns()}
        for campaign, total in totals.items():
            out.print(f"{campaign}: {pluralize(total, 'confirmed signature')}", markup=False)
        if not yes:
            typer.confirm(f"Move all of it from {folder} to {place}?", abort=True)
        asyncio.run(_move(files, target, settings.queue))
    out.print(f"[green]Moved[/] to {place}. Compare the counts with: undersign audit CAMPAIGN")


def _check_keys(files: ServerFiles, opener: Opener) -> None:
    """Check that deliver will be able to open the server's tasks.

    Raises:
        CommandError: it has other keys.
    """
    for task in files.tasks(1):
        try:
            opener.open(parse_task(task.body).sealed)
        except Unopenable:
            raise CommandError(
                "DELIVER_IDENTITIES cannot open what waits in the server's queue. The deployment needs the "
                "server's secrets: see docs/self-hosting.md."
            ) from None


async def _move(files: ServerFiles, target: FirestoreMaintenance, settings: CloudTasksSettings) -> None:
    queue = CloudTasksQueue(
        queues=settings.tasks_queues,
        deliver_url=settings.deliver_url,
        audience=settings.deliver_audience,
        service_account=settings.tasks_service_account,
        emulator_host=settings.cloud_tasks_emulator_host,
    )
    try:
        with progress_bar() as bar:
            for campaign in files.campaigns():
                await _move_campaign(files, target, campaign, _advance(bar, campaign))
            await _put_missing(target, files.dead_letters(), _advance(bar, "Dead letters"))
            await _move_tasks(files, queue, _advance(bar, "Waiting tasks"))
    finally:
        target.close()
        await queue.aclose()


def _advance(bar: Progress, what: str) -> Callable[[int], None]:
    return partial(bar.advance, bar.add_task(what, total=None))


async def _move_campaign(
    files: ServerFiles, target: FirestoreMaintenance, campaign: str, progress: Callable[[int], None]
) -> None:
    """Move a campaign, unless it has been moved.

    Raises:
        CommandError: people have signed at the deployment already.
    """
    path = f"campaigns/{campaign}/desk/move"
    [note] = await until_committed(lambda: target.database.read(path))
    if note.exists and note.get("finished"):
        return
    if not note.exists:
        async for _ in target.scan(campaign):
            raise CommandError(
                f"{campaign}: people have signed at this deployment already, and some may have signed at both. "
                "Move before your domain leads there."
            )
        await target.database.commit(firestore.put(path, {"finished": False}))
    await _put_missing(target, files.records(campaign), progress)
    tally = firestore.put(f"campaigns/{campaign}/tally/moved", files.tally(campaign))
    await until_committed(lambda: target.database.commit(tally, firestore.put(path, {"finished": True})))


async def _put_missing(
    target: FirestoreMaintenance, documents: Iterable[Document], progress: Callable[[int], None]
) -> None:
    """Write those documents that do not exist."""
    left = iter(documents)
    while some := dict(islice(left, _AT_ONCE)):
        await until_committed(partial(_create_missing, target, some))
        progress(len(some))


async def _create_missing(target: FirestoreMaintenance, documents: Mapping[str, dict[str, Any]]) -> None:
    there = {each.reference.path for each in await target.database.read(*documents) if each.exists}
    lacking = {path: content for path, content in documents.items() if path not in there}
    if lacking:
        creates = (firestore.replace(path, content, None) for path, content in lacking.items())
        await target.database.commit(*creates)


async def _move_tasks(files: ServerFiles, queue: CloudTasksQueue, progress: Callable[[int], None]) -> None:
    """Move what waits. If this is interrupted, a task may be moved twice: deliver takes no harm from that."""
    while some := files.tasks(_TASKS_AT_ONCE):
        await asyncio.gather(*(_move_task(files, queue, task) for task in some))
        progress(len(some))


async def _move_task(files: ServerFiles, queue: CloudTasksQueue, task: WaitingTask) -> None:
    await queue.enqueue(task.queue, task.body, not_before=task.due)
    files.remove(task)
