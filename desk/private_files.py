"""Files that hold signatures: readable by their owner alone, and never half written.

Windows knows no modes of files: there a file may be read by all who may read its folder. A new folder is for its
owner and administrators alone, from Python 3.11.10, 3.12.4 and 3.13 on (https://github.com/python/cpython/pull/118488);
one that is there already stays as it is, which in a person's own folder means the same.
"""

import errno
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from desk.errors import CommandError

#: Windows lacks the first flag, for only administrators make links there; it needs the second, or it would write
#: each line break as two characters.
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_CHUNK_BYTES = 1_000_000
#: On Windows a file cannot be replaced while a virus scanner or an indexer reads it, which takes a moment.
_RETRY_SECONDS = (0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ()


def create_folder(folder: Path, but: str | None = None) -> None:
    """Create a folder for its owner alone. `but`: the name of the one file that may lie in it already.

    Raises:
        CommandError: it holds something already, or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(file.name != but for file in folder.iterdir()):
            raise CommandError(f"{folder} is not empty: choose another folder, or delete it.")
    except OSError as error:
        raise CommandError(f"{folder} cannot be made: {error.strerror}.") from None


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, which is removed at the end; only one process can.

    Raises:
        CommandError: another process has it.
    """
    with open_private(path) as file:
        if not _lock(file) or not _is_at(file, path):
            raise CommandError(
                f"Another export is writing to {path.parent}: let it end, or choose another folder."
            )
        try:
            yield
        finally:
            if sys.platform != "win32":  # unlinked before it is unlocked, so that nobody gets a lock that is gone
                path.unlink(missing_ok=True)
    if sys.platform == "win32":  # where no open file can be unlinked
        path.unlink(missing_ok=True)


def _lock(file: BinaryIO) -> bool:
    """Lock a file, and return whether that succeeded. The lock ends with the process, however that ends."""
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
    """Return whether the file is still at `path`: the process that held the lock before may have unlinked it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def create_private(path: Path) -> Iterator[BinaryIO]:
    """Create a file for its owner alone, and remove it again if nothing was written.

    Raises:
        CommandError: there is such a file.
    """
    try:
        file = _open(path, os.O_EXCL)
    except FileExistsError:
        raise CommandError(f"{path} exists already: choose another name.") from None
    with ExitStack() as closing:
        closing.callback(_remove_empty, path)
        closing.enter_context(file)
        closing.callback(sync, file)
        yield file


def _remove_empty(path: Path) -> None:
    if not path.stat().st_size:
        path.unlink()


def open_private(path: Path, size: int = 0) -> BinaryIO:
    """Open a file for its owner alone, to write after its first `size` bytes; what follows them is cut off.

    Raises:
        EOFError: it is shorter than that; cutting would fill it up with zeros.
        CommandError: it is a link, and what it leads to would be written over.
    """
    try:
        file = _open(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CommandError(f"{path} is a link, and nothing is written through links: delete it.") from None
        raise
    if file.seek(0, os.SEEK_END) < size:
        file.close()
        raise EOFError(path)
    file.truncate(size)
    file.seek(size)
    return file


def _open(path: Path, flags: int = 0) -> BinaryIO:
    return os.fdopen(os.open(path, flags | os.O_RDWR | os.O_CREAT | _FLAGS, 0o600), "r+b")


def sync(file: BinaryIO) -> int:
    """Flush all that was written to the disk, and return the size of the file in bytes."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def replace(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Write a small file as a whole, or leave the old one as it was.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                sync(file)
            part.chmod(mode)
            _move(part, path)
        except BaseException:
            part.unlink()
            raise
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None


def _move(part: Path, path: Path) -> None:
    for seconds in _RETRY_SECONDS:
        try:
            part.replace(path)
        except PermissionError:
            time.sleep(seconds)
        else:
            return
    part.replace(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_lines(path: Path) -> int:
    """Count the lines of a file; what follows the last line break does not count."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))
