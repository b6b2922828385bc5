"""The types of a campaign file's values: what each accepts, and the error message for all else."""

import re
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, PlainValidator, Strict, StringConstraints
from pydantic_core import PydanticCustomError

from shared import locales
from shared.campaigns.accent import is_readable, nearest_readable
from shared.campaigns.images import Logo, Picture, check_logo, check_picture
from shared.campaigns.screening import VOLUME
from shared.models.labels import Label
from shared.reference import countries

#: Stands where an age recipient belongs; replaced by a key made on this machine in local runs, refused elsewhere.
THROWAWAY = "throwaway"


def matching(pattern: str, message: str) -> AfterValidator:
    """Make a validator: the whole text must match `pattern`, else the error says `message`."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(message)
        return text

    return AfterValidator(check)


def _check_language(language: str) -> str:
    if not re.fullmatch("[a-z]{2}", language):
        raise ValueError("write the two small letters of a language, as in en")
    if language not in locales.LANGUAGES:
        spoken = ", ".join(sorted(locales.LANGUAGES))
        raise ValueError(
            f"Undersign speaks no {language} yet (it speaks: {spoken}); add shared/locales/{language}.toml first"
        )
    return language


def _check_recipient(recipient: str) -> str:
    """Check an X25519 recipient of age-encryption.org/v1: Bech32, human-readable part "age"."""
    if recipient.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError("this is the SECRET key: put the public key here, and make a new pair")
    if recipient != THROWAWAY and not re.fullmatch("age1[02-9ac-hj-np-z]{58}", recipient):
        raise ValueError(
            "is no age recipient: age1 and 58 more characters, as age-keygen prints after 'public key:'"
        )
    return recipient


def _check_country(country: str) -> str:
    if country not in countries.CODES:
        raise ValueError("write the two capital letters of a country (ISO 3166-1), as in DE")
    return country


def _check_labels(given: Any) -> frozenset[Label]:
    """Check an entry of `hold`: one label, or several with + between them."""
    if isinstance(given, frozenset):
        return given
    if not isinstance(given, str):
        raise PydanticCustomError("string_type", "is no text")
    known = {str(label): label for label in Label}
    named = [name.strip() for name in given.split("+")]
    if unknown := [name for name in named if name not in known]:
        raise ValueError(f'there is no label "{unknown[0]}"; the labels are {", ".join(known)}')
    labels = frozenset(known[name] for name in named)
    if labels <= VOLUME:
        raise ValueError(
            "many at once look the same when a newspaper writes about you: add a label of another kind, as in "
            f"no_page + {given}"
        )
    return labels


def _check_accent(colour: str) -> str:
    colour = colour.lower()
    if re.fullmatch("#[0-9a-f]{3}", colour):
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    if not re.fullmatch("#[0-9a-f]{6}", colour):
        raise ValueError("write a colour as # and six digits of 0 to 9 and a to f, as in #2a3fb0")
    if not is_readable(colour):
        raise ValueError(
            f"{colour} is too light: links of this colour, and white words upon it, could not be read; "
            f"the nearest colour that can is {nearest_readable(colour)}"
        )
    return colour


#: What people write for an origin, and the error message; the first that matches.
_ORIGIN_ERRORS = (
    (r"(?s).*[^\x00-\x7f].*", "write the host as browsers send it, which is its xn--… form"),
    (r"(?s).*[A-Z].*", "write it in small letters, as browsers send it"),
    (r"http://(?!(localhost|127\.0\.0\.1)(:|/|$)).*", "write https://; only localhost goes without"),
    (r"https?://[^/]+/.*", "leave out the slash after the host, and all that follows it"),
    (r"https://[^/:]+:443|http://[^/:]+:80", "leave out the port, as browsers do where it is the usual one"),
)
_HOST = r"[a-z0-9-]+(\.[a-z0-9-]+)*"


def _check_origin(origin: str) -> str:
    """Check an origin as browsers send it: scheme and host in lower case, a port only if unusual, no path."""
    for pattern, message in _ORIGIN_ERRORS:
        if re.fullmatch(pattern, origin):
            raise ValueError(message)
    if not re.fullmatch(rf"https://{_HOST}(:[0-9]+)?|http://(localhost|127\.0\.0\.1)(:[0-9]+)?", origin):
        raise ValueError("an origin is https:// and one host, without a path, as in https://www.example.org")
    return origin


def _check_placeholders(url: str) -> str:
    try:
        urlsplit(url)
    except ValueError:
        raise ValueError("this is no address: write one as in https://www.example.org/donate") from None
    if re.search("[{}]", url.replace("{language}", "")):
        raise ValueError("{language} is the only word in braces that is filled in: write it so, or without braces")
    return url


def _check_when(given: Any) -> date:
    """Check a day, or an hour that names its offset from UTC: without one, it would be another hour elsewhere."""
    if not isinstance(given, date):
        raise PydanticCustomError("date_type", "is no date")
    if isinstance(given, datetime) and given.tzinfo is None:
        raise ValueError("an hour needs the offset of its time zone, as in 2026-11-01T10:00:00+01:00")
    if not 2000 <= given.year <= 2999:
        raise ValueError("write a year between 2000 and 2999")
    return given


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(f"there is no time zone {name}: write one as in Europe/Brussels (IANA)") from None
    return name


# Numbers, days and booleans are strict: pydantic would read a number as a day, counted in seconds from 1970.
Whole = Annotated[int, Strict()]
Day = Annotated[date, Strict()]
#: A day (`date`), or a moment (`datetime`, aware).
When = Annotated[date, PlainValidator(_check_when)]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
_SLUG = "[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
_SLUG_LETTERS = "hold only a to z, 0 to 9 and hyphens between them, 40 characters at most"
FileName = Annotated[str, matching(_SLUG, f"the file's name, which becomes its address, may {_SLUG_LETTERS}")]
Slug = Annotated[str, matching(_SLUG, f"a partner's short name, which becomes part of links, may {_SLUG_LETTERS}")]
Country = Annotated[str, AfterValidator(_check_country)]
#: A colour as #rrggbb that can be read on the light page.
Accent = Annotated[str, AfterValidator(_check_accent)]
PictureFile = Annotated[Picture, PlainValidator(check_picture)]
LogoFile = Annotated[Logo, PlainValidator(check_logo)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
OneLine = Annotated[Text, matching(r"[^\r\n]+", "write it in one line")]
#: Travels with each form, and is sealed with each signature.
ConsentVersion = Annotated[OneLine, matching(r".{1,40}", "write 40 characters at most, as in 2026-11-01")]
Language = Annotated[str, AfterValidator(_check_language)]
Recipient = Annotated[str, AfterValidator(_check_recipient)]
Origin = Annotated[str, AfterValidator(_check_origin)]
HttpsUrl = Annotated[
    str,
    matching(r"https://[^\s/]+(/\S*)?", "write the whole address with https://, as in https://www.example.org"),
]
#: May hold {language}, for the page's: two letters, in the path or anywhere else.
UrlInLanguage = Annotated[HttpsUrl, AfterValidator(_check_placeholders)]
#: An entry of `hold`, parsed: a signature is held that has all of these labels.
Labels = Annotated[frozenset[Label], PlainValidator(_check_labels)]
# No display name, no line break, no second address: these become mail headers. ASCII, so that every relay takes
# the mail; the domain of an address in another script is written as its A-label (xn--…).
Address = Annotated[
    str,
    matching(
        r"[A-Za-z0-9._!#$%&'*+/=?^`{|}~-]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+",
        "write one mail address alone, without a name, as in petition@example.org (other scripts as xn--…)",
    ),
]
