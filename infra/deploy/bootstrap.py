"""Create what Terraform itself needs: a bucket for its state, one for the bundles, and the services for both.

    make bootstrap ENV=staging

May be run again; what exists is left as it is.
"""

import argparse

from infra.deploy import gcloud

#: Terraform enables the others; it needs these to do so.
_SERVICES = (
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "secretmanager.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
)


def bootstrap(environment: gcloud.Environment) -> None:
    """Enable the services and create the buckets that are missing."""
    _check_project(environment)
    gcloud.gcloud("services enable", *_SERVICES, f"--project={environment.project}")
    for bucket in (environment.state, environment.bundles):
        _create_bucket(environment.project, f"gs://{bucket}")
    _set_quota_project(environment.project)
    print(f"{environment.project} is ready for: make secrets ENV={environment.name}")


def _check_project(environment: gcloud.Environment) -> None:
    if not gcloud.succeeds("projects describe", environment.project):
        gcloud.stop(
            f"There is no project {environment.project}, or you may not see it. Create it and link its billing:\n"
            f"    gcloud projects create {environment.project}\n"
            f"    gcloud billing projects link {environment.project} --billing-account=YOUR-BILLING-ACCOUNT"
        )
    number = gcloud.gcloud("projects describe", environment.project, "--format=value(projectNumber)").strip()
    if number != environment.settings["project_number"]:
        gcloud.stop(f"project_number of {environment.project} is {number}: write that into its tfvars.")


def _create_bucket(project: str, bucket: str) -> None:
    """In the European Union, private, with every version kept: a lost state is a lost day."""
    if gcloud.succeeds("storage buckets describe", bucket):
        return
    private = ("--uniform-bucket-level-access", "--public-access-prevention")
    gcloud.gcloud("storage buckets create", bucket, f"--project={project}", "--location=eu", *private)
    gcloud.gcloud("storage buckets update", bucket, "--versioning")


def _set_quota_project(project: str) -> None:
    """Have the application-default credentials, which Terraform and the canary use, name a project.

    Without one some services refuse those of a person:
    https://docs.cloud.google.com/docs/authentication/troubleshoot-adc#user-creds-client-based
    """
    if not gcloud.succeeds("auth application-default print-access-token"):
        gcloud.stop("There are no application-default credentials: gcloud auth application-default login")
    gcloud.gcloud("auth application-default set-quota-project", project)


def main() -> None:
    """Prepare the project of the environment named on the command line."""
    parser = argparse.ArgumentParser(description="Create what Terraform itself needs.")
    parser.add_argument("environment", nargs="?", default="")
    bootstrap(gcloud.environment(parser.parse_args().environment))


if __name__ == "__main__":
    main()
