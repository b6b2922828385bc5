"""Proof of work: numbers that take a browser about a second to find, and this module a millisecond to check.

It is a price, not a proof. Each address costs its own work on each day, which is next to nothing once, and
noticeable a million times. A graphics card pays far less than a phone, and a program that pays can sign.

The protocols that there are (ALTCHA, https://altcha.org/docs/v2/proof-of-work-captcha) sign a random challenge
with a secret, and remember what was solved. sign holds no secret and remembers nothing, so here the challenge is
campaign, day and address themselves, which every client knows. A solution that is used again is the same address
again, which counts once whatever happens. It can be worked out in advance, but for that address and day alone.

As there, the work is PBKDF2 (RFC 8018), which browsers do at the processor's full speed, outside the page's own
thread (https://www.w3.org/TR/webcrypto-2/#pbkdf2): a hash in JavaScript would be slow for signers alone. Argon2
would hold graphics cards off, but browsers lack it, and partners' pages forbid what would bring it (WebAssembly).
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.models.responses import Challenge

#: Iterations of PBKDF2-HMAC-SHA-256 for each number that is tried.
ITERATIONS = 500
#: Zero bits with which the result must begin: one number in 128 does.
BITS = 7
#: How many such numbers are wanted. With one alone, luck would decide between an instant and five times as long.
NONCES = 8

#: A form may have been loaded before midnight.
_VALID_DAYS = 2


def challenge(now: datetime) -> Challenge:
    """Return what a client is to solve for an address; the same for all."""
    return Challenge(day=_day(now), nonces=NONCES, bits=BITS, iterations=ITERATIONS)


def is_solved(campaign: str, day: str, email: str, nonces: Sequence[int], now: datetime) -> bool:
    """Check the solution for an address, written as its client wrote it, of today (UTC) or yesterday."""
    if day not in {_day(now - timedelta(days=days)) for days in range(_VALID_DAYS)}:
        return False
    if len(nonces) != NONCES or len(set(nonces)) != NONCES:
        return False
    return all(is_hit(campaign, day, email, nonce) for nonce in nonces)


def is_hit(campaign: str, day: str, email: str, nonce: int) -> bool:
    """Tell whether PBKDF2 of the address, salted with this number, begins with enough zero bits."""
    password, salt = f"{campaign} {day} {email}".encode(), str(nonce).encode()
    derived = hashlib.pbkdf2_hmac("sha256", password, salt, ITERATIONS, dklen=4)
    return int.from_bytes(derived) >> (32 - BITS) == 0


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
