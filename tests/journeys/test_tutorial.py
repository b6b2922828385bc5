"""The README's way from the first key to delivered signatures, every line of it as its reader types it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.desk.commands import PASSPHRASE
from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port, wait_for_port

CHAPTER = (
    (REPOSITORY / "README.md")
    .read_text(encoding="utf-8")
    .split("## From the first key to delivered signatures")[1]
    .split("\n### ")[0]
)
#: What is typed at a command that asks.
TYPED = {
    "undersign keygen": f"{PASSPHRASE}\n" * 2,
    "undersign prove": f"{PASSPHRASE}\n" * 2,
    "undersign open": f"{PASSPHRASE}\n",
}


def checkout(folder: Path) -> Path:
    """What a clone holds, with the packages that are installed already."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, tracked.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    return folder


class Reader:
    """Somebody who types the lines into one shell, and `make run` into another. `port`: for the server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._exports: list[str] = []

    def types(self, line: str) -> str:
        """What the line prints."""
        if line.startswith("export "):
            self._exports.append(line)
        script = "\n".join([*self._exports, line]).replace("localhost:8080", f"localhost:{self.port}")
        typed = next((text for command, text in TYPED.items() if command in line), "")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            input=typed,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def runs(self, line: str) -> Iterator[None]:
        """While this is open, the line goes on in a terminal of its own."""
        with (self.folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", "\n".join([*self._exports, f"exec {line} PORT={self.port}"])],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            assert wait_for_port(self.port, process), (self.folder / "server.log").read_text()
            yield
        finally:
            os.killpg(process.pid, 15)
            process.wait()


def test_every_line_leads_to_the_next(tmp_path: Path) -> None:
    """A thousand signatures, exported, opened with a key and nothing else, adding up to the public count."""
    before, after = CHAPTER.split("```sh\nmake run\n```")
    reader = Reader(checkout(tmp_path / "undersign"))

    for line in "".join(re.findall(r"```sh\n(.*?)```", before, re.DOTALL)).splitlines():
        reader.types(line)
    with reader.runs("make run"):
        shown = list[str]()
        for kind, block in re.findall(r"```(sh|text)\n(.*?)```", after, re.DOTALL):
            if kind == "sh":
                shown = [reader.types(line) for line in block.splitlines()]
            else:
                assert shown[-1] == block

    opened = json.loads((reader.folder / "offline" / "opened" / "manifest.json").read_text())
    assert (opened["signatures"], opened["by_country"], opened["damaged"]) == (1000, {"DE": 1000}, [])
    assert len((reader.folder / "offline" / "opened" / "signatures.csv").read_text().splitlines()) == 1001
    assert "1,000 signatures" in (reader.folder / "report.html").read_text()
