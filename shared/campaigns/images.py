"""A campaign's picture and logos: files beside its translations, checked, and made into the sizes that pages load.

`make build` writes the sizes into the folder images-made/ there, with an index, and takes the files themselves
away: so no function needs Pillow. Elsewhere, as on one machine, each size is made when it is first asked for. What
is made holds pixels and their colour profile alone: no EXIF, and so no place where a photo was taken.

SVG is refused: it can hold scripts and load from anywhere, and organisers are sent logos by others.
"""

import hashlib
import io
import json
import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from PIL.Image import Image as Pixels

MAX_BYTES = 10_000_000
#: The picture for posts that link to the petition, in the campaign's folder. It stays as it is for networks,
#: and has small sizes for the page that previews a post.
SHARE_IMAGE = "share.png"
_SHARE_IMAGE_SIZE = (1200, 630)
#: A small file can hold a picture that fills the memory.
_MAX_PIXELS = 50_000_000
_MAX_RATIO = 20
#: A picture's widths in pixels: of phones, of phones with fine screens, of large windows.
WIDTHS = (480, 960, 1440)
_FALLBACK_WIDTH = 960
#: In which logos fit on a page, in CSS pixels. They are made for screens with twice as many.
_LOGO_BOX = (144, 44)
#: Part of each version: an address that is cached for a year must change with what is made.
_RECIPE = b"1"
#: A folder that no organiser has already.
_MADE = "images-made"
_INDEX = "index.json"
_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_READ_FORMATS = ("PNG", "JPEG", "WEBP")
#: Making one from a phone's photo takes 200 MB.
_one_at_a_time = threading.Lock()
_NAME = "write the name alone of a PNG, JPEG or WebP file in the campaign's folder, as in picture.jpg"


@dataclass(frozen=True, slots=True)
class _Image:
    """A checked file. `width`, `height`: in pixels, as it is looked at. `version`: changes with its content."""

    file: Path
    version: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture(_Image):
    """The picture at the top of a petition, or that for posts."""

    @property
    def widths(self) -> Mapping[str, int]:
        """Return the WebP files by name, with their widths."""
        return {f"{self.version}-{width}.webp": width for width in WIDTHS if width <= self.width}

    @property
    def fallback(self) -> str:
        """Return the name of the file for browsers that know no WebP."""
        return f"{self.version}-{_FALLBACK_WIDTH}.jpg"

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Return the files that are made, by name, with their width and height in pixels."""
        widths = {**self.widths, self.fallback: _FALLBACK_WIDTH}
        return {name: (width, round(width * self.height / self.width)) for name, width in widths.items()}


@dataclass(frozen=True, slots=True)
class Logo(_Image):
    """The logo of an organisation."""

    @property
    def name(self) -> str:
        """Return the name of the file that is made."""
        return f"{self.version}.png"

    @property
    def shown(self) -> tuple[int, int]:
        """Return width and height on a page, in CSS pixels."""
        factor = min(box / side for box, side in zip(_LOGO_BOX, (self.width, self.height), strict=True))
        return max(1, round(factor * self.width)), max(1, round(factor * self.height))

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Return the file that is made, by name, with its width and height in pixels."""
        width, height = self.shown
        return {self.name: (2 * width, 2 * height)}


Image = Picture | Logo


def content(image: Image, name: str) -> bytes:
    """Return one of the files that are made of an image."""
    made = image.file.parent / _MADE / name
    if made.is_file():
        return made.read_bytes()
    with _one_at_a_time:
        return _encoded(image, name)


def media_type(name: str) -> str:
    """Return the media type of a file that was made."""
    return _TYPES[name.rpartition(".")[2]]


def check_picture(given: Any, info: ValidationInfo) -> Picture:
    """Check a campaign's picture, whose name stands in its file. `info.context`: its folder, as `folder`."""
    if isinstance(given, Picture):
        return given
    picture = Picture(*_checked(given, info))
    if picture.width < _FALLBACK_WIDTH or picture.width <= picture.height:
        raise ValueError(
            f"{given} has {picture.width} x {picture.height} pixels: it must be wider than high, and "
            f"{_FALLBACK_WIDTH} pixels wide at least; {WIDTHS[-1]} are best"
        )
    return picture


def share_image(folder: Path) -> Picture | None:
    """Return the picture for posts, if there is one in a campaign's `folder`.

    Raises:
        ValueError: it is no PNG of the size that networks show uncropped, or cannot be read.
    """
    file = folder / SHARE_IMAGE
    if not file.is_file():
        return None
    made = _index(folder / _MADE / _INDEX).get(SHARE_IMAGE)
    picture = Picture(file, *(made or _looked_at(file, file.stat().st_mtime_ns)))
    is_png = file.read_bytes().startswith(b"\x89PNG")
    if not is_png or (picture.width, picture.height) != _SHARE_IMAGE_SIZE:
        raise ValueError("must be a PNG picture of 1200 x 630 pixels")
    return picture


def check_logo(given: Any, info: ValidationInfo) -> Logo:
    """Check a logo, like `check_picture`."""
    return given if isinstance(given, Logo) else Logo(*_checked(given, info))


def without_metadata(file: Path) -> bytes:
    """Return a picture that can be read with its pixels and their colour profile alone, upright, in its format.

    Raises:
        ValueError: it cannot be read; says why, and what to do.
    """
    pixels = _pixels(file)
    beginning = file.read_bytes()[:4]
    kind = {b"\x89PNG": "PNG", b"RIFF": "WEBP"}.get(beginning, "JPEG")
    profile = pixels.info.get("icc_profile")
    if "transparency" in pixels.info:
        pixels = pixels.convert("RGBA")
    pixels.info = {}
    for quality in (95, 85, 75):
        made = io.BytesIO()
        pixels.save(made, kind, icc_profile=profile, **({} if kind == "PNG" else {"quality": quality}))
        if made.tell() <= MAX_BYTES:  # which a photo of a lower quality exceeds when it is made a better one
            break
    return made.getvalue()


def write(images: Collection[Image], folder: Path) -> None:
    """Write what is made of `images` into a campaign's `folder`, with an index, in place of the files.

    The picture for posts stays, too.
    """
    index = {image.file.name: [image.version, image.width, image.height] for image in images}
    if not index:
        return
    (folder / _MADE).mkdir()
    (folder / _MADE / _INDEX).write_text(json.dumps(index, sort_keys=True), encoding="utf-8")
    for image in images:
        if image.file.name != SHARE_IMAGE:
            (folder / image.file.name).unlink(missing_ok=True)
        for name in image.sizes:
            (folder / _MADE / name).write_bytes(content(image, name))


def _checked(given: Any, info: ValidationInfo) -> tuple[Path, str, int, int]:
    """Return what an `Image` is made of."""
    if not isinstance(given, str):
        raise PydanticCustomError("string_type", "is no text")
    if given.lower().endswith(".svg"):
        raise ValueError(f"{given} is an SVG, which can hold scripts: save it as PNG, and write that file's name")
    if not re.fullmatch(r"[\w-][\w. -]*\.(?i:png|jpe?g|webp)", given):
        raise ValueError(_NAME)
    folder: Path = (info.context or {})["folder"]
    if given in (made := _index(folder / _MADE / _INDEX)):
        return folder / given, *made[given]
    file = folder / given
    if not file.is_file():
        raise ValueError(f"there is no file {folder.name}/{given}: put it there, or correct its name")
    found = file.stat()
    if found.st_size > MAX_BYTES:
        raise ValueError(
            f"{given} has {found.st_size / 1e6:.0f} MB, and {MAX_BYTES // 1_000_000} MB are the most: "
            f"save it smaller, {WIDTHS[-1]} pixels wide"
        )
    return file, *_looked_at(file, found.st_mtime_ns)


def _index(file: Path) -> Mapping[str, tuple[str, int, int]]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


@lru_cache(maxsize=100)
def _looked_at(file: Path, _mtime_ns: int) -> tuple[str, int, int]:
    """Return version, width and height of a file, which must be one still picture that can be read as a whole."""
    pixels = _pixels(file)
    version = hashlib.sha256(_RECIPE + file.read_bytes()).hexdigest()[:12]
    return version, pixels.width, pixels.height


def _pixels(file: Path) -> "Pixels":
    """Read a picture, upright."""
    import PIL.Image  # here: what a build has made needs no Pillow
    import PIL.ImageOps

    try:
        with PIL.Image.open(file, formats=_READ_FORMATS) as opened:
            # What phones call MPO is a photo with a smaller copy of it.
            if getattr(opened, "is_animated", False) and opened.format != "MPO":
                raise ValueError(f"{file.name} is animated: save one picture of it")
            if opened.width * opened.height > _MAX_PIXELS:
                raise ValueError(f"{file.name} has too many pixels: save it {WIDTHS[-1]} pixels wide")
            if opened.mode[0] in "IF":
                raise ValueError(f"{file.name} has more than 8 bits for each colour: save it with 8")
            if max(opened.size) > _MAX_RATIO * min(opened.size):
                raise ValueError(f"{file.name} is longer than {_MAX_RATIO} times its other side: cut it")
            return PIL.ImageOps.exif_transpose(opened)
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError):
        raise ValueError(
            f"{file.name} is no picture that can be read: save it again, as PNG, JPEG or WebP"
        ) from None


@lru_cache(maxsize=100)
def _encoded(image: Image, name: str) -> bytes:
    """Make one of an image's files, with its pixels and their colour profile alone."""
    pixels = _pixels(image.file)
    profile = pixels.info.get("icc_profile") if pixels.mode in {"RGB", "RGBA"} else None
    pixels = pixels.convert("RGBA")
    if isinstance(image, Picture):
        pixels = _on_white(pixels)
    small = pixels.resize(image.sizes[name], reducing_gap=3)
    small.info = {}
    made = io.BytesIO()
    if name.endswith(".png"):
        small.save(made, "PNG", optimize=True, icc_profile=profile)
    elif name.endswith(".webp"):
        small.save(made, "WEBP", quality=82, method=6, icc_profile=profile)
    else:
        small.save(made, "JPEG", quality=82, optimize=True, progressive=True, icc_profile=profile)
    return made.getvalue()


def _on_white(pixels: "Pixels") -> "Pixels":
    import PIL.Image

    ground = PIL.Image.new("RGBA", pixels.size, "white")
    ground.alpha_composite(pixels)
    return ground.convert("RGB")
