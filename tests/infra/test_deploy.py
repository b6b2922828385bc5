"""What is applied and in which order, what is recorded of it, what a rollback restores, and what is refused."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from desk.runtime import Rights
from infra.deploy import bootstrap, build, canary, deploy, gcloud, secrets, terraform
from infra.deploy.releases import Outcome, Release, Releases, before, leads_back
from shared.crypto.digest import Digester
from shared.crypto.tokens import Tokens
from shared.web.routes import FUNCTIONS
from tests.support import gcloud as stand_in
from tests.support.deployment import campaign_file
from tests.support.gcloud import Cloud
from tests.support.missing import missing

OLD, NEW = {"sign": "sign-1.zip"}, {"sign": "sign-2.zip"}
NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bucket called bundles."""
    stand_in.install(tmp_path, monkeypatch, Cloud(account="ann@swifts.example"))
    return tmp_path / "bundles"


class TestReleases:
    def test_are_none_before_the_first(self, bucket: Path) -> None:
        """And that is no error."""
        assert Releases("bundles").all() == []

    def test_are_listed_oldest_first(self, bucket: Path) -> None:
        """By the time at which they began to be applied."""
        releases = Releases("bundles")
        newer = releases.begin(NEW, NOW)
        older = releases.begin(OLD, NOW.replace(day=24))

        assert releases.all() == [older, newer]
        assert [each.id for each in releases.all()] == ["2026-11-24T10-00-00Z", "2026-11-25T10-00-00Z"]

    def test_say_what_became_of_them(self, bucket: Path) -> None:
        """One that was interrupted stays as it began."""
        releases = Releases("bundles")
        releases.begin(OLD, NOW.replace(day=24))
        releases.record(releases.begin(NEW, NOW), Outcome.PASSED)

        assert [each.outcome for each in releases.all()] == [Outcome.APPLYING, Outcome.PASSED]

    def test_keep_every_bundle_as_it_was_uploaded(self, bucket: Path, tmp_path: Path) -> None:
        """Its name is its content, so it is never overwritten."""
        bundle = tmp_path / "sign-1.zip"
        for content in ("first", "second"):
            bundle.write_text(content)
            uploaded = Releases("bundles").upload({"sign": bundle})

        assert uploaded == OLD
        assert (bucket / "sign-1.zip").read_text() == "first"


def history(*releases: tuple[dict[str, str], Outcome]) -> list[Release]:
    return [Release(str(number), bundles, outcome) for number, (bundles, outcome) in enumerate(releases)]


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ([], None),
        ([(OLD, Outcome.PASSED)], None),
        ([(OLD, Outcome.PASSED), (NEW, Outcome.PASSED)], "0"),
        ([(OLD, Outcome.PASSED), (NEW, Outcome.PASSED), (OLD, Outcome.APPLIED)], "1"),
        ([(OLD, Outcome.PASSED), (NEW, Outcome.APPLYING)], "0"),
        ([(OLD, Outcome.PASSED), (NEW, Outcome.PASSED), (OLD, Outcome.APPLYING)], "2"),
        ([(OLD, Outcome.APPLIED), (NEW, Outcome.FAILED)], None),
        ([(OLD, Outcome.PASSED), (NEW, Outcome.FAILED), (OLD, Outcome.APPLIED)], None),
    ],
)
def test_a_rollback_restores_the_last_that_worked_and_is_not_live(
    live: list[tuple[dict[str, str], Outcome]], wanted: str | None
) -> None:
    """It leads nowhere that was never tried out, or that failed. One that was interrupted is finished."""
    found = before(history(*live))

    assert (found.id if found else None) == wanted


def test_a_release_that_was_live_earlier_leads_back() -> None:
    """Until the rollback to it is whole; from then on, what it took back leads forward."""
    passed = Outcome.PASSED

    assert leads_back(history((OLD, passed), (NEW, passed)), OLD)
    assert leads_back(history((OLD, passed), (NEW, passed), (OLD, Outcome.APPLYING)), OLD)
    assert not leads_back(history((OLD, passed)), NEW)
    assert not leads_back(history((OLD, passed), (NEW, Outcome.APPLYING)), NEW)
    assert not leads_back(history((OLD, passed), (NEW, passed), (OLD, passed)), NEW)


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
    with pytest.raises(SystemExit, match=f"There is no {tmp_path}/staging.tfvars: .* copy .*/environments/sta"):
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


def bundles_of(digit: str) -> dict[str, str]:
    return {name: f"{name}-{digit * 64}.zip" for name in FUNCTIONS}


def own_settings() -> str:
    """The example's, with values that are not the example's."""
    text = (terraform.ROOT / "infra" / "environments" / "production.tfvars").read_text()
    return text.replace("your-undersign-production", "swifts").replace(
        "petition.example.org", "petition.swifts.eu"
    )


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """infra/ with its state on this machine, and the bundles of "1" applied."""
    infra = tmp_path_factory.mktemp("tree") / "infra"
    shutil.copytree(terraform.INFRA, infra, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    (infra / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    release = {"bundles": bundles_of("1"), "bundles_bucket": "swifts-bundles"}
    (infra / "own.auto.tfvars").write_text(own_settings())
    (infra / "release.auto.tfvars.json").write_text(json.dumps({**terraform.NO_RELEASE, **release}))
    try:
        terraform.run(infra, "init")
    except (FileNotFoundError, subprocess.CalledProcessError) as failed:
        missing(f"terraform, or its providers ({failed})")
    terraform.run(infra, "apply", "-auto-approve")
    (infra / "own.auto.tfvars").unlink()
    (infra / "release.auto.tfvars.json").unlink()
    return infra


class FakeTerraform:
    """Terraform in as far as it plans and applies the bundles, where no provider needs to be asked."""

    def __init__(self) -> None:
        self.live = bundles_of("1")
        self._planned = dict[str, str]()

    def run(self, folder: Path, command: str, *arguments: str, **_: Any) -> str:
        """Run the commands of a deployment."""
        if command == "plan":
            targets = [each.split('"')[1] for each in arguments if each.startswith("-target=")]
            wanted = json.loads((folder / "release.auto.tfvars.json").read_text())["bundles"]
            self._planned = {name: bundle for name, bundle in wanted.items() if not targets or name in targets}
        elif command == "apply":
            self.live |= self._planned
        return json.dumps({"resource_changes": [self._change(name) for name in self._planned]})

    def _change(self, name: str) -> dict[str, Any]:
        bundle = self._planned[name]
        actions = ["no-op" if self.live.get(name) == bundle else "update" if name in self.live else "create"]
        address = f'google_cloudfunctions2_function.this["{name}"]'
        config = {"service_config": [{"secret_environment_variables": []}], "bundle": bundle}
        return {"address": address, "change": {"actions": actions, "before": config, "after": config}}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTerraform:
    """In place of Terraform, with "1" applied."""
    stand_in = FakeTerraform()
    monkeypatch.setattr(terraform, "INFRA", tmp_path)
    monkeypatch.setattr(terraform, "run", stand_in.run)
    return stand_in


@pytest.fixture
def real(applied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform itself, with "1" applied."""
    shutil.copytree(applied, tmp_path / "infra", symlinks=True)
    monkeypatch.setattr(terraform, "INFRA", tmp_path / "infra")
    monkeypatch.setattr(terraform, "init", lambda *_: None)


@pytest.fixture
def ours(tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> gcloud.Environment:
    """A production of our own, in which "1" is live and has passed; a deployment there builds "2"."""
    monkeypatch.setattr(deploy, "check_shipped", lambda _: None)
    minutes = itertools.count(1)
    monkeypatch.setattr(deploy, "utc_now", lambda: NOW + timedelta(minutes=next(minutes)))
    built = {name: tmp_path / bundle for name, bundle in bundles_of("2").items()}
    for bundle in built.values():
        bundle.touch()
    monkeypatch.setattr(build, "build", lambda _: None)
    monkeypatch.setattr(build, "bundle", lambda _: built)
    settings = tmp_path / "environments" / "production.tfvars"
    settings.parent.mkdir()
    settings.write_text(own_settings())
    keys = {name: terraform.NO_RELEASE[name] for name in ("deliver_recipient", "secret_versions")}
    (settings.parent / "production.keys.tfvars.json").write_text(json.dumps(keys))
    monkeypatch.setenv("ENVIRONMENTS_FOLDER", str(settings.parent))
    environment = gcloud.environment("production")
    releases = Releases(environment.bundles)
    releases.record(releases.begin(bundles_of("1"), NOW), Outcome.PASSED)
    return environment


@pytest.fixture
def empty(ours: gcloud.Environment, fake: FakeTerraform, tmp_path: Path) -> gcloud.Environment:
    """The same, before anything was deployed."""
    fake.live = {}
    shutil.rmtree(tmp_path / ours.bundles)
    return ours


def functions_live() -> list[dict[str, Any]]:
    """Each function as it was applied, by Terraform's own state: `terraform show` would start the providers."""
    state = json.loads((terraform.INFRA / "terraform.tfstate").read_text())
    [functions] = [each for each in state["resources"] if each["type"] == "google_cloudfunctions2_function"]
    return [instance["attributes"] for instance in functions["instances"]]


def live() -> dict[str, str]:
    """The bundle that each function runs."""
    return {
        function["name"]: function["build_config"][0]["source"][0]["storage_source"][0]["object"]
        for function in functions_live()
    }


class Canary:
    """In place of the real one, which needs a cloud: passes, unless it is given an error."""

    error: canary.CanaryFailed | None = None

    def try_out(self, _url: str, _environment: gcloud.Environment) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Canary:
    """The canary with which releases are tried out."""
    stand_in = Canary()
    monkeypatch.setattr(canary, "try_out", stand_in.try_out)
    return stand_in


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What was live after each apply."""
    seen, run = list[dict[str, str]](), terraform.run

    def watched(folder: Path, command: str, *arguments: str, **options: Any) -> str:
        printed = run(folder, command, *arguments, **options)
        if command == "apply":
            seen.append(live())
        return printed

    monkeypatch.setattr(terraform, "run", watched)
    return seen


def outcomes(environment: gcloud.Environment) -> list[tuple[str, Outcome]]:
    """The first digit of each release's bundles, and what became of it."""
    return [(each.bundles["sign"][5], each.outcome) for each in Releases(environment.bundles).all()]


@pytest.mark.usefixtures("real")
def test_deliver_goes_first_and_a_rollback_takes_it_back_last(
    ours: gcloud.Environment, tried: Canary, steps: list[dict[str, str]]
) -> None:
    """An older deliver may not know the tasks of a newer sign. Nothing of a release is left in the folder."""
    deploy.deploy(ours, ask=False)
    deploy.rollback(ours, None, ask=False)

    mixed = {**bundles_of("1"), "deliver": bundles_of("2")["deliver"]}
    assert steps == [mixed, bundles_of("2"), mixed, bundles_of("1")]
    assert outcomes(ours) == [("1", Outcome.PASSED), ("2", Outcome.PASSED), ("1", Outcome.PASSED)]
    assert not list(terraform.INFRA.glob("release*"))


@pytest.mark.usefixtures("real")
def test_confirm_knows_a_new_key_for_links_before_deliver_signs_with_it(
    ours: gcloud.Environment, tried: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the links that are mailed in between would lead nowhere. A new identity is deliver's first, as ever."""
    run, seen = terraform.run, list[dict[str, str]]()

    def watched(folder: Path, command: str, *arguments: str, **options: Any) -> str:
        printed = run(folder, command, *arguments, **options)
        if command == "apply":
            seen.append(versions_live("TOKEN_KEYS"))
        return printed

    monkeypatch.setattr(terraform, "run", watched)
    for rotated in ({"token-keys": "2"}, {"token-keys": "3", "deliver-identities": "2"}):
        keys = json.loads(ours.keys.read_text())
        ours.keys.write_text(json.dumps({**keys, "secret_versions": {**keys["secret_versions"], **rotated}}))
        deploy.apply(ours, ask=False)

    assert seen == [
        {"confirm": "2", "deliver": "1"},
        {"confirm": "2", "deliver": "2"},
        {"confirm": "2", "deliver": "3"},
        {"confirm": "3", "deliver": "3"},
    ]


def versions_live(variable: str) -> dict[str, str]:
    """The version of a secret with which each function runs."""
    return {
        function["name"]: secret["version"]
        for function in functions_live()
        for secret in function["service_config"][0]["secret_environment_variables"]
        if secret["key"] == variable
    }


@pytest.mark.usefixtures("real")
def test_what_was_approved_is_applied_and_nothing_else(
    ours: gcloud.Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the settings are edited before the question is answered, and the plan that was shown had others."""

    def edit_and_approve(_question: str) -> str:
        ours.files[0].write_text(ours.files[0].read_text() + "\nwarm_instances = 1\n")
        return "yes"

    monkeypatch.setattr("builtins.input", edit_and_approve)
    with pytest.raises(SystemExit, match=r'was not approved:\n.*this\["deliver"\]\n'):
        deploy.deploy(ours, ask=True)

    assert live() == bundles_of("1")


def test_without_an_approval_nothing_changes(
    ours: gcloud.Environment, fake: FakeTerraform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything recorded, so that nobody can go back to what never was."""
    monkeypatch.setattr("builtins.input", lambda _: "no")

    with pytest.raises(SystemExit, match="Nothing was changed"):
        deploy.deploy(ours, ask=True)

    assert fake.live == bundles_of("1")
    assert outcomes(ours) == [("1", Outcome.PASSED)]
    assert not list(terraform.INFRA.glob("release*"))


def test_the_first_deployment_needs_no_dns(empty: gcloud.Environment, tried: Canary) -> None:
    """It ends with what to do, and settings can be applied to it; once it is reached, it is tried out."""
    tried.error = canary.Unreachable("no connection")

    for action in (deploy.deploy, deploy.apply):
        with pytest.raises(SystemExit, match=r"no address for petition\.swifts\.eu yet.*Then: make apply"):
            action(empty, ask=False)
        assert outcomes(empty) == [("2", Outcome.APPLIED)]

    tried.error = None
    deploy.apply(empty, ask=False)
    assert outcomes(empty) == [("2", Outcome.PASSED)]


def test_a_certificate_that_is_not_issued_yet_is_told_from_a_missing_record(
    empty: gcloud.Environment, tried: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name resolves, and nothing answers there."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [])
    tried.error = canary.Unreachable("no connection")

    with pytest.raises(SystemExit, match=r"does not answer yet .*its certificate is not issued yet"):
        deploy.deploy(empty, ask=False)


@pytest.mark.parametrize("error", [canary.CanaryFailed("no mail"), canary.Unreachable("no connection")])
def test_a_release_whose_canary_fails_is_rolled_back(
    ours: gcloud.Environment, fake: FakeTerraform, tried: Canary, error: canary.CanaryFailed
) -> None:
    """Also where it cannot be reached any more; what was live is live again, and what failed is recorded."""
    tried.error = error

    with pytest.raises(SystemExit, match="Rolled back to 2026-11-25T10-00-00Z"):
        deploy.deploy(ours, ask=False)

    assert fake.live == bundles_of("1")
    assert outcomes(ours) == [("1", Outcome.PASSED), ("2", Outcome.FAILED), ("1", Outcome.APPLIED)]


def test_settings_with_which_the_canary_fails_are_not_rolled_back(
    ours: gcloud.Environment, fake: FakeTerraform, tried: Canary
) -> None:
    """An older release would not help; the one that is live did pass."""
    releases = Releases(ours.bundles)
    releases.record(releases.begin(bundles_of("0"), NOW.replace(day=24)), Outcome.PASSED)
    tried.error = canary.CanaryFailed("no mail")

    with pytest.raises(SystemExit, match="Restore the former ones"):
        deploy.apply(ours, ask=False)

    assert fake.live == bundles_of("1")
    assert outcomes(ours) == [("0", Outcome.PASSED), ("1", Outcome.PASSED)]


@pytest.mark.usefixtures("real")
def test_an_interrupted_deployment_can_be_run_again(
    ours: gcloud.Environment, tried: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it breaks off between deliver and the others."""
    run = terraform.run

    def break_off(folder: Path, command: str, *arguments: str, **options: Any) -> str:
        printed = run(folder, command, *arguments, **options)
        if command == "apply":
            raise subprocess.CalledProcessError(1, "terraform")
        return printed

    with monkeypatch.context() as patched:
        patched.setattr(terraform, "run", break_off)
        with pytest.raises(SystemExit, match="Run the same again"):
            deploy.deploy(ours, ask=False)
    assert live() == {**bundles_of("1"), "deliver": bundles_of("2")["deliver"]}
    assert outcomes(ours) == [("1", Outcome.PASSED), ("2", Outcome.APPLYING)]

    deploy.apply(ours, ask=False)

    assert live() == bundles_of("2")
    assert outcomes(ours) == [("1", Outcome.PASSED), ("2", Outcome.PASSED)]


def test_ctrl_c_waits_until_terraform_has_ended(tmp_path: Path) -> None:
    """Or its state would stay locked, and lack what it has created."""
    slow = tmp_path / "terraform"
    slow.write_text(
        "#!/bin/bash\ntrap 'sleep 1; touch written; exit 1' INT\necho begun\nwhile true; do sleep 0.1; done\n"
    )
    slow.chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(terraform.ROOT)}
    code = "import pathlib, infra.deploy.terraform as it; it.run(pathlib.Path(), 'apply', quiet=False)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, **path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"

        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate()

    assert b"CalledProcessError" in errors
    assert (tmp_path / "written").exists()


def change(folder: Path, **values: Any) -> None:
    """Change the cloud."""
    replace(Cloud.load(folder), **values).save(folder)


def secrets_with(folder: Path, versions: Mapping[str, Sequence[str]]) -> secrets.Secrets:
    """Secrets of which each has these versions, oldest first."""
    change(folder, secrets={name: list(values) for name, values in versions.items()})
    return secrets.Secrets("swifts")


@pytest.mark.usefixtures("bucket")
def test_keys_are_added_and_retired_and_passwords_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as a new version. The pepper stays as it is: with another one everybody could sign twice."""
    kept = secrets_with(tmp_path, {"token-keys": ["old"], "smtp-password-first": ["leaked"], "pepper": ["pepper"]})
    monkeypatch.setattr("getpass.getpass", lambda _: "from the relay")

    secrets.rotate(kept, "token-keys")
    old, new = kept.read("token-keys", "2").split()
    secrets.retire(kept, "token-keys")
    secrets.rotate(kept, "smtp-password-first")
    with pytest.raises(SystemExit, match="pepper cannot be rotated"):
        secrets.rotate(kept, "pepper")

    assert old == "old"
    assert kept.read("token-keys", "3") == new
    assert kept.read("smtp-password-first", "2") == "from the relay"
    assert kept.enabled("pepper") == ["1"]


@pytest.mark.usefixtures("bucket")
def test_a_server_that_moves_brings_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or its links would lead nowhere, and everybody could sign twice. What is there already stays."""
    kept = secrets_with(tmp_path, {"token-keys": [], "pepper": [], "deliver-identities": ["there"]})
    for name in ("PEPPER", "DELIVER_IDENTITIES"):
        monkeypatch.setenv(name, "the server's")
    monkeypatch.delenv("TOKEN_KEYS", raising=False)

    secrets.put_missing(kept)

    assert kept.read("pepper", "1") == "the server's"
    assert kept.read("deliver-identities", "1") == "there"
    assert len(kept.read("token-keys", "1")) > 32
    assert "pepper: added, as in PEPPER of the environment" in capsys.readouterr().out


@pytest.mark.usefixtures("fake")
def test_versions_that_hold_what_was_retired_are_destroyed_once_nothing_runs_with_them(
    ours: gcloud.Environment, tried: Canary, tmp_path: Path
) -> None:
    """Not those that were only added to, with which the revisions before start; and never a pepper."""
    versions = {"token-keys": ["old", "old new", "new", "new newest"], "pepper": ["pepper", "another"]}
    kept = secrets_with(tmp_path, versions)
    keys = json.loads(ours.keys.read_text())
    keys["secret_versions"] |= {"token-keys": "4", "pepper": "2"}
    ours.keys.write_text(json.dumps(keys))

    tried.error = canary.CanaryFailed("no mail")
    with pytest.raises(SystemExit):
        deploy.apply(ours, ask=False)
    assert kept.enabled("token-keys") == ["1", "2", "3", "4"]

    tried.error = None
    deploy.apply(ours, ask=False)
    assert kept.enabled("token-keys") == ["3", "4"]
    assert kept.enabled("pepper") == ["1", "2"]


@pytest.mark.usefixtures("bucket")
def test_bootstrap_names_the_project_in_the_application_default_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or several services refuse them; without any, it says how to get them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    change(tmp_path, projects={"swifts": {"projectNumber": "100000000001"}})
    environment = gcloud.Environment("production", {"project": "swifts", "project_number": "100000000001"})
    with pytest.raises(SystemExit, match="gcloud auth application-default login"):
        bootstrap.bootstrap(environment)
    change(tmp_path, credentials=True)

    bootstrap.bootstrap(environment)

    credentials = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    assert json.loads(credentials.read_text())["quota_project_id"] == "swifts"


@pytest.mark.parametrize(
    ("error", "failure", "message"),
    [
        (
            httpx.ConnectError("refused"),
            canary.Unreachable,
            "no connection to https://petition.swifts.eu: refused",
        ),
        (httpx.ReadTimeout("slow"), canary.CanaryFailed, "ReadTimeout: slow"),
    ],
)
async def test_a_canary_that_gets_no_answer_ends_in_a_sentence(
    error: httpx.HTTPError, failure: type[canary.CanaryFailed], message: str
) -> None:
    """Whatever the connection does; only the first is as before the domain leads here."""

    def no_answer(_request: httpx.Request) -> httpx.Response:
        raise error

    rights = cast(Rights, SimpleNamespace(digester=Digester(b"pepper")))
    transport = httpx.MockTransport(no_answer)
    async with httpx.AsyncClient(base_url="https://petition.swifts.eu", transport=transport) as public:
        with pytest.raises(canary.CanaryFailed, match=message) as failed:
            await canary.run(public, rights, Tokens(["key"]), "canary@petition.swifts.eu")

    assert failed.type is failure
