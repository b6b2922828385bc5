"""Hazardous: the tokens in the links of the mail, whose holder may confirm or withdraw a signature, and in its
header, whose holder may have the mailbox that it went to mailed no more for a time.

Never log one; never put one into the address of a page that other sites learn; never accept one for another
purpose than it was made for; never accept one whose signature is encoded differently from how we encode it.

A token is `fields~….time.signature~u`: signed by itsdangerous with HMAC-SHA-256 under a key of its purpose, its
fields readable, all characters unreserved in URLs. It ends in a fixed letter, because mail programs cut off
punctuation at the end of an address and Cloud Run reserves paths that end in z.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from itsdangerous import BadData, BadSignature, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode

from shared.errors import ExpiredToken, InvalidToken

_END = "~u"
#: What a field may hold: "~" separates the fields, and anything else would be quoted in URLs. Ours are digests,
#: ids, days, and words that passed a narrower check (`models.fields.SLUG` for partner and source).
_FIELD = re.compile(r"[A-Za-z0-9._-]*")
#: The first fields of a link stand in its token as they are, the others together in base64.
_PLAIN_FIELDS = 7
#: Campaign and partner 40, digest 52, submission 32, locale and country 2, newsletter 1; 94 for day 10, source 40,
#: language 8 and mailbox 9 in base64; 7 separators, 6 of time, 43 of signature, 4 around these. A line of a mail
#: takes 998 characters (RFC 5322, 2.1.1), a browser's address thousands.
MAX_CHARACTERS = 323


class Purpose(StrEnum):
    CONFIRM = "confirm"
    WITHDRAW = "withdraw"
    #: Proves that a report is about a mail of ours.
    REPORT = "report"


#: A confirm link lives as long as what it confirms; a withdraw link as long as a campaign, and its follow-up.
#: Mails come back within a week, complaints soon after the mail was read.
_TTL = {
    Purpose.CONFIRM: timedelta(days=30),
    Purpose.WITHDRAW: timedelta(days=3 * 365),
    Purpose.REPORT: timedelta(days=30),
}


@dataclass(frozen=True, slots=True)
class Link:
    """What a token names. `newsletter`: "1", "0" or "" (not asked); empty strings for what is not there.

    `digest`: the address's, and that of the mailbox for a report. `mailbox`: the class of the mail provider.

    Country, partner and newsletter are for the confirm page, which repeats them without reading a database. The
    last four are for the funnel (see `links.cohort`), which counts opened links without reading one.

    Source and language can be any text. In plain sight they would carry a message of 48 characters to any address
    that a spammer types into the form, so the last four are in base64, in which they spell nothing.

    All of this can be read by the signer and by anybody whom the signer shows the link. So it holds only what
    many have in common, such as "other" for a mailbox at none of the large providers, and nothing that is stored
    sealed.
    """

    campaign: str
    digest: str
    locale: str
    submission: str = ""
    country: str = ""
    partner: str = ""
    newsletter: str = ""
    day: str = ""
    source: str = ""
    language: str = ""
    mailbox: str = ""


class Tokens:
    """Signs with the newest of `keys`, verifies with any: rotate by adding one and later removing the oldest."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)

    def issue(self, purpose: Purpose, link: Link, now: datetime) -> str:
        """Issue a token, at most `MAX_CHARACTERS` long.

        Raises:
            ValueError: a field has a character that separates fields, or that a link may not hold.
        """
        fields = astuple(link)
        if not all(_FIELD.fullmatch(field) for field in fields):
            raise ValueError("a field of the link has a character that a token cannot hold")
        signer = _SignerAt(now, self._keys, purpose)
        return signer.sign(_encode(fields)).decode() + _END

    def verify(self, purpose: Purpose, token: str, now: datetime) -> Link:
        """Verify a token and return its link, see `verify_time`."""
        return self.verify_time(purpose, token, now)[0]

    def verify_time(self, purpose: Purpose, token: str, now: datetime) -> tuple[Link, datetime]:
        """Verify a token; return its link, and when it was issued.

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
            link = _decode(value.decode())
        except (BadData, TypeError, ValueError):
            raise InvalidToken from None
        if now - issued_at > _TTL[purpose]:
            raise ExpiredToken(campaign=link.campaign)
        return link, issued_at


def _encode(fields: Sequence[str]) -> str:
    return "~".join(
        [*fields[:_PLAIN_FIELDS], base64_encode("~".join(fields[_PLAIN_FIELDS:]).rstrip("~").encode()).decode()]
    )


def _decode(encoded: str) -> Link:
    *plain, others = encoded.split("~")
    if len(plain) != _PLAIN_FIELDS:
        raise ValueError("wrong number of fields")
    return Link(*plain, *base64_decode(others).decode().split("~"))


class _SignerAt(TimestampSigner):
    """A signer whose clock shows `now`."""

    def __init__(self, now: datetime, keys: list[str], purpose: Purpose) -> None:
        super().__init__(keys, salt=f"undersign.{purpose}.v1", key_derivation="hmac", digest_method=hashlib.sha256)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now.astimezone(UTC).timestamp())


def _check_canonical(signed: str) -> None:
    """Refuse another encoding of the same bytes: the last character of base64 has unused bits."""
    for part in signed.rsplit(".", 2)[1:]:
        if base64_encode(base64_decode(part)).decode() != part:
            raise BadSignature("not canonical")
