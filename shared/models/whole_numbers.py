"""Whole numbers that people type: options, answers at a prompt, environment variables.

Python's `float` and pydantic's `int` read 12.000 as 12, but in most of Europe that dot separates thousands. Needs
nothing but Python: `make cost` runs before any package is installed.
"""

import re

#: As in a campaign file (https://toml.io/en/v1.0.0#integer), except that zeros may lead.
_WHOLE = re.compile(r"[+-]?[0-9]+(?:_[0-9]+)*")
_MAX_DIGITS = 18  # they fit into 64 bits
#: Thousands as people separate them, in any script.
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[.,'’·\s]\d{3})+")
_SHOWN_CHARACTERS = 40


def whole_number(given: object) -> int:
    """Return the whole number that `given` plainly is: an int, or text of digits, with 1_000 for 1000.

    Raises:
        ValueError: it is anything else, such as a float; says what to write, and what was given.
    """
    if type(given) is int:
        return given
    text = str(given).strip()
    digits = re.sub("[^0-9]", "", text)
    if isinstance(given, str) and _WHOLE.fullmatch(text) and len(digits) <= _MAX_DIGITS:
        return int(text)
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}…"
    meant = int(re.sub(r"[^\d+-]", "", text)) if _GROUPED.fullmatch(text) else 12000
    raise ValueError(
        f"write a whole number in digits alone, {_MAX_DIGITS} at most, as in {meant} or {meant:_}, "
        f'and not "{text}"'
    )
