"""The bodies of requests: strict models that refuse unknown fields. The OpenAPI document is made from them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.models.fields import Bcp47, Consent, ConsentVersion, Country, Email, Name, Partner, PostalCode, Source


class _Request(BaseModel):
    # Validators are built on first use: building one takes as long as a request.
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )


class Work(_Request):
    """The solution of a `Challenge`. What else it holds is ignored, or the error would repeat it."""

    model_config = ConfigDict(extra="ignore")

    day: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The challenge's.")
    nonces: list[Annotated[int, Field(ge=0, lt=2**53)]] = Field(description="The numbers found, in any order.")


class SignRequest(_Request):
    """One signature, as the form sends it."""

    email: Email = Field(description="One address, one signature; any script, `+` welcome.")
    name: Name = Field(description="Any script; no web address.")
    country: Country = Field(description="ISO 3166-1 alpha-2, and XK for Kosovo.")
    locale: Bcp47 = Field(description="BCP 47; the language to answer and to mail in.")
    consent: Consent = Field(description="True: the signer ticked the campaign's consent text.")
    consent_version: ConsentVersion = Field(
        description="The version of the consent text that was shown; it is recorded with the signature."
    )
    partner: Partner | None = Field(default=None, description="The partner on whose page it was signed.")
    source: Source | None = Field(default=None, description="Where the signer came from.")
    newsletter: bool | None = Field(default=None, description="Yes or no to the organisation's newsletter.")
    postal_code: PostalCode | None = Field(default=None, description="Where the campaign asks for it.")
    page_seconds: int | None = Field(
        default=None, ge=0, description="Whole seconds since the page was loaded; not stored. JSON only."
    )
    work: Work | None = Field(
        default=None, description="Where the campaign asks for proof of work: `work` of the form. JSON only."
    )


class LinksRequest(_Request):
    """A request to mail an address its links."""

    email: Email
    locale: Bcp47
