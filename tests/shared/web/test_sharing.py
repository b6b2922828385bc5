"""Where a campaign's next step leads, and what its website learns from that."""

import pytest

from shared.web import sharing


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("https://a.example", "https://a.example?utm_source=flyer&utm_campaign=swifts"),
        ("https://a.example/{language}/join", "https://a.example/de/join?utm_source=flyer&utm_campaign=swifts"),
        ("https://{language}.a.example/", "https://de.a.example/?utm_source=flyer&utm_campaign=swifts"),
        (
            "https://a.example/?form=2&x#top",
            "https://a.example/?form=2&x&utm_source=flyer&utm_campaign=swifts#top",
        ),
        ("https://a.example/?utm_source=mine", "https://a.example/?utm_source=mine&utm_campaign=swifts"),
    ],
)
def test_the_next_step_leads_to_the_campaigns_page_in_the_signers_language(url: str, leads_to: str) -> None:
    """Whatever is in the address stays: a form's number, a place on the page, a source of the campaign's own."""
    assert sharing.next_step(url, "de", "swifts", "flyer") == leads_to
