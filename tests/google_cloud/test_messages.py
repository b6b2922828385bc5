"""Messages of our own that are read by Google: each is a part of Google's, to the number."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud.firestore_v1 import types as firestore
from google.cloud.tasks_v2 import types as tasks

from shared.google_cloud import cloud_tasks_pb2, firestore_pb2

#: Our package, Google's, and where Google's is described.
PACKAGES = {
    "undersign.firestore": ("google.firestore.v1", firestore.Value.pb().DESCRIPTOR.file.pool),
    "undersign.tasks": ("google.cloud.tasks.v2", tasks.Task.pb().DESCRIPTOR.file.pool),
}


def _within(container: Any) -> Iterator[Any]:
    """Every message of a file, those within others included."""
    for message in container.values():
        yield message
        yield from _within(message.nested_types_by_name)


def _fields(message: Any) -> dict[int, tuple[object, ...]]:
    """What is on the wire for each field, by its number."""
    return {field.number: _described(field) for field in message.fields}


def _described(field: Any) -> tuple[object, ...]:
    kind = field.message_type or field.enum_type
    oneof = field.containing_oneof.name if field.containing_oneof else None
    name = field.name.removesuffix("_")  # Google's Python library says from_ for the keyword
    return name, field.type, field.is_repeated, kind and _googles(kind.full_name), oneof


def _googles(name: str) -> str:
    for ours, (googles, _) in PACKAGES.items():
        name = name.replace(f"{ours}.", f"{googles}.")
    return name


MESSAGES = [
    message
    for file in (firestore_pb2.DESCRIPTOR, cloud_tasks_pb2.DESCRIPTOR)
    for message in _within(file.message_types_by_name)
]


@pytest.mark.parametrize("message", MESSAGES, ids=[each.full_name for each in MESSAGES])
def test_each_message_is_a_part_of_googles(message: Any) -> None:
    """The same numbers, types and choices; what we leave out, we neither send nor read."""
    _, pool = PACKAGES[message.file.package]

    assert _fields(message).items() <= _fields(pool.FindMessageTypeByName(_googles(message.full_name))).items()


def test_a_task_is_posted() -> None:
    """By Google's number for it."""
    assert tasks.HttpMethod.POST == cloud_tasks_pb2.POST
