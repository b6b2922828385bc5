"""Hazardous: digesting an address under the secret pepper.

Never rotate the pepper: sealed records cannot be digested again, and everybody could sign twice.
"""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import idna

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
