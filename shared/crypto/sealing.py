"""Hazardous: sealing to public keys, and opening what was sealed to ours.

Never seal to a key whose identity nobody holds; never keep an identity anywhere but in Secret Manager
(deliver's) or on the organisers' own machines (the campaign's); never compare or log an opened envelope.

Sealed data is an age file (https://age-encryption.org/v1, X25519), which the stock `age` tool opens.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyrage

from shared.errors import ConfigurationError, Unopenable

if TYPE_CHECKING:
    from shared.models.sealed import SealedContact, SealedSignature

_BLOCK_BYTES = 512


def parse_recipient(recipient: str) -> pyrage.x25519.Recipient:
    """Parse an age public key (`age1…`).

    Raises:
        ConfigurationError: it is not one.
    """
    try:
        return pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise ConfigurationError(f"{recipient[:12]}… is not an age recipient") from None


def seal(text: str, recipients: Sequence[pyrage.x25519.Recipient]) -> bytes:
    """Seal JSON into an age file that any one of `recipients` opens.

    It is padded with spaces to a multiple of 512 bytes, so that the length of what is stored does not give away
    how long a name and an address are. Each recipient adds about 100 bytes.
    """
    encoded = text.encode()
    blocks = math.ceil(len(encoded) / _BLOCK_BYTES)
    sealed: bytes = pyrage.encrypt(encoded.ljust(blocks * _BLOCK_BYTES), list(recipients))
    return sealed


class Sealer:
    """Seals the signatures of one campaign.

    `recipients`: the campaign's. `partners`: the recipient of each partner that has its own, by slug.
    """

    def __init__(self, recipients: Sequence[str], partners: Mapping[str, str]) -> None:
        self._recipients = [parse_recipient(recipient) for recipient in recipients]
        self._partners = {slug: parse_recipient(recipient) for slug, recipient in partners.items()}

    def for_campaign(self, signature: "SealedSignature") -> bytes:
        """Seal a signature to the organisers."""
        return seal(signature.model_dump_json(), self._recipients)

    def for_partner(self, slug: str | None, contact: "SealedContact") -> bytes | None:
        """Seal a contact to one partner; None if the partner has no recipient of its own."""
        recipient = self._partners.get(slug or "")
        return seal(contact.model_dump_json(), [recipient]) if recipient else None


class Opener:
    """Opens what was sealed to any of `identities` (`AGE-SECRET-KEY-1…`): the current one and those before it."""

    def __init__(self, identities: Sequence[str]) -> None:
        try:
            self._identities = [pyrage.x25519.Identity.from_str(identity) for identity in identities]
        except pyrage.IdentityError:
            raise ConfigurationError("an age identity cannot be read") from None

    def open(self, sealed: bytes) -> bytes:
        """Open an age file.

        Raises:
            Unopenable: not an age file, changed on the way, or sealed to somebody else.
        """
        try:
            content: bytes = pyrage.decrypt(sealed, self._identities)
        except pyrage.DecryptError:
            raise Unopenable("none of our identities opens it") from None
        return content
