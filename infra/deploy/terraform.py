"""Terraform as the Makefile and the tests call it: check infra/, and plan it without a cloud.

`make check` runs it to check the format, validate and test infra/ and infra/retired/. Where no registry can be
reached, or Terraform is not installed, it says that this was not checked; in CI (CI=true) that is a failure.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.web.routes import FUNCTIONS

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
#: What is left of a deployment once its petitions are over.
RETIRED = INFRA / "retired"

NO_BUNDLES: Mapping[str, str] = {name: f"{name}-{'0' * 64}.zip" for name in FUNCTIONS}
#: A release that no bucket holds, for plans that are never applied.
NO_RELEASE: Mapping[str, object] = {
    "deliver_recipient": "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq",
    "secret_versions": dict.fromkeys(
        ("deliver-identities", "pepper", "token-keys", "smtp-password-first", "smtp-password-second"), "1"
    ),
    "bundles_bucket": "no-bundles",
    "bundles": NO_BUNDLES,
}


class Unavailable(Exception):
    """Terraform is not installed, or cannot get its providers."""


def run(folder: Path, *arguments: str, quiet: bool = True) -> str:
    """Run Terraform and return what it prints.

    Raises:
        CalledProcessError: it failed, or was interrupted; its message is in `stdout`, or was printed.
    """
    with _wait_when_interrupted():
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=folder,
            env={**os.environ, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"},
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            check=True,
        )
    return done.stdout or ""


@contextmanager
def _wait_when_interrupted() -> Iterator[None]:
    """Leave Ctrl-C to Terraform, which then finishes what it has begun, writes its state and unlocks it.

    `subprocess.run` would kill it after a quarter of a second.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which Terraform would inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def init(bucket: str, prefix: str, folder: Path = INFRA) -> None:
    """Use the state of one environment in a folder."""
    backend = (f"-backend-config=bucket={bucket}", f"-backend-config=prefix={prefix}")
    run(folder, "init", "-reconfigure", *backend, quiet=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What a plan does to a resource, as in https://developer.hashicorp.com/terraform/internals/json-format."""

    actions: Sequence[str]
    before: Any
    after: Any
    is_import: bool = False

    @property
    def is_update(self) -> bool:
        """Whether the resource is there already, and is changed in place."""
        return self.actions == ["update"]


def plan(folder: Path, file: str, *arguments: str, quiet: bool = False) -> Mapping[str, Change]:
    """Save a plan in a file, and return the change of each resource that is not left as it is.

    Raises:
        CalledProcessError: see `run`.
    """
    run(folder, "plan", f"-out={file}", *arguments, quiet=quiet)
    content = json.loads(run(folder, "show", "-json", file))
    changes = {
        each["address"]: Change(
            each["change"]["actions"],
            each["change"]["before"],
            each["change"]["after"],
            "importing" in each["change"],
        )
        for each in content.get("resource_changes", [])
    }
    return {
        address: change
        for address, change in changes.items()
        if change.is_import or change.actions not in (["no-op"], ["read"])
    }


def in_state(folder: Path) -> Mapping[str, str]:
    """Return the address and the id of every resource that a folder's state holds."""
    values = json.loads(run(folder, "show", "-json")).get("values", {})
    found = values.get("root_module", {}).get("resources", [])
    return {each["address"]: each["values"]["id"] for each in found if each["mode"] == "managed"}


@contextmanager
def workspace(source: Path = INFRA) -> Iterator[Path]:
    """Copy a folder, by default infra/, with its providers and a state of its own, empty and on this machine.

    Raises:
        Unavailable: there is no Terraform, or no registry.
    """
    if shutil.which("terraform") is None:
        raise Unavailable("terraform is not installed (https://developer.hashicorp.com/terraform/install)")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "infra"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        (folder / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        try:
            run(folder, "init", "-no-color")
        except subprocess.CalledProcessError as failed:
            raise Unavailable(f"terraform cannot get its providers:\n{failed.stdout}") from None
        yield folder


def planned(folder: Path, environment: str, **variables: object) -> dict[str, Any]:
    """Plan an environment and return the plan as JSON, with `NO_RELEASE` and `variables` beside its file.

    Shape: https://developer.hashicorp.com/terraform/internals/json-format#plan-representation
    """
    given = folder / "given.tfvars.json"
    given.write_text(json.dumps({**NO_RELEASE, **variables}))
    files = [f"-var-file=environments/{environment}.tfvars", f"-var-file={given.name}"]
    run(folder, "plan", "-no-color", "-lock=false", "-out=plan.out", *files)
    plan: dict[str, Any] = json.loads(run(folder, "show", "-json", "plan.out"))
    return plan


def resources(plan: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the values of all resources of one type in a plan, with their key in `for_each` as `index`."""
    found = plan["planned_values"]["root_module"]["resources"]
    return [{"index": each.get("index"), **each["values"]} for each in found if each["type"] == kind]


def outputs(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs that are known before anything is created."""
    return {name: output.get("value") for name, output in plan["planned_values"]["outputs"].items()}


def main() -> int:
    """Run the checks; return the exit status."""
    argparse.ArgumentParser(description="Check the format of infra/, validate it and run its tests.").parse_args()
    try:
        run(INFRA, "fmt", "-check", "-diff", "-recursive", quiet=False)
        for source in (INFRA, RETIRED):
            with workspace(source) as folder:
                run(folder, "validate", quiet=False)
                run(folder, "test", quiet=False)
    except Unavailable as missing:
        print(f"infra/ was NOT checked: {missing}")
        return 1 if os.environ.get("CI") else 0
    except subprocess.CalledProcessError:
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
