"""The bodies of responses. The OpenAPI document is made from these models."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.reference.licenses import DataLicense


class _Response(BaseModel):
    # Serializers are built on first use: no function uses all, and building one takes as long as a request.
    model_config = ConfigDict(defer_build=True)


class CheckInbox(_Response):
    """The same for every address, byte for byte."""

    status: Literal["check_inbox"] = "check_inbox"


class Pressed(_Response):
    """What a link did."""

    status: Literal["confirmed", "withdrawn"]


class CountryThreshold(_Response):
    needed: int
    met: bool
    share: float | None = Field(
        default=None,
        description="Signatures divided by `needed`, rounded down to four decimals, above 1 where it is exceeded; "
        "absent for a country under 10.",
    )


class Thresholds(_Response):
    """Progress against the minima of a European Citizens' Initiative."""

    basis: str = Field(description="What is counted, in words.")
    needed: int = Field(description="How many member states must reach their minimum.")
    met: int
    by_country: dict[str, CountryThreshold]


class PaperCount(_Response):
    """Signatures on paper, as the organisers have counted them; they are in no other number."""

    total: int
    by_country: dict[str, int]


class PartnerCount(_Response):
    """The signatures that one partner has collected: on its pages, and by links that name it."""

    id: str
    name: str
    total: int


class Rate(_Response):
    """By how much the total grew; absent where the history does not say, as after a fall of the total."""

    last_hour: int | None = None
    last_24_hours: int | None = None


class Forecast(_Response):
    """The days (UTC) on which the total reaches the goals, if it grows as in the last week.

    One that would come after the close, or in more than ten years, is absent.
    """

    goal: date | None = None
    next_goal: date | None = None


class Count(_Response):
    """The public counter."""

    campaign: str
    data_license: DataLicense = Field(
        description="The licence of all the numbers, as an SPDX identifier. CC-BY-4.0 asks to name the petition."
    )
    total: int
    held: int = Field(
        description="Confirmed signatures that are in no other number, because the organisers still check whether "
        "people made them; rounded down to tens."
    )
    goal: int
    next_goal: int = Field(description="The first step above the total. Show none once the petition has closed.")
    closed_reason: Literal["campaign_closed", "campaign_paused"] | None = Field(
        default=None, description="Why no signatures are taken now; absent where they are."
    )
    as_of: datetime
    rate: Rate | None = None
    last_confirmed_at: datetime | None = Field(
        default=None,
        description="The minute in which the total last rose; absent unless the last hour brought ten.",
    )
    forecast: Forecast | None = Field(
        default=None,
        description="Absent where no signatures are taken, before there are 24 hours of numbers to go by, and "
        "once the goal is reached.",
    )
    by_country: dict[str, int] = Field(
        description="ISO codes; countries under 10 are folded into `other`. The sum is the total."
    )
    by_partner: list[PartnerCount] | None = Field(
        default=None,
        description="The partners that agree to it and have collected 10 at least, the largest first; absent "
        "if there are no such partners. The rest of the total was collected by others, or without a partner.",
    )
    thresholds: Thresholds | None = None
    paper: PaperCount | None = Field(default=None, description="Shown apart, and only where there is some.")


class HistoryPoint(_Response):
    """The counter as it stood at one moment."""

    at: datetime
    total: int
    by_country: dict[str, int] | None = Field(
        default=None, description="Folded like the counter's; given for days only."
    )


class History(_Response):
    """How the count has grown. `points`: oldest first; an hour or a day in which nothing was kept has none."""

    campaign: str
    as_of: datetime
    points: list[HistoryPoint]


class FormSender(_Response):
    name: str
    address: str


class FormSharing(_Response):
    services: Mapping[str, str] = Field(description="Each service's address, with {text} and {url} to fill in.")
    primary: Mapping[str, str] = Field(description="The service to offer first, by country; else WhatsApp.")


class FormPartner(_Response):
    id: str
    name: str
    country: str | None = Field(default=None, description="The country that its form starts with.")
    origins: Sequence[str] = Field(description="The origins of its pages, which alone may send the form.")


class Challenge(_Response):
    """Proof of work that is asked for: find numbers whose PBKDF2-HMAC-SHA-256 begins with this many zero bits.

    Password: campaign, day and address as it is sent, with a space between; salt: the number in decimal.
    """

    day: str = Field(description="Today (UTC), as in 2026-11-27.")
    nonces: int = Field(description="How many different numbers are wanted.")
    bits: int
    iterations: int


class Form(_Response):
    """A petition's form in one language, as the widget shows it: which partner's page it is on, it finds out."""

    campaign: str
    language: str
    title: str
    closed_reason: Literal["campaign_closed", "campaign_paused"] | None = Field(
        default=None, description="Why no signatures are taken now; absent where they are."
    )
    partners: Sequence[FormPartner]
    organisation: str = Field(description="Who writes the newsletter of signers who come from no partner's page.")
    language_country: str | None = None
    countries: Sequence[tuple[str, str]] = Field(
        description="Code and name, in the language's order; none for our own pages, whose form is there already."
    )
    required: Sequence[str]
    asks_postal_code: bool
    consent: str
    consent_version: str = Field(description="The version of that text, to send along.")
    hosted_page: str = Field(description="Where one can sign instead; `&partner=` may be added.")
    privacy_page: str
    contact: str = Field(description="Who registers a partner's pages.")
    sender: FormSender
    subject: str = Field(description="Of the mail to look for.")
    mailboxes: Mapping[str, str] = Field(
        description="Mail providers' domains, and where each shows its mailboxes."
    )
    lookalikes: Sequence[str] = Field(description="Domains that look like slips of `mailboxes`, and are none.")
    share: FormSharing
    work: Challenge | None = Field(default=None, description="The work that signing takes; absent where none.")
    texts: Mapping[str, str]


class Health(_Response):
    status: Literal["ok"] = "ok"
    function: str
    version: str


class FieldProblem(_Response):
    field: str
    code: str
    message: str


class OEmbed(_Response):
    """What an editor shows in place of a page's address (https://oembed.com, 2.3.4). Pixels."""

    version: Literal["1.0"] = "1.0"
    type: Literal["rich", "link"]
    title: str
    author_name: str
    author_url: str
    provider_name: str
    provider_url: str
    html: str | None = Field(default=None, description="A frame in a sandbox; `rich` alone has one, and its size.")
    width: int | None = None
    height: int | None = None


class Problem(_Response):
    """RFC 9457, with our stable `code`."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None
    hosted_page: str | None = None
    campaigns: list[str] | None = Field(default=None, description="Of an unknown campaign: those that are open.")
    consent: str | None = Field(
        default=None, description="The present consent text, where an error is `consent_changed`."
    )
    consent_version: str | None = Field(default=None, description="The version of that text, to send along.")
    work: Challenge | None = Field(
        default=None, description="What is to be solved, where an error is `work_required`."
    )
