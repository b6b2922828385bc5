"""Make the secrets of a deployment on one machine, as lines for its file of settings.

    python -m functions.new_secrets >> .env

Make them once: with another pepper everybody could sign twice, with other token keys no link in a mail would work.
"""

import secrets
import sys

import pyrage


def new_secrets() -> dict[str, str]:
    """Make all secrets that deliver and confirm need, by the names of their settings."""
    deliver = pyrage.x25519.Identity.generate()
    return {
        "TOKEN_KEYS": secrets.token_urlsafe(48),
        "PEPPER": secrets.token_urlsafe(48),
        "DELIVER_IDENTITIES": str(deliver),
        "DELIVER_RECIPIENT": str(deliver.to_public()),
    }


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}={value}\n" for name, value in new_secrets().items())
