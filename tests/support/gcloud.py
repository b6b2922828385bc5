"""A stand-in for the gcloud CLI: the few commands that infra/deploy uses, on a cloud that is a folder.

`install` puts it on the path. The cloud is <folder>/cloud.json; gs://bucket/object is <folder>/bucket/object. What
is in Terraform's state (its secrets, its outputs) is read from infra/terraform.tfstate of the working directory.
"""

import json
import os
import shutil
import stat
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # each command would wait for it
    import pytest

#: What a new project may use.
VCPU, GIB = 20, 40


@dataclass
class Cloud:
    """What the stand-in answers, and what its commands change."""

    account: str | None = None
    credentials: bool = False
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    billed: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    buckets: list[str] = field(default_factory=list)
    vcpu: int = VCPU
    gib: int = GIB
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    #: By name: each version's value; None for one that is disabled or destroyed.
    secrets: dict[str, list[str | None]] = field(default_factory=dict)
    certificates: list[dict[str, Any]] = field(default_factory=list)
    #: Of databases: each backup's name, and the database's.
    backups: dict[str, str] = field(default_factory=dict)
    databases: list[str] = field(default_factory=list)
    #: Of images, that Cloud Functions has made.
    repositories: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, folder: Path) -> "Cloud":
        return cls(**json.loads((folder / "cloud.json").read_text()))

    def save(self, folder: Path) -> None:
        (folder / "cloud.json").write_text(json.dumps(asdict(self)))


def install(folder: Path, monkeypatch: "pytest.MonkeyPatch", cloud: Cloud) -> None:
    """Put the stand-in on the path, before a gcloud that is installed; its cloud is kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    cloud.save(folder)
    program = folder / "bin" / "gcloud"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" "{folder}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


class Refused(Exception):
    """What gcloud prints as an error."""


class Gcloud:
    """One command, given by its words, its flags as in {"project": "swifts"}, and its standard input."""

    def __init__(self, folder: Path, words: list[str], flags: dict[str, str]) -> None:
        self.folder = folder
        self.cloud = Cloud.load(folder)
        self.words = words
        self.flags = flags

    def run(self) -> str:
        """Run the command and return what it prints."""
        if self.words[0] != "auth" and not self.cloud.account:
            raise Refused("You do not currently have an active account selected.")
        area = getattr(self, self.words[0].replace("-", "_"), None)
        printed = area(self.words[1:]) if area else None
        if self.cloud != Cloud.load(self.folder):  # commands that only ask run at the same time
            self.cloud.save(self.folder)
        if printed is None:
            raise Refused(f"the stand-in does not know: {self.words}")
        return printed if isinstance(printed, str) else json.dumps(printed)

    def auth(self, words: list[str]) -> Any:
        match words:
            case ["login"]:
                self.cloud.account, self.cloud.credentials = "ann@swifts.example", "update-adc" in self.flags
                _keep_credentials(None)
                return ""
            case ["list"]:
                account = self.cloud.account
                return [{"account": account, "status": "ACTIVE"}] if account else []
            case ["print-access-token"]:
                return "ya29.token"
            case ["application-default", "print-access-token"]:
                if not self.cloud.credentials:
                    raise Refused("Your default credentials were not found.")
                return "ya29.token"
            case ["application-default", "set-quota-project", project]:
                _keep_credentials(project)
                return ""
        return None

    def projects(self, words: list[str]) -> Any:
        match words:
            case ["create", project]:
                self.cloud.projects[project] = {"projectId": project, "projectNumber": "123456789012"}
                return ""
            case ["describe", project]:
                if project not in self.cloud.projects:
                    raise Refused(f"The project {project} does not exist, or you may not see it.")
                found = self.cloud.projects[project]
                return found if self.flags.get("format") == "json" else f"{found['projectNumber']}\n"
        return None

    def billing(self, words: list[str]) -> Any:
        match words:
            case ["projects", "link", project]:
                self.cloud.billed.append(project)
                return ""
            case ["projects", "describe", project]:
                billed = project in self.cloud.billed
                return {"billingAccountName": "billingAccounts/1" if billed else "", "billingEnabled": billed}
        return None

    def services(self, words: list[str]) -> Any:
        match words:
            case ["enable", *names]:
                self.cloud.services += names
                return ""
            case ["list"]:
                return [{"config": {"name": name}} for name in self.cloud.services]
        return None

    def org_policies(self, words: list[str]) -> Any:
        constraint = words[1].removeprefix("constraints/")
        return {"name": constraint, "spec": {"rules": self.cloud.policies.get(constraint, [])}}

    def certificate_manager(self, words: list[str]) -> Any:
        return [{"managed": managed} for managed in self.cloud.certificates]

    def beta(self, words: list[str]) -> Any:
        if words[:3] != ["quotas", "info", "describe"]:
            return None
        value = self.cloud.vcpu * 1000 if words[3] == "CpuAllocPerProjectRegion" else self.cloud.gib * 2**30
        infos = [{"applicableLocations": ["europe-west1"], "details": {"value": str(value)}}]
        return {"quotaId": words[3], "dimensionsInfos": infos}

    def storage(self, words: list[str]) -> Any:
        match words:
            case ["buckets", action, address]:
                return self._bucket(action, address.removeprefix("gs://"))
            case ["ls", address]:
                found = sorted(self._at(address).parent.glob(self._at(address).name))
                if not found:
                    raise Refused("One or more URLs matched no objects.")
                return "".join(f"gs://{path.relative_to(self.folder).as_posix()}\n" for path in found)
            case ["cat", address]:
                return self._content(_state() if address.endswith(".tfstate") else self._at(address))
            case ["cp", source, address]:
                self._at(address).parent.mkdir(parents=True, exist_ok=True)
                if source == "-":
                    self._at(address).write_text(sys.stdin.read())
                elif "no-clobber" not in self.flags or not self._at(address).exists():
                    shutil.copy(source, self._at(address))
                return ""
            case ["rm", address]:
                self.cloud.buckets.remove(address.removeprefix("gs://"))
                shutil.rmtree(self._at(address), ignore_errors=True)
                return ""
        return None

    def firestore(self, words: list[str]) -> Any:
        match words:
            case ["backups", "list"]:
                return "".join(f"{name}\t{database}\n" for name, database in self.cloud.backups.items())
            case ["backups", "delete"]:
                [name] = [name for name in self.cloud.backups if name.endswith(f"/{self.flags['backup']}")]
                del self.cloud.backups[name]
                return ""
            case ["databases", "list"]:
                return "".join(f"{name}\n" for name in self.cloud.databases)
        return None

    def artifacts(self, words: list[str]) -> Any:
        match words:
            case ["repositories", "describe", name]:
                if name not in self.cloud.repositories:
                    raise Refused(f"NOT_FOUND: {name}")
                return ""
            case ["repositories", "delete", name]:
                self.cloud.repositories.remove(name)
                return ""
        return None

    def compute(self, words: list[str]) -> Any:
        return "" if words == ["url-maps", "invalidate-cdn-cache", "undersign"] else None

    def _bucket(self, action: str, name: str) -> str:
        if action == "create":
            self.cloud.buckets.append(name)
        elif name not in self.cloud.buckets:
            raise Refused(f"gs://{name} not found: 404.")
        return ""

    def _content(self, pattern: Path) -> str:
        files = sorted(pattern.parent.glob(pattern.name))
        if not files:
            raise Refused("The following URLs matched no objects or files:")
        return "".join(file.read_text() for file in files)

    def _at(self, address: str) -> Path:
        return self.folder / address.removeprefix("gs://").rstrip("/")

    def secrets(self, words: list[str]) -> Any:
        name = self.flags.get("secret", words[-1])
        versions = self.cloud.secrets.get(name, [])
        match words:
            case ["list"]:
                return "".join(f"{name}\n" for name in sorted({*_declared(), *self.cloud.secrets}))
            case ["versions", "list", _]:
                return "".join(f"{number}\n" for number, value in enumerate(versions, 1) if value is not None)
            case ["versions", "add", _]:
                self.cloud.secrets[name] = [*versions, sys.stdin.read()]
                return ""
            case ["versions", "access", "latest"]:
                if not versions or versions[-1] is None:
                    raise Refused(f"Secret {name} has no enabled version.")
                return versions[-1]
            case ["versions", "access", number]:
                return versions[int(number) - 1]
            case ["versions", "destroy", number]:
                versions[int(number) - 1] = None
                return ""
            case ["versions", "describe", number]:
                if int(number) > len(versions):
                    raise Refused(f"Secret Version {name}/{number} not found.")
                return {"state": "DISABLED" if versions[int(number) - 1] is None else "ENABLED"}
        return None


def _keep_credentials(quota_project: str | None) -> None:
    """Write a person's credentials to where Google's libraries look for them."""
    file = Path.home() / ".config" / "gcloud" / "application_default_credentials.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    person = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "t"}
    file.write_text(json.dumps({**person, "quota_project_id": quota_project}))


def _state() -> Path:
    return Path("infra") / "terraform.tfstate"


def _declared() -> list[str]:
    """The names of the secrets that Terraform has created."""
    resources = json.loads(_state().read_text())["resources"] if _state().is_file() else []
    return [
        instance["attributes"]["secret_id"]
        for resource in resources
        if resource["type"] == "google_secret_manager_secret"
        for instance in resource["instances"]
    ]


def main() -> int:
    """Run the command of the arguments, and return its exit status."""
    folder, *arguments = sys.argv[1:]
    words = [argument for argument in arguments if not argument.startswith("--")]
    flags = dict(argument[2:].partition("=")[::2] for argument in arguments if argument.startswith("--"))
    try:
        sys.stdout.write(Gcloud(Path(folder), words, flags).run())
    except Refused as refused:
        sys.stderr.write(f"ERROR: (gcloud.{'.'.join(words[:2])}) {refused}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
