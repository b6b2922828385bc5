"""Mail domains, by two lists that others keep: where names are registered, and which mailboxes are thrown away.

The lists are read when they are first needed, which takes a tenth of a second: most processes never do.
"""

from functools import cache
from typing import TYPE_CHECKING

import idna

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


def ascii_domain(domain: str) -> str:
    """Return a domain as its IDNA 2008 A-label, in lower case.

    Lower-casing first would merge faß.de with fass.de.
    """
    return idna.encode(domain, uts46=True).decode().lower()


def registered(domain: str) -> str:
    """Return the domain that was registered, of which an A-label is a subdomain: cs.ox.ac.uk is of ox.ac.uk.

    Where a company hands out subdomains of its own domain, that one counts, for they cost nothing.
    """
    return _suffixes().privatesuffix(domain) or domain


def is_disposable(email: str) -> bool:
    """Return whether an address is of a provider whose mailboxes are made to be thrown away."""
    from disposable_email_domains import blocklist

    labels = ascii_domain(email.rpartition("@")[2]).split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels)))


@cache
def _suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList  # https://publicsuffix.org

    return PublicSuffixList(only_icann=True)
