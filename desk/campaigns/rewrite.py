"""Change a campaign file so that it says what it should, still loads, and keeps its comments."""

import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tomlkit.exceptions import TOMLKitError

from desk import private_files
from shared.campaigns import loader
from shared.campaigns.problems import CampaignFiles, TomlFile
from shared.errors import ConfigurationError

Content = dict[str, Any]

#: Windows' Notepad puts it in front of a text.
_MARK = "\ufeff"


def rewrite(file: Path, change: Callable[[Content], None], *writes: Callable[[str], str]) -> bool:
    """Replace a campaign file by the first of `writes` that does what it should; return whether one did.

    `change`: makes of the file's content what it is to say. `writes`: each makes a new text of the file's, which
    comes without its byte order mark; it must say exactly that and load, else the next is tried. The file's
    permissions, mark and line breaks stay.
    """
    old = file.read_bytes().decode().removeprefix(_MARK)
    for write in writes:
        new = _written(old, change, write)
        if new is not None and _loads(file, new):
            replace_text(file, new)
            return True
    return False


def replace_text(file: Path, text: str) -> None:
    """Replace a text file as a whole. Its permissions, byte order mark and line breaks stay.

    Raises:
        CommandError: it cannot be written.
    """
    old = file.read_bytes().decode()
    mark = _MARK if old.startswith(_MARK) else ""
    text = text.removeprefix(_MARK)
    if "\r\n" in old and "\n" not in old.replace("\r\n", ""):
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    # What a link leads to is replaced, not the link.
    private_files.replace(file.resolve(), mark + text, mode=stat.S_IMODE(file.stat().st_mode))


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
    files = CampaignFiles(TomlFile(file.name, text), loader.read(file).translations)
    try:
        loader.parse(files, file.with_suffix(""))
    except ConfigurationError:
        return False
    return True
