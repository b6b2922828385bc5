"""The numbers of the tally: what a signature adds to them, and how they change with it."""

from collections import Counter
from collections.abc import Mapping

from shared.store.entities import Delta, Signature, Status, Tally


def numbers_of(signature: Signature | None) -> Counter[tuple[str, str]]:
    """Return what a signature adds to the tally, by field and key; nothing where it is not counted."""
    if signature and signature.status is Status.HELD:
        return Counter({("held", ""): 1})
    if signature is None or signature.status is not Status.CONFIRMED:
        return Counter()
    kept = signature.submissions[0]
    counted = Counter({("total", ""): 1, ("country", kept.country): 1})
    if kept.partner:
        counted["partner", kept.partner] = 1
    return counted


def delta(before: Signature | None, after: Signature | None) -> Delta:
    """Return what changes in the tally where `after` takes the place of `before`; None: no document."""
    changed = numbers_of(after)
    changed.subtract(numbers_of(before))
    return {place: number for place, number in changed.items() if number}


def tally_of(numbers: Mapping[tuple[str, str], int]) -> Tally:
    """Return the tally that these numbers are, without the countries and partners that nobody is left of."""

    def by(wanted: str) -> dict[str, int]:
        return {key: number for (field, key), number in numbers.items() if field == wanted and number}

    return Tally(numbers.get(("total", ""), 0), by("country"), by("partner"), numbers.get(("held", ""), 0))
