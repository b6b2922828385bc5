"""The fields of a form: what each accepts, and the error code of what it refuses.

An error carries a code, whose text is `fields.<code>` in locales/, and never the value.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.errors import FieldError
from shared.models.cleaning import clean_email, clean_postal_code, clean_text
from shared.models.web_addresses import holds_web_address
from shared.reference import countries

MAX_NAME_CHARACTERS = 100
MAX_EMAIL_CHARACTERS = 254

#: A dot-atom (RFC 5322, 3.2.3) of ASCII, at most 64 octets (RFC 5321, 4.5.3.1.1): valid as it is.
_PLAIN_LOCAL_PART = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
#: How many characters may become one when a name is normalised.
_MAX_MARKS = 4
#: C1 controls, lone surrogates and private use: what is left of letters that a wrong encoding has broken.
_UNREADABLE = {"Cc", "Cs", "Co"}
_NO_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


def _error(code: str) -> PydanticCustomError:
    return PydanticCustomError("field", code)


def check_email(typed: str) -> str:
    """Check an email address of any script; return it cleaned, with its parts in NFC. Asks no DNS."""
    email = clean_email(typed)
    if not email:
        raise _error("required")
    if len(email) > MAX_EMAIL_CHARACTERS:  # before it is normalised, which takes long for combining marks
        raise _error("email_invalid")
    local, _, domain = email.rpartition("@")
    if email.isascii() and _PLAIN_LOCAL_PART.fullmatch(local):
        return f"{local}@{_checked_domain(domain)}"
    # No server knows an address by its joiners, which nobody sees who passes it on.
    return _checked_email(f"{local.translate(_NO_JOINERS)}@{domain}")


@lru_cache(maxsize=4096)
def _checked_domain(domain: str) -> str:
    """Check a domain, cached: most addresses are of a few providers, and the domain is most of the work."""
    return _checked_email(f"a@{domain}").removeprefix("a@")


def _checked_email(email: str) -> str:
    from email_validator import EmailNotValidError, validate_email  # here: only sign checks addresses

    try:
        return validate_email(email, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        raise _error("email_invalid") from None


def check_name(typed: str) -> str:
    """Check a name of 1 to 100 characters of any script; return it cleaned, in NFC."""
    cleaned = clean_text(typed)
    if not cleaned:
        raise _error("required")
    if not cleaned.isascii() and any(unicodedata.category(character) in _UNREADABLE for character in cleaned):
        raise _error("control_characters")
    if len(cleaned) > MAX_NAME_CHARACTERS * _MAX_MARKS:  # as for addresses
        raise _error("too_long")
    name = unicodedata.normalize("NFC", cleaned)
    if len(name) > MAX_NAME_CHARACTERS:
        raise _error("too_long")
    if holds_web_address(name):
        raise _error("url_not_allowed")
    if not any(unicodedata.category(character).startswith("L") for character in name):
        raise _error("name_invalid")
    return name


def check_country(typed: str) -> str:
    """Check an ISO 3166-1 alpha-2 code, or XK; return it in upper case."""
    code = clean_text(typed).upper()
    if not code:
        raise _error("required")
    if code not in countries.CODES:
        raise _error("country_unknown")
    return code


#: What browsers send for a ticked box or a chosen radio button.
_TRUTH = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def truth(text: str) -> bool | None:
    """Return what a box or a radio button of a form says; None where it says nothing."""
    return _TRUTH.get(clean_text(text).lower())


def _check_consent(given: object) -> Literal[True]:
    if given is not True:
        raise _error("consent_required")
    return True


def check_locale(typed: str) -> str:
    """Check a language tag; return it with hyphens, for PHP and Java write de_DE."""
    tag = clean_text(typed).replace("_", "-")
    if not re.fullmatch(_BCP47, tag):
        raise _error("locale_invalid")
    return tag


def check_postal_code(typed: str) -> str:
    """Check a postal code of any country; return it cleaned."""
    code = clean_postal_code(typed)
    if not re.fullmatch(_POSTAL_CODE, code):
        raise _error("postal_code_invalid")
    return code


def _slug(code: str) -> AfterValidator:
    def check(typed: str) -> str:
        slug = clean_text(typed)
        if not re.fullmatch(SLUG, slug):
            raise _error(code)
        return slug

    return AfterValidator(check)


SLUG = r"[a-z0-9-]{1,40}"
# RFC 5646 in outline. A language that we have no texts in is no error of the signer's.
_BCP47 = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}"
_POSTAL_CODE = r"[0-9A-Za-z][0-9A-Za-z -]{1,14}"


def _schema(**keywords: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **keywords})


Email = Annotated[str, AfterValidator(check_email), _schema(format="idn-email", maxLength=MAX_EMAIL_CHARACTERS)]
Name = Annotated[str, AfterValidator(check_name), _schema(minLength=1, maxLength=MAX_NAME_CHARACTERS)]
Country = Annotated[str, AfterValidator(check_country), _schema(enum=sorted(countries.CODES))]
Bcp47 = Annotated[str, AfterValidator(check_locale), _schema(pattern=f"^{_BCP47}$")]
Consent = Annotated[
    Literal[True], BeforeValidator(_check_consent), WithJsonSchema({"type": "boolean", "const": True})
]
# Checked against the campaign, which knows its versions.
ConsentVersion = Annotated[str, _schema(minLength=1, maxLength=40)]
Partner = Annotated[str, _slug("partner_unknown"), _schema(pattern=f"^{SLUG}$")]
Source = Annotated[str, _slug("source_invalid"), _schema(pattern=f"^{SLUG}$")]
PostalCode = Annotated[str, AfterValidator(check_postal_code), _schema(pattern=f"^{_POSTAL_CODE}$")]


#: Pydantic's own error types as our codes; any other means a wrong type.
_ERROR_CODES = {"missing": "required", "extra_forbidden": "unknown_field", "model_type": "not_an_object"}
_MAX_FIELD_NAME_CHARACTERS = 40
_MAX_ERRORS = 20


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return what is wrong with each field, as codes; of many errors, the first.

    Field names are cut short and values left out, so that nobody gets a page of their own text back.
    """
    errors = error.errors(include_input=False)[:_MAX_ERRORS]
    return [_field_error(_field_of(details), _code_of(details)) for details in errors]


def _field_error(field: str, code: str) -> FieldError:
    # Signers see no version, only the box beside the text: whatever is wrong with one is shown there.
    return FieldError("consent", "consent_changed") if field == "consent_version" else FieldError(field, code)


def _field_of(details: Any) -> str:
    return str(details["loc"][0])[:_MAX_FIELD_NAME_CHARACTERS] if details["loc"] else ""


def _code_of(details: Any) -> str:
    if details["type"] == "field":
        return str(details["msg"])
    return _ERROR_CODES.get(details["type"], "wrong_type")
