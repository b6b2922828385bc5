"""What is decided before and after Terraform: what is live, what a rollback restores, what is refused."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.deploy import build, deploy, gcloud, terraform
from infra.deploy.deploy import Release, Releases, before
from shared import campaigns
from shared.web.routes import FUNCTIONS
from tests.support.deployment import campaign_file
from tests.support.missing import missing

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
        """And that is no error."""
        assert Releases("bundles").all() == []

    def test_are_listed_oldest_first(self, bucket: Path) -> None:
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
def test_a_rollback_restores_what_was_live_before_and_is_not_now(
    live: list[dict[str, str]], wanted: str | None
) -> None:
    """Settings applied to the same bundles make no release to roll back from."""
    found = before([Release(str(number), bundles) for number, bundles in enumerate(live)]) if live else None

    assert (found.id if found else None) == wanted


def test_no_backup_outlives_what_signers_are_promised(tmp_path: Path) -> None:
    """Nor is a campaign deployed whose signatures nobody could ever read."""
    ours = campaigns.load(campaign_file(tmp_path, "ours"))

    with pytest.raises(SystemExit) as refused:
        deploy.check_promises(gcloud.Environment("staging", {"project": "p", "backup_days": 98}), [ours])

    assert "ours.toml: privacy.backup_days: promises 7 days, but backups are kept for 98" in str(refused.value)
    assert 'sealing.recipients: "throwaway" is for local runs' in str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "write ENV=staging"), ("live", "write ENV=staging"), ("staging", "still has the example's values")],
)
def test_an_unknown_environment_or_the_example_is_refused(name: str, message: str) -> None:
    """Before anything is asked of the cloud."""
    with pytest.raises(SystemExit, match=message):
        gcloud.environment(name)


def test_environment_files_may_be_kept_outside_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a new version is a pull; what `make secrets` writes goes there, too."""
    monkeypatch.setenv("ENVIRONMENTS_FOLDER", str(tmp_path))
    with pytest.raises(SystemExit, match=f"There is no {tmp_path}/staging.tfvars: copy .*/environments/sta"):
        gcloud.environment("staging")
    example = (terraform.INFRA / "environments" / "staging.tfvars").read_text()
    own = example.replace("your-undersign-staging", "swifts").replace("petition.example.org", "swifts.example")
    (tmp_path / "staging.tfvars").write_text(own)

    found = gcloud.environment("staging")

    assert found.project == "swifts"
    assert found.files == [tmp_path / "staging.tfvars", tmp_path / "staging.keys.tfvars.json"]


def test_a_campaign_that_is_watched_must_be_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An uptime check of one that is not there would ring at once."""
    campaign_file(tmp_path, "canary")
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(tmp_path))

    with pytest.raises(SystemExit, match="watched_campaign: there is no campaign swift; name the largest"):
        deploy.check_shipped(gcloud.Environment("staging", {"project": "p", "watched_campaign": "swift"}))


def test_a_bundle_is_named_by_its_content(tmp_path: Path) -> None:
    """The same sources give the same bytes; it holds what was staged."""
    for folder in ("one", "two"):
        build.build(tmp_path / folder)
    one, two = (build.bundle(tmp_path / folder) for folder in ("one", "two"))

    assert {name: bundle.name for name, bundle in one.items()} == {
        name: bundle.name for name, bundle in two.items()
    }
    with zipfile.ZipFile(one["sign"]) as archive:
        assert {"main.py", "requirements.txt", "shared/models/__init__.py"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if "__pycache__" in name]


@pytest.fixture
def ours(tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> gcloud.Environment:
    """A production of our own, whose state is on this machine."""
    infra = tmp_path / "tree" / "infra"
    shutil.copytree(terraform.INFRA, infra, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    (infra / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    file = infra / "environments" / "production.tfvars"
    text = file.read_text().replace("your-undersign-production", "swifts")
    file.write_text(text.replace("petition.example.org", "petition.swifts.example"))
    keys = {name: terraform.NO_RELEASE[name] for name in ("deliver_recipient", "secret_versions")}
    (infra / "environments" / "production.keys.tfvars.json").write_text(json.dumps(keys))
    for module in (gcloud, terraform):
        monkeypatch.setattr(module, "INFRA", infra)
    monkeypatch.setattr(build, "BUILD", tmp_path / "build")
    monkeypatch.setattr(terraform, "init", lambda *_: terraform.run(infra, "init"))
    try:
        terraform.run(infra, "init")
    except (FileNotFoundError, subprocess.CalledProcessError) as failed:
        missing(f"terraform, or its providers ({failed})")
    return gcloud.environment("production")


def live() -> dict[str, str]:
    """The bundle that each function runs, by Terraform's own state."""
    state = json.loads(terraform.run(gcloud.INFRA, "show", "-json"))
    return {
        each["values"]["name"]: each["values"]["build_config"][0]["source"][0]["storage_source"][0]["object"]
        for each in state["values"]["root_module"]["resources"]
        if each["type"] == "google_cloudfunctions2_function"
    }


def release_of(digit: str) -> Release:
    return Release("", {name: f"{name}-{digit * 64}.zip" for name in FUNCTIONS})


def test_what_is_released_is_live_until_it_is_rolled_back(
    ours: gcloud.Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Applied for real, against the provider's schema; nothing of a release is left in the folder."""
    monkeypatch.setattr(deploy, "try_out", lambda _: True)
    recorded = tmp_path / ours.bundles / "releases"
    recorded.mkdir(parents=True)
    for digit in ("1", "2"):
        deploy.put_live(ours, release_of(digit), ask=False)
        assert live() == release_of(digit).bundles
        (recorded / f"2026-11-2{digit}T10-00-00Z.json").write_text(
            json.dumps({"bundles": dict(release_of(digit).bundles)})
        )

    deploy.rollback(ours, None, ask=False)

    assert live() == release_of("1").bundles
    assert Releases(ours.bundles).all()[-1].bundles == release_of("1").bundles
    assert not list(gcloud.INFRA.glob("release*"))


def test_a_release_whose_canary_fails_is_rolled_back(
    ours: gcloud.Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was live is live again, and the failed one is not recorded."""
    recorded = tmp_path / ours.bundles / "releases"
    recorded.mkdir(parents=True)
    (recorded / "2026-11-21T10-00-00Z.json").write_text(json.dumps({"bundles": dict(release_of("1").bundles)}))
    monkeypatch.setattr(deploy, "try_out", lambda _: False)
    monkeypatch.setattr(deploy, "check_shipped", lambda _: None)

    with pytest.raises(SystemExit, match="Rolled back to 2026-11-21T10-00-00Z"):
        deploy.deploy(ours, ask=False)

    assert live() == release_of("1").bundles
    assert len(list(recorded.iterdir())) == 1
