"""Files that hold signatures: for their owner's eyes only, and whole or not there."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from desk.faults import Fault


def new_folder(folder: Path) -> None:
    """Make a folder for its owner alone.

    Raises:
        Fault: it holds something already, or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Fault(f"{folder} is not empty: choose another folder with --to, or delete it.")
    except OSError as error:
        raise Fault(f"{folder} cannot be made: {error.strerror}.") from None


def opened(path: Path, size: int = 0) -> BinaryIO:
    """The file at `path`, to go on writing after its first `size` bytes; what follows them is cut off."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.truncate(descriptor, size)
    file = os.fdopen(descriptor, "r+b")
    file.seek(size)
    return file


def sync(file: BinaryIO) -> int:
    """See to it that all that was written is on the disk. The size of the file in bytes."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def replace(path: Path, content: str) -> None:
    """Write a small file whole, or leave the old one."""
    part = path.with_suffix(".part")
    with opened(part) as file:
        file.write(content.encode())
        sync(file)
    part.replace(path)


def sha256(path: Path) -> str:
    """Of what the file holds, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
