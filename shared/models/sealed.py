"""The records that organisers and partners open: what is sealed to their keys when a signature is stored.

The only format that can never be migrated, for nobody in the cloud can open it. A change that older programs would
misread needs a new version; records without one are from before versions were written, and are of version 1.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from shared.errors import UnknownVersion
from shared.models.fields import SLUG

VERSION = 1


def _check_text(text: str) -> str:
    """Refuse half of a surrogate pair, which JSON may hold and no file can."""
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_check_text)]
#: These two become names of files, so they are checked more closely.
CountryCode = Annotated[str, Field(pattern="^[A-Z]{2}$")]
PartnerSlug = Annotated[str, Field(pattern=f"^{SLUG}$")]


class SealedContact(BaseModel):
    """What a partner with a key of its own gets of a signer who said yes to its newsletter. `locale`: BCP 47."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, defer_build=True)

    version: Literal[1] = 1
    email: Text
    name: Text
    country: CountryCode
    locale: Text


class SealedSignature(SealedContact):
    """What the organisers get of a signature. Also reads a `SealedContact`, which has none of these fields.

    `signed_at`: ISO 8601 with an offset.
    """

    campaign: Text | None = None
    signed_at: Text | None = None
    consent_version: Text | None = None
    partner: PartnerSlug | None = None
    newsletter: StrictBool | None = None
    postal_code: Text | None = None


def read(record: Mapping[str, object]) -> SealedSignature:
    """Validate an opened record, of a signature or of a contact.

    Raises:
        UnknownVersion: a newer Undersign wrote it.
        ValueError: it is not a record.
    """
    version = record.get("version", VERSION)
    if isinstance(version, bool) or version != VERSION:
        raise UnknownVersion
    return SealedSignature.model_validate({**record, "version": VERSION})
