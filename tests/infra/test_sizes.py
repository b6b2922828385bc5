"""The sizes that `make cost` and `make spike` read are those that Terraform deploys."""

import json
from typing import Any

import pytest

from infra.cost import sizes, usage
from infra.cost.sizes import FunctionSize, QueueSize
from infra.deploy.terraform import resources
from shared.queue import QueueName


@pytest.mark.parametrize(
    ("vcpu_quota", "instances"),
    [(5, [1, 1, 1, 1, 1]), (20, [6, 5, 5, 2, 2]), (200, [60, 50, 50, 20, 20]), (1000, [60, 50, 50, 20, 20])],
)
def test_as_many_instances_may_start_as_the_quota_allows(vcpu_quota: int, instances: list[int]) -> None:
    """Or the platform would refuse some of them, and whichever function came last."""
    found = [size.max_instances for size in sizes.functions(vcpu_quota).values()]

    assert found == instances
    assert sum(found) <= vcpu_quota


def test_all_that_the_relays_take_is_dispatched() -> None:
    """Of 100 mails, 96 are for signatures, 1 without work, and 3 for reminders: every fourth task is mailed."""
    rates = [
        {name: size.dispatches_per_second for name, size in sizes.queues(mails).items()} for mails in (100, 4)
    ]

    assert rates == [
        {
            QueueName.SIGNATURES: 96,
            QueueName.PRESSES: 500,
            QueueName.REMINDERS: 12,
            QueueName.WITHOUT_WORK: 1,
        },
        {
            QueueName.SIGNATURES: 3.71,
            QueueName.PRESSES: 500,
            QueueName.REMINDERS: 1,
            QueueName.WITHOUT_WORK: 0.04,
        },
    ]


@pytest.mark.parametrize("vcpu_quota", [5, 20, 200])
def test_the_queues_call_deliver_no_more_often_than_it_has_room_for(vcpu_quota: int) -> None:
    """However much the relays take."""
    deliver = sizes.functions(vcpu_quota)["deliver"]

    called = sum(queue.concurrent_dispatches for queue in sizes.queues(10_000, vcpu_quota).values())

    assert called <= deliver.max_instances * deliver.concurrency


def test_functions_are_deployed_in_their_sizes(plan: dict[str, Any]) -> None:
    """Each with its processor, memory, concurrency and instances."""
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
    } == sizes.functions()


def test_the_queues_are_deployed_with_their_rates_and_their_retries(plan: dict[str, Any]) -> None:
    """For relays that take as much as those of the example."""
    assert {
        queue["name"]: QueueSize(
            dispatches_per_second=queue["rate_limits"][0]["max_dispatches_per_second"],
            concurrent_dispatches=queue["rate_limits"][0]["max_concurrent_dispatches"],
            min_backoff_seconds=float(queue["retry_config"][0]["min_backoff"].removesuffix("s")),
            max_backoff_seconds=float(queue["retry_config"][0]["max_backoff"].removesuffix("s")),
            max_doublings=queue["retry_config"][0]["max_doublings"],
        )
        for queue in resources(plan, "google_cloud_tasks_queue")
    } == sizes.queues(100)


def test_each_instance_keeps_its_share_of_the_connections_to_a_relay(plan: dict[str, Any]) -> None:
    """By default a relay allows as many connections as mails a second, which are 50 in the example."""
    instances = sizes.mailing_instances(sizes.functions()["deliver"], sizes.queues(100))
    [deliver] = (
        function["service_config"][0]["environment_variables"]
        for function in resources(plan, "google_cloudfunctions2_function")
        if function["name"] == "deliver"
    )

    assert [relay["connections"] for relay in json.loads(deliver["RELAYS"])] == [50 // instances, 50 // instances]


def test_what_is_paid_for_in_any_month_is_counted_as_deployed(plan: dict[str, Any]) -> None:
    """As production is planned, when nobody is blocked."""
    policies = resources(plan, "google_compute_security_policy")
    schedule = {job["name"]: job["schedule"] for job in resources(plan, "google_cloud_scheduler_job")}
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
    rules = resources(plan, "google_compute_global_forwarding_rule")

    assert len([rule for rule in rules if rule["index"] == "ipv4"]) == usage.FORWARDING_RULES <= 5  # IPv6 is free
    assert len(resources(plan, "google_certificate_manager_certificate")) == usage.CERTIFICATES
    assert len(policies) == usage.ARMOR_POLICIES
    assert sum(len(policy["rule"]) for policy in policies) == usage.ARMOR_RULES
    assert len(replicas) == usage.SECRET_REPLICAS
    assert len(conditions) == usage.ALERT_CONDITIONS
    assert {each["evaluation_interval"] for each in conditions} == {f"{usage.ALERT_INTERVAL_SECONDS}s"}
    assert len(schedule) == usage.SCHEDULER_JOBS
    assert schedule["fold"] == f"*/{usage.FOLD_SECONDS // 60} * * * *"
    assert int(backup["retention"].removesuffix("s")) == usage.BACKUP_DAYS * 86_400
