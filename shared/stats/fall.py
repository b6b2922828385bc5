"""Notices when a total has fallen by more than withdrawals explain: the database came back empty or older."""

from datetime import datetime, timedelta

#: Between two looks, an hour at most, few people withdraw: no more than so many, or than so large a share.
MAX_WITHDRAWN = 20
MAX_WITHDRAWN_SHARE = 0.01
#: For this long after the desk has lowered the total on purpose, a lower one is right. It may work in batches.
LOWERING_TIME = timedelta(hours=1)


def is_unexplained(total: int, last_total: int, last_at: datetime, lowered_at: datetime | None) -> bool:
    """Return whether `total` is lower than it was at `last_at` by more than withdrawals explain.

    `lowered_at`: when the desk last lowered the total on purpose, see `Overlay`.
    """
    if lowered_at and last_at < lowered_at + LOWERING_TIME:
        return False
    return last_total - total > max(MAX_WITHDRAWN, MAX_WITHDRAWN_SHARE * last_total)
