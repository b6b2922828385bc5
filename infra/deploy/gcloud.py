"""Google Cloud through the gcloud CLI, with the credentials of the person who is logged in."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
#: Whether this runs from a checkout, which has folders for what is yours. An installed package is replaced by each
#: update, so that nothing of yours may lie in it.
IS_CHECKOUT = (ROOT / "pyproject.toml").is_file()
ENVIRONMENTS = ("staging", "production")
#: For a question; a change may take as long as it needs.
_TIMEOUT_SECONDS = 30


def stop(message: str) -> NoReturn:
    """Exit with a message that says what is wrong and what to do about it."""
    sys.exit(message)


@dataclass(frozen=True, slots=True)
class Environment:
    """One of the two. `settings`: its tfvars, as Terraform reads them. `folder`: where these files are."""

    name: str
    settings: Mapping[str, Any]
    folder: Path = INFRA / "environments"

    @property
    def project(self) -> str:
        return str(self.settings["project"])

    @property
    def region(self) -> str:
        return str(self.settings.get("region", "europe-west1"))

    @property
    def database(self) -> str:
        """The Firestore database of the signatures."""
        return str(self.settings.get("database", "(default)"))

    @property
    def bundles(self) -> str:
        """The name of the bucket for bundles and releases."""
        return f"{self.project}-bundles"

    @property
    def state(self) -> str:
        """The name of the bucket for Terraform's state."""
        return f"{self.project}-terraform"

    @property
    def answers(self) -> str:
        """The name of the bucket for the last answers, once the petitions are over."""
        return f"{self.project}-answers"

    @property
    def files(self) -> list[Path]:
        """The files of its variables: those written by hand, and those that `make secrets` writes."""
        return [self.folder / f"{self.name}.tfvars", self.keys]

    @property
    def keys(self) -> Path:
        """The file that `make secrets` writes."""
        return self.folder / f"{self.name}.keys.tfvars.json"


def environment(name: str) -> Environment:
    """Return the environment of this name; exit if it does not exist, or still has the example's values.

    It is in ENVIRONMENTS_FOLDER, else in the checkout, else in `environments` below the working folder.
    """
    if name not in ENVIRONMENTS:
        stop(f"ENV is {name or 'not given'}: write ENV=staging or ENV=production.")
    examples = INFRA / "environments"
    usual = examples if IS_CHECKOUT else Path("environments")
    folder = Path(os.environ.get("ENVIRONMENTS_FOLDER") or usual).resolve()  # Terraform runs in another folder
    file = folder / f"{name}.tfvars"
    if not file.is_file():
        stop(
            f"There is no {file}: get it from those who deploy, or copy {examples / file.name} there and put in "
            "your own values."
        )
    found = Environment(name, read_variables(file), folder)
    if "your-" in found.project or found.settings["domain"].endswith("petition.example.org"):
        stop(f"{file} still has the example's values: put in your own.")
    return found


def read_variables(file: Path) -> dict[str, Any]:
    """Return what a tfvars file holds, read by Terraform itself."""
    names = (
        "project project_number domain environment region relays vcpu_quota database "
        "backup_days public_by_all_users watched_campaign bounces"
    ).split()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf").write_text(
            "".join(f'variable "{name}" {{ default = null }}\n' for name in names)
        )
        asked = f"jsonencode({{ {', '.join(f'{name} = var.{name}' for name in names)} }})"
        try:
            done = subprocess.run(
                ["terraform", "console", f"-var-file={file}"],
                cwd=folder,
                input=asked,
                capture_output=True,
                encoding="utf-8",
            )
        except FileNotFoundError:
            stop("terraform is not installed: https://developer.hashicorp.com/terraform/install")
    if done.returncode:
        stop(f"{file} cannot be read:\n{done.stderr}")
    # The lines above it are Terraform's warnings of variables that are not declared here.
    content: dict[str, Any] = json.loads(json.loads(done.stdout.strip().splitlines()[-1]))
    return {name: value for name, value in content.items() if value is not None}


def gcloud(command: str, *arguments: str, given: str | None = None) -> str:
    """Return what a command of gcloud prints; exit where it fails. `given`: its standard input."""
    words = [*command.split(), *arguments]
    try:
        done = subprocess.run(
            [_program(), *words, "--quiet"], input=given, stdout=subprocess.PIPE, text=True, check=True
        )
    except FileNotFoundError:
        stop("gcloud is not installed: https://cloud.google.com/sdk/docs/install")
    except subprocess.CalledProcessError as failed:
        stop(f"gcloud {' '.join(words[:3])} failed (status {failed.returncode}); its message is above.")
    return done.stdout


class GcloudError(Exception):
    """A command of gcloud failed; the message is the first line of its own."""


class NotInstalled(GcloudError):
    """There is no gcloud on this machine."""


def query(command: str, *arguments: str) -> str:
    """Return what a command of gcloud prints, which changes nothing; for those who go on if it fails.

    Raises:
        GcloudError: it failed, or did not answer in time.
    """
    try:
        done = subprocess.run(
            [_program(), *command.split(), *arguments, "--quiet"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
    except FileNotFoundError:
        raise NotInstalled("gcloud is not installed") from None
    except subprocess.TimeoutExpired:
        raise GcloudError(f"gcloud {command} did not answer within {_TIMEOUT_SECONDS} seconds") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise GcloudError(re.sub(r"^ERROR: (\(.*?\) )?", "", errors[0]) if errors else f"gcloud {command} failed")
    return done.stdout


def succeeds(command: str, *arguments: str) -> bool:
    """Return whether a command of gcloud succeeds; for asking whether something exists."""
    done = subprocess.run([_program(), *command.split(), *arguments, "--quiet"], capture_output=True)
    return done.returncode == 0


def _program() -> str:
    """Return the path of gcloud. On Windows it is gcloud.cmd, which only a search of the PATH finds.

    https://docs.python.org/3/library/subprocess.html#subprocess.Popen
    """
    return shutil.which("gcloud") or "gcloud"
