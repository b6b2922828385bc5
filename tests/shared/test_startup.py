"""The garbage collector, which is off while a function starts."""

import gc

import shared.startup as startup


def test_what_start_up_made_is_not_walked_again_and_litter_still_is() -> None:
    """After start-up the collector is on, and leaves alone what was there."""
    kept: list[object] = []

    startup.over()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert not any(each is kept for each in gc.get_objects())
    gc.unfreeze()
