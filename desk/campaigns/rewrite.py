"""Change a campaign file so that it says what it should, still loads, and keeps its comments."""

import shutil
import stat
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tomlkit.exceptions import TOMLKitError

from desk import private_files
from shared import campaigns
from shared.errors import ConfigurationError

Content = dict[str, Any]


def rewrite(file: Path, change: Callable[[Content], None], *writes: Callable[[str], str]) -> bool:
    """Replace a campaign file by the first of `writes` that does what it should; return whether one did.

    `change`: makes of the file's content what it is to say. `writes`: each makes a new text of the file's, which
    comes without its byte order mark; it must say exactly that and load, else the next is tried. The file's
    permissions, mark and line breaks stay.
    """
    old = file.read_bytes().decode()
    mark = "\ufeff" if old.startswith("\ufeff") else ""
    only_crlf = "\r\n" in old and "\n" not in old.replace("\r\n", "")
    for write in writes:
        new = _written(old.removeprefix(mark), change, write)
        if new is None:
            continue
        new = mark + (new.replace("\r\n", "\n").replace("\n", "\r\n") if only_crlf else new)
        if _loads(file, new):
            # What a link leads to is replaced, not the link.
            private_files.replace(file.resolve(), new, mode=stat.S_IMODE(file.stat().st_mode))
            return True
    return False


def _written(text: str, change: Callable[[Content], None], write: Callable[[str], str]) -> str | None:
    """Return the new text; None if it would then say anything else than it should."""
    try:
        wanted = tomllib.loads(text)
        change(wanted)
        new = write(text)
        return new if tomllib.loads(new) == wanted else None
    except (KeyError, TOMLKitError, tomllib.TOMLDecodeError):
        return None


def _loads(file: Path, text: str) -> bool:
    """Return whether a campaign file would load with this text, beside the translations that it has."""
    with tempfile.TemporaryDirectory() as folder:
        tried = Path(folder) / file.name
        tried.write_text(text, encoding="utf-8", newline="")
        beside = file.with_suffix("")
        if beside.is_dir():
            shutil.copytree(beside, tried.with_suffix(""))
        try:
            campaigns.load(tried)
        except ConfigurationError:
            return False
    return True
