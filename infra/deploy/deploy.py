"""Deploy an environment, roll it back to what was live before, or apply changed settings to what is live.

    make deploy ENV=staging        build, plan, apply, try it out with one signature
    make apply ENV=production      changed settings (the relays, the quota …) with the release that is live
    make rollback ENV=production   the release before; TO=<release> for another

The same on a laptop and in CI. A release is a file in the bundles' bucket, releases/<time>.json, which names the
bundle of each function by its content; it is written once the release has been tried out.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.deploy import build, canary, gcloud, terraform
from shared import campaigns
from shared.campaigns.model import Campaign
from shared.web import routes


@dataclass(frozen=True, slots=True)
class Release:
    """What runs, or ran. `id`: when it went live, in UTC; empty for one that has not yet."""

    id: str
    bundles: Mapping[str, str]


class Releases:
    """The bundles and releases of an environment, oldest first."""

    def __init__(self, bucket: str) -> None:
        self._bucket = f"gs://{bucket}"

    def all(self) -> list[Release]:
        """Return every release that was ever live."""
        if not gcloud.succeeds("storage ls", f"{self._bucket}/releases/"):
            return []
        found = []
        for address in sorted(gcloud.gcloud("storage ls", f"{self._bucket}/releases/*.json").split()):
            content = json.loads(gcloud.gcloud("storage cat", address))
            found.append(Release(address.rsplit("/", 1)[1].removesuffix(".json"), content["bundles"]))
        return found

    def upload(self, bundles: Mapping[str, Path]) -> Release:
        """Upload what is missing; a bundle is never overwritten, for its name is the hash of its content."""
        for bundle in bundles.values():
            gcloud.gcloud("storage cp", "--no-clobber", str(bundle), f"{self._bucket}/{bundle.name}")
        return Release("", {function: bundle.name for function, bundle in bundles.items()})

    def record(self, release: Release) -> str:
        """Record that this release is live from now on, and return its id."""
        at = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
        content = json.dumps({"bundles": dict(release.bundles)}, indent=2)
        gcloud.gcloud("storage cp", "-", f"{self._bucket}/releases/{at}.json", given=content)
        return at


def before(releases: Sequence[Release]) -> Release | None:
    """Return the newest release with other bundles than those that are live; None if every one has the same."""
    return next((each for each in reversed(releases) if each.bundles != releases[-1].bundles), None)


def check_promises(environment: gcloud.Environment, known: Iterable[Campaign]) -> None:
    """Check that no backup outlives what a campaign promises, and that each campaign is ready to open."""
    faults = []
    for campaign in known:
        faults += campaign.not_ready
        kept = int(environment.settings.get("backup_days", 14))
        if campaign.privacy.backup_days < kept:
            faults.append(
                f"{campaign.id}.toml: privacy.backup_days: promises {campaign.privacy.backup_days} days, "
                f"but backups are kept for {kept}: promise that, or lower backup_days in the tfvars (7 at least)"
            )
    if faults:
        gcloud.stop("\n".join(faults))


def put_live(environment: gcloud.Environment, release: Release, *, ask: bool) -> None:
    """Plan and apply a release.

    deliver goes first: an older revision may meet tasks of a newer one, never the other way round.
    """
    given = terraform.INFRA / "release.auto.tfvars.json"
    given.write_text(json.dumps({"bundles": dict(release.bundles), "bundles_bucket": environment.bundles}))
    files = [f"-var-file={file}" for file in environment.files]
    try:
        terraform.init(environment.state, environment.name)
        terraform.run(terraform.INFRA, "plan", "-out=release.plan", *files, quiet=False)
        if ask and input(f"Apply this to {environment.name}? Type yes: ") != "yes":
            gcloud.stop("Nothing was changed.")
        first = '-target=google_cloudfunctions2_function.this["deliver"]'
        terraform.run(terraform.INFRA, "apply", "-auto-approve", first, *files, quiet=False)
        terraform.run(terraform.INFRA, "apply", "-auto-approve", *files, quiet=False)
    except subprocess.CalledProcessError as failed:
        gcloud.stop(f"terraform failed (status {failed.returncode}). What was live is still live.")
    finally:
        given.unlink()
        (terraform.INFRA / "release.plan").unlink(missing_ok=True)
    if not environment.settings.get("public_by_all_users", True):
        _allow_without_all_users(environment)


def _allow_without_all_users(environment: gcloud.Environment) -> None:
    """Where a policy forbids allUsers: https://cloud.google.com/run/docs/securing/managing-access#invoker_check"""
    place = (f"--project={environment.project}", f"--region={environment.region}")
    for function in routes.PUBLIC:
        gcloud.gcloud("run services update", function, "--no-invoker-iam-check", *place)


def try_out(environment: gcloud.Environment) -> bool:
    """Return whether one signature of the canary campaign goes all the way; print what does not."""
    try:
        canary.try_out(f"https://{environment.settings['domain']}", environment)
    except canary.CanaryFailed as error:
        print(f"TRIED OUT, AND IT FAILED: {error}")
        return False
    print("Tried out: signed, mailed, confirmed, counted, erased.")
    return True


def check_shipped(environment: gcloud.Environment) -> None:
    """Check the campaigns that this checkout would deploy."""
    shipped = campaigns.load_all(build.campaigns_folder())
    watched = environment.settings.get("watched_campaign", "reclaim-your-face")
    if watched not in shipped:
        gcloud.stop(f"watched_campaign: there is no campaign {watched}; name the largest that you run")
    if canary.CAMPAIGN not in shipped:
        gcloud.stop(
            f"There is no campaign {canary.CAMPAIGN}, with which a deployment is tried out: "
            f"undersign campaign new {canary.CAMPAIGN} …, with the keys of your campaign"
        )
    check_promises(environment, shipped.values())


def deploy(environment: gcloud.Environment, *, ask: bool) -> None:
    """Build and release what this checkout holds; roll back where it cannot be tried out."""
    check_shipped(environment)
    releases = Releases(environment.bundles)
    known = releases.all()
    build.build(build.BUILD)
    release = releases.upload(build.bundle(build.BUILD))
    put_live(environment, release, ask=ask)
    if try_out(environment):
        print(f"Live: {releases.record(release)}")
        return
    if not known:
        gcloud.stop("This was the first release, so there is none to roll back to. See infra/RUNBOOK.md.")
    put_live(environment, known[-1], ask=False)
    gcloud.stop(f"Rolled back to {known[-1].id}. What failed is above.")


def apply(environment: gcloud.Environment, *, ask: bool) -> None:
    """Apply the settings of the tfvars to the release that is live."""
    releases = Releases(environment.bundles).all()
    if not releases:
        gcloud.stop(f"Nothing is live yet: make deploy ENV={environment.name}")
    put_live(environment, releases[-1], ask=ask)
    if not try_out(environment):
        gcloud.stop("The settings are applied. Restore the former ones in the tfvars, and apply again.")


def rollback(environment: gcloud.Environment, to: str | None, *, ask: bool) -> None:
    """Release again what was live before. `to`: a release's id; None for the one before."""
    releases = Releases(environment.bundles)
    known = releases.all()
    wanted = next((each for each in known if each.id == to), None) if to else before(known)
    if wanted is None:
        there = ", ".join(each.id for each in known) or "none"
        gcloud.stop(f"There is no release to roll back to. Releases: {there}.")
    put_live(environment, wanted, ask=ask)
    print(f"Live: {releases.record(wanted)}, which is {wanted.id} again.")
    if not try_out(environment):
        gcloud.stop("See infra/RUNBOOK.md.")


def main() -> None:
    """Run the action named on the command line."""
    parser = argparse.ArgumentParser(description="Deploy an environment, change its settings, or roll it back.")
    parser.add_argument("what", choices=["deploy", "apply", "rollback"])
    parser.add_argument("environment", nargs="?", default="")
    parser.add_argument("--to", help="a release's id; by default the one before")
    asked = parser.parse_args()
    environment = gcloud.environment(asked.environment)
    ask = not os.environ.get("CI")
    if asked.what == "deploy":
        deploy(environment, ask=ask)
    elif asked.what == "apply":
        apply(environment, ask=ask)
    else:
        rollback(environment, asked.to, ask=ask)


if __name__ == "__main__":
    main()
