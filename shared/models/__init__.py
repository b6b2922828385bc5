"""What crosses a trust boundary: request bodies, answers, and the envelopes that travel in tasks.

Request models are strict and refuse unknown fields; a field's fault carries a code of locales/ `fields.<code>`.
The OpenAPI document is generated from these models.
"""

import base64
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from shared.errors import FieldFault, Unopenable
from shared.reference import countries

MAX_NAME_CHARACTERS = 100
MAX_EMAIL_CHARACTERS = 254

#: Spammers sign with names that say "visit my-site.com". In lower case any word with a dot in it counts as one;
#: otherwise only the usual endings, for "St.John" and "J.R.R.Tolkien" are names.
_URL = re.compile(
    r"://|\b[Ww]{3}\.|@|\.\w{2,}/|\b[a-z0-9-]{2,}\.[a-z]{2,}\b"
    r"|(?i:\b[\w-]+\.(com|net|org|info|biz|io|xyz|site|online|shop|club|click|link|app|eu)\b)"
)
#: A dot-atom (RFC 5322, 3.2.3) of ASCII, at most 64 octets (RFC 5321, 4.5.3.1.1): right as it stands.
_PLAIN_LOCAL_PART = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
#: How many characters may become one when a name is normalised.
_MAX_MARKS = 4
#: Joiners that several scripts need inside names (Persian, Sinhala, Malayalam …), unlike other format characters.
_JOINERS = "\u200c\u200d"
#: Hangul fillers: to Unicode they are letters, to everybody else they are nothing.
_FILLERS = "\u115f\u1160\u3164\uffa0"


def _fault(code: str) -> PydanticCustomError:
    # A fault carries its code and never the value: texts come from locales/, and values stay out of answers.
    return PydanticCustomError("field", code)


def check_email(typed: str) -> str:
    """The address with its parts normalised (NFC), whatever its script; not looked up in the DNS."""
    stripped = typed.strip()
    if not stripped:
        raise _fault("required")
    if len(stripped) > MAX_EMAIL_CHARACTERS:  # before it is normalised, which takes long for combining marks
        raise _fault("email_invalid")
    local, _, domain = stripped.rpartition("@")
    if stripped.isascii() and _PLAIN_LOCAL_PART.fullmatch(local):
        return f"{local}@{_checked_domain(domain)}"
    return _checked_email(stripped)


@lru_cache(maxsize=4096)
def _checked_domain(domain: str) -> str:
    """Most signers' addresses are of a few providers, and to check a domain is most of the work."""
    return _checked_email(f"a@{domain}").removeprefix("a@")


def _checked_email(email: str) -> str:
    from email_validator import EmailNotValidError, validate_email  # here: only sign checks addresses

    try:
        return validate_email(email, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        raise _fault("email_invalid") from None


def check_name(typed: str) -> str:
    """1 to 100 characters of any script, NFC, white space folded."""
    is_plain = typed.isascii() and typed.isprintable()
    if not is_plain and any(_is_control(character) for character in typed):
        raise _fault("control_characters")
    folded = " ".join(typed.split())
    if not folded:
        raise _fault("required")
    if len(folded) > MAX_NAME_CHARACTERS * _MAX_MARKS:  # as for addresses
        raise _fault("too_long")
    name = unicodedata.normalize("NFC", folded)
    if len(name) > MAX_NAME_CHARACTERS:
        raise _fault("too_long")
    if _URL.search(name):
        raise _fault("url_not_allowed")
    if not any(unicodedata.category(character).startswith("L") for character in name):
        raise _fault("name_invalid")
    return name


def _is_control(character: str) -> bool:
    # Cc control, Cf format (bidirectional overrides among them), Cs surrogate, Co private, Zl Zp line breaks.
    category = unicodedata.category(character)
    invisible = category in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} or character in _FILLERS
    return invisible and character not in _JOINERS


def check_country(typed: str) -> str:
    code = typed.strip().upper()
    if not code:
        raise _fault("required")
    if code not in countries.CODES:
        raise _fault("country_unknown")
    return code


def _check_consent(given: object) -> Literal[True]:
    if given is not True:
        raise _fault("consent_required")
    return True


def _matching(pattern: str, code: str) -> AfterValidator:
    def check(typed: str) -> str:
        if not re.fullmatch(pattern, typed):
            raise _fault(code)
        return typed

    return AfterValidator(check)


SLUG = r"[a-z0-9-]{1,40}"
# RFC 5646 in outline; whether we speak the language is another question, and no fault of the signer's.
_BCP47 = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}"
_POSTAL_CODE = r"[0-9A-Za-z][0-9A-Za-z -]{1,14}"

Email = Annotated[
    str,
    AfterValidator(check_email),
    WithJsonSchema({"type": "string", "format": "idn-email", "maxLength": MAX_EMAIL_CHARACTERS}),
]
Name = Annotated[
    str,
    AfterValidator(check_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARACTERS}),
]
Country = Annotated[
    str, AfterValidator(check_country), WithJsonSchema({"type": "string", "enum": sorted(countries.CODES)})
]
Bcp47 = Annotated[
    str, _matching(_BCP47, "locale_invalid"), WithJsonSchema({"type": "string", "pattern": f"^{_BCP47}$"})
]
Consent = Annotated[
    Literal[True], BeforeValidator(_check_consent), WithJsonSchema({"type": "boolean", "const": True})
]
Partner = Annotated[
    str, _matching(SLUG, "partner_unknown"), WithJsonSchema({"type": "string", "pattern": f"^{SLUG}$"})
]
Source = Annotated[
    str, _matching(SLUG, "source_invalid"), WithJsonSchema({"type": "string", "pattern": f"^{SLUG}$"})
]
PostalCode = Annotated[
    str,
    _matching(_POSTAL_CODE, "postal_code_invalid"),
    WithJsonSchema({"type": "string", "pattern": f"^{_POSTAL_CODE}$"}),
]


# Built when first used: no function uses all of them, and building one takes as long as answering a request.
class _Model(BaseModel):
    model_config = ConfigDict(defer_build=True)


class _Strict(_Model):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class SignRequest(_Strict):
    """One signature, as the form sends it."""

    email: Email = Field(description="One address, one signature; any script, `+` welcome.")
    name: Name = Field(description="Any script; no control characters, no web address.")
    country: Country = Field(description="ISO 3166-1 alpha-2, and XK for Kosovo.")
    locale: Bcp47 = Field(description="BCP 47; the language to answer and to mail in.")
    consent: Consent = Field(description="True: the signer ticked the campaign's consent text.")
    partner: Partner | None = Field(default=None, description="The partner on whose page it was signed.")
    source: Source | None = Field(default=None, description="Where the signer came from.")
    newsletter: bool | None = Field(default=None, description="Yes or no to the organisation's newsletter.")
    postal_code: PostalCode | None = Field(default=None, description="Where the campaign asks for it.")


class LinksRequest(_Strict):
    """Asks that the links an address is due are mailed to it."""

    email: Email
    locale: Bcp47


class CheckInbox(_Model):
    """The same for every address, byte for byte."""

    status: Literal["check_inbox"] = "check_inbox"


class Pressed(_Model):
    """What a link did."""

    status: Literal["confirmed", "withdrawn"]


class CountryThreshold(_Model):
    needed: int
    met: bool


class Thresholds(_Model):
    """Progress against the minima of a European Citizens' Initiative."""

    basis: str = Field(description="What is counted, in words.")
    needed: int = Field(description="How many member states must reach their minimum.")
    met: int
    by_country: dict[str, CountryThreshold]


class Paper(_Model):
    """Signatures on paper, as the organisers have counted them; they are in no other number."""

    total: int
    by_country: dict[str, int]


class Count(_Model):
    """The public counter."""

    campaign: str
    total: int
    goal: int
    next_goal: int
    as_of: datetime
    by_country: dict[str, int] = Field(
        description="ISO codes; countries under 10 are folded into `other`. The sum is the total."
    )
    thresholds: Thresholds | None = None
    paper: Paper | None = Field(default=None, description="Shown apart, and only where there is some.")


class HistoryPoint(_Model):
    """The counter as it stood at one moment."""

    at: datetime
    total: int
    by_country: dict[str, int] | None = Field(
        default=None, description="Folded like the counter's; told of days alone."
    )


class History(_Model):
    """How the count has grown. `points`: oldest first; an hour or a day in which nothing was kept has none."""

    campaign: str
    as_of: datetime
    points: list[HistoryPoint]


class FormSender(_Model):
    name: str
    address: str


class Sharing(_Model):
    url: str = Field(description="The link to pass on; it keeps partner and language.")
    services: Mapping[str, str] = Field(description="Each service's address with text and link filled in.")
    primary: Mapping[str, str] = Field(description="The service to offer first, by country; else WhatsApp.")


class Form(_Model):
    """A petition's form in one language, as the widget shows it on one origin's pages."""

    campaign: str
    language: str
    title: str
    admitted: bool = Field(description="Whether pages of this origin may send the form.")
    shut: Literal["campaign_closed", "campaign_paused"] | None = Field(
        default=None, description="Why no signatures are taken now; absent where they are."
    )
    partner: str | None = Field(default=None, description="Whose page it is.")
    partner_country: str | None = None
    language_country: str | None = None
    countries: Sequence[tuple[str, str]] = Field(
        description="Code and name, in the language's order; none for our own pages, whose form is there already."
    )
    required: Sequence[str]
    asks_postal_code: bool
    consent: str
    hosted_page: str
    privacy_page: str
    contact: str = Field(description="Who registers a partner's pages.")
    sender: FormSender
    subject: str = Field(description="Of the mail to look for.")
    mailboxes: Mapping[str, str] = Field(
        description="Mail providers' domains, and where each shows its mailboxes."
    )
    share: Sharing
    texts: Mapping[str, str]


class Health(_Model):
    status: Literal["ok"] = "ok"
    function: str
    version: str


class FieldProblem(_Model):
    field: str
    code: str
    message: str


class Problem(_Model):
    """RFC 9457, with our stable `code`."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None
    hosted_page: str | None = None


#: Left out where a message is printed, so that it cannot slip into a log or a traceback.
Personal = Annotated[str, Field(repr=False)]


class _Message(_Model):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Submission(_Message):
    """A signature on its way to deliver. `id`: random, names this submission for good."""

    kind: Literal["submission"] = "submission"
    id: str
    campaign: str
    email: Personal
    name: Personal
    country: str
    locale: str
    consent_version: str
    partner: str | None
    source: str | None
    newsletter: bool | None
    postal_code: Annotated[str | None, Field(repr=False)]
    signed_at: AwareDatetime


class LinksOrder(_Message):
    """Somebody asked for the links of an address."""

    kind: Literal["links"] = "links"
    id: str
    campaign: str
    email: Personal
    locale: str
    asked_at: AwareDatetime


class Reminder(_Message):
    """A day after the mail: remind, if the submission still waits."""

    kind: Literal["reminder"] = "reminder"
    submission_id: str
    campaign: str
    email: Personal
    locale: str


class Press(_Message):
    """A link was pressed while the database was away. The token itself travels, so that nobody can forge one."""

    kind: Literal["press"] = "press"
    purpose: Literal["confirm", "withdraw"]
    token: Personal
    pressed_at: AwareDatetime


Message = Submission | LinksOrder | Reminder | Press
_MESSAGE: TypeAdapter[Message] = TypeAdapter(
    Annotated[Message, Discriminator("kind")], config=ConfigDict(defer_build=True)
)


class TaskBody(_Message):
    """What lies in the queue: a version, and a message sealed to deliver."""

    version: Literal[1] = 1
    sealed: Base64Bytes


def task_body(sealed: bytes) -> bytes:
    """What `parse_task` reads, as JSON. Written by hand: signing in a rush, it is a twentieth of sign's work."""
    return b'{"version":1,"sealed":"%b"}' % base64.b64encode(sealed)


def parse_task(body: bytes) -> TaskBody:
    """
    Raises:
        Unopenable: not a body of ours, or of a version this code does not know.
    """
    try:
        return TaskBody.model_validate_json(body)
    except ValidationError:
        raise Unopenable("not a task body of this version") from None


def parse_message(opened: bytes) -> Message:
    """
    Raises:
        Unopenable: deliver's own key opened it, and yet it holds no message we know.
    """
    try:
        return _MESSAGE.validate_json(opened)
    except ValidationError:
        raise Unopenable("not a message of this version") from None


#: Pydantic's own faults, as codes of ours; whatever else it finds is of the wrong type.
_FAULT_CODES = {"missing": "required", "extra_forbidden": "unknown_field", "model_type": "not_an_object"}
_SHOWN_NAME_CHARACTERS = 40
_SHOWN_FAULTS = 20


def faults_of(error: ValidationError) -> list[FieldFault]:
    """Each field's fault, by code. Field names are cut short; values are left out; of many faults, the first."""
    faults = error.errors(include_input=False)[:_SHOWN_FAULTS]
    return [FieldFault(_field_of(fault), _code_of(fault)) for fault in faults]


def _field_of(fault: Any) -> str:
    return str(fault["loc"][0])[:_SHOWN_NAME_CHARACTERS] if fault["loc"] else ""


def _code_of(fault: Any) -> str:
    if fault["type"] == "field":
        return str(fault["msg"])
    return _FAULT_CODES.get(fault["type"], "wrong_type")
