"""The sizes of what is deployed, from infra/sizes.json, which Terraform reads as well."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.queue import QueueName

SIZES: Mapping[str, Any] = json.loads((Path(__file__).parents[1] / "sizes.json").read_text(encoding="utf-8"))

#: Processors that a new project may use in a region, and those for which infra/sizes.json is made.
NEW_PROJECT_VCPU = 20
FULL_VCPU: int = sum(size["cpu"] * size["instances"] for size in SIZES["functions"].values())


@dataclass(frozen=True, slots=True)
class FunctionSize:
    """A function's instances. `concurrency`: requests that an instance takes at a time."""

    cpu: float
    memory_gib: float
    concurrency: int
    min_instances: int
    max_instances: int


@dataclass(frozen=True, slots=True)
class QueueSize:
    """How fast a queue dispatches tasks, and when it retries one that was refused.

    The backoff doubles `max_doublings` times, and then grows linearly, up to the longest
    (https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#RetryConfig).
    """

    dispatches_per_second: float
    concurrent_dispatches: int
    min_backoff_seconds: float
    max_backoff_seconds: float
    max_doublings: int


def functions(vcpu_quota: int = NEW_PROJECT_VCPU, warm_instances: int = 0) -> dict[str, FunctionSize]:
    """Return the size of each function by its name, under a quota of processors."""
    return {
        name: FunctionSize(
            cpu=size["cpu"],
            memory_gib=size["memory_mib"] / 1024,
            concurrency=size["concurrency"],
            min_instances=warm_instances,
            max_instances=max(1, size["instances"] * min(vcpu_quota, FULL_VCPU) // FULL_VCPU),
        )
        for name, size in SIZES["functions"].items()
    }


def queues(mails_per_second: float, vcpu_quota: int = NEW_PROJECT_VCPU) -> dict[QueueName, QueueSize]:
    """Return the rates and retries of each queue; infra/queue.tf says why they are so.

    `mails_per_second`: what all relays take together.
    """
    given = SIZES["queues"]
    most = given["max_dispatches_per_second"]
    reminders = max(1, mails_per_second * given["reminders_percent"] / 100 * given["tasks_per_reminder"])
    without_work = mails_per_second * given["without_work_percent"] / 100
    rates: dict[QueueName, float] = {
        QueueName.SIGNATURES: min(most, mails_per_second - reminders / given["tasks_per_reminder"] - without_work),
        QueueName.PRESSES: most,
        QueueName.REMINDERS: reminders,
        QueueName.WITHOUT_WORK: without_work,
    }
    deliver = functions(vcpu_quota)["deliver"]
    places = deliver.max_instances * deliver.concurrency
    return {
        name: QueueSize(
            dispatches_per_second=rate,
            concurrent_dispatches=max(
                1,
                min(
                    math.ceil(rate * given["milliseconds"][name] / 1000),
                    places * given["deliver_percent"][name] // 100,
                ),
            ),
            min_backoff_seconds=given["min_backoff_seconds"],
            max_backoff_seconds=given["max_backoff_seconds"],
            max_doublings=given["max_doublings"],
        )
        for name, rate in rates.items()
    }


def mailing_instances(deliver: FunctionSize, queues: Mapping[QueueName, QueueSize]) -> int:
    """Return how many instances of deliver share the connections to the relays; infra/functions.tf says why."""
    at_once = sum(queue.concurrent_dispatches for queue in queues.values())
    return min(deliver.max_instances, math.ceil(at_once / (0.6 * deliver.concurrency)))
