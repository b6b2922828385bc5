"""A campaign: what its file says, checked, and what follows from it."""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from shared.campaigns.accent import DEFAULT_ACCENT
from shared.campaigns.drafted import is_drafted
from shared.campaigns.images import Image
from shared.campaigns.problems import Location, MisfitError, with_key
from shared.campaigns.screening import DEFAULT_POLICY
from shared.campaigns.types import (
    THROWAWAY,
    Accent,
    Address,
    ConsentVersion,
    Country,
    Day,
    FileName,
    HttpsUrl,
    Labels,
    Language,
    LogoFile,
    OneLine,
    Origin,
    PictureFile,
    Recipient,
    Slug,
    Text,
    TimeZone,
    UrlInLanguage,
    When,
    Whole,
    matching,
)
from shared.reference.licenses import DataLicense

#: Confirming stays possible this long after the close: a mail opened the next morning still counts.
CONFIRM_GRACE = timedelta(days=7)

#: The campaign that each deployment is tried out with. Nobody links to it, so its texts may stay as drafted.
CANARY = "canary"

#: One person's laptop falls into the sea, and the signatures are still there.
MIN_RECIPIENTS = 2

#: Initiatives registered from this day on need `min_720` (Delegated Regulation (EU) 2024/1082).
_NEW_MINIMA_FROM = date(2024, 7, 16)
_THRESHOLDS = Path(__file__).parents[1] / "reference" / "eci_thresholds.csv"


#: Whether scripts are asked for work: `automatic` while confirmations fall far behind mails.
ProofOfWork = Literal["off", "on", "automatic"]

#: Why a campaign takes no signatures, as the code of an error.
ClosedReason = Literal["campaign_closed", "campaign_paused"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


_LOGO = Field(default=None, description="a PNG, JPEG or WebP file in the campaign's folder, as in logo.png")


class Controller(_Part):
    """A controller in the sense of GDPR, Article 4(7)."""

    name: OneLine
    postal_address: OneLine
    email: Address
    website: HttpsUrl
    logo: LogoFile | None = _LOGO


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
    retention_days: Whole = Field(
        # Confirming goes on for seven days, and what is confirmed then must not come after the purge.
        ge=8,
        le=3650,
        description="how many days after the close signatures are kept before they are purged",
    )
    backup_days: Whole = Field(
        ge=0, le=98, description="how many days backups keep what was erased (0: there are none)"
    )
    supervisory_authority: OneLine = Field(description="where a signer may complain")
    supervisory_authority_website: HttpsUrl = Field(description="the website of that authority")

    @property
    def words(self) -> set[str]:
        """Return all that may have another name in another language."""
        processed = {word for each in self.processors for word in (each.task, each.place)}
        return {*self.recipients, *processed, self.supervisory_authority}

    def translated(self, glossary: Mapping[str, str]) -> Self:
        """Return a copy with each of its `words` as `glossary` has it; those that it lacks stay."""
        recipients = tuple(glossary.get(each, each) for each in self.recipients)
        processors = tuple(
            Processor(
                name=each.name, task=glossary.get(each.task, each.task), place=glossary.get(each.place, each.place)
            )
            for each in self.processors
        )
        authority = glossary.get(self.supervisory_authority, self.supervisory_authority)
        return self.model_copy(
            update={"recipients": recipients, "processors": processors, "supervisory_authority": authority}
        )


class Proof(_Part):
    """That somebody has opened what was sealed to this recipient; `undersign prove` writes it.

    `challenge`: SHA-256 of the answer, in hexadecimal. `answer`: what only the holder of the identity could read.
    """

    recipient: Recipient
    challenge: Annotated[str, matching("[0-9a-f]{64}", "let undersign prove write this")]
    answer: OneLine | None = None

    @property
    def holds(self) -> bool:
        """Return whether the answer is the one that was sealed."""
        return self.answer is not None and digest_of(self.answer) == self.challenge


def digest_of(answer: str) -> str:
    """Return the SHA-256 of an answer, in hexadecimal, which a campaign file holds until the answer is known."""
    return hashlib.sha256(answer.encode()).hexdigest()


class Sealing(_Part):
    recipients: tuple[Recipient, ...] = Field(
        min_length=1, description="the age recipients (age1…) that signers' data is sealed to"
    )
    proofs: tuple[Proof, ...] = Field(
        default=(), description="that each recipient's identity opens; undersign prove writes them"
    )

    @property
    def unproven(self) -> list[str]:
        """Return the recipients for which nobody has shown that what is sealed to them can be opened."""
        proven = {proof.recipient for proof in self.proofs if proof.holds}
        return [recipient for recipient in self.recipients if recipient not in proven]


class Screening(_Part):
    """Which confirmed signatures are held, that is, not counted before the organisers have looked at them."""

    hold: tuple[Labels, ...] = Field(
        default=DEFAULT_POLICY,
        description='labels that hold a signature, + for together, as in ["too_fast", "no_page + domain_burst"]',
    )


class Sender(_Part):
    """Whom the mail comes from."""

    name: OneLine
    address: Address


class Partner(_Part):
    """An organisation that shows the form on its own pages."""

    name: OneLine
    origins: tuple[Origin, ...] = Field(min_length=1, description="the origins of its pages")
    country: Country | None = Field(
        default=None, description="the country its form starts with, as in DE; without it, that of the language"
    )
    recipient: Recipient | None = Field(
        default=None, description="the partner's own age recipient: newsletter contacts are sealed to it"
    )
    logo: LogoFile | None = _LOGO
    listed: StrictBool = Field(
        default=False, description='true: it agrees to stand on the page, under "Supported by"'
    )
    public_count: StrictBool = Field(
        default=False, description="true: it agrees that everybody sees how many signatures it has collected"
    )

    @property
    def website(self) -> str | None:
        """Return the first origin of its public pages; None if it has only those of a developer's machine."""
        return next((origin for origin in self.origins if origin.startswith("https:")), None)


class Supporter(_Part):
    """An organisation that endorses the petition, and has no say in it."""

    name: OneLine
    website: HttpsUrl | None = None
    logo: LogoFile | None = _LOGO


class Initiative(_Part):
    """The European Citizens' Initiative whose thresholds the count shows.

    Source of the thresholds: Regulation (EU) 2019/788, Annex I (seats x 705), for those registered from 16 July
    2024 as amended by Delegated Regulation (EU) 2024/1082 (seats x 720); `eci_thresholds.csv` holds both.
    """

    number: OneLine
    registered: Day
    hand_off: HttpsUrl | None = Field(
        default=None, description="where a live initiative is signed in the Commission's own system"
    )

    @cached_property
    def thresholds(self) -> Mapping[str, int]:
        """Read the minimum number of statements of support by country; 27 member states."""
        column = "min_720" if self.registered >= _NEW_MINIMA_FROM else "min_705"
        with _THRESHOLDS.open(newline="", encoding="utf-8") as rows:
            return {row["country"]: int(row[column]) for row in csv.DictReader(rows)}


class NextStep(_Part):
    """What people who have signed are asked to do next, such as to donate. Its words: `NextStepTexts`."""

    url: UrlInLanguage = Field(description="where it leads, as in https://www.example.org/{language}/donate")


class EarlierConsent(_Part):
    """A version of the consent text that was shown before. Days are UTC, both included.

    Its texts are in `Texts.earlier_consents`. Pages that were loaded or pasted then still send it.
    """

    version: ConsentVersion = Field(description="the consent_version of that time")
    shown_from: Day = Field(description="the first day on which it was shown, as in 2026-11-01")
    shown_until: Day = Field(description="the last day on which it was shown, as in 2026-12-05")


class NextStepTexts(_Part):
    text: OneLine = Field(
        description="why somebody who has signed should take the next step, in a sentence or two"
    )
    button: OneLine = Field(description="the words of the button, as in Donate now")


class Texts(_Part):
    """What signers read, in one language. All is plain text but the petition itself: see `markdown`.

    The consent is recorded word for word, so it has no markup that a signer does not see.
    """

    title: OneLine = Field(description="what the petition asks for, in a few words")
    addressee: OneLine = Field(description="whom the petition asks, as in European Commission")
    summary: OneLine = Field(description="the petition in two or three sentences")
    paragraphs: tuple[Text, ...] = Field(min_length=1, description="the petition itself, a list of paragraphs")
    demands_heading: OneLine = Field(description="the line above the demands")
    demands: tuple[OneLine, ...] = Field(min_length=1, description="what is demanded, a list of sentences")
    closing: Text = Field(description="the paragraph below the demands")
    call: OneLine | None = Field(default=None, description="the line above the last button, which asks to sign")
    picture_alt: OneLine | None = Field(
        default=None, description="what the picture shows, in a sentence, for people who cannot see it"
    )
    next_step: NextStepTexts | None = Field(
        default=None, description="a table with text and button, for what signers are asked to do next"
    )
    consent: Text = Field(description="names controller, purpose and political opinion: GDPR, Articles 7 and 9")
    earlier_consents: Mapping[ConsentVersion, Text] = Field(
        default={}, description="the consent texts of earlier_consents, by version, as they were shown"
    )
    arrangement: Text | None = Field(
        default=None, description="the essence of the controllers' arrangement: GDPR, Article 26"
    )
    glossary: Mapping[OneLine, OneLine] = Field(
        default={}, description="what recipients, tasks, places and the authority are called in this language"
    )


_DRAFTED_TEXTS = ("summary", "paragraphs", "closing")
_DRAFTED_IN_PRIVACY = ("supervisory_authority", "supervisory_authority_website")


_STILL_DRAFTED = "is still what a new file begins with"


def _entries(location: Location, value: str | tuple[str, ...]) -> Iterator[tuple[Location, str]]:
    """Yield each text of a list with its place in it, or the one text."""
    if isinstance(value, str):
        yield location, value
    else:
        yield from (((*location, index), text) for index, text in enumerate(value))


def _wanted(model: type[_Part], key: str) -> str:
    return str(model.model_fields[key].description)


class Campaign(_Part):
    """One campaign. `opens`, `closes`: days of `time_zone`, both included, or moments with their own offset."""

    id: FileName
    default_language: Language = Field(description="the language for readers of none that there are texts in")
    vouched_languages: tuple[Language, ...] = Field(
        min_length=1, description="the languages whose texts you have had checked: only these are chosen unasked"
    )
    goal: Whole = Field(ge=1, description="how many signatures you want")
    goal_steps: tuple[Whole, ...] = Field(min_length=1, description="the goals shown on the way, rising")
    opens: When = Field(
        description="the first day on which one can sign, as in 2026-11-01, or hour: 2026-11-01T10:00:00+01:00"
    )
    closes: When = Field(
        description="the last day on which one can sign, as in 2027-10-31, or hour: 2027-10-31T18:00:00+01:00"
    )
    time_zone: TimeZone = Field(
        default="UTC", description="at whose midnight the days of opens and closes begin and end"
    )
    minimum_age: Whole = Field(ge=13, le=21, description="the age, in years, from which one may sign")
    consent_version: ConsentVersion = Field(description="changes with every change of a consent text")
    earlier_consents: tuple[EarlierConsent, ...] = Field(
        default=(), description="the versions that were shown before, the earliest first"
    )
    picture: PictureFile | None = Field(
        default=None, description="a PNG, JPEG or WebP file in the campaign's folder, as in picture.jpg"
    )
    accent: Accent = Field(default=DEFAULT_ACCENT, description="the colour of buttons and links, as in #2a3fb0")
    share_image: PictureFile | None = Field(default=None, description="found beside the translations, never named")
    paused: bool = Field(default=False, description="from the overlay, never in the file")
    required_fields: frozenset[Literal["newsletter", "postal_code"]] = frozenset()
    asks_postal_code: StrictBool = False
    proof_of_work: ProofOfWork = "off"
    data_license: DataLicense = Field(default="CC0-1.0", description="the licence of the public numbers")
    abuse_contact: Address = Field(description="the address to which people report misuse of the form")
    sender: Sender = Field(description="a table with name and address: whom the mail comes from")
    sealing: Sealing = Field(description="a table with recipients: whose keys signers' data is sealed to")
    controllers: tuple[Controller, ...] = Field(
        min_length=1, description="who decides on the data: name, postal_address, email, website"
    )
    privacy: Privacy = Field(description="a table with all that the privacy notice is made from")
    screening: Screening = Screening()
    initiative: Initiative | None = None
    partners: Mapping[Slug, Partner] = Field(default_factory=dict)
    supporters: tuple[Supporter, ...] = Field(
        default=(), description="who endorses the petition: name, and perhaps website and logo"
    )
    next_step: NextStep | None = Field(
        default=None, description="a table with url: where the button after confirming leads"
    )
    texts: Mapping[Language, Texts] = Field(min_length=1, description="one table per language")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if errors := [*self._own_errors(), *self._partner_errors(), *self._text_errors(), *self._consent_errors()]:
            raise MisfitError(errors)
        return self

    def _own_errors(self) -> Iterator[tuple[Location, str]]:
        if self.closes_at <= self.opens_at:
            yield ("closes",), "lies before opens"
        for earlier, later in pairwise(self.goal_steps):
            if later <= earlier:
                yield ("goal_steps",), f"must rise and end with goal: {later} comes after {earlier}"
        if self.goal_steps[-1] != self.goal:
            message = f"must rise and end with goal: they end with {self.goal_steps[-1]}, and goal is {self.goal}"
            yield ("goal_steps",), message
        if "postal_code" in self.required_fields and not self.asks_postal_code:
            yield ("required_fields",), "names postal_code, but asks_postal_code is not true"

    def _partner_errors(self) -> Iterator[tuple[Location, str]]:
        owners = dict[str, str]()
        for slug, partner in self.partners.items():
            for index, origin in enumerate(partner.origins):
                if owner := owners.get(origin):
                    where = "twice" if owner == slug else f"with partners.{owner}, too"
                    message = f"the origin {origin} stands there {where}: leave it with one partner, once"
                    yield ("partners", slug, "origins", index), message
                owners[origin] = slug

    def _text_errors(self) -> Iterator[tuple[Location, str]]:
        if self.default_language not in self.texts:
            yield ("texts", self.default_language), "is missing, the default language"
        elif self.default_language not in self.vouched_languages:
            yield ("vouched_languages",), f"must name the default language, too: add {self.default_language}"
        for language in set(self.vouched_languages) - self.texts.keys():
            yield ("vouched_languages",), f"there are no texts in {language}"
        for language, texts in self.texts.items():
            for key, message in self._errors_of(texts):
                yield ("texts", language, *key), message
        if self.default_language in self.texts:
            yield from self.missing_next_step(self.default_language)

    def missing_next_step(self, language: str) -> Iterator[tuple[Location, str]]:
        """Yield the key of the words for the next step, and a sentence, if `language` lacks them.

        An error in the campaign's own language; there may be nothing to lead to in others.
        """
        if self.next_step and not self.texts[language].next_step:
            wanted = _wanted(Texts, "next_step")
            yield (
                ("texts", language, "next_step"),
                f"is missing, so pages in {language} have no such button ({wanted})",
            )

    def _consent_errors(self) -> Iterator[tuple[Location, str]]:
        known = set[str]()
        for index, each in enumerate(self.earlier_consents):
            if each.version == self.consent_version:
                yield (
                    ("earlier_consents", index, "version"),
                    "is the present consent_version: give the changed text a version of its own",
                )
            if each.version in known:
                yield ("earlier_consents", index, "version"), f"{each.version} stands there twice: leave one"
            known.add(each.version)
            if each.shown_until < each.shown_from:
                yield ("earlier_consents", index, "shown_until"), "lies before shown_from"
        for number, (earlier, later) in enumerate(pairwise(self.earlier_consents), 1):
            if later.shown_from < earlier.shown_until:
                message = f"lies before shown_until of {earlier.version}: write the earliest version first"
                yield ("earlier_consents", number, "shown_from"), message
        for language, texts in self.texts.items():
            for version in texts.earlier_consents.keys() - known:
                message = (
                    "is no version of [[earlier_consents]] in the campaign's file: add it there, with its dates"
                )
                yield ("texts", language, "earlier_consents", version), message
        if self.default_language in self.texts:
            yield from self.missing_consents(self.default_language)

    def missing_consents(self, language: str) -> Iterator[tuple[Location, str]]:
        """Yield the earlier versions whose text `language` lacks: each key, and a sentence about it.

        An error in the campaign's own language; others may have been added after that version.
        """
        for each in self.earlier_consents:
            if each.version not in self.texts[language].earlier_consents:
                message = (
                    f'lacks the text of version {each.version}: write "{each.version}" = "…", as it was shown'
                )
                yield ("texts", language, "earlier_consents"), message

    def _errors_of(self, texts: Texts) -> Iterator[tuple[Location, str]]:
        for word in texts.glossary.keys() - self.privacy.words:
            yield ("glossary", word), "stands nowhere in the privacy table; copy it from there"
        consent = " ".join(texts.consent.split())
        if not re.search(rf"(?<![0-9]){self.minimum_age}(?![0-9])", consent):
            yield ("consent",), f"does not say the minimum_age: add the number {self.minimum_age}"
        for controller in self.controllers:
            if " ".join(controller.name.split()) not in consent:
                yield ("consent",), f"does not name every controller: add {controller.name}"
        if len(self.controllers) > 1 and texts.arrangement is None:
            yield ("arrangement",), f"is missing ({_wanted(Texts, 'arrangement')})"
        if self.picture and not texts.picture_alt:
            yield ("picture_alt",), f"is missing ({_wanted(Texts, 'picture_alt')})"
        if texts.next_step and not self.next_step:
            yield ("next_step",), "leads nowhere: add [next_step] with its url to the campaign's file"
        if texts.picture_alt and not self.picture:
            yield (
                ("picture_alt",),
                'describes a picture, but the campaign has none: add picture = "…" at the top of the file',
            )

    @property
    def not_ready(self) -> list[str]:
        """Return what keeps this campaign from opening to the public: sentences that name key and remedy.

        One key is lost sooner than one thinks, and with the last key all signatures.
        """
        return [f"{self.id}.toml: {with_key(*error)}" for error in self.unready_keys()]

    def unready_keys(self) -> Iterator[tuple[Location, str]]:
        """Yield what keeps this campaign from opening: each key, and a sentence about it."""
        if self.id != CANARY:
            yield from self._drafted_keys()
        for key, recipients in self._all_recipients():
            if THROWAWAY in recipients:
                yield key, f'"{THROWAWAY}" is for local runs: put an age recipient (age1…) there instead'
        real = [recipient for recipient in self.sealing.recipients if recipient != THROWAWAY]
        if len(set(real)) < MIN_RECIPIENTS:
            message = f"needs {MIN_RECIPIENTS} keys at least, of two people"
            yield ("sealing", "recipients"), f"{message}: each of them makes one with undersign keygen"
        for recipient in real:
            if recipient in self.sealing.unproven:
                message = f"nobody has shown that the key of {recipient[:12]}… opens what is sealed to it"
                yield ("sealing", "recipients"), f"{message}: undersign prove {self.id}"

    def _drafted_keys(self) -> Iterator[tuple[Location, str]]:
        """Yield the keys whose text is still the one that a new campaign file begins with."""
        for language, texts in self.texts.items():
            for key in _DRAFTED_TEXTS:
                for location, text in _entries(("texts", language, key), getattr(texts, key)):
                    if is_drafted(text):
                        yield location, f"{_STILL_DRAFTED}: write {_wanted(Texts, key)}"
            if texts.demands == (texts.title,):
                yield ("texts", language, "demands"), f"repeats the title alone: write {_wanted(Texts, 'demands')}"
        for key in _DRAFTED_IN_PRIVACY:
            if is_drafted(getattr(self.privacy, key)):
                yield ("privacy", key), f"{_STILL_DRAFTED}: write {_wanted(Privacy, key)}"

    def _all_recipients(self) -> Iterator[tuple[Location, tuple[str, ...]]]:
        yield ("sealing", "recipients"), self.sealing.recipients
        for slug, partner in self.partners.items():
            if partner.recipient:
                yield ("partners", slug, "recipient"), (partner.recipient,)

    def text(self, language: str) -> Texts:
        """Return the texts in `language`, else in the campaign's own."""
        return self.texts.get(language) or self.texts[self.default_language]

    def consent(self, version: str, language: str) -> str | None:
        """Return the consent text of a version as readers of `language` (BCP 47) see or saw it.

        None where the file does not hold it: no such version, or not in this language.
        """
        texts = self.text(language.split("-")[0].lower())
        return texts.consent if version == self.consent_version else texts.earlier_consents.get(version)

    @property
    def asks_for_work(self) -> bool:
        """Return whether scripts are to solve a challenge before they send a signature.

        Where that is automatic, the overlay says `on` while they are.
        """
        return self.proof_of_work == "on"

    def changed(self, *, partners: Mapping[str, Partner], paused: bool, proof_of_work: ProofOfWork) -> Self:
        """Return a copy of the campaign with what its overlay changes."""
        changed = self.model_copy(update={"partners": partners, "paused": paused, "proof_of_work": proof_of_work})
        changed.__dict__.pop("partner_by_origin", None)  # which the copy has from the original
        return changed

    @property
    def listed_supporters(self) -> tuple[Supporter, ...]:
        """Return who stands under "Supported by": supporters, and partners that agree to it."""
        partners = (
            Supporter(name=each.name, website=each.website, logo=each.logo)
            for each in self.partners.values()
            if each.listed
        )
        return (*self.supporters, *partners)

    @property
    def pictures(self) -> tuple[Image, ...]:
        """Return the pictures and logos."""
        logos = (
            *(each.logo for each in self.controllers),
            *(each.logo for each in self.supporters),
            *(each.logo for each in self.partners.values()),
        )
        return tuple(filter(None, (self.picture, self.share_image, *logos)))

    @cached_property
    def images(self) -> Mapping[str, Image]:
        """Return the pictures and logos by the name of each file that is made of them; equal ones share it."""
        return {name: image for image in self.pictures for name in image.sizes}

    def closed_reason(self, now: datetime) -> ClosedReason | None:
        """Why it takes no signatures now; None where it takes them."""
        if not self.is_open(now):
            return "campaign_closed"
        return "campaign_paused" if self.paused else None

    @property
    def opens_at(self) -> datetime:
        """Return the moment from which one can sign (UTC)."""
        return self._moment(self.opens)

    @property
    def closes_at(self) -> datetime:
        """Return the moment from which one can no longer sign (UTC): where the last day ends, or the hour."""
        if isinstance(self.closes, datetime):
            return self._moment(self.closes)
        return self._moment(self.closes + timedelta(days=1))

    def _moment(self, when: date) -> datetime:
        """Return a moment in UTC. A day begins at midnight, or where the clocks skip that, an hour later."""
        if not isinstance(when, datetime):
            when = datetime(when.year, when.month, when.day, tzinfo=ZoneInfo(self.time_zone))
        # Python compares moments of one zone by their clocks, which a change to summer time makes wrong.
        return when.astimezone(UTC)

    def has_opened(self, now: datetime) -> bool:
        """Return whether the first moment has come, also when it has closed again."""
        return self.opens_at <= now

    def is_open(self, now: datetime) -> bool:
        """Return whether it is between the opening and the close."""
        return self.opens_at <= now < self.closes_at

    def takes_confirmations(self, now: datetime) -> bool:
        """Return whether signatures can be confirmed: also after the close, for `CONFIRM_GRACE`."""
        return self.opens_at <= now < self.closes_at + CONFIRM_GRACE

    @property
    def last_day(self) -> date:
        """Return the day on which it closes, where it closes."""
        return self.closes.date() if isinstance(self.closes, datetime) else self.closes

    @property
    def purged_on(self) -> date:
        """Return the day from which the signatures are no longer kept."""
        return self.last_day + timedelta(days=self.privacy.retention_days)

    def may_be_purged(self, now: datetime) -> bool:
        """Return whether `purged_on` has come, by the clocks that the campaign closes by."""
        zone = self.closes.tzinfo if isinstance(self.closes, datetime) else ZoneInfo(self.time_zone)
        return now.astimezone(zone).date() >= self.purged_on

    def next_goal(self, total: int) -> int:
        """Return the first step above `total`, else the goal."""
        return next((step for step in self.goal_steps if step > total), self.goal)

    @property
    def counted_partners(self) -> Mapping[str, Partner]:
        """Return the partners that agree to a public count of their signatures, by their short names."""
        return {slug: partner for slug, partner in self.partners.items() if partner.public_count}

    @cached_property
    def partner_by_origin(self) -> Mapping[str, str]:
        """Return the short name of the partner for each registered origin."""
        return {origin: slug for slug, partner in self.partners.items() for origin in partner.origins}
