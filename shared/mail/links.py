"""What a link in the mail says of its submission, and what the funnel reads in it when it is opened."""

from shared.crypto.tokens import Link
from shared.stats.funnel import Counted
from shared.store.entities import Address, Submission


def to_confirm(address: Address, submission: Submission, language: str) -> Link:
    """`language`: of the mail, and of the pages that the link leads to."""
    counted = Counted.of(submission)
    return Link(
        address.campaign,
        address.digest,
        language,
        submission=submission.id,
        country=counted.country,
        partner=counted.partner or "",
        newsletter={None: "", True: "1", False: "0"}[submission.newsletter],
        day=counted.day,
        source=counted.source or "",
        language=counted.language,
        mailbox=counted.mailbox,
    )


def counted(link: Link) -> Counted:
    """Of a link made by `to_confirm`."""
    return Counted(
        day=link.day,
        country=link.country,
        partner=link.partner or None,
        source=link.source or None,
        language=link.language,
        mailbox=link.mailbox,
    )
