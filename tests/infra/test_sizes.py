"""The sizes that `make cost` and `make spike` read are those that Terraform deploys."""

from typing import Any

import pytest

from infra.cost import sizes, usage
from infra.cost.sizes import FunctionSize, Mode, QueueSize
from infra.deploy.terraform import resources


def test_each_mode_has_its_own_instances_and_its_own_rate_of_the_queue() -> None:
    """Whatever the mode, an instance is as large, and the queue retries alike."""
    rest, spike = (sizes.functions(mode)["sign"] for mode in Mode)

    assert rest == FunctionSize(cpu=1, memory_gib=0.5, concurrency=200, min_instances=0, max_instances=20)
    assert spike == FunctionSize(cpu=1, memory_gib=0.5, concurrency=200, min_instances=3, max_instances=60)
    assert sizes.queue(Mode.REST) == QueueSize(50, 200, 5, 3600, 10)
    assert sizes.queue(Mode.SPIKE) == QueueSize(400, 1500, 5, 3600, 10)


@pytest.mark.parametrize("mode", Mode)
def test_a_function_may_start_as_many_instances_as_it_keeps_warm(mode: Mode) -> None:
    """Or a deployment would be refused half-way through."""
    assert all(size.min_instances <= size.max_instances for size in sizes.functions(mode).values())


def test_functions_are_deployed_in_their_sizes(plan: dict[str, Any]) -> None:
    """Each with its processor, memory, concurrency and instances, at rest."""
    deployed = {
        function["name"]: function["service_config"][0]
        for function in resources(plan, "google_cloudfunctions2_function")
    }

    assert {
        name: FunctionSize(
            cpu=float(service["available_cpu"]),
            memory_gib=int(service["available_memory"].removesuffix("Mi")) / 1024,
            concurrency=service["max_instance_request_concurrency"],
            min_instances=service["min_instance_count"],
            max_instances=service["max_instance_count"],
        )
        for name, service in deployed.items()
    } == sizes.functions(Mode.REST)


def test_the_queue_is_deployed_with_its_rate_and_its_retries(plan: dict[str, Any]) -> None:
    """At rest."""
    [queue] = resources(plan, "google_cloud_tasks_queue")
    [limits], [retries] = queue["rate_limits"], queue["retry_config"]

    assert sizes.queue(Mode.REST) == QueueSize(
        dispatches_per_second=limits["max_dispatches_per_second"],
        concurrent_dispatches=limits["max_concurrent_dispatches"],
        min_backoff_seconds=float(retries["min_backoff"].removesuffix("s")),
        max_backoff_seconds=float(retries["max_backoff"].removesuffix("s")),
        max_doublings=retries["max_doublings"],
    )


def test_what_is_paid_for_in_any_month_is_counted_as_deployed(plan: dict[str, Any]) -> None:
    """As production is planned, when nobody is blocked."""
    policies = resources(plan, "google_compute_security_policy")
    replicas = [
        replica
        for secret in resources(plan, "google_secret_manager_secret")
        for replica in secret["replication"][0]["user_managed"][0]["replicas"]
    ]
    [backup] = resources(plan, "google_firestore_backup_schedule")
    conditions = [
        condition["condition_prometheus_query_language"][0]
        for alert in resources(plan, "google_monitoring_alert_policy")
        for condition in alert["conditions"]
    ]

    assert len(resources(plan, "google_compute_global_forwarding_rule")) == usage.FORWARDING_RULES <= 5
    assert len(policies) == usage.ARMOR_POLICIES
    assert sum(len(policy["rule"]) for policy in policies) == usage.ARMOR_RULES
    assert len(replicas) == usage.SECRET_REPLICAS
    assert len(conditions) == usage.ALERT_CONDITIONS
    assert {each["evaluation_interval"] for each in conditions} == {f"{usage.ALERT_INTERVAL_SECONDS}s"}
    assert len(resources(plan, "google_cloud_scheduler_job")) == usage.SCHEDULER_JOBS
    assert int(backup["retention"].removesuffix("s")) == usage.BACKUP_DAYS * 86_400
