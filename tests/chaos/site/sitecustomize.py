"""What Python imports first in each function of a run, because PYTHONPATH names this folder.

It gives the process the run's clock, and can switch a defence off, so that the code under test needs no switch.
"""

import mmap
import os
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared import clock


def _mapped(path: str) -> mmap.mmap:
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


_OFFSETS = [_mapped(path) for path in os.environ["CHAOS_CLOCKS"].split(os.pathsep)]


def _now() -> datetime:
    seconds = sum(struct.unpack("d", offset[:])[0] for offset in _OFFSETS)
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _without_tombstones() -> None:
    """A withdrawal leaves nothing behind."""
    from shared.store import transitions
    from shared.store.entities import Signature, Status

    transitions._tombstone = lambda at: Signature(Status.WITHDRAWN, expire_at=at)


def _without_claims() -> None:
    """No mail is claimed before it is sent, and so none counts."""
    from shared.store import transitions
    from shared.store.entities import Mailbox

    def at_once(*_: Any, **__: Any) -> datetime:
        return datetime.min.replace(tzinfo=UTC)

    def undecided(mailbox: Mailbox, key: str, now: datetime) -> None:
        pass

    transitions._slot = transitions._hourly_slot = at_once
    transitions._decided = undecided


def _without_conditions() -> None:
    """A commit holds whatever has changed since the document was read."""
    from shared.databases import firestore

    def replace(path: str, content: dict[str, Any], update_time: Any) -> firestore.Write:
        return firestore.put(path, content)

    firestore.replace = replace


def _without_second_submissions() -> None:
    """A submission of a confirmed address does not come once more."""
    from shared.models.messages import SubmissionMessage

    SubmissionMessage.model_fields["is_second"].default = True
    SubmissionMessage.model_rebuild(force=True)


def _without_second_presses() -> None:
    """A press to confirm does not wait for an earlier withdrawal."""
    from shared.models.messages import DeferredPress

    DeferredPress.model_fields["is_second"].default = True
    DeferredPress.model_rebuild(force=True)


def _without_a_receipt() -> None:
    """A task that the queue did not accept is taken for accepted."""
    from contextlib import suppress

    from shared.errors import QueueUnavailable
    from shared.queue.cloud_tasks import CloudTasksQueue

    enqueue = CloudTasksQueue.enqueue

    async def hopeful(*arguments: Any, **named: Any) -> None:
        with suppress(QueueUnavailable):
            await enqueue(*arguments, **named)

    CloudTasksQueue.enqueue = hopeful  # type: ignore[method-assign]


DEFENCES: Mapping[str, Callable[[], None]] = {
    "tombstones": _without_tombstones,
    "claims": _without_claims,
    "conditions": _without_conditions,
    "second submissions": _without_second_submissions,
    "second presses": _without_second_presses,
    "receipt": _without_a_receipt,
}

clock.utc_now = _now
if missing := os.environ.get("CHAOS_WITHOUT"):
    DEFENCES[missing]()
