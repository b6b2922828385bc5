"""Bodies of requests and answers as the OpenAPI document shows them; each is an instance of its model."""

from datetime import UTC, date, datetime

from shared.campaigns.overlay import AdmittedPartner, PublishedOverlay
from shared.models.requests import LinksRequest, SignRequest
from shared.models.responses import (
    CheckInbox,
    Count,
    CountryThreshold,
    Forecast,
    Form,
    FormPartner,
    FormSender,
    FormSharing,
    History,
    HistoryPoint,
    OEmbed,
    PartnerCount,
    Rate,
    Thresholds,
)
from shared.stats.aliases import (
    Petition,
    PetitionAttributes,
    PetitionData,
    PetitionLinks,
    SignaturesByCountry,
)

_CAMPAIGN = "reclaim-your-face"
_PAGE = f"https://petition.example.org/c/{_CAMPAIGN}"
_AS_OF = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
_BY_COUNTRY = {"DE": 912, "FR": 640, "other": 12}

# Not validated here: what checks an address is no package of embed's. A test sends both to sign.
SIGN = SignRequest.model_construct(
    email="ann@example.org",
    name="Ann Example",
    country="DE",
    locale="en",
    consent=True,
    consent_version="2026-11-27",
)
LINKS = LinksRequest.model_construct(email="ann@example.org", locale="en")
CHECK_INBOX = CheckInbox()

COUNT = Count(
    campaign=_CAMPAIGN,
    data_license="CC0-1.0",
    total=1564,
    held=0,
    goal=1_000_000,
    next_goal=10_000,
    as_of=_AS_OF,
    rate=Rate(last_hour=41, last_24_hours=802),
    last_confirmed_at=datetime(2026, 11, 22, 17, 59, tzinfo=UTC),
    forecast=Forecast(next_goal=date(2026, 12, 3)),
    by_country=_BY_COUNTRY,
    by_partner=[PartnerCount(id="digital-rights", name="Digital Rights", total=310)],
    thresholds=Thresholds(
        basis="Petition signatures by the country each signer declared.",
        needed=7,
        met=0,
        by_country={"DE": CountryThreshold(needed=69_120, met=False, share=0.0131)},
    ),
)
UK_PETITION = Petition(
    links=PetitionLinks(self=f"https://petition.example.org/v1/campaigns/{_CAMPAIGN}/uk.json"),
    data=PetitionData(
        id=_CAMPAIGN,
        attributes=PetitionAttributes(
            action="Ban biometric mass surveillance",
            background="Nobody should be recognised, tracked and judged in public by machines.",
            additional_details="The petition itself, its paragraphs separated by empty lines.",
            state="open",
            signature_count=COUNT.total,
            created_at=datetime(2026, 11, 1, tzinfo=UTC),
            updated_at=_AS_OF,
            opened_at=datetime(2026, 11, 1, tzinfo=UTC),
            creator_name="Example Campaign",
            signatures_by_country=[SignaturesByCountry(name="Germany", code="DE", signature_count=912)],
        ),
    ),
)
BADGE = '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="48" role="img">…<text>1,564</text>…</svg>'
MILESTONES = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><id>…</id>…'
    f"<entry><id>{_PAGE}/progress?lang=en#1000</id><title>1,000 people have signed</title>"
    "<updated>2026-11-22T07:00:00Z</updated>…</entry></feed>"
)
SCRIPT = "const ORIGIN = new URL(import.meta.url).origin; …"
HISTORY_DAYS = History(
    campaign=_CAMPAIGN,
    as_of=_AS_OF,
    points=[
        HistoryPoint(at=datetime(2026, 11, 21, 23, 0, tzinfo=UTC), total=803, by_country={"DE": 803}),
        HistoryPoint(at=_AS_OF, total=1564, by_country=_BY_COUNTRY),
    ],
)
HISTORY_HOURS = History(campaign=_CAMPAIGN, as_of=_AS_OF, points=[HistoryPoint(at=_AS_OF, total=1564)])

_PARTNER = AdmittedPartner(name="New Partner", origins=("https://new.example.org",), country="FR")
OVERLAY = PublishedOverlay(partners={"new-partner": _PARTNER})

FORM = Form(
    campaign=_CAMPAIGN,
    language="en",
    title="Ban biometric mass surveillance",
    partners=[
        FormPartner(
            id="digital-rights", name="Digital Rights", country="DE", origins=["https://rights.example.org"]
        )
    ],
    organisation="Example Campaign",
    language_country="IE",
    countries=[("FR", "France"), ("DE", "Germany")],
    required=["name", "email", "country"],
    asks_postal_code=False,
    consent="I am at least 16 years old and sign this petition.",
    consent_version="2026-11-27",
    hosted_page=f"{_PAGE}?lang=en",
    privacy_page=f"{_PAGE}/privacy?lang=en",
    contact="campaign@example.org",
    sender=FormSender(name="Example Campaign", address="petition@example.org"),
    subject="One more step: confirm your signature",
    mailboxes={"example.com": "https://mail.example.com"},
    lookalikes=["exampel.com"],
    share=FormSharing(
        services={"Mastodon": "https://share.joinmastodon.org/#text={text}%20{url}"}, primary={"BG": "Viber"}
    ),
    texts={"form.submit": "Sign"},
)

OEMBED = OEmbed(
    type="rich",
    title="Ban biometric mass surveillance in public places",
    author_name="Unwatched Europe e.V.",
    author_url="https://unwatched.example.org",
    provider_name="Unwatched Europe",
    provider_url="https://petition.example.org",
    html=f'<iframe src="{_PAGE}/progress?lang=de&amp;embed=1" title="…" width="600" height="340"></iframe>',
    width=600,
    height=340,
)
OEMBED_XML = "<?xml version='1.0' encoding='utf-8'?>\n<oembed><type>rich</type><version>1.0</version>…</oembed>"

QR = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 37 37"><path fill="#fff" d="M0 0h37v37h-37z"/>…</svg>'
