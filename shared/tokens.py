"""Hazardous: the links in the mail. Whoever holds a token may confirm or withdraw the signature it names.

What must never be done with these: log one; put one into a page's address that other sites see; accept one for
another purpose than it was made for; accept one whose signature is written differently from how we write it.

A token is `fields~….time.signature~u`: signed by itsdangerous with HMAC-SHA-256 under a key of its purpose, its
fields readable, all characters unreserved in URLs. It ends in a fixed letter, because mail programs cut off
punctuation at the end of an address and Cloud Run keeps paths that end in z to itself.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from itsdangerous import BadSignature, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode

from shared.errors import ExpiredToken, InvalidToken

_END = "~u"


class Purpose(StrEnum):
    CONFIRM = "confirm"
    WITHDRAW = "withdraw"


#: A confirm link lives as long as what it confirms; a withdraw link as long as a campaign, and its follow-up.
_TTL = {Purpose.CONFIRM: timedelta(days=30), Purpose.WITHDRAW: timedelta(days=3 * 365)}


@dataclass(frozen=True, slots=True)
class Link:
    """What a token names. `newsletter`: "1", "0" or "" (not asked); empty strings for what is not there.

    Country, partner and newsletter are for the confirm page, which says them back without asking a database.
    """

    campaign: str
    digest: str
    locale: str
    submission: str = ""
    country: str = ""
    partner: str = ""
    newsletter: str = ""


class Tokens:
    """Issues with the newest of `keys`, accepts any: rotate by adding one and later removing the oldest."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)

    def issue(self, purpose: Purpose, link: Link, now: datetime) -> str:
        signer = _SignerAt(now, self._keys, purpose)
        return signer.sign("~".join(astuple(link))).decode() + _END

    def verify(self, purpose: Purpose, token: str, now: datetime) -> Link:
        """
        Raises:
            InvalidToken: not one of ours, or for another purpose, or changed in any character.
            ExpiredToken: ours, and too old; carries the campaign's id.
        """
        signed = token.removesuffix(_END)
        if signed == token:
            raise InvalidToken
        try:
            value, issued_at = _SignerAt(now, self._keys, purpose).unsign(signed, return_timestamp=True)
            _check_canonical(signed)
            link = Link(*value.decode().split("~"))
        except (BadSignature, TypeError, ValueError):
            raise InvalidToken from None
        if now - issued_at > _TTL[purpose]:
            raise ExpiredToken(campaign=link.campaign)
        return link


class _SignerAt(TimestampSigner):
    """A signer whose clock stands at `now`."""

    def __init__(self, now: datetime, keys: list[str], purpose: Purpose) -> None:
        super().__init__(keys, salt=f"undersign.{purpose}.v1", key_derivation="hmac", digest_method=hashlib.sha256)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now.astimezone(UTC).timestamp())


def _check_canonical(signed: str) -> None:
    """Refuse another spelling of the same bytes: base64's last character has bits that mean nothing."""
    for part in signed.rsplit(".", 2)[1:]:
        if base64_encode(base64_decode(part)).decode() != part:
            raise BadSignature("not canonical")
