"""Private files: written whole or not at all, and readable by their owner only."""

import stat
from pathlib import Path

import pytest

from desk import private_files
from desk.errors import CommandError


class TestReplace:
    def test_touches_no_other_file(self, tmp_path: Path) -> None:
        """The temporary file has a unique name, so that it overwrites nobody else's."""
        (tmp_path / "report.part").write_text("precious")
        (tmp_path / "report.html").write_text("old")

        private_files.replace(tmp_path / "report.html", "new")

        found = {file.name: file.read_text() for file in tmp_path.iterdir()}
        assert found == {"report.part": "precious", "report.html": "new"}
        assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o600

    def test_leaves_nothing_behind_when_it_fails(self, tmp_path: Path) -> None:
        """Neither half a file nor the temporary one is left."""
        (tmp_path / "report.html").mkdir()

        with pytest.raises(CommandError, match=r"report\.html cannot be written: Is a directory"):
            private_files.replace(tmp_path / "report.html", "new")
        with pytest.raises(UnicodeEncodeError):
            private_files.replace(tmp_path / "other.html", "\ud800")

        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]

    def test_waits_for_a_program_that_reads_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On Windows, a virus scanner that has it open lets it be replaced a moment later."""
        reading = iter([True, True, False])
        really_replace = Path.replace

        def replace(part: Path, target: Path) -> Path:
            if next(reading):
                raise PermissionError(13, "Access is denied")
            return really_replace(part, target)

        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(private_files, "_RETRY_SECONDS", (0, 0, 0))

        private_files.replace(tmp_path / "report.html", "new")

        assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"report.html": "new"}

    def test_names_the_file_it_cannot_write(self, tmp_path: Path) -> None:
        """The error names the target, not the temporary file."""
        with pytest.raises(CommandError, match=r"nowhere/report\.html cannot be written: No such file"):
            private_files.replace(tmp_path / "nowhere" / "report.html", "new")


class TestOpenPrivate:
    def test_truncates_the_file_to_the_given_size(self, tmp_path: Path) -> None:
        """The rest is cut off, and writing continues there."""
        file = tmp_path / "lines"
        file.write_bytes(b"one\ntwo\nhal")

        with private_files.open_private(file, 8) as going_on:
            going_on.write(b"three\n")

        assert file.read_bytes() == b"one\ntwo\nthree\n"
        assert private_files.count_lines(file) == 3

    def test_refuses_a_file_shorter_than_the_given_size(self, tmp_path: Path) -> None:
        """Padding it with zeros would look like written content."""
        file = tmp_path / "lines"
        file.write_bytes(b"one\n")

        with pytest.raises(EOFError):
            private_files.open_private(file, 8)

        assert file.read_bytes() == b"one\n"

    def test_refuses_a_symbolic_link(self, tmp_path: Path) -> None:
        """The file that the link points to stays unchanged."""
        (tmp_path / "victim").write_text("precious")
        (tmp_path / "link").symlink_to("victim")

        with pytest.raises(CommandError, match="link is a link"):
            private_files.open_private(tmp_path / "link")

        assert (tmp_path / "victim").read_text() == "precious"


class TestExclusiveLock:
    def test_excludes_a_second_holder(self, tmp_path: Path) -> None:
        """The lock is released when its block ends, even with an exception."""
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
