"""The garbage collector after start-up."""

import gc

from shared import runtime


def test_what_start_up_made_is_not_walked_again_and_garbage_still_is() -> None:
    """The collector stays on, and leaves alone what was there."""
    made: list[object] = []

    runtime.freeze()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert not any(each is made for each in gc.get_objects())
    gc.unfreeze()
