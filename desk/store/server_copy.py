"""Copies the files of a server on one machine while it runs."""

import os
import sqlite3
from pathlib import Path

from desk.errors import CommandError
from desk.private_files import create_folder
from shared.databases import sqlite

#: The queue comes first: a task that is delivered meanwhile is in both copies, and harmless when it is delivered
#: again; the other way round, its signature would be in neither.
_FILES = ("tasks.db", "store.db")


def copy_server(folder: Path, to: Path) -> list[Path]:
    """Copy the queue and the store in `folder` to the new folder `to`, for its owner alone; return the copies.

    Raises:
        CommandError: there is no such file, `to` holds something already, or the disk is full.
    """
    files = [folder / name for name in _FILES if (folder / name).is_file()]
    if not files:
        raise CommandError(
            f"{folder} holds neither {' nor '.join(_FILES)}: LOCAL_FOLDER names the server's folder."
        )
    create_folder(to)
    before = os.umask(0o077)
    try:
        for file in files:
            sqlite.copy(file, to / file.name)
    except (sqlite3.Error, OSError) as error:
        raise CommandError(
            f"{folder} cannot be copied: {error}. What is in {to} is no backup: delete it."
        ) from None
    finally:
        os.umask(before)
    return [to / file.name for file in files]
