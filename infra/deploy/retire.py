"""Take a deployment down once its petitions are over, and leave the last count and the pages at the same address.

    make retire ENV=production

Refuses while a campaign holds personal data: `undersign purge` removes it. Then a bucket takes the place of the
functions (infra/retired), and only when the public gets all of it from there is the rest removed. Asks before it
changes anything, and again before it removes anything. If it breaks off, run it again.
"""

import argparse
import asyncio
import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

import httpx

from desk import runtime
from desk.runtime import Desk
from desk.settings import use_deployment
from infra.cost import cost
from infra.deploy import canary, deploy, gcloud, last_answers, terraform
from infra.deploy.releases import Releases
from shared.campaigns.model import Campaign
from shared.clock import utc_now
from shared.web.routes import ConfirmPath, CountPath, EmbedPath

_PLAN = "retire.plan"
#: What a change of the URL map may take until it is in force everywhere, and until old copies have expired.
_ATTEMPTS, _PAUSE_SECONDS = 40, 30.0
#: What is protected, or left behind by a `terraform destroy`.
_PROTECTED = ("google_firestore_database.", "google_secret_manager_secret.this")
_FIRESTORE_LOCATION = "eur3"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: the last total by campaign, and the digest of each answer by its address."""

    totals: Mapping[str, int]
    languages: Sequence[str]
    page_policy: str
    digests: Mapping[str, str]


def retire(environment: gcloud.Environment, public: httpx.Client, storage: httpx.Client) -> None:
    """Take a deployment down, or go on where that was broken off.

    `public`: a client of its public address. `storage`: one of Cloud Storage.
    """
    terraform.init(environment.state, environment.name)
    deployed = terraform.in_state(terraform.INFRA)
    totals: Mapping[str, int] | None = None
    campaigns: Mapping[str, Campaign] = {}
    if any(address.startswith("google_firestore_database.main") for address in deployed):
        totals, campaigns = _check_purged(environment, utc_now())
    copied = _copied(environment)
    if totals is not None and (copied is None or not _leads_to_bucket(public, copied)):
        copied = _copy(environment, public, storage, campaigns, totals)
    if copied is None:
        gcloud.stop(f"Nothing is deployed in {environment.project}.")
    _take_over(environment, copied)
    _verify(environment, public, copied)
    _remove(environment)
    _clean(environment)
    print(_report(environment, copied))


def _check_purged(
    environment: gcloud.Environment, now: datetime
) -> tuple[Mapping[str, int], Mapping[str, Campaign]]:
    """Return the total of each campaign, and the campaigns; exit if one of them is not over."""
    use_deployment(environment)
    desk = runtime.desk()
    try:
        faults, totals = asyncio.run(_look(environment, desk, now))
    finally:
        desk.maintenance.close()
    if faults:
        gcloud.stop("Nothing was changed. First:\n" + "\n".join(faults))
    return totals, {name: desk.campaigns[name] for name in totals}


async def _look(
    environment: gcloud.Environment, desk: Desk, now: datetime
) -> tuple[Sequence[str], Mapping[str, int]]:
    """Ask the database itself, for a copy in a cache may be old; return what is missing, and the totals."""
    faults = []
    totals = {}
    stored = set(await desk.maintenance.campaigns())
    for name in sorted({*desk.campaigns, *stored} - {canary.CAMPAIGN}):
        campaign = desk.campaigns.get(name)
        total = (await desk.maintenance.tally(name)).total
        is_purged = (await desk.maintenance.overlay(name)).purged is not None
        if campaign:
            totals[name] = total
        if campaign and campaign.is_open(now):
            faults.append(f"{name} is open until {campaign.closes}.")
        elif not is_purged and (name in stored or total):
            faults.append(
                f"undersign --environment {environment.name} purge {name}"
                if campaign
                else f"{name} has signatures, and no file: bring its file back, and purge it."
            )
    return faults, totals


def _copied(environment: gcloud.Environment) -> Copied | None:
    """Return what an earlier run has copied; None if none has done so to the end."""
    if not gcloud.succeeds("storage ls", _record(environment)):
        return None
    return Copied(**json.loads(gcloud.gcloud("storage cat", _record(environment))))


def _leads_to_bucket(public: httpx.Client, copied: Copied) -> bool:
    """Return whether the public address leads to the bucket: the functions never give this page."""
    pages = (EmbedPath.LINKS.format(campaign=name) for name in copied.totals)
    return not last_answers.differing(public, {page: copied.digests[page] for page in pages})


def _record(environment: gcloud.Environment) -> str:
    return f"gs://{environment.state}/retired/{environment.name}.json"


def _copy(
    environment: gcloud.Environment,
    public: httpx.Client,
    storage: httpx.Client,
    campaigns: Mapping[str, Campaign],
    totals: Mapping[str, int],
) -> Copied:
    """Copy the answers into the bucket, and note what was copied, for the next run if this one breaks off."""
    print(f"Copying what {public.base_url} answers …")
    answers = last_answers.copy(public, campaigns)
    bodies = {place.address: answer.body for place, answer in answers.items()}
    for name, total in totals.items():
        shown = json.loads(bodies[CountPath.COUNT.format(campaign=name)])["total"]
        if shown != total:
            gcloud.stop(
                f"{name} has {total:,} signatures, and a cache still shows {shown:,}: run this again in 15 minutes"
            )
    copied = Copied(
        totals,
        last_answers.languages(campaigns),
        last_answers.page_policy(campaigns, answers),
        {place.address: answer.digest for place, answer in answers.items()},
    )
    with _variables(environment, copied):
        planned = _plan_retired("-target=google_storage_bucket_iam_member.everybody")
        _ask(f"Make the bucket {environment.answers}, which everybody may read? Type yes: ", "yes", planned)
        _apply(planned)
    last_answers.upload(storage, environment.answers, answers)
    gcloud.gcloud("storage cp", "-", _record(environment), given=json.dumps(asdict(copied)))
    return copied


@contextmanager
def _variables(environment: gcloud.Environment, copied: Copied) -> Iterator[None]:
    """Give infra/retired its state and its variables, and leave nothing in the folder."""
    given = terraform.RETIRED / "given.auto.tfvars.json"
    values = {
        "environment": environment.name,
        "project": environment.project,
        "domain": environment.settings["domain"],
        "bucket": environment.answers,
        "campaigns": sorted(copied.totals),
        "languages": copied.languages,
        "page_policy": copied.page_policy,
    }
    given.write_text(json.dumps(values))
    try:
        terraform.init(environment.state, f"{environment.name}-retired", terraform.RETIRED)
        yield
    finally:
        given.unlink()
        (terraform.RETIRED / _PLAN).unlink(missing_ok=True)


def _plan_retired(*targets: str) -> Mapping[str, terraform.Change]:
    return terraform.plan(terraform.RETIRED, _PLAN, *targets)


def _apply(planned: Mapping[str, terraform.Change]) -> None:
    if planned:
        terraform.run(terraform.RETIRED, "apply", _PLAN, quiet=False)


def _ask(question: str, expected: str, planned: Mapping[str, terraform.Change]) -> None:
    """Ask, if there is something to do; exit unless the answer is the one expected."""
    if planned and input(question) != expected:
        gcloud.stop("Stopped here. What was done before stays; run the same again to go on.")


def _take_over(environment: gcloud.Environment, copied: Copied) -> None:
    """Lead the public address to the bucket."""
    with _variables(environment, copied):
        planned = _plan_retired()
        replaced = [address for address, change in planned.items() if "delete" in change.actions]
        if replaced:
            gcloud.stop(f"This would interrupt the address, so nothing was done: {', '.join(replaced)}")
        _ask(f"Lead {environment.settings['domain']} to the bucket? Type yes: ", "yes", planned)
        _apply(planned)
    if planned:
        place = ("--path=/*", "--async", f"--project={environment.project}")
        gcloud.gcloud("compute url-maps invalidate-cdn-cache undersign", *place)


def _verify(environment: gcloud.Environment, public: httpx.Client, copied: Copied) -> None:
    """Wait until the public gets every answer from the bucket, and links in mails lead to their page."""
    print("Waiting until everybody gets the copies …")
    wanted = dict(copied.digests)
    for name in copied.totals:
        ended = copied.digests[EmbedPath.LINKS.format(campaign=name)]
        for path in ConfirmPath:
            wanted[path.format(token=f"{name}~old")] = ended
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        wanted = {address: wanted[address] for address in last_answers.differing(public, wanted)}
        if not wanted:
            return
    gcloud.stop(
        f"Nothing was removed: {len(wanted)} addresses do not answer as they did, among them {min(wanted)}. "
        f"Run the same again, or go back to the functions: make apply ENV={environment.name}"
    )


def _remove(environment: gcloud.Environment) -> None:
    """Remove what the deployment has made, but for what was taken over."""
    # The services stay enabled, for neither of the two disables what it no longer needs.
    held = terraform.in_state(terraform.RETIRED)
    kept = {address: name for address, name in held.items() if not address.startswith("google_project_service.")}
    terraform.init(environment.state, environment.name)
    deployed = terraform.in_state(terraform.INFRA)
    if taken_over := sorted(kept.keys() & deployed.keys()):
        terraform.run(terraform.INFRA, "state", "rm", *taken_over, quiet=False)
    remaining = deployed.keys() - kept.keys()
    if not remaining:
        return
    known = Releases(environment.bundles).all()
    bundles = known[-1].bundles if known else terraform.NO_BUNDLES
    try:
        with deploy.release_inputs(environment, bundles):
            approved = _plan_removal(environment, kept)
            question = f"REMOVE ALL OF THIS FOR GOOD, DATABASES INCLUDED? Type {environment.project}: "
            _ask(question, environment.project, approved)
            _lift_protection(environment, remaining)
            if others := sorted(_plan_removal(environment, kept).keys() - approved.keys()):
                gcloud.stop(f"Something else would be removed now: {', '.join(others)}. Run the same again.")
            terraform.run(terraform.INFRA, "apply", _PLAN, quiet=False)
    finally:
        (terraform.INFRA / _PLAN).unlink(missing_ok=True)


def _plan_removal(environment: gcloud.Environment, kept: Mapping[str, str]) -> Mapping[str, terraform.Change]:
    """Save a plan that removes everything; exit if it holds anything of what stays, or anything but removals."""
    planned = _plan_deployment(environment, "-destroy")
    for address, change in planned.items():
        if change.actions != ["delete"] or change.before["id"] in kept.values():
            gcloud.stop(f"The plan would touch what stays, so nothing was removed: {address}")
    return planned


def _lift_protection(environment: gcloud.Environment, remaining: Iterable[str]) -> None:
    """Let databases and secrets be deleted: those that are still there, or Terraform would create the others."""
    targets = [f"-target={address}" for address in remaining if address.startswith(_PROTECTED)]
    if targets and _plan_deployment(environment, *targets):
        terraform.run(terraform.INFRA, "apply", _PLAN, quiet=False)


def _plan_deployment(environment: gcloud.Environment, *arguments: str) -> Mapping[str, terraform.Change]:
    files = [f"-var-file={file}" for file in environment.files]
    return terraform.plan(terraform.INFRA, _PLAN, "-var=retiring=true", *arguments, *files)


def _clean(environment: gcloud.Environment) -> None:
    """Delete what Terraform does not know: backups, what Cloud Functions has kept, and the bundles."""
    project = f"--project={environment.project}"
    location = f"--location={_FIRESTORE_LOCATION}"
    listed = gcloud.gcloud("firestore backups list", location, project, "--format=value(name,database)")
    database = f"projects/{environment.project}/databases/{environment.database}"
    for name, of_database in (line.split() for line in listed.splitlines()):
        if of_database == database:
            backup = name.rpartition("/")[2]
            gcloud.gcloud("firestore backups delete", f"--backup={backup}", location, project)
    images = ("gcf-artifacts", f"--location={environment.region}", project)
    if gcloud.succeeds("artifacts repositories describe", *images):
        gcloud.gcloud("artifacts repositories delete", *images)
    sources = f"gcf-v2-sources-{environment.settings['project_number']}-{environment.region}"
    for bucket in (sources, environment.bundles):
        if gcloud.succeeds("storage buckets describe", f"gs://{bucket}"):
            gcloud.gcloud("storage rm", "--recursive", f"gs://{bucket}")


def _report(environment: gcloud.Environment, copied: Copied) -> str:
    project = f"--project={environment.project}"
    databases = gcloud.gcloud("firestore databases list", project, "--format=value(name.basename())").split()
    others = (
        f"\nDatabases that this did not make, or that a restore has left: {', '.join(databases)}."
        if databases
        else ""
    )
    counts = "\n".join(f"    {name}: {total:,}" for name, total in sorted(copied.totals.items()))
    return f"""
Over. What remains of {environment.project}: https://{environment.settings["domain"]} with the last counts,
{counts}
the bucket {environment.answers} behind it, and {environment.state}, which holds Terraform's state of it.{others}

{cost.retired_text()}

What is left for you to do:
- Destroy the keys, the exports, and what was opened from them.
- Leave A, AAAA, CAA and the record of the certificate in the DNS as they are. Remove those of the mail.
- End the contracts with the relays. They keep the addresses in their logs as long as these say.
- Remove campaigns and passwords from your machines; keep the environment files.
- Before you deploy into this project again, wait three days: until then, no queue can have a deleted one's name
  (https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues/delete).
"""


def main() -> None:
    """Take down the environment named on the command line."""
    parser = argparse.ArgumentParser(description="Take a deployment down, and leave its last answers.")
    parser.add_argument("environment", nargs="?", default="")
    environment = gcloud.environment(parser.parse_args().environment)
    if not environment.settings.get("public_by_all_users", True):
        gcloud.stop(
            "The last answers need a bucket that everybody may read, and a policy of your organisation forbids "
            "that (public_by_all_users = false). Have an administrator exempt the project, remove that line, and "
            "run the same again."
        )
    public = httpx.Client(base_url=f"https://{environment.settings['domain']}", timeout=30)
    try:
        with public, last_answers.storage_client() as storage:
            retire(environment, public, storage)
    except last_answers.Failed as error:
        gcloud.stop(f"{error}. Nothing was removed. Run the same again.")
    except subprocess.CalledProcessError as failed:
        gcloud.stop(
            f"{failed.stdout or ''}terraform failed (status {failed.returncode}). Run the same again; it goes on."
        )
    except KeyboardInterrupt:
        gcloud.stop("Interrupted. Run the same again; it goes on.")


if __name__ == "__main__":
    main()
