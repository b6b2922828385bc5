"""Hazardous: sealing to public keys, and opening what was sealed to ours.

Never seal with a key whose identity nobody holds; never keep an identity anywhere but in Secret Manager
(deliver's) or on the organisers' own machines (the campaign's); never compare or log an opened envelope.

Sealed data is an age file (https://age-encryption.org/v1, X25519), which the stock `age` tool opens.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyrage

from shared.errors import ConfigurationError, Unopenable

if TYPE_CHECKING:
    pass


_BLOCK_BYTES = 512


def parse_recipient(recipient: str) -> pyrage.x25519.Recipient:
    """An `age1…` public key.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise ConfigurationError(f"{recipient[:12]}… is not an age recipient") from None


def seal(content: Mapping[str, object] | str, recipients: Sequence[pyrage.x25519.Recipient]) -> bytes:
    """JSON as an age file that any one of `recipients` opens.

    The JSON is filled up with spaces to a multiple of 512 bytes, so that the length of what is stored does not
    give away how long a name and an address are. Each recipient adds about 100 bytes.
    """
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    encoded = text.encode()
    blocks = math.ceil(len(encoded) / _BLOCK_BYTES)
    sealed: bytes = pyrage.encrypt(encoded.ljust(blocks * _BLOCK_BYTES), list(recipients))
    return sealed


class Sealer:
    """Seals the signatures of one campaign.

    `recipients`: the campaign's. `partners`: the own recipient of each partner that has one, by its slug.
    """

    def __init__(self, recipients: Sequence[str], partners: Mapping[str, str]) -> None:
        self._recipients = [parse_recipient(recipient) for recipient in recipients]
        self._partners = {slug: parse_recipient(recipient) for slug, recipient in partners.items()}

    def for_campaign(self, personal: Mapping[str, object]) -> bytes:
        """What only the organisers may read."""
        return seal(personal, self._recipients)

    def for_partner(self, slug: str | None, contact: Mapping[str, object]) -> bytes | None:
        """What one partner may read; None where it has no recipient of its own."""
        recipient = self._partners.get(slug or "")
        return seal(contact, [recipient]) if recipient else None


class Opener:
    """Opens what was sealed to any of `identities` (`AGE-SECRET-KEY-1…`): the current one and those before it."""

    def __init__(self, identities: Sequence[str]) -> None:
        try:
            self._identities = [pyrage.x25519.Identity.from_str(identity) for identity in identities]
        except pyrage.IdentityError:
            raise ConfigurationError("an age identity cannot be read") from None

    def open(self, sealed: bytes) -> bytes:
        """
        Raises:
            Unopenable: not an age file, changed on the way, or sealed to somebody else.
        """
        try:
            content: bytes = pyrage.decrypt(sealed, self._identities)
        except pyrage.DecryptError:
            raise Unopenable("none of our identities opens it") from None
        return content
