"""OIDC tokens as Google makes them for a service account, and as Cloud Run passes them on."""

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def claims(account: str, audience: str, **changed: Any) -> dict[str, Any]:
    """Return the claims of a token that was issued now and holds for an hour."""
    now = int(time.time())
    return {
        "aud": audience,
        "azp": "103",
        "email": account,
        "email_verified": True,
        "exp": now + 3600,
        "iat": now,
        "iss": "https://accounts.google.com",
        "sub": "103",
        **changed,
    }


def checked_by_cloud_run(content: Mapping[str, Any]) -> str:
    """Return the Authorization header of a token that Cloud Run has checked: it takes the signature away."""
    return f"Bearer {_segment({'alg': 'RS256', 'kid': 'one'})}.{_segment(content)}.SIGNATURE_REMOVED_BY_GOOGLE"


class Issuer:
    """Signs tokens with a key of its own. `certificates`: what it publishes."""

    def __init__(self, key_id: str = "one") -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = key_id
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]), datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        self.certificates = {key_id: certificate.public_bytes(Encoding.PEM).decode()}

    def authorization(self, content: Mapping[str, Any], algorithm: str = "RS256") -> str:
        """Return the Authorization header of a token with its signature."""
        signed = f"{_segment({'alg': algorithm, 'kid': self._key_id})}.{_segment(content)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"Bearer {signed}.{_base64(signature)}"


def _segment(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
