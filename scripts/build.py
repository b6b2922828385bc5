"""Stage each function in build/<function>/: its main.py, what it shares with the others, its locked requirements.

Deterministic: the same sources give the same bytes, so a bundle can be named by its content.
"""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
FUNCTIONS = ("sign", "deliver", "confirm", "count", "embed")
#: One moment for every file, so that an archive of them depends on their content alone: 2020-01-01 in UTC.
_MTIME = 1577836800


def build(target: Path) -> None:
    """Stage all functions under `target`, replacing what is there."""
    for function in FUNCTIONS:
        folder = target / function
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "functions" / function, folder, ignore=_litter)
        shutil.copytree(ROOT / "shared", folder / "shared", ignore=_litter)
        for path in (folder, *folder.rglob("*")):
            _normalise(path)
        print(f"{function}: {folder}")


_litter = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def _normalise(path: Path) -> None:
    path.chmod(0o755 if path.is_dir() else 0o644)
    os.utime(path, (_MTIME, _MTIME))


if __name__ == "__main__":
    build(ROOT / "build")
