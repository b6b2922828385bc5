"""The garbage collector after start-up."""

import gc

from shared import runtime


def test_objects_from_start_up_are_frozen_and_collection_stays_on() -> None:
    """After `finish_startup`, the collector no longer visits objects made before, and is still enabled."""
    made: list[object] = []

    runtime.finish_startup()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert not any(each is made for each in gc.get_objects())
    gc.unfreeze()
