"""Several files of one campaign are saved together, or none of them."""

import shutil
from pathlib import Path

import pytest

from desk import private_files
from desk.campaigns import edit
from desk.errors import CommandError
from shared.campaigns import loader

EXAMPLE = "reclaim-your-face"


def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may be full after the first of them; a campaign of which half is new might not load."""
    shutil.copytree(loader.FOLDER / EXAMPLE, tmp_path / EXAMPLE)
    file = Path(shutil.copy(loader.FOLDER / f"{EXAMPLE}.toml", tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.toml")}
    files = loader.read(file)
    changed = edit.apply(files, {("texts", "en", "call"): "Sign.", ("texts", "de", "call"): "Los."})
    replace = private_files.replace

    def full(path: Path, content: str, *, mode: int) -> None:
        if path.name == "de.toml":
            raise CommandError(f"{path} cannot be written: No space left on device.")
        replace(path, content, mode=mode)

    monkeypatch.setattr(private_files, "replace", full)
    with pytest.raises(CommandError, match="No space left"):
        edit.save(file, edit.digest(files), changed)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*.toml")} == before
