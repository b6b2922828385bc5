"""What is decided before and after Terraform: what is live, what one goes back to, what is refused."""

import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from scripts import build, cloud, deploy
from scripts.deploy import Release, Releases, before
from shared import campaigns
from tests.world import campaign_file

OLD, NEW = {"sign": "sign-1.zip"}, {"sign": "sign-2.zip"}

#: `gcloud storage` for the few things that are done with it, on a folder: gs://bucket/a is <folder>/bucket/a.
GCLOUD = """#!{python}
import pathlib, shutil, sys
folder = pathlib.Path({folder!r})
at = lambda address: folder / address.removeprefix("gs://")
words = [word for word in sys.argv[1:] if not word.startswith("--")]
match words:
    case ["storage", "ls", address] if "*" in address:
        for found in sorted(at(address).parent.glob(at(address).name)):
            print("gs://" + found.relative_to(folder).as_posix())
    case ["storage", "ls", address]:
        sys.exit(0 if at(address).exists() else 1)
    case ["storage", "cat", address]:
        print(at(address).read_text())
    case ["storage", "cp", source, address]:
        at(address).parent.mkdir(parents=True, exist_ok=True)
        if source == "-":
            at(address).write_text(sys.stdin.read())
        elif not at(address).exists():
            shutil.copy(source, at(address))
    case _:
        sys.exit(f"not expected: {{words}}")
"""


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bucket called bundles."""
    gcloud = tmp_path / "bin" / "gcloud"
    gcloud.parent.mkdir()
    gcloud.write_text(GCLOUD.format(python=sys.executable, folder=str(tmp_path)))
    gcloud.chmod(gcloud.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{gcloud.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "bundles"


class TestReleases:
    def test_are_none_before_the_first(self, bucket: Path) -> None:
        """And that is no fault."""
        assert Releases("bundles").all() == []

    def test_are_told_oldest_first(self, bucket: Path) -> None:
        """By the time at which they went live."""
        for at in ("2026-11-24T10-00-00Z", "2026-11-23T10-00-00Z"):
            (bucket / "releases").mkdir(parents=True, exist_ok=True)
            (bucket / "releases" / f"{at}.json").write_text(f'{{"bundles": {{"sign": "{at}"}}}}')

        recorded = Releases("bundles").record(Release("", NEW))

        known = Releases("bundles").all()
        assert [each.id for each in known] == ["2026-11-23T10-00-00Z", "2026-11-24T10-00-00Z", recorded]
        assert known[-1].bundles == NEW

    def test_keep_every_bundle_as_it_was_uploaded(self, bucket: Path, tmp_path: Path) -> None:
        """Its name is its content, so it is never overwritten."""
        bundle = tmp_path / "sign-1.zip"
        for content in ("first", "second"):
            bundle.write_text(content)
            release = Releases("bundles").upload({"sign": bundle})

        assert release.bundles == OLD
        assert (bucket / "sign-1.zip").read_text() == "first"


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ([], None),
        ([OLD], None),
        ([OLD, NEW], "0"),
        ([OLD, NEW, NEW], "0"),
        ([OLD, NEW, OLD], "1"),
    ],
)
def test_one_goes_back_to_what_was_live_before_and_is_not_now(
    live: list[dict[str, str]], wanted: str | None
) -> None:
    """Settings that were applied to the same bundles are no release to go back from."""
    found = before([Release(str(number), bundles) for number, bundles in enumerate(live)]) if live else None

    assert (found.id if found else None) == wanted


def test_no_backup_outlives_what_signers_are_promised(tmp_path: Path) -> None:
    """Nor is a campaign deployed that nobody could ever read."""
    ours = campaigns.load(campaign_file(tmp_path, "ours"))

    with pytest.raises(SystemExit) as refused:
        deploy.check_promises(cloud.Environment("staging", {"project": "p", "backup_days": 98}), [ours])

    assert "ours.toml: privacy.backup_days: promises 7 days, but backups are kept for 98" in str(refused.value)
    assert 'sealing.recipients: "throwaway" is for local runs' in str(refused.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "write ENV=staging"), ("live", "write ENV=staging"), ("staging", "still holds the example's values")],
)
def test_an_environment_that_is_not_ones_own_is_refused(name: str, told: str) -> None:
    """Before anything is asked of the cloud."""
    with pytest.raises(SystemExit, match=told):
        cloud.environment(name)


def test_a_bundle_is_named_by_its_content(tmp_path: Path) -> None:
    """The same sources give the same bytes; it holds what was staged."""
    for folder in ("one", "two"):
        build.build(tmp_path / folder)
    one, two = (build.bundle(tmp_path / folder) for folder in ("one", "two"))

    assert {name: bundle.name for name, bundle in one.items()} == {
        name: bundle.name for name, bundle in two.items()
    }
    with zipfile.ZipFile(one["sign"]) as archive:
        assert {"main.py", "requirements.txt", "shared/models.py"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if "__pycache__" in name]
