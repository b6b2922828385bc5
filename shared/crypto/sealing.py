"""Hazardous: sealing to public keys, opening an envelope, digesting an address.

What must never be done with these: seal with a key whose identity nobody holds; keep an identity anywhere but in
Secret Manager (deliver's) or on the organisers' own machines (the campaign's); rotate the pepper, because sealed
records cannot be digested anew and everybody could sign twice; compare or log an opened envelope.

Sealed data is an age file (https://age-encryption.org/v1, X25519), which the stock `age` tool opens.
"""

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import idna
import pyrage

from shared.errors import ConfigurationError, Unopenable

if TYPE_CHECKING:
    from shared.store.entities import Address

#: How far `name+tag@` and dots are known to lead to the same mailbox, and which domains are one provider's: from
#: the help pages of Google, Microsoft, Apple, Proton, Fastmail and Yandex. Two mailboxes taken for one would keep
#: somebody from signing, so what is not known for sure is not here.
_ALIASES = {
    "googlemail.com": "gmail.com",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
    "protonmail.com": "proton.me",
    "protonmail.ch": "proton.me",
    "pm.me": "proton.me",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
}
_IGNORE_DOTS = frozenset({"gmail.com", "proton.me"})
_IGNORE_TAGS = frozenset(
    {"gmail.com", "proton.me", "icloud.com", "yandex.ru", "outlook.com", "hotmail.com", "live.com", "fastmail.com"}
)

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


class Digester:
    """Turns an address into where it is stored, with HMAC-SHA-256 (RFC 2104) under a secret pepper.

    Without the pepper nobody can tell which address a digest stands for; with it, anybody can test a guess.
    """

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def address(self, campaign: str, email: str) -> "Address":
        """`email` must have passed `models.check_email`; digests are base32, lower case, 52 characters."""
        from shared.store.entities import Address

        local, domain = canonical(email)
        mailbox = local.split("+")[0] or local
        return Address(
            campaign=campaign,
            digest=self._digest("address", campaign, f"{local}@{domain}"),
            mailbox=self._digest("mailbox", campaign, f"{mailbox}@{domain}"),
        )

    def _digest(self, purpose: str, campaign: str, text: str) -> str:
        message = "\0".join((purpose, campaign, text)).encode()
        digest = hmac.digest(self._pepper, message, hashlib.sha256)
        return base64.b32encode(digest).decode().rstrip("=").lower()


def canonical(email: str) -> tuple[str, str]:
    """Local part and domain under which one mailbox's owner signs once.

    The domain becomes its IDNA 2008 A-label before anything is lower-cased: case-folding first would merge faß.de
    with fass.de. The local part is NFC already.
    """
    local, domain = email.rsplit("@", 1)
    domain = idna.encode(domain, uts46=True).decode().lower()
    domain = _ALIASES.get(domain, domain)
    local = local.lower()
    if domain in _IGNORE_TAGS:
        local = local.split("+")[0] or local
    if domain in _IGNORE_DOTS:
        local = local.replace(".", "") or local
    return local, domain
