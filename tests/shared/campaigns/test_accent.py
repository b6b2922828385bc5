"""A campaign's colour: readable in the light and in the dark, or refused with the nearest one that is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.campaigns import accent
from shared.campaigns.accent import DARK_GROUND, LIGHT_GROUND, MIN_CONTRAST, contrast
from shared.web.pages import FOLDER

COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#ffffff", "#000000", 21.0), ("#777777", "#ffffff", 4.48), ("#0000ff", "#ffffff", 8.59)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    """Figures of other programs, and the order does not matter."""
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@given(COLOURS)
def test_every_colour_has_readable_tones(colour: str) -> None:
    """The nearest readable one is itself if it is readable; its tones can be read, also under the pointer."""
    readable = accent.nearest_readable(colour)
    tones = accent.tones(readable)

    assert accent.is_readable(readable)
    assert (readable == colour) == accent.is_readable(colour)
    for tone in (tones.light, tones.light_hover):
        assert contrast(tone, LIGHT_GROUND) >= MIN_CONTRAST
        assert contrast("#ffffff", tone) >= MIN_CONTRAST
    for tone in (tones.dark, tones.dark_hover):
        assert contrast(tone, DARK_GROUND) >= MIN_CONTRAST
        assert contrast("#11131a", tone) >= MIN_CONTRAST


def test_tones_keep_the_hue() -> None:
    """A red stays a red: of the three parts, the same one is the largest."""
    for colour in ("#b3171d", "#14663f", "#2a3fb0"):
        for tone in (accent.tones(colour).light_hover, accent.tones(colour).dark):
            parts = [int(each[at : at + 2], 16) for each in (colour, tone) for at in (1, 3, 5)]
            assert parts[:3].index(max(parts[:3])) == parts[3:].index(max(parts[3:]))


def test_the_grounds_are_those_of_the_pages() -> None:
    """Contrast is computed against the colours that the style has."""
    style = (FOLDER / "style.css").read_text(encoding="utf-8")

    assert f"--back: {LIGHT_GROUND}" in style
    assert f"--card: {DARK_GROUND}" in style
    assert "--on-act: #fff;" in style
    assert "--on-act: #11131a" in style
