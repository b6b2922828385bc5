"""Files that are whole or not there, and nobody else's."""

import stat
from pathlib import Path

import pytest

from desk import private_files
from desk.errors import CommandError


class TestReplace:
    def test_touches_no_file_but_the_one_it_is_given(self, tmp_path: Path) -> None:
        """What it writes to meanwhile has a name that nobody else's file has."""
        (tmp_path / "report.part").write_text("precious")
        (tmp_path / "report.html").write_text("old")

        private_files.replace(tmp_path / "report.html", "new")

        found = {file.name: file.read_text() for file in tmp_path.iterdir()}
        assert found == {"report.part": "precious", "report.html": "new"}
        assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o600

    def test_leaves_nothing_behind_when_it_fails(self, tmp_path: Path) -> None:
        """Neither half a file, nor one under another name."""
        (tmp_path / "report.html").mkdir()

        with pytest.raises(CommandError, match=r"report\.html cannot be written: Is a directory"):
            private_files.replace(tmp_path / "report.html", "new")
        with pytest.raises(UnicodeEncodeError):
            private_files.replace(tmp_path / "other.html", "\ud800")

        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]

    def test_names_what_it_cannot_write(self, tmp_path: Path) -> None:
        """And not the name that nobody knows."""
        with pytest.raises(CommandError, match=r"nowhere/report\.html cannot be written: No such file"):
            private_files.replace(tmp_path / "nowhere" / "report.html", "new")


class TestOpenPrivate:
    def test_cuts_off_what_follows(self, tmp_path: Path) -> None:
        """And goes on there."""
        file = tmp_path / "lines"
        file.write_bytes(b"one\ntwo\nhal")

        with private_files.open_private(file, 8) as going_on:
            going_on.write(b"three\n")

        assert file.read_bytes() == b"one\ntwo\nthree\n"
        assert private_files.count_lines(file) == 3

    def test_fills_nothing_up(self, tmp_path: Path) -> None:
        """Zeros would look like what had been written."""
        file = tmp_path / "lines"
        file.write_bytes(b"one\n")

        with pytest.raises(EOFError):
            private_files.open_private(file, 8)

        assert file.read_bytes() == b"one\n"

    def test_follows_no_link(self, tmp_path: Path) -> None:
        """Nor writes over what it leads to."""
        (tmp_path / "victim").write_text("precious")
        (tmp_path / "link").symlink_to("victim")

        with pytest.raises(CommandError, match="link is a link"):
            private_files.open_private(tmp_path / "link")

        assert (tmp_path / "victim").read_text() == "precious"


class TestExclusiveLock:
    def test_lets_nobody_else_in(self, tmp_path: Path) -> None:
        """Until it is over, however it ends."""
        lock = tmp_path / "export.lock"

        with pytest.raises(ZeroDivisionError), private_files.exclusive_lock(lock):  # noqa: PT012
            with (
                pytest.raises(CommandError, match="Another export is writing to"),
                private_files.exclusive_lock(lock),
            ):
                pytest.fail("two at once")
            assert 1 / 0

        with private_files.exclusive_lock(lock):
            assert lock.exists()
        assert not lock.exists()
