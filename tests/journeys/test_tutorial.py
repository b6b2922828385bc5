"""docs/organisers.md, from the first key to delivered signatures: every line run, every button looked up."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.desk.commands import PASSPHRASE
from tests.support import pages
from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port, wait_for_port

BLOCKS = pages.blocks("docs/organisers.md")
#: What a reader enters when a command asks.
ENTERED = {
    "undersign keygen": f"{PASSPHRASE}\n" * 2,
    "undersign prove": f"{PASSPHRASE}\n" * 2,
    "undersign open": f"{PASSPHRASE}\n",
}


#: What the paragraphs for the browser begin with.
BROWSER, TERMINAL = "**In the browser.**", "**In a terminal.**"


def checkout(folder: Path) -> Path:
    """Copy the files of a clone, and link to the packages that are installed already."""
    for name in pages.files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    return folder


class Reader:
    """Somebody who enters the lines into one shell, and `make run` into another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port = free_port()
        self._exports: list[str] = []

    def enters(self, line: str) -> str:
        """Run the line and return what it prints."""
        if line.startswith("BASE="):
            return ""  # the server has another address here
        if line.startswith("export "):
            self._exports.append(line)
        entered = next((text for command, text in ENTERED.items() if command in line), "")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join([*self._exports, line])],
            cwd=self.folder,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "BASE": f"http://localhost:{self._port}",
            },
            input=entered,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def runs(self, line: str) -> Iterator[None]:
        """Run the line in a terminal of its own until the block ends."""
        with (self.folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", "\n".join([*self._exports, f"exec {line} PORT={self._port}"])],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            assert wait_for_port(self._port, process), (self.folder / "server.log").read_text()
            yield
        finally:
            os.killpg(process.pid, 15)
            process.wait()


def test_every_line_works_after_those_before_it(tmp_path: Path) -> None:
    """A thousand signatures are exported and opened with nothing but a key, and add up to the count."""
    start = BLOCKS.index(pages.Block("sh", "make run\n"))
    reader = Reader(checkout(tmp_path / "undersign"))

    for block in BLOCKS[:start]:
        for line in block.text.splitlines():
            reader.enters(line)
    with reader.runs("make run"):
        printed = ""
        for block in BLOCKS[start + 1 :]:
            if block.language == "sh":
                printed = [reader.enters(line) for line in block.text.splitlines()][-1]
            else:
                assert printed == block.text

    opened = json.loads((reader.folder / "offline" / "opened" / "manifest.json").read_text())
    assert (opened["signatures"], opened["by_country"], opened["damaged"]) == (1000, {"DE": 1000}, [])
    assert len((reader.folder / "offline" / "opened" / "signatures.csv").read_text().splitlines()) == 1001
    assert "1,000 signatures" in (reader.folder / "report.html").read_text()


def test_links_and_buttons_of_the_browser_have_their_names() -> None:
    """Those that are bold are on the pages of the desk, or on those for keys and for opening."""
    parts = [part.split(TERMINAL)[0] for part in pages.prose("docs/organisers.md").split(BROWSER)[1:]]
    named = {" ".join(name.split()) for part in parts for name in re.findall(r"\*\*(.+?)\*\*", part, re.DOTALL)}
    desk = REPOSITORY / "desk"
    sources = [*desk.glob("web/**/*.html"), *desk.glob("web/*.py"), *desk.glob("offline_pages/*.html")]
    sources += [desk / "offline_pages" / "open.js"]
    shown = "".join(file.read_text(encoding="utf-8") for file in [*sources, desk / "campaigns" / "fields.py"])

    assert len(named) > 20
    # A name begins in an element, or in a string of a template or of Python.
    assert {name for name in named if not re.search(rf'[>"]{re.escape(name)}(?!\w)', shown)} == set()
