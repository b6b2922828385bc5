"""infra/README.md says who may do what, and infra/ says the same."""

from typing import Any

from infra.deploy import access_matrix
from shared.queue import QueueName


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


def test_deliver_may_bring_every_kind_of_message_again() -> None:
    """What it was given too early, over the caps or by the spool goes back into the queue that it came from."""
    [deliver] = [row for row in access_matrix.stored().splitlines() if row.startswith("| `fn-deliver`")]

    assert [
        name for name in QueueName if f"`roles/cloudtasks.enqueuer` on the queue `{name}`" not in deliver
    ] == []
