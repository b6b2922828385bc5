"""Pictures and logos that are put into a campaign's folder, checked as its file's loader checks them."""

import re
import tempfile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from desk import private_files
from desk.errors import CommandError
from shared.campaigns import images
from shared.campaigns.problems import Location
from shared.campaigns.types import LogoFile, PictureFile

#: Stands for the picture for posts, which has a fixed name and no key in the campaign's file.
SHARE: Location = ("share_image",)
SHARE_FILE = images.SHARE_IMAGE
_TYPES = {"picture": TypeAdapter[images.Image](PictureFile), "logo": TypeAdapter[images.Image](LogoFile)}
_MAX_LETTERS = 40


def safe_name(location: Location, given: str) -> str:
    """Return a name for a file in the campaign's folder. `given`: as its sender calls it, maybe with a path."""
    if location == SHARE:
        return SHARE_FILE
    stem, _, ending = given.replace("\\", "/").rpartition("/")[2].rpartition(".")
    letters = re.sub("[^a-z0-9]+", "-", stem.lower()).strip("-")[:_MAX_LETTERS].strip("-")
    return f"{letters or location[-1]}.{re.sub('[^a-z]', '', ending.lower())}"


def checked(location: Location, name: str, content: bytes) -> bytes:
    """Check a picture before it is put into a campaign's folder, and return it without what only its owner knows.

    A photo may say where it was taken, and campaign folders are shared. `location`: the key that will name it.

    Raises:
        ValueError: it cannot be shown there; says why, and what to do.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        if location == SHARE:
            images.share_image(file.parent)
        else:
            try:
                _TYPES[str(location[-1])].validate_python(name, context={"folder": file.parent})
            except ValidationError as error:
                raise ValueError(str(error.errors()[0]["ctx"]["error"])) from None
        return images.without_metadata(file)


def store(folder: Path, name: str, content: bytes) -> tuple[str, bool]:
    """Put a checked picture into a campaign's folder; return its name, and whether it was not there already.

    Raises:
        CommandError: it cannot be written.
    """
    stem, _, ending = name.rpartition(".")
    number = 1
    while (folder / name).exists():
        if (folder / name).read_bytes() == content:
            return name, False
        number += 1
        name = f"{stem}-{number}.{ending}"
    write(folder / name, content)
    return name, True


def write(file: Path, content: bytes) -> None:
    """Write a picture as a whole, in place of what had its name; delete it for no content. Raises like `store`."""
    try:
        if not content:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}.") from None
    private_files.replace(file, content, mode=0o644)
