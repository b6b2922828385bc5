"""`undersign backup`: copies of the files of a server on one machine, made while it runs."""

import os
import sqlite3
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from desk.errors import CommandError
from desk.private_files import create_folder
from desk.settings import load_for_desk
from desk.terminal.output import out
from shared.databases import sqlite
from shared.settings import Settings

#: The queue comes first: a task that is delivered meanwhile is in both copies, and harmless when it is delivered
#: again; the other way round, its signature would be in neither.
_FILES = ("tasks.db", "store.db")


class BackupSettings(Settings):
    local_folder: Path = Field(description="where the server keeps its queue and its store")


def backup(
    to: Annotated[Path, typer.Option("--to", help="A new folder, which will be readable for its owner alone.")],
) -> None:
    """Copy the queue and the store of a server on one machine, while it runs.

    What was erased is in no copy made afterwards. Secrets and campaign files are not copied.
    """
    folder = load_for_desk(BackupSettings).local_folder
    files = [folder / name for name in _FILES if (folder / name).is_file()]
    if not files:
        raise CommandError(
            f"{folder} holds neither {' nor '.join(_FILES)}: LOCAL_FOLDER names the server's folder."
        )
    create_folder(to)
    for file in files:
        _copy(file, to / file.name)
    out.print(f"Copied {' and '.join(file.name for file in files)} to {to}.", markup=False)


def _copy(source: Path, target: Path) -> None:
    before = os.umask(0o077)
    try:
        sqlite.copy(source, target)
    except (sqlite3.Error, OSError) as error:
        raise CommandError(
            f"{source} cannot be copied to {target}: {error}. Delete what is in that folder."
        ) from None
    finally:
        os.umask(before)
