"""The sizes of what is deployed, from infra/sizes.json, which Terraform reads as well."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

SIZES: Mapping[str, Any] = json.loads((Path(__file__).parents[1] / "sizes.json").read_text(encoding="utf-8"))


class Mode(StrEnum):
    """`spike` of the tfvars: false and true."""

    REST = "rest"
    SPIKE = "spike"


@dataclass(frozen=True, slots=True)
class FunctionSize:
    """A function's instances in one mode. `concurrency`: requests that an instance takes at a time."""

    cpu: float
    memory_gib: float
    concurrency: int
    min_instances: int
    max_instances: int


@dataclass(frozen=True, slots=True)
class QueueSize:
    """How fast the queue dispatches tasks in one mode, and when it retries one that was refused.

    The backoff doubles `max_doublings` times, and then grows linearly, up to the longest
    (https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#RetryConfig).
    """

    dispatches_per_second: float
    concurrent_dispatches: int
    min_backoff_seconds: float
    max_backoff_seconds: float
    max_doublings: int


def functions(mode: Mode) -> dict[str, FunctionSize]:
    """Return the size of each function, by its name."""
    return {
        name: FunctionSize(
            cpu=size["cpu"],
            memory_gib=size["memory_mib"] / 1024,
            concurrency=size["concurrency"],
            min_instances=size["instances"][mode]["min"],
            max_instances=size["instances"][mode]["max"],
        )
        for name, size in SIZES["functions"].items()
    }


def queue(mode: Mode) -> QueueSize:
    """Return the rates of the queue and its retries."""
    retries = {name: value for name, value in SIZES["queue"].items() if name != "rates"}
    return QueueSize(**SIZES["queue"]["rates"][mode], **retries)
