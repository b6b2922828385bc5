"""Campaigns are files: one TOML file per campaign in this folder, shipped with every function.

Because they are files, `sign` reads no database to know a campaign, and survives a database outage. A file that
lacks what signers must be told (controllers, contact, retention, recipients, consent text, minimum age) does not
load, and the error names every missing key and says what belongs there.
"""

import csv
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from shared.errors import ConfigurationError

FOLDER = Path(__file__).parent

#: Confirming stays possible this long after the close: a mail opened the next morning still counts.
CONFIRM_GRACE = timedelta(days=7)

#: Stands where an age recipient belongs; replaced by a key made on this machine in local runs, refused elsewhere.
THROWAWAY = "throwaway"

#: Initiatives registered from this day on need `min_720` (Delegated Regulation (EU) 2024/1082).
_NEW_MINIMA_FROM = date(2024, 7, 16)

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
# X25519 recipient of age-encryption.org/v1: Bech32, human-readable part "age".
Recipient = Annotated[str, StringConstraints(pattern=r"^(age1[02-9ac-hj-np-z]{58}|throwaway)$")]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s/]+(/\S*)?$")]
# No display name, no line break, no second address: these become mail headers. ASCII, so that every relay takes
# the mail; the domain of an address in another script is written as its A-label (xn--…).
Address = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._!#$%&'*+/=?^`{|}~-]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+$")
]
OneLine = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\r\n]+$")]


def _check_origin(origin: str) -> str:
    """An origin as browsers send it: scheme and host in lower case, a port only if unusual, no path."""
    if not re.fullmatch(r"https://[a-z0-9.-]+(:\d+)?|http://(localhost|127\.0\.0\.1)(:\d+)?", origin):
        raise ValueError("an origin is https:// and a host, without a path, as in https://www.example.org")
    return origin


Origin = Annotated[str, AfterValidator(_check_origin)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Controller(_Part):
    """A controller in the sense of GDPR, Article 4(7)."""

    name: OneLine
    postal_address: OneLine
    email: Address
    website: HttpsUrl


class Processor(_Part):
    """Who handles signers' data on the controllers' behalf (GDPR, Article 28)."""

    name: OneLine
    task: OneLine
    place: OneLine


class Privacy(_Part):
    """What the privacy notice is made from (GDPR, Article 13)."""

    contact: Address = Field(description="the address that answers questions about signers' data")
    data_protection_officer: Address | None = None
    recipients: tuple[OneLine, ...] = Field(
        min_length=1, description="who is given the signatures, as in ['European Commission']"
    )
    processors: tuple[Processor, ...] = Field(
        min_length=1, description="who handles the data on your behalf: cloud, mail provider"
    )
    retention_days: int = Field(
        ge=1, le=3650, description="how many days after the close signatures are kept before they are purged"
    )
    backup_days: int = Field(
        ge=0, le=98, description="how many days backups keep what was erased (0: there are none)"
    )
    supervisory_authority: OneLine = Field(description="where a signer may complain")
    supervisory_authority_website: HttpsUrl


class Sealing(_Part):
    recipients: tuple[Recipient, ...] = Field(
        min_length=1, description="the age recipients (age1…) that signers' data is sealed to"
    )


class Sender(_Part):
    """Whom the mail comes from."""

    name: OneLine
    address: Address


class Partner(_Part):
    """An organisation that shows the form on its own pages."""

    name: OneLine
    origins: tuple[Origin, ...] = Field(min_length=1, description="the origins of its pages")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    recipient: Recipient | None = Field(
        default=None, description="the partner's own age recipient: newsletter contacts are sealed to it"
    )


class Initiative(_Part):
    """The European Citizens' Initiative whose thresholds the count shows.

    Source of the thresholds: Regulation (EU) 2019/788, Annex I (seats x 705), for those registered from 16 July
    2024 as amended by Delegated Regulation (EU) 2024/1082 (seats x 720); `eci_thresholds.csv` holds both.
    """

    number: OneLine
    registered: date
    hand_off: HttpsUrl | None = Field(
        default=None, description="where a live initiative is signed in the Commission's own system"
    )

    @cached_property
    def thresholds(self) -> Mapping[str, int]:
        """Minimum number of statements of support by country; 27 member states."""
        column = "min_720" if self.registered >= _NEW_MINIMA_FROM else "min_705"
        with (FOLDER / "eci_thresholds.csv").open(newline="", encoding="utf-8") as rows:
            return {row["country"]: int(row[column]) for row in csv.DictReader(rows)}


class Texts(_Part):
    """What signers read, in one language. `paragraphs` and `demands` are plain text."""

    title: OneLine
    addressee: OneLine
    summary: OneLine
    paragraphs: tuple[Text, ...] = Field(min_length=1)
    demands_heading: OneLine
    demands: tuple[OneLine, ...] = Field(min_length=1)
    closing: Text
    consent: Text = Field(description="names controller, purpose and political opinion (GDPR, Articles 7 and 9)")
    arrangement: Text = Field(description="the essence of the controllers' arrangement (GDPR, Article 26)")


class Campaign(_Part):
    """One campaign. Times are UTC; `opens` and `closes` are days, both included."""

    id: Slug
    default_language: Language
    goal: int = Field(ge=1)
    goal_steps: tuple[int, ...] = Field(min_length=1, description="the goals shown on the way, rising")
    opens: date
    closes: date
    minimum_age: int = Field(ge=13, le=21, description="the age, in years, from which one may sign")
    consent_version: OneLine = Field(description="changes with every change of a consent text")
    tally_shards: int = Field(default=32, ge=1, le=500)
    required_fields: frozenset[Literal["newsletter", "postal_code"]] = frozenset()
    asks_postal_code: bool = False
    abuse_contact: Address
    sender: Sender
    sealing: Sealing = Field(description="a table with recipients: whose keys signers' data is sealed to")
    controllers: tuple[Controller, ...] = Field(
        min_length=1, description="who decides on the data: name, postal_address, email, website"
    )
    privacy: Privacy = Field(description="a table with all that the privacy notice is made from")
    initiative: Initiative | None = None
    partners: Mapping[Slug, Partner] = Field(default_factory=dict)
    texts: Mapping[Language, Texts] = Field(min_length=1, description="one table per language")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.closes < self.opens:
            raise ValueError("closes lies before opens")
        if list(self.goal_steps) != sorted(set(self.goal_steps)) or self.goal_steps[-1] != self.goal:
            raise ValueError("goal_steps must rise and end with goal")
        if self.default_language not in self.texts:
            raise ValueError(f"texts.{self.default_language} is missing, the default language")
        if "postal_code" in self.required_fields and not self.asks_postal_code:
            raise ValueError("required_fields names postal_code, but asks_postal_code is not true")
        taken = [origin for partner in self.partners.values() for origin in partner.origins]
        if len(taken) != len(set(taken)):
            raise ValueError("two partners name the same origin")
        return self

    def text(self, language: str) -> Texts:
        """The texts in `language`, else in the campaign's own."""
        return self.texts.get(language) or self.texts[self.default_language]

    def takes_signatures(self, now: datetime) -> bool:
        return self._start(self.opens) <= now < self._start(self.closes) + timedelta(days=1)

    def takes_confirmations(self, now: datetime) -> bool:
        """Also after the close, for `CONFIRM_GRACE`."""
        return self._start(self.opens) <= now < self._start(self.closes) + timedelta(days=1) + CONFIRM_GRACE

    @property
    def purged_on(self) -> date:
        """The day from which the signatures are no longer kept."""
        return self.closes + timedelta(days=self.privacy.retention_days)

    def next_goal(self, total: int) -> int:
        """The first step above `total`, else the goal."""
        return next((step for step in self.goal_steps if step > total), self.goal)

    @cached_property
    def partner_by_origin(self) -> Mapping[str, str]:
        return {origin: slug for slug, partner in self.partners.items() for origin in partner.origins}

    @staticmethod
    def _start(day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=UTC)


def load_all(folder: Path = FOLDER) -> Mapping[str, Campaign]:
    """All campaigns by id.

    Raises:
        ConfigurationError: a file does not load; names file and key of every fault, and what belongs there.
    """
    return {path.stem: load(path) for path in sorted(folder.glob("*.toml"))}


def load(path: Path) -> Campaign:
    """One campaign; its id is the file's name. Raises like `load_all`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return Campaign.model_validate({**content, "id": path.stem})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigurationError(f"{path.name}: not a TOML file in UTF-8: {fault}") from fault
    except ValidationError as fault:
        raise ConfigurationError(_explain(path.name, fault)) from None


def _explain(file: str, fault: ValidationError) -> str:
    lines = []
    for error in fault.errors(include_url=False):
        key = ".".join(str(part) for part in error["loc"]) or "the file as a whole"
        line = f"{file}: {key}: {'is missing' if error['type'] == 'missing' else error['msg']}"
        wanted = _description(Campaign, error["loc"])
        lines.append(f"{line} ({wanted})" if wanted else line)
    return "\n".join(lines)


def _description(model: Any, location: tuple[int | str, ...]) -> str | None:
    """What the field at `location` is for, from the models above."""
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            model = next(iter(_models_in(model)), None)  # an index or a key of a mapping
            continue
        if part == location[-1]:
            return str(field.description) if field.description else None
        model = field.annotation
    return None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]
