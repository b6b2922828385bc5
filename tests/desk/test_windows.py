"""The desk runs without what Windows lacks; it was not tried on Windows itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.deployment import CAMPAIGN, REPOSITORY

#: Downloads of what nobody has made yet.
NOTHING_THERE = {f"/campaigns/{CAMPAIGN}/keys/test", "/privacy/receipt"}


def test_commands_and_pages_work_without_what_windows_lacks(tmp_path: Path) -> None:
    """Every module is imported, a key is made and tried, and each page is shown."""
    folder = tmp_path / "Zoë O'Neil"
    not_utf_8 = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    (folder / "var").mkdir(parents=True)
    (folder / "var" / "secrets.json").write_text("{}")

    done = subprocess.run(
        [sys.executable, "-m", "tests.support.windows", CAMPAIGN],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **not_utf_8},
        capture_output=True,
        encoding="cp1252",
    )

    assert done.returncode == 0, done.stderr
    modules = {file.stem for file in (REPOSITORY / "desk").rglob("*.py")}
    assert modules <= {line.rpartition(".")[2] for line in done.stdout.splitlines()}
    assert "ann.age opens with its passphrase" in done.stdout
    assert (folder / "keys.html").exists()
    answers = {path: int(status) for status, path in re.findall(r"^(\d{3}) (/.*)$", done.stdout, re.MULTILINE)}
    assert len(answers) > 20
    assert {path for path, status in answers.items() if status != 200} == NOTHING_THERE
