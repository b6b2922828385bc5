"""Start-up without the garbage collector: each function imports this before anything else of ours.

Imports make objects by the hundred thousand and hardly any litter, and the collector walks them again and again
while it looks for some: a fifth of what a function's own start costs. `gc.freeze` is for just this
(https://docs.python.org/3/library/gc.html#gc.freeze).
"""

import gc

gc.disable()


def over() -> None:
    """Collect again, but nothing that start-up made: it is here to stay.

    A collection before would find a few megabytes at most, and cost as much as it saves in a thousand requests.
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    gc.enable()
