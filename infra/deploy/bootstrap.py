"""Make what must be there before Terraform: the state's bucket, the bundles' bucket, and the services both need.

    make bootstrap ENV=staging

May be run again; what is there is left as it is.
"""

import sys

from infra.deploy import gcloud

#: Terraform switches on the others; it needs these to do so.
_SERVICES = (
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "secretmanager.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
)


def main(name: str) -> None:
    environment = gcloud.environment(name)
    _check_project(environment)
    gcloud.gcloud("services", "enable", *_SERVICES, f"--project={environment.project}")
    for bucket in (environment.state, environment.bundles):
        _make_bucket(environment.project, bucket)
    print(f"{environment.project} is ready for: make secrets ENV={name}")


def _check_project(environment: gcloud.Environment) -> None:
    if not gcloud.succeeds("projects", "describe", environment.project):
        gcloud.stop(
            f"There is no project {environment.project}, or you may not see it. Make it and link its billing:\n"
            f"    gcloud projects create {environment.project}\n"
            f"    gcloud billing projects link {environment.project} --billing-account=YOUR-BILLING-ACCOUNT"
        )
    number = gcloud.gcloud("projects", "describe", environment.project, "--format=value(projectNumber)").strip()
    if number != environment.settings["project_number"]:
        gcloud.stop(f"project_number of {environment.project} is {number}: write that into its tfvars.")


def _make_bucket(project: str, bucket: str) -> None:
    """In the Union, private, with every version kept: a state that is lost is a day lost."""
    if gcloud.succeeds("storage", "buckets", "describe", f"gs://{bucket}"):
        return
    gcloud.gcloud(
        "storage",
        "buckets",
        "create",
        f"gs://{bucket}",
        f"--project={project}",
        "--location=eu",
        "--uniform-bucket-level-access",
        "--public-access-prevention",
    )
    gcloud.gcloud("storage", "buckets", "update", f"gs://{bucket}", "--versioning")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [""]))
