"""The overlay: what changes about a campaign between two deployments.

One small document per campaign, written by the organisers' desk, and `work` by deliver. `paused`, `proof_of_work`
and `partners` are published by count, so that functions without a database learn of them; each function reads them
before its first answer, later in the background, and a request uses the last good copy. `paper`, `hand_overs`,
`purged` and `lowered_at` stay inside, but for the numbers that the counter shows.

The overlay names no age recipient: write access to the database must not be enough to have signers' data sealed to
another key.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from shared import log
from shared.campaigns.model import Campaign, Partner, ProofOfWork
from shared.campaigns.types import Country, OneLine, Origin, Slug
from shared.models.whole_numbers import whole_number

_MAX_PARTNERS = 1000
_MAX_ON_PAPER = 10_000_000


def _check_number(number: int) -> int:
    if number == 0 or abs(number) > _MAX_ON_PAPER:
        raise ValueError(f"write a whole number up to {_MAX_ON_PAPER:,}, below 0 to take some off")
    return number


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class AdmittedPartner(_Part):
    """A partner that is not in the campaign file yet, or further origins of one that is."""

    name: OneLine
    origins: tuple[Origin, ...] = Field(min_length=1, max_length=100)
    country: Country | None = None


class Paper(_Part):
    """Signatures on paper: `number` people of `country`, or fewer than was thought where it is negative."""

    country: Country
    number: Annotated[int, BeforeValidator(whole_number), AfterValidator(_check_number)]
    note: OneLine
    added_at: AwareDatetime


class HandOver(_Part):
    """That signatures were given to their addressee. `sha256`: of the file that was handed over."""

    to: OneLine
    signatures: int
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    at: AwareDatetime


class PublishedOverlay(_Part):
    """The part that is public, and that every function knows."""

    paused: bool = False
    proof_of_work: ProofOfWork | None = Field(
        default=None,
        description="Set since the last deployment; without it, the campaign file's holds. `automatic`: not now.",
    )
    partners: Mapping[Slug, AdmittedPartner] = Field(default={}, max_length=_MAX_PARTNERS)


class WorkPeriod(_Part):
    """For how long browsers are asked for work because confirmations fell far behind mails."""

    since: AwareDatetime
    until: AwareDatetime


class Overlay(PublishedOverlay):
    """All of it.

    `work`: the last time for which an automatic proof of work was on (`shared/stats/automatic_work.py`).
    `purged`: when the signatures were removed; from then on the tally is the final count. `lowered_at`: when the
    desk last lowered the total on purpose, so that its fall is taken for no fault (`shared/stats/fall.py`).
    """

    work: WorkPeriod | None = None
    paper: tuple[Paper, ...] = ()
    hand_overs: tuple[HandOver, ...] = ()
    purged: AwareDatetime | None = None
    lowered_at: AwareDatetime | None = None

    def is_automatic(self, campaign: Campaign) -> bool:
        """Return whether it is left to confirmations and mails if work is asked for. `campaign`: of the file."""
        return (self.proof_of_work or campaign.proof_of_work) == "automatic"

    def work_at(self, campaign: Campaign, now: datetime) -> WorkPeriod | None:
        """Return the time for which an automatic proof of work is on; None where it is off or not automatic."""
        is_on = self.work and self.is_automatic(campaign) and now < self.work.until
        return self.work if is_on else None

    def published(self, campaign: Campaign, now: datetime) -> PublishedOverlay:
        """Return the part that count publishes. `campaign`: of the file."""
        proof_of_work = "on" if self.work_at(campaign, now) else self.proof_of_work
        return PublishedOverlay(paused=self.paused, proof_of_work=proof_of_work, partners=self.partners)

    @property
    def paper_by_country(self) -> Mapping[str, int]:
        """Sum all entries by country; countries whose sum is 0 are left out."""
        sums = dict[str, int]()
        for entry in self.paper:
            sums[entry.country] = sums.get(entry.country, 0) + entry.number
        return {country: number for country, number in sorted(sums.items()) if number}


AnyOverlay = TypeVar("AnyOverlay", bound=PublishedOverlay)


def parse_overlay(kind: type[AnyOverlay], campaign: str, content: str | bytes) -> AnyOverlay:
    """Parse an overlay as a function reads it: fields that only a newer version knows are ignored, and logged.

    Or a pause would be lost with them, until the functions are deployed again. The desk, which writes an overlay
    back, has to know every field.

    Raises:
        ValidationError: a field that is known holds what it cannot.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        if any(details["type"] != "extra_forbidden" for details in error.errors(include_input=False)):
            raise
    log.event("overlay_has_unknown_fields", "WARNING", campaign=campaign)
    return kind.model_validate_json(content, extra="ignore")


def apply_overlay(campaign: Campaign, overlay: PublishedOverlay) -> Campaign:
    """Return the campaign with its overlay applied, which takes away no partner or origin of the file."""
    owners = campaign.partner_by_origin
    partners = dict(campaign.partners)
    for slug, admitted in overlay.partners.items():
        known = partners.get(slug)
        free = tuple(origin for origin in admitted.origins if origin not in owners)
        if known:
            partners[slug] = known.model_copy(update={"origins": known.origins + free})
        elif free:
            partners[slug] = Partner(name=admitted.name, origins=free, country=admitted.country)
    proof_of_work = overlay.proof_of_work or campaign.proof_of_work
    return campaign.changed(partners=partners, paused=overlay.paused, proof_of_work=proof_of_work)
