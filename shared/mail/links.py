"""Links in the mail: made from a submission, and read for the funnel when they are opened."""

from shared.crypto.tokens import Link
from shared.reference import mail_providers
from shared.stats.funnel import Cohort
from shared.store.entities import Address, GrantMail, Submission


def to_confirm(address: Address, submission: Submission, language: str) -> Link:
    """Make the link that confirms a submission. `language`: of the mail and of the pages that the link opens."""
    cohort = Cohort.of(submission)
    return Link(
        address.campaign,
        address.digest,
        language,
        submission=submission.id,
        country=cohort.country,
        partner=cohort.partner or "",
        newsletter={None: "", True: "1", False: "0"}[submission.newsletter],
        day=cohort.day,
        source=cohort.source or "",
        language=cohort.language,
        mailbox=cohort.mailbox,
    )


#: Of a mail to another spelling of a mailbox, such as one with a tag. Its provider may not know that spelling, and
#: say that there is no such mailbox: by that, anybody could stop the mail to one that exists.
ALIAS = "alias"


def to_report(granted: GrantMail, email: str) -> Link:
    """Name the mailbox that a mail goes to, for a report that it came back: as a digest and a class of provider.

    `submission` is the mail's kind, or ALIAS. The links of the same mail say as much of their signer.
    """
    mail = ALIAS if mail_providers.is_alias(email) else granted.kind
    provider = mail_providers.provider_class(email)
    return Link(granted.address.campaign, granted.address.mailbox, "", submission=mail, mailbox=provider)


def cohort(link: Link) -> Cohort:
    """Return the cohort of the submission of a link made by `to_confirm`."""
    return Cohort(
        day=link.day,
        country=link.country,
        partner=link.partner or None,
        source=link.source or None,
        language=link.language,
        mailbox=link.mailbox,
    )
