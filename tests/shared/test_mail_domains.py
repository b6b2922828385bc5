"""What the lists of others say about a mail domain."""

import pytest

from shared.reference import mail_domains


@pytest.mark.parametrize("email", ["ann@mailinator.com", "ann@Mailinator.COM", "ann@eu.mailinator.com"])
def test_a_mailbox_to_throw_away_is_known(email: str) -> None:
    """Such providers take mail for any subdomain, too."""
    assert mail_domains.is_disposable(email)


@pytest.mark.parametrize(
    "email", ["ann@gmail.com", "ann@example.org", "ann@posteo.de", "ann@faß.de", "ann@duck.com"]
)
def test_a_mailbox_to_keep_is_not_taken_for_one(email: str) -> None:
    """Nor is an alias that somebody keeps for this petition alone."""
    assert not mail_domains.is_disposable(email)
