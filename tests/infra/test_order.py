"""In which order Terraform creates things: a first apply meets a project in which none of them is there yet."""

import re
from collections.abc import Mapping

import pytest

from infra.deploy import bootstrap, terraform
from tests.support.missing import missing

FUNCTIONS = "google_cloudfunctions2_function.this"
SERVICES = "google_project_service.this"
#: What needs no other API than this one, which `make bootstrap` has enabled.
BOOTSTRAPPED = {
    "google_project_iam_audit_config": "cloudresourcemanager.googleapis.com",
    "google_project_iam_custom_role": "iam.googleapis.com",
    "google_project_iam_member": "cloudresourcemanager.googleapis.com",
    "google_project_service": "serviceusage.googleapis.com",
    "google_service_account": "iam.googleapis.com",
    "google_service_account_iam_member": "iam.googleapis.com",
    "google_storage_bucket_iam_member": "storage.googleapis.com",
}


@pytest.fixture(scope="module")
def before() -> Mapping[str, set[str]]:
    """By resource, every resource that is created before it. Part of an apply with this one as its `-target`."""
    try:
        with terraform.workspace() as folder:
            drawn = terraform.run(folder, "graph")
    except terraform.Unavailable as unavailable:
        missing(str(unavailable))
    needs: dict[str, set[str]] = {name: set() for name in re.findall(r'^  "(\S+)" \[', drawn, re.MULTILINE)}
    for one, other in re.findall(r'^  "(\S+)" -> "(\S+)"', drawn, re.MULTILINE):
        needs[one].add(other)
    return {name: _reachable(needs, name) for name in needs}


def _reachable(needs: Mapping[str, set[str]], name: str) -> set[str]:
    found, ahead = set[str](), [name]
    while ahead:
        new = needs[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def test_nothing_is_created_before_its_api_is_enabled(before: Mapping[str, set[str]]) -> None:
    """Google refuses it otherwise, and a first deployment stops half way."""
    early = {name for name in before if SERVICES not in before[name]}

    assert {name for name in early if name.partition(".")[0] not in BOOTSTRAPPED} == set()
    assert set(BOOTSTRAPPED.values()) <= set(bootstrap._SERVICES)


def test_functions_are_built_once_every_grant_is_in_force(before: Mapping[str, set[str]]) -> None:
    """In the first apply, of deliver alone, as well: it goes where the function depends on it."""
    grants = {name for name in before if re.search("_iam_member|_iam_custom_role", name)}
    invokers = {name for name in grants if name.startswith("google_cloud_run_service_iam_member")}

    assert grants - invokers <= before["time_sleep.grants"]
    assert "time_sleep.grants" in before[FUNCTIONS]


def test_the_schedule_begins_once_it_may_call_deliver(before: Mapping[str, set[str]]) -> None:
    """Calls that are refused would raise an alarm."""
    called = before["google_cloud_scheduler_job.this"]

    assert {"google_cloud_run_service_iam_member.deliver", FUNCTIONS} <= called
