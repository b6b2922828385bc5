"""A campaign's colour: the tones of it that pages show, light and dark, each with enough contrast to be read.

The minimum is WCAG 2.2, success criterion 1.4.3: 4.5 : 1 (https://www.w3.org/TR/WCAG22/#contrast-minimum). Tones
keep their hue and, as far as a screen can show it, their chroma in OKLCH: only the lightness changes, so that they
look like the same colour (https://bottosson.github.io/posts/oklab/).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT_ACCENT = "#2a3fb0"
MIN_CONTRAST = 4.5
#: On a dark page text glares, so links are paler there than they would have to be.
_DARK_CONTRAST = 7.0
#: As in shared/web/templates/style.css: the darkest ground of the light page, the lightest one of the dark page.
LIGHT_GROUND, DARK_GROUND = "#f3f4f8", "#1b1e29"
_STEP = 0.005
_HOVER = 0.08

_Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Tones:
    """Colours as #rrggbb, of buttons and links: on the light page and on the dark one, and under the pointer."""

    light: str
    light_hover: str
    dark: str
    dark_hover: str


def tones(accent: str) -> Tones:
    """Derive what pages show from an accent that `is_readable`."""
    dark = next(tone for tone in _lighter(accent) if contrast(tone, DARK_GROUND) >= _DARK_CONTRAST)
    return Tones(accent, _shifted(accent, -_HOVER), dark, _shifted(dark, _HOVER))


def is_readable(accent: str) -> bool:
    """Return whether text of this colour can be read on the light page, and white text upon it."""
    return contrast(accent, LIGHT_GROUND) >= MIN_CONTRAST  # white differs more from it than the ground does


def nearest_readable(accent: str) -> str:
    """Return the colour of the same hue that is readable and differs least from `accent`."""
    return next(tone for tone in _darker(accent) if is_readable(tone))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _darker(colour: str) -> Iterable[str]:
    return (_shifted(colour, -step * _STEP) for step in range(round(1 / _STEP) + 1))


def _lighter(colour: str) -> Iterable[str]:
    return (_shifted(colour, step * _STEP) for step in range(round(1 / _STEP) + 1))


def _shifted(colour: str, by: float) -> str:
    """Return the colour with its lightness in OKLCH changed; paler where no screen can show it as saturated."""
    lightness, a, b = _oklab(_linear(colour))
    lightness = min(1.0, max(0.0, lightness + by))
    shown = (_from_oklab((lightness, a * part / 100, b * part / 100)) for part in range(100, -1, -1))
    return _hexadecimal(next(linear for linear in shown if all(-0.0005 <= part <= 1.0005 for part in linear)))


def _linear(colour: str) -> _Triple:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _decoded(red), _decoded(green), _decoded(blue)


def _decoded(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _encoded(part: float) -> float:
    return part * 12.92 if part <= 0.0031308 else float(1.055 * part ** (1 / 2.4) - 0.055)


def _hexadecimal(linear: _Triple) -> str:
    return "#" + "".join(f"{round(255 * _encoded(min(1.0, max(0.0, part)))):02x}" for part in linear)


def _oklab(linear: _Triple) -> _Triple:
    long, medium, short = (
        math.cbrt(sum(weight * part for weight, part in zip(row, linear, strict=True)))
        for row in (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    )
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _from_oklab(lab: _Triple) -> _Triple:
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
