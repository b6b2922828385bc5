"""Hazardous: digesting an address under the secret pepper.

Never rotate the pepper: sealed records cannot be digested again, so everybody could sign twice. The same goes for
any change to how an address is normalised.
"""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from shared.reference import mail_domains, mail_providers

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
        provider. Nobody signs by it, so it may follow what becomes known of a provider.
        """
        from shared.store.entities import Address

        local, domain = _canonical(email)
        mailbox, mailbox_domain = mail_providers.mailbox(local, domain)
        is_public = mail_providers.is_public(mailbox_domain)
        return Address(
            campaign=campaign,
            digest=self._digest("address", campaign, f"{local}@{domain}"),
            mailbox=self._digest("mailbox", campaign, f"{mailbox}@{mailbox_domain}"),
            domain=None if is_public else self.domain(campaign, email),
        )

    def domain(self, campaign: str, email: str) -> str:
        """Digest the domain of an address, as it was registered: its subdomains have the same digest."""
        domain = mail_domains.ascii_domain(email.rpartition("@")[2])
        return self._digest("domain", campaign, mail_domains.registered(domain))

    def _digest(self, purpose: str, campaign: str, text: str) -> str:
        message = "\0".join((purpose, campaign, text)).encode()
        digest = hmac.digest(self._pepper, message, hashlib.sha256)
        return base64.b32encode(digest).decode().rstrip("=").lower()


def _canonical(email: str) -> tuple[str, str]:
    """Return the local part, which is NFC already, and domain under which the owner of one mailbox signs once."""
    local, domain = email.rsplit("@", 1)
    return mail_providers.canonical(local.lower(), mail_domains.ascii_domain(domain))
