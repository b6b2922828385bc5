"""A campaign's picture and logos: what is refused, and what signers' browsers get of the rest."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from shared.campaigns import images
from shared.campaigns.images import Logo, Picture
from shared.campaigns.loader import load
from shared.campaigns.model import Campaign
from shared.errors import ConfigurationError
from tests.shared.campaigns.test_campaigns import EXAMPLE, error_of, write

WIDE = (1600, 800)
GPS_IFD, LATITUDE, ORIENTATION, ROTATED = 0x8825, 2, 0x0112, 6


def with_picture(name: str = "picture.jpg", alt: str = 'picture_alt = "A square."') -> str:
    """Return the example with a picture, described in English."""
    return f'picture = "{name}"\n{EXAMPLE}'.replace("[texts.en]\n", f"[texts.en]\n{alt}\n")


def with_logo(name: str) -> str:
    """Return the example with a supporter who has a logo."""
    return EXAMPLE.replace("[texts.en]\n", f'[[supporters]]\nname = "Them"\nlogo = "{name}"\n\n[texts.en]\n')


def save(folder: Path, name: str, size: tuple[int, int] = WIDE, **options: object) -> Path:
    """Save a picture into the folder of the campaign `mine`."""
    file = folder / "mine" / name
    file.parent.mkdir(exist_ok=True)
    Pillow.new("RGB", size, "#2a3fb0").save(file, **options)  # type: ignore[arg-type]
    return file


def picture_of(folder: Path, text: str | None = None) -> Picture:
    picture = load(write(folder, text or with_picture())).picture
    assert picture
    return picture


def opened(content: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(content))


def test_a_picture_is_made_in_sizes_for_every_screen(tmp_path: Path) -> None:
    """Three widths of WebP and one JPEG, all of the file's proportions."""
    save(tmp_path, "picture.jpg")
    picture = picture_of(tmp_path)

    made = {name: opened(images.content(picture, name)) for name in picture.sizes}

    assert {(each.format, each.size) for each in made.values()} == {
        ("WEBP", (480, 240)),
        ("WEBP", (960, 480)),
        ("WEBP", (1440, 720)),
        ("JPEG", (960, 480)),
    }
    assert {name: each.size for name, each in made.items()} == picture.sizes


def test_a_picture_is_never_enlarged(tmp_path: Path) -> None:
    """Pixels that nobody has taken would only weigh something."""
    save(tmp_path, "picture.jpg", (1000, 500))

    assert sorted(picture_of(tmp_path).widths.values()) == [480, 960]


def test_a_logo_fits_into_its_row(tmp_path: Path) -> None:
    """A PNG, with twice the pixels that it is shown in, whether it is long or square."""
    save(tmp_path, "logo.png", (2000, 200))
    [supporter] = load(write(tmp_path, with_logo("logo.png"))).supporters
    assert isinstance(supporter.logo, Logo)

    made = opened(images.content(supporter.logo, supporter.logo.name))

    assert supporter.logo.shown == (144, 14)
    assert (made.format, made.size) == ("PNG", (288, 28))


def test_an_address_changes_with_the_file(tmp_path: Path) -> None:
    """Browsers keep for a year what they have loaded."""
    save(tmp_path, "picture.jpg")
    before = picture_of(tmp_path)
    save(tmp_path, "picture.jpg", (1500, 700))

    assert not before.sizes.keys() & picture_of(tmp_path).sizes.keys()


def test_what_a_camera_has_noted_is_left_out(tmp_path: Path) -> None:
    """Where and when a photo was taken could betray who was there. It still stands upright."""
    exif = Pillow.Exif()
    exif[ORIENTATION] = ROTATED
    exif.get_ifd(GPS_IFD)[LATITUDE] = (52.0, 31.0, 12.0)
    save(tmp_path, "picture.jpg", (800, 1600), exif=exif, comment=b"by Ann", xmp=b"<x:xmpmeta>Ann</x:xmpmeta>")
    note = PngInfo()
    note.add_text("Author", "Ann")
    save(tmp_path, "logo.png", (100, 100), pnginfo=note, exif=exif)
    campaign = load(write(tmp_path, with_picture() + '\n[[supporters]]\nname = "Them"\nlogo = "logo.png"\n'))
    assert isinstance(campaign.picture, Picture)
    assert (campaign.picture.width, campaign.picture.height) == (1600, 800)

    made = [images.content(image, name) for name, image in campaign.images.items()]

    assert len(made) == 5
    for content in made:
        assert not opened(content).getexif()
        assert b"Ann" not in content
        assert b"Exif" not in content


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("logo.svg", "logo.svg is an SVG, which can hold scripts: save it as PNG"),
        ("logo.gif", "write the name alone of a PNG, JPEG or WebP file"),
        ("photo.heic", "write the name alone of a PNG, JPEG or WebP file"),
        ("../logo.png", "write the name alone of a PNG, JPEG or WebP file"),
        ("/etc/logo.png", "write the name alone of a PNG, JPEG or WebP file"),
        ("..\\\\logo.png", "write the name alone of a PNG, JPEG or WebP file"),
        ("https://example.org/logo.png", "write the name alone of a PNG, JPEG or WebP file"),
        ("logo.png", "there is no file mine/logo.png: put it there, or correct its name"),
    ],
)
def test_a_name_that_leads_to_no_picture_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """The error names the key, and says what to do."""
    (tmp_path / "logo.png").write_bytes(save(tmp_path, "other.png").read_bytes())

    assert f"supporters.0.logo: {message}" in error_of(tmp_path, with_logo(name))


def _animated(file: Path) -> None:
    frames = [Pillow.new("RGB", WIDE, colour) for colour in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=100)


def _enormous(file: Path) -> None:
    Pillow.new("1", (10_000, 6_000)).save(file, "PNG")


def _truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:400])


def _gif(file: Path) -> None:
    Pillow.new("RGB", WIDE).save(file, "GIF")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.write_bytes(bytes(40_000_000)), "has 40 MB, and 10 MB are the most: save it smaller"),
        (lambda file: file.write_bytes(b"<svg><script>alert(1)</script></svg>"), "is no picture that can be read"),
        (_gif, "is no picture that can be read"),
        (_truncated, "is no picture that can be read"),
        (_animated, "is animated: save one picture of it"),
        (_enormous, "has too many pixels: save it 1440 pixels wide"),
        (
            lambda file: Pillow.new("RGB", (900, 400)).save(file),
            "has 900 x 400 pixels: it must be wider than high",
        ),
        (
            lambda file: Pillow.new("RGB", (1000, 1000)).save(file),
            "1000 x 1000 pixels: it must be wider than high",
        ),
        (
            lambda file: Pillow.new("RGB", (2000, 10)).save(file),
            "is longer than 20 times its other side: cut it",
        ),
        (
            lambda file: Pillow.new("I;16", WIDE).save(file, "PNG"),
            "has more than 8 bits for each colour: save it with 8",
        ),
    ],
    ids=["40 MB", "svg", "gif", "truncated", "animated", "enormous", "small", "square", "thread", "16 bits"],
)
def test_a_file_that_no_page_should_show_is_refused(tmp_path: Path, spoil: object, message: str) -> None:
    """Whatever its name says, what counts is what is in it."""
    file = save(tmp_path, "picture.jpg")
    assert callable(spoil)
    spoil(file)

    error = error_of(tmp_path, with_picture())

    assert error.startswith("mine.toml: picture: picture.jpg ")
    assert message in error


def test_every_language_says_what_the_picture_shows(tmp_path: Path) -> None:
    """People who cannot see it must not miss it because they read German."""
    save(tmp_path, "picture.jpg")
    missing = with_picture(alt="")

    assert "texts.en.picture_alt: is missing (what the picture shows" in error_of(tmp_path, missing)


def test_a_description_without_a_picture_is_a_mistake(tmp_path: Path) -> None:
    """Somebody has forgotten the line with the picture."""
    described = with_picture().removeprefix('picture = "picture.jpg"\n')

    assert "texts.en.picture_alt: describes a picture, but the campaign has none" in error_of(tmp_path, described)


def test_a_build_needs_the_files_no_longer(tmp_path: Path) -> None:
    """What it writes is the same as what is made elsewhere, at the same addresses. share.png stays."""
    save(tmp_path, "picture.jpg")
    save(tmp_path, "share.png", (1200, 630))
    save(tmp_path, "logo.png", (300, 100))
    text = with_picture() + '\n[[supporters]]\nname = "Them"\nlogo = "logo.png"\n'
    source = load(write(tmp_path, text))
    contents = {name: images.content(image, name) for name, image in source.images.items()}

    images.write(source.pictures, tmp_path / "mine")
    built = load(write(tmp_path, text))

    assert sorted(each.name for each in (tmp_path / "mine").iterdir()) == ["images-made", "share.png"]
    assert {name: images.content(image, name) for name, image in built.images.items()} == contents


def test_one_picture_may_stand_on_the_page_and_in_posts(tmp_path: Path) -> None:
    """The build leaves out neither: equal files are made to files of equal names."""
    save(tmp_path, "share.png", (1200, 630))
    shutil.copy(tmp_path / "mine" / "share.png", tmp_path / "mine" / "picture.png")
    text = with_picture().replace("picture.jpg", "picture.png")
    shutil.copytree(tmp_path / "mine", tmp_path / "built" / "mine")

    images.write(load(write(tmp_path, text)).pictures, tmp_path / "built" / "mine")
    built = load(write(tmp_path / "built", text))

    assert [each.name for each in (tmp_path / "built" / "mine").iterdir() if each.is_file()] == ["share.png"]
    assert built.picture
    assert built.share_image
    assert built.picture.sizes == built.share_image.sizes


@pytest.mark.parametrize(
    ("colour", "message"),
    [
        ("#ff0", "#ffff00 is too light: links of this colour, and white words upon it, could not be read; "),
        ("#ff0", "the nearest colour that can is #737304"),
        ("blue", "write a colour as # and six digits of 0 to 9 and a to f, as in #2a3fb0"),
        ("#12345", "write a colour as # and six digits"),
    ],
)
def test_a_colour_that_could_not_be_read_is_refused(tmp_path: Path, colour: str, message: str) -> None:
    """With the nearest one that can, which loads."""
    assert message in error_of(tmp_path, f'accent = "{colour}"\n{EXAMPLE}')


def test_a_colour_may_be_written_in_short(tmp_path: Path) -> None:
    """As in style sheets, with three digits, large or small."""

    def accent_of(colour: str) -> str:
        campaign: Campaign = load(write(tmp_path, f'accent = "{colour}"\n{EXAMPLE}'))
        return campaign.accent

    assert accent_of("#A05") == "#aa0055"
    assert accent_of("#737304") == "#737304"


def test_partners_are_listed_only_if_they_agree(tmp_path: Path) -> None:
    """Nobody supports a petition in public by showing its form."""
    [before] = [load(write(tmp_path, EXAMPLE))]
    assert before.listed_supporters == ()

    slug = next(iter(before.partners))
    agreed = EXAMPLE.replace(f"[partners.{slug}]\n", f"[partners.{slug}]\nlisted = true\n")

    assert [each.name for each in load(write(tmp_path, agreed)).listed_supporters] == [before.partners[slug].name]


def test_the_error_is_one_of_the_campaign_file(tmp_path: Path) -> None:
    """It names file and line, like all others."""
    with pytest.raises(ConfigurationError, match=r"^mine\.toml:1: picture: there is no file mine/picture\.jpg"):
        load(write(tmp_path, with_picture()))
