"""Add the missing secrets to Secret Manager, generated on this machine and stored nowhere else.

    make secrets ENV=staging                       what is missing
    make secrets ENV=staging ROTATE=token-keys     add a new key beside those in use
    make secrets ENV=staging RETIRE=token-keys     drop the oldest one, once nothing in use needs it
    make secrets ENV=staging ROTATE=smtp-password-first   replace the password of a relay, or bounces-password

The next deployment that passes its try-out destroys the older versions that hold what was retired.

The pepper is generated once and never again: with another one everybody could sign twice. A server on one machine
that moves here brings its own: what the environment holds as PEPPER, TOKEN_KEYS and so on is the first version.
"""

import argparse
import getpass
import json
import os
import secrets
import subprocess

import pyrage

from infra.deploy import gcloud, terraform

#: Lists of keys, oldest first, to which a new one may be added; and when the oldest may be retired.
_LISTS = {
    # As long as links to withdraw work, see `tokens.Purpose`: after that, people have to ask for another.
    "token-keys": "after three years, or at once if it has leaked",
    # As long as a task waits at most, and a week.
    "deliver-identities": "after 38 days",
}
_BOUNCES = "bounces-password"


class Secrets:
    """The secrets of one project."""

    def __init__(self, project: str) -> None:
        self._project = f"--project={project}"

    def declared(self) -> list[str]:
        """Return the names that Terraform has created."""
        return sorted(gcloud.gcloud("secrets list", self._project, "--format=value(name.basename())").split())

    def enabled(self, name: str) -> list[str]:
        """Return the numbers of the versions that can be read, oldest first."""
        enabled = ("--filter=state=ENABLED", "--format=value(name.basename())")
        return sorted(gcloud.gcloud("secrets versions list", name, self._project, *enabled).split(), key=int)

    def read(self, name: str, version: str = "latest") -> str:
        """Return the value of a version, by default the newest one's."""
        return gcloud.gcloud("secrets versions access", version, f"--secret={name}", self._project)

    def put(self, name: str, value: str) -> None:
        """Add a version, by standard input: every process can read the arguments of a command."""
        gcloud.gcloud("secrets versions add", name, self._project, "--data-file=-", given=value)

    def destroy(self, name: str, version: str) -> None:
        """Disable a version now, and have it destroyed once `version_destroy_ttl` of infra/secrets.tf is over."""
        gcloud.gcloud("secrets versions destroy", version, f"--secret={name}", self._project)


def declare(environment: gcloud.Environment) -> None:
    """Let Terraform create the secrets alone, empty: the rest cannot be created before they have values."""
    arguments = [f"-var-file={file}" for file in environment.files if file.exists()]
    given = terraform.INFRA / "no-release.auto.tfvars.json"
    given.write_text(json.dumps(terraform.NO_RELEASE))
    try:
        terraform.init(environment.state, environment.name)
        only = "-target=google_secret_manager_secret.this"
        terraform.run(terraform.INFRA, "apply", "-auto-approve", only, *arguments, quiet=False)
    except subprocess.CalledProcessError as failed:
        gcloud.stop(f"terraform failed (status {failed.returncode}); its message is above. Run the same again.")
    finally:
        given.unlink()


def put_missing(kept: Secrets) -> None:
    """Add a first version to each secret that has none: from the environment, generated, or asked for."""
    for name in kept.declared():
        if kept.enabled(name):
            print(f"{name}: is there")
            continue
        variable = name.upper().replace("-", "_")
        given = os.environ.get(variable)
        kept.put(name, given or _new_value(name))
        print(f"{name}: added" + (f", as in {variable} of the environment" if given else ""))


def _new_value(name: str) -> str:
    if name == "pepper" or name in _LISTS:
        return _generate(name)
    source = "of the mailbox of bounces" if name == _BOUNCES else "from your mail relay"
    password = getpass.getpass(f"{name} ({source}): ")
    return password or gcloud.stop(f"{name} is empty: nothing was added. Run the same again.")


def _generate(name: str) -> str:
    if name == "deliver-identities":
        return str(pyrage.x25519.Identity.generate())
    return secrets.token_urlsafe(48)


def rotate(kept: Secrets, name: str) -> None:
    """Add a key at the end of a list, which is used from the next deployment on; or replace a password."""
    if name in _LISTS:
        kept.put(name, f"{kept.read(name).strip()} {_generate(name)}")
        print(f"{name}: a new key is added. Then: make apply. {_LISTS[name].capitalize()}: RETIRE={name}")
    elif name.startswith(("smtp-password-", _BOUNCES)) and name in kept.declared():
        kept.put(name, _new_value(name))
        print(f"{name}: replaced. Then: make apply")
    else:
        gcloud.stop(f"{name} cannot be rotated; these can: {', '.join(_LISTS)}, smtp-password-RELAY, {_BOUNCES}.")


def retire(kept: Secrets, name: str) -> None:
    """Drop the oldest key of a list."""
    if name not in _LISTS:
        gcloud.stop(f"{name} is no list of keys; these are: {', '.join(_LISTS)}.")
    keys = kept.read(name).split()
    if len(keys) < 2:
        gcloud.stop(f"{name} holds one key: ROTATE={name} first.")
    kept.put(name, " ".join(keys[1:]))
    print(f"{name}: the oldest key is left out. Then: make apply, which destroys the versions that hold it.")


def destroy_retired(environment: gcloud.Environment) -> None:
    """Destroy older versions that hold a key or a password which those in use hold no longer.

    Call it once the functions run with the versions that the keys file names. A version that was only added to
    stays, so that the revisions before still start; and every pepper does, for it must never be lost.
    """
    kept = Secrets(environment.project)
    used = json.loads(environment.keys.read_text())["secret_versions"]
    for name in sorted(used.keys() & set(kept.declared()) - {"pepper"}):
        for version in _retired(kept, name, used[name]):
            kept.destroy(name, version)
            print(f"{name}: version {version} held what was retired. It is disabled, and destroyed in 30 days.")


def _retired(kept: Secrets, name: str, used: str) -> list[str]:
    older = [version for version in kept.enabled(name) if int(version) < int(used)]
    current = set(kept.read(name, used).split()) if older else set()
    return [version for version in older if not set(kept.read(name, version).split()) <= current]


def write_keys(environment: gcloud.Environment, kept: Secrets) -> None:
    """Write what Terraform reads: the public key of deliver's newest identity, and each secret's version."""
    newest = pyrage.x25519.Identity.from_str(kept.read("deliver-identities").split()[-1])
    keys = {
        "deliver_recipient": str(newest.to_public()),
        "secret_versions": {name: kept.enabled(name)[-1] for name in kept.declared()},
    }
    environment.keys.write_text(json.dumps(keys, indent=2) + "\n")
    print(f"{environment.keys.name} holds deliver's public key, and no secret: commit it. Then: make deploy")


def main() -> None:
    """Add, rotate or retire secrets, as the command line says."""
    parser = argparse.ArgumentParser(description="Add the missing secrets to Secret Manager, or rotate one.")
    parser.add_argument("environment", nargs="?", default="")
    parser.add_argument("--rotate", help="add a key to this list")
    parser.add_argument("--retire", help="drop the oldest key of this list")
    asked = parser.parse_args()
    environment = gcloud.environment(asked.environment)
    kept = Secrets(environment.project)
    declare(environment)
    put_missing(kept)
    if asked.rotate:
        rotate(kept, asked.rotate)
    if asked.retire:
        retire(kept, asked.retire)
    write_keys(environment, kept)


if __name__ == "__main__":
    main()
