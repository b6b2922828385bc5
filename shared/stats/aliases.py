"""The count in shapes that existing programs read: a tracker of another petition needs no more than a new address.

The European Commission's online collection system (`/public/api/report/progression` and `…/map`), as
sxyseo/StopKillingGamesTracker and will-neithan/stopkillinggames_overlay read it; and UK Parliament's petitions
(`/petitions/ID.json` and `…/count.json`), as alphagov/e-petitions writes them. Nothing is in them that the count
does not say; docs/api.md names what they lack.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.campaigns.model import Campaign
from shared.locales import Locale
from shared.models.responses import Count
from shared.reference import countries
from shared.stats.count import OTHER


class _Commission(BaseModel):
    model_config = ConfigDict(
        defer_build=True, alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )


class Progression(_Commission):
    """The Commission's `report/progression`."""

    signature_count: int
    goal: int


class SignatureCountryCount(_Commission):
    """One country; `treshold` as the Commission spells it. `count`, `totalCount`: of older and of newer systems.

    The number is 0 where the country is folded.
    """

    country_code: str
    count: int
    total_count: int
    treshold: int
    percentage: float


class DistributionMap(_Commission):
    """The Commission's `report/map`."""

    signature_country_count: list[SignatureCountryCount]
    last_update: datetime


class _Parliament(BaseModel):
    model_config = ConfigDict(defer_build=True)


class PetitionCount(_Parliament):
    """UK Parliament's `count.json`."""

    signature_count: int


class SignaturesByCountry(_Parliament):
    name: str
    code: str
    signature_count: int


class PetitionAttributes(_Parliament):
    """What a petition is and how it stands. What Parliament does with one is null or empty here."""

    action: str
    background: str
    additional_details: str
    state: Literal["open", "closed"]
    signature_count: int
    created_at: datetime
    updated_at: datetime
    opened_at: datetime
    closed_at: datetime | None = None
    creator_name: str
    rejection: None = None
    government_response: None = None
    debate: None = None
    signatures_by_country: list[SignaturesByCountry]
    signatures_by_constituency: list[SignaturesByCountry] = []
    signatures_by_region: list[SignaturesByCountry] = []


class PetitionData(_Parliament):
    type: Literal["petition"] = "petition"
    id: str
    attributes: PetitionAttributes


class PetitionLinks(_Parliament):
    self: str


class Petition(_Parliament):
    """UK Parliament's `/petitions/ID.json`; the id is the campaign's name, not a number."""

    links: PetitionLinks
    data: PetitionData


def progression(count: Count) -> Progression:
    """Return total and goal as the Commission does."""
    return Progression(signature_count=count.total, goal=count.goal)


def distribution_map(count: Count) -> DistributionMap:
    """Return the countries as the Commission does, the nearest to its minimum first.

    Those with a minimum; where there are none, those that are shown, with a minimum of 0.
    """
    minima = (
        {code: each.needed for code, each in count.thresholds.by_country.items()} if count.thresholds else None
    )
    rows = [
        SignatureCountryCount(
            country_code=code.lower(),
            count=number,
            total_count=number,
            treshold=needed,
            percentage=number * 10_000 // needed / 100 if needed else 0,
        )
        for code, needed in (minima or dict.fromkeys(count.by_country.keys() - {OTHER}, 0)).items()
        for number in [count.by_country.get(code, 0)]
    ]
    rows.sort(key=lambda row: (-row.percentage, -row.count, row.country_code))
    return DistributionMap(signature_country_count=rows, last_update=count.as_of)


def petition_count(count: Count) -> PetitionCount:
    """Return the total as UK Parliament does."""
    return PetitionCount(signature_count=count.total)


def petition(count: Count, campaign: Campaign, locale: Locale, url: str) -> Petition:
    """Return the petition as UK Parliament does, in one language. `url`: of this answer."""
    texts = campaign.text(locale.language)
    is_closed = count.as_of >= campaign.closes_at  # before it opens, too, nobody can sign
    attributes = PetitionAttributes(
        action=texts.title,
        background=texts.summary,
        additional_details="\n\n".join(texts.paragraphs),
        state="closed" if is_closed else "open",
        signature_count=count.total,
        created_at=campaign.opens_at,
        updated_at=count.as_of,
        opened_at=campaign.opens_at,
        closed_at=campaign.closes_at if is_closed else None,
        creator_name=campaign.controllers[0].name,
        signatures_by_country=_by_country(count, locale),
    )
    return Petition(links=PetitionLinks(self=url), data=PetitionData(id=campaign.id, attributes=attributes))


def _by_country(count: Count, locale: Locale) -> list[SignaturesByCountry]:
    rows = [
        SignaturesByCountry(name=name, code=code, signature_count=count.by_country[code])
        for code, name in countries.names(locale.language)
        if code in count.by_country
    ]
    if OTHER in count.by_country:
        others = locale("progress.others")
        rows.append(SignaturesByCountry(name=others, code=OTHER, signature_count=count.by_country[OTHER]))
    return rows
