"""Hazardous: digesting an address under the secret pepper.

Never rotate the pepper: sealed records cannot be digested again, so everybody could sign twice. The same goes for
any change to how an address is normalised.
"""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import idna

from shared.reference import mail_providers

if TYPE_CHECKING:
    from shared.store.entities import Address


class Digester:
    """Digests addresses with HMAC-SHA-256 (RFC 2104) under a secret pepper.

    Without the pepper nobody can tell which address a digest stands for; with it, anybody can test a guess.
    """

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def address(self, campaign: str, email: str) -> "Address":
        """Digest an address, which must have passed `models.fields.check_email`.

        Digests are base32 in lower case, 52 characters. That of the mailbox leaves out tags (`name+tag@`) of every
        provider.
        """
        from shared.store.entities import Address

        local, domain = _canonical(email)
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


def _canonical(email: str) -> tuple[str, str]:
    """Return the local part and domain under which the owner of one mailbox signs once.

    The domain becomes its IDNA 2008 A-label before anything is lower-cased: case-folding first would merge faß.de
    with fass.de. The local part is NFC already.
    """
    local, domain = email.rsplit("@", 1)
    domain = idna.encode(domain, uts46=True).decode().lower()
    return mail_providers.canonical(local.lower(), domain)
