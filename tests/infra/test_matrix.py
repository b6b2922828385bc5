"""infra/README.md says who may do what, and infra/ says the same."""

from typing import Any

from infra.deploy import access_matrix


def test_the_matrix_is_that_of_the_plan(plan: dict[str, Any]) -> None:
    """A wider role must be written down: make matrix."""
    assert access_matrix.stored() == access_matrix.table(plan)


def test_the_matrix_holds_every_grant(plan: dict[str, Any]) -> None:
    """A kind of grant that access_matrix does not know would be missing from it."""
    kinds = {each["type"] for each in plan["planned_values"]["root_module"]["resources"]}

    assert {kind for kind in kinds if "_iam_" in kind} == {
        "google_cloud_run_service_iam_member",
        "google_cloud_tasks_queue_iam_member",
        "google_project_iam_audit_config",
        "google_project_iam_custom_role",
        "google_project_iam_member",
        "google_secret_manager_secret_iam_member",
        "google_service_account_iam_member",
        "google_storage_bucket_iam_member",
    }
