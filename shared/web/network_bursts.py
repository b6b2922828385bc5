"""Bursts: many submissions from one network within an hour, counted in this process's memory alone.

No address and no network is stored, logged or passed on: what is counted is a digest under a random key, which
changes with the hour. News, an office and a mobile carrier's customers behind one address (carrier-grade NAT) are
bursts as well.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

#: From this many submissions of one network in an hour, the next one is part of a burst.
BURST = 20
#: Networks that are counted at once; beyond that, the oldest is evicted.
MAX_NETWORKS = 10_000
_WINDOW = timedelta(hours=1)
#: What belongs to one customer: of IPv4 what is routed on its own, of IPv6 what a site is given (RFC 6177).
_BYTES_OF_NETWORK = {4: 3, 6: 6}


class NetworkBursts:
    """Counts submissions by network. `trusted_proxies`: see `client_network`."""

    def __init__(self, trusted_proxies: int) -> None:
        self._trusted_proxies = trusted_proxies
        self._counts: dict[bytes, int] = {}
        self._key = secrets.token_bytes(32)
        self._ends: datetime | None = None

    def count(self, forwarded_for: str, now: datetime) -> bool:
        """Count a submission, and tell whether its network brings a burst; False where the network is unknown.

        `forwarded_for`: the header X-Forwarded-For.
        """
        network = client_network(forwarded_for, self._trusted_proxies)
        if network is None:
            return False
        if self._ends is None or now >= self._ends:
            self._counts, self._key, self._ends = {}, secrets.token_bytes(32), now + _WINDOW
        digest = hashlib.blake2b(network, key=self._key, digest_size=8).digest()
        if digest not in self._counts and len(self._counts) >= MAX_NETWORKS:
            del self._counts[next(iter(self._counts))]
        self._counts[digest] = self._counts.get(digest, 0) + 1
        return self._counts[digest] > BURST


def client_network(forwarded_for: str, trusted_proxies: int) -> bytes | None:
    """Return the first bytes of the client's address: IPv4 /24, IPv6 /48. None where there is no valid address.

    Each of our own proxies appends an entry; the first of these is the client's address. What stands before them
    is the client's own text, which can say anything.
    """
    entries = forwarded_for.split(",")
    if len(entries) < trusted_proxies:
        return None
    try:
        address = ip_address(entries[-trusted_proxies].strip())
    except ValueError:
        return None
    address = _unmapped(address)
    return address.packed[: _BYTES_OF_NETWORK[address.version]]


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that a dual-stack socket writes as ::ffff:192.0.2.1 (RFC 4291, 2.5.5.2)."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
