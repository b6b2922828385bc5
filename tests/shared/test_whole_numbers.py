"""Whole numbers that people type."""

import re
from contextlib import suppress
from string import digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.whole_numbers import whole_number


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1000", 1000),
        ("1_000", 1000),
        ("10_000_000", 10_000_000),
        ("0", 0),
        ("-3", -3),
        ("+5", 5),
        ("007", 7),
        (" 12 ", 12),
        ("12\n", 12),
        ("9" * 18, 10**18 - 1),
        (12, 12),
    ],
)
def test_what_is_plainly_a_whole_number_is_read(typed: object, number: int) -> None:
    """It may have a sign, and underscores as in a campaign file."""
    assert whole_number(typed) == number


@pytest.mark.parametrize(
    "typed",
    [
        *("12.000", "50.000", "1.234", "1.000.000", "12.", ".5", "12.0", "1,5", "12,000", "1.000,00"),
        *("1 000", "1\xa0000", "1\u202f000", "1\t000", "1'000", "1’000", "1·000"),
        *("1e3", "0x10", "0b1", "1k", "1000.-", "5%", "½", "²", "Ⅻ", "١٢", "１２", "१२", "۱۲"),
        *(
            "1__000",
            "_1",
            "1_",
            "1_.000",
            "--3",
            "+-3",
            "- 3",
            "−3",
            "–3",
            "+",
            "-",
            "",
            " ",
            "many",
            "NaN",
            "inf",
        ),
        *("9" * 19, "9" * 5000, "1." + "000." * 5000 + "000", 12.0, True, None, [1]),
    ],
)
def test_anything_else_is_refused(typed: object) -> None:
    """The message shows how to write a number, and at most a line of what was typed."""
    with pytest.raises(ValueError, match=r"^write a whole number in digits alone") as refused:
        whole_number(typed)

    assert len(str(refused.value)) < 160


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("12.000", "12000 or 12_000"),
        ("-1,234", "-1234 or -1_234"),
        ("1 000 000", "1000000 or 1_000_000"),
        ("٢.٠٠٠", "2000 or 2_000"),
        ("1.5", "12000 or 12_000"),
    ],
)
def test_thousands_are_shown_as_they_should_be_written(typed: str, meant: str) -> None:
    """Where it is clear what was meant, the message says that number, otherwise an example."""
    with pytest.raises(ValueError, match=re.escape(f'as in {meant}, and not "{typed}"')):
        whole_number(typed)


@given(st.integers(min_value=1 - 10**18, max_value=10**18 - 1), st.sampled_from(["", "_"]))
def test_every_number_is_read_as_it_is_written(number: int, separator: str) -> None:
    """With thousands separated by underscores, or not at all."""
    assert whole_number(f"{number:{separator}}") == number


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from(f"{digits}+-_., \xa0'e"))))
def test_a_number_that_is_read_consists_of_its_digits(typed: str) -> None:
    """No other text is ever taken for a number."""
    with suppress(ValueError):
        number = whole_number(typed)

        written = typed.strip().removeprefix("+").removeprefix("-").replace("_", "").lstrip("0") or "0"
        assert written == str(abs(number))
