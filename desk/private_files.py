"""Files that hold signatures: for their owner's eyes only, and whole or not there."""

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from desk.errors import CommandError

#: Windows lacks the flag, and lets nobody but administrators make links.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_CHUNK_BYTES = 1_000_000


def new_folder(folder: Path, but: str | None = None) -> None:
    """Make a folder for its owner alone. `but`: the name of the one file that may lie in it already.

    Raises:
        CommandError: it holds something already, or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(file.name != but for file in folder.iterdir()):
            raise CommandError(f"{folder} is not empty: choose another folder with --to, or delete it.")
    except OSError as error:
        raise CommandError(f"{folder} cannot be made: {error.strerror}.") from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process that has the lock file at `path`, which is there no longer than that.

    Raises:
        CommandError: another process has it.
    """
    with opened(path) as file:
        if not _lock(file) or not _is_at(file, path):
            raise CommandError(
                f"Another export is writing to {path.parent}: let it end, or choose another folder with --to."
            )
        try:
            yield
        finally:
            if sys.platform != "win32":  # unlinked before it is unlocked, so that nobody gets a lock that is gone
                path.unlink(missing_ok=True)
    if sys.platform == "win32":  # where no open file can be unlinked
        path.unlink(missing_ok=True)


def _lock(file: BinaryIO) -> bool:
    """Whether the file is this process's alone now. When the process ends, however it ends, so does that."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
            return False
        raise
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the file is the one at `path`: whoever had the lock before may have unlinked what was opened."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def opened(path: Path, size: int = 0) -> BinaryIO:
    """The file at `path`, to go on writing after its first `size` bytes; what follows them is cut off.

    Raises:
        EOFError: it is shorter than that; cutting would fill it up with zeros.
        CommandError: it is a link, and what it leads to would be written over.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CommandError(f"{path} is a link, and nothing is written through links: delete it.") from None
        raise
    file = os.fdopen(descriptor, "r+b")
    if file.seek(0, os.SEEK_END) < size:
        file.close()
        raise EOFError(path)
    file.truncate(size)
    file.seek(size)
    return file


def sync(file: BinaryIO) -> int:
    """See to it that all that was written is on the disk. The size of the file in bytes."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def replace(path: Path, content: str, *, mode: int = 0o600) -> None:
    """Write a small file whole, or leave the old one.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode())
                sync(file)
            part.chmod(mode)
            part.replace(path)
        except BaseException:
            part.unlink()
            raise
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None


def sha256(path: Path) -> str:
    """Of what the file holds, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lines(path: Path) -> int:
    """How many lines are in the file; what follows the last line break is none."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))
