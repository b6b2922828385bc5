"""Deploy an environment, roll it back to what was live before, or apply changed settings to what is live.

    make deploy ENV=staging        build, plan, apply, try it out with one signature
    make apply ENV=production      changed settings (the relays, the quota …) with the release that is live
    make rollback ENV=production   the release before; TO=<release> for another

The same on a laptop and in CI. Each may be interrupted, and run again.
"""

import argparse
import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from infra.deploy import build, canary, doctor, gcloud, secrets, terraform
from infra.deploy.checks.campaign_files import campaign_faults
from infra.deploy.releases import Outcome, Release, Releases, before, leads_back
from infra.deploy.terraform import Change
from shared import campaigns
from shared.clock import utc_now
from shared.web import routes

_PLAN = "release.plan"


def put_live(
    environment: gcloud.Environment, releases: Releases, bundles: Mapping[str, str], *, ask: bool
) -> Release:
    """Plan and apply these bundles with the settings of the tfvars, and return the release, which is live.

    What is applied is what was shown and approved: the saved plan, or a part of it before the rest.
    """
    known = releases.all()
    with release_inputs(environment, bundles), _planning(environment):
        terraform.init(environment.state, environment.name)
        approved = _plan(environment)
        if ask and approved and input(f"Apply this to {environment.name}? Type yes: ") != "yes":
            gcloud.stop("Nothing was changed.")
        is_live = bool(known) and known[-1].bundles == bundles
        release = known[-1] if is_live else releases.begin(bundles, utc_now())
        public_first = leads_back(known, bundles) or (is_live and _signs_with_another_key(approved))
        if first := _to_be_first(approved, public_first=public_first):
            _plan_approved(environment, approved, *first)
            _apply()
            _plan_approved(environment, approved)
        _apply()
    if not environment.settings.get("public_by_all_users", True):
        _allow_without_all_users(environment)
    return releases.record(release, Outcome.APPLIED) if release.outcome is Outcome.APPLYING else release


@contextmanager
def release_inputs(environment: gcloud.Environment, bundles: Mapping[str, str]) -> Iterator[None]:
    """Give the bundles to Terraform, and leave nothing in the folder."""
    given = terraform.INFRA / "release.auto.tfvars.json"
    given.write_text(json.dumps({"bundles": dict(bundles), "bundles_bucket": environment.bundles}))
    try:
        yield
    finally:
        given.unlink()


@contextmanager
def _planning(environment: gcloud.Environment) -> Iterator[None]:
    """Stop with a sentence where Terraform fails, and leave no plan in the folder."""
    try:
        yield
    except subprocess.CalledProcessError as failed:
        gcloud.stop(
            f"{failed.stdout or ''}terraform failed (status {failed.returncode}). What it had applied is live, "
            f"the rest is as before. Run the same again, or: make rollback ENV={environment.name}"
        )
    finally:
        (terraform.INFRA / _PLAN).unlink(missing_ok=True)


def _plan(environment: gcloud.Environment, *targets: str, quiet: bool = False) -> Mapping[str, Change]:
    """Save a plan, and return the change of each resource that is not left as it is."""
    files = [f"-var-file={file}" for file in environment.files]
    return terraform.plan(terraform.INFRA, _PLAN, *targets, *files, quiet=quiet)


def _plan_approved(environment: gcloud.Environment, approved: Mapping[str, Change], *targets: str) -> None:
    """Save a plan of a part of what was approved; stop if it holds anything else."""
    planned = _plan(environment, *targets, quiet=True)
    if others := sorted(address for address, change in planned.items() if change != approved.get(address)):
        listed = "\n".join(f"    {address}" for address in others)
        gcloud.stop(
            f"Something else has changed meanwhile, and was not approved:\n{listed}\n"
            "What was applied before is live. Run the same again, and read its plan."
        )


def _apply() -> None:
    terraform.run(terraform.INFRA, "apply", _PLAN, quiet=False)


def _to_be_first(approved: Mapping[str, Change], *, public_first: bool) -> list[str]:
    """Return the targets to be applied before the others; none where the order does not matter.

    An older deliver may not know the tasks of the newer public functions. So it goes first when a newer release is
    deployed, and last when an older one is.
    """
    targets = {name: _address(name) for name in routes.FUNCTIONS}
    changed = {name for name, address in targets.items() if address in approved and approved[address].is_update}
    public = changed & set(routes.PUBLIC)
    first = public if public_first else changed - public
    return [f"-target={targets[name]}" for name in sorted(first)] if first and first != changed else []


def _signs_with_another_key(approved: Mapping[str, Change]) -> bool:
    """Return whether deliver gets a key for links that confirm has to know first.

    Not if it gets another identity as well: to that one nobody may seal before deliver has it, and tasks that
    cannot be opened are worse than links that do not work for some minutes.
    """
    change = approved.get(_address("deliver"))
    if change is None:
        return False
    before, after = _secret_versions(change.before), _secret_versions(change.after)
    changed = {variable for variable in after if before.get(variable) != after[variable]}
    return "TOKEN_KEYS" in changed and "DELIVER_IDENTITIES" not in changed


def _secret_versions(function: Any) -> Mapping[str, str]:
    """Return the version of each secret in the environment of a function, as a plan has it."""
    given = function["service_config"][0]["secret_environment_variables"] if function else []
    return {each["key"]: each["version"] for each in given}


def _address(function: str) -> str:
    return f'google_cloudfunctions2_function.this["{function}"]'


def _allow_without_all_users(environment: gcloud.Environment) -> None:
    """Where a policy forbids allUsers: https://cloud.google.com/run/docs/securing/managing-access#invoker_check"""
    place = (f"--project={environment.project}", f"--region={environment.region}")
    for function in routes.PUBLIC:
        gcloud.gcloud("run services update", function, "--no-invoker-iam-check", *place)


def try_out(environment: gcloud.Environment) -> None:
    """Check that one signature of the canary campaign goes all the way.

    Raises:
        CanaryFailed: it does not.
    """
    canary.try_out(f"https://{environment.settings['domain']}", environment)
    print("Tried out: signed, mailed, confirmed, counted, erased.")


def check_shipped(environment: gcloud.Environment) -> None:
    """Check the campaigns that this checkout would deploy."""
    faults = list(campaign_faults(environment, campaigns.load_all(build.campaigns_folder())))
    if faults:
        gcloud.stop("\n".join(faults))


def deploy(environment: gcloud.Environment, *, ask: bool) -> None:
    """Build and release what this checkout holds; roll back if the try-out fails."""
    check_shipped(environment)
    build.build(build.BUILD)
    releases = Releases(environment.bundles)
    _release(environment, releases, releases.upload(build.bundle(build.BUILD)), ask=ask)


def apply(environment: gcloud.Environment, *, ask: bool) -> None:
    """Apply the settings of the tfvars to the release that is live, or finish one that was interrupted."""
    releases = Releases(environment.bundles)
    known = releases.all()
    if not known:
        gcloud.stop(f"Nothing is live yet: make deploy ENV={environment.name}")
    _release(environment, releases, known[-1].bundles, ask=ask)


def _release(
    environment: gcloud.Environment, releases: Releases, bundles: Mapping[str, str], *, ask: bool
) -> None:
    """Put bundles live and try them out; roll back if that fails, and if they are what is new."""
    release = put_live(environment, releases, bundles, ask=ask)
    known = releases.all()
    try:
        try_out(environment)
    except canary.CanaryFailed as error:
        if isinstance(error, canary.Unreachable) and not any(each.outcome is Outcome.PASSED for each in known):
            gcloud.stop(f"Applied: {release.id}, which is not tried out. {_not_reachable(environment, error)}")
        print(f"TRIED OUT, AND IT FAILED: {error}")
        if release.outcome is Outcome.PASSED:
            gcloud.stop("The settings are applied. Restore the former ones in the tfvars, and apply again.")
        releases.record(release, Outcome.FAILED)
        _roll_back(environment, releases)
    print(f"Live: {releases.record(release, Outcome.PASSED).id}")
    secrets.destroy_retired(environment)


def _not_reachable(environment: gcloud.Environment, error: canary.Unreachable) -> str:
    domain = environment.settings["domain"]
    then = f"Then: make apply ENV={environment.name}"
    try:
        socket.getaddrinfo(domain, 443)
    except OSError:
        return f"There is no address for {domain} yet: enter dns_records, printed above, at your registrar. {then}"
    return (
        f"https://{domain} does not answer yet ({error}). Either its address is not the one in dns_records, as "
        "printed above, or its certificate is not issued yet, which takes up to an hour once the DNS is right. "
        f"{then}"
    )


def _roll_back(environment: gcloud.Environment, releases: Releases) -> None:
    """Go back after a try-out has failed, and stop."""
    wanted = before(releases.all())
    if wanted is None:
        gcloud.stop(
            "No other release has ever passed its try-out: there is none to roll back to. See infra/RUNBOOK.md. "
            f"Once the cause is removed: make apply ENV={environment.name}"
        )
    put_live(environment, releases, wanted.bundles, ask=False)
    gcloud.stop(f"Rolled back to {wanted.id}. What failed is above.")


def rollback(environment: gcloud.Environment, to: str | None, *, ask: bool) -> None:
    """Release again what was live before. `to`: a release's id; None for the one before."""
    releases = Releases(environment.bundles)
    known = releases.all()
    wanted = next((each for each in known if each.id == to), None) if to else before(known)
    if wanted is None:
        there = ", ".join(f"{each.id} ({each.outcome})" for each in known) or "none"
        gcloud.stop(f"There is no release to roll back to. Releases: {there}.")
    release = put_live(environment, releases, wanted.bundles, ask=ask)
    print(f"Live: {release.id}, which is {wanted.id} again.")
    try:
        try_out(environment)
    except canary.CanaryFailed as error:
        releases.record(release, Outcome.FAILED)
        gcloud.stop(f"TRIED OUT, AND IT FAILED: {error}\nSee infra/RUNBOOK.md.")
    releases.record(release, Outcome.PASSED)


def main() -> None:
    """Run the action named on the command line."""
    parser = argparse.ArgumentParser(description="Deploy an environment, change its settings, or roll it back.")
    parser.add_argument("what", choices=["deploy", "apply", "rollback"])
    parser.add_argument("environment", nargs="?", default="")
    parser.add_argument("--to", help="a release's id; by default the one before")
    asked = parser.parse_args()
    environment = gcloud.environment(asked.environment)
    ask = not os.environ.get("CI")
    if asked.what != "rollback":
        doctor.preflight(environment)
    try:
        if asked.what == "deploy":
            deploy(environment, ask=ask)
        elif asked.what == "apply":
            apply(environment, ask=ask)
        else:
            rollback(environment, asked.to, ask=ask)
    except KeyboardInterrupt:
        gcloud.stop("Interrupted. Run the same again.")


if __name__ == "__main__":
    main()
