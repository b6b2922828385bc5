"""A flood of requests, as in `make bots`, with fewer of them: what the mailbox gets, and the domain."""

from tests.chaos.flood import CATCH_ALL, MAILBOXES, SIGNED, flood


async def test_a_mailbox_gets_five_mails_and_then_one_a_day_whatever_its_address_is_written_as() -> None:
    """Tags, dots, a provider's other domains and subdomains lead to the same caps; a reminder counts, too."""
    for flooded in await flood(MAILBOXES, requests=60, seed=1):
        first, *later = flooded.of_days()

        assert flooded.addresses > 50, flooded.name
        assert flooded.of_busiest_hour() == 2, flooded.name
        assert first == 5, flooded.name
        assert max(later) == 1, flooded.name


async def test_a_signer_gets_one_mail_more_on_each_day() -> None:
    """That holds the link for withdrawing, which strangers must not keep from anybody."""
    [flooded] = await flood(SIGNED, requests=60, seed=1)

    first, *later = flooded.of_days()
    assert flooded.of_busiest_hour() == 2
    assert first <= 6
    assert max(later) == 2


async def test_a_domain_gets_a_hundred_mails_in_an_hour_whatever_names_are_made_up() -> None:
    """The others wait, and come in the hours after, under whichever of its subdomains they are."""
    [flooded] = await flood(CATCH_ALL, requests=250, seed=1)

    assert flooded.of_busiest_hour() == 100
    assert flooded.of_days()[0] > 125
