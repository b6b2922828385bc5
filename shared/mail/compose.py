"""Composing the mail to signers: short, without a picture, and without anything typed into the form.

Spammers use forms that mail a typed name to a typed address; ours holds the campaign's words and links only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared import locales
from shared.campaigns.model import Campaign
from shared.crypto.tokens import Link, Purpose, Tokens
from shared.locales import Locale
from shared.mail import Mail, links
from shared.reference import countries
from shared.store.entities import GrantMail, MailKind, Submission
from shared.web import pages
from shared.web.call import hosted_page
from shared.web.pages import MailLink


@dataclass(frozen=True, slots=True)
class Composer:
    """Composes mails whose links lead to `public_url` and are signed by `tokens`."""

    tokens: Tokens
    public_url: str

    def compose(
        self,
        granted: GrantMail,
        campaign: Campaign,
        *,
        to: str,
        language: str,
        now: datetime,
        total: int | None = None,
    ) -> Mail:
        """Compose the granted mail, with fresh links. `language`: the signer's, BCP 47.

        `total`: how many have signed, for a mail that says so. One to somebody who has signed asks to pass the
        petition on while others can still sign.
        """
        locale = locales.load(locales.negotiate(language, None, campaign.texts, campaign.default_language))
        withdrawal = Link(granted.address.campaign, granted.address.digest, locale.language)
        return render(
            granted.kind,
            campaign,
            locale,
            to=to,
            confirm=self._confirm_links(granted, locale, now),
            withdraw=self._url(Purpose.WITHDRAW, withdrawal, now),
            report_token=self.tokens.issue(Purpose.REPORT, links.to_report(granted, to), now),
            privacy=f"{self.public_url}/c/{campaign.id}/privacy?lang={locale.language}",
            share=self._share_url(granted, campaign, locale, now),
            total=total,
        )

    def _confirm_links(self, granted: GrantMail, locale: Locale, now: datetime) -> list[MailLink]:
        is_only_one = len(granted.submissions) == 1
        return [
            MailLink(
                self._url(Purpose.CONFIRM, links.to_confirm(granted.address, submission, locale.language), now),
                None if is_only_one else _label(submission, locale),
            )
            for submission in granted.submissions
        ]

    def _share_url(self, granted: GrantMail, campaign: Campaign, locale: Locale, now: datetime) -> str | None:
        if granted.kind is not MailKind.SIGNED or campaign.closed_reason(now):
            return None
        return self.public_url + hosted_page(campaign, lang=locale.language, source="share")

    def _url(self, purpose: Purpose, link: Link, now: datetime) -> str:
        return f"{self.public_url}/v1/{purpose}/{self.tokens.issue(purpose, link, now)}"


def _label(submission: Submission, locale: Locale) -> str:
    """Describe a submission so that its signer can tell it from others, quoting nothing typed into the form."""
    return locale(
        "mail.link_label",
        date=locale.date(submission.signed_at),
        time=f"{submission.signed_at:%H:%M}",
        country=countries.name(submission.country, locale.language),
    )


def render(
    kind: MailKind,
    campaign: Campaign,
    locale: Locale,
    *,
    to: str,
    confirm: Sequence[MailLink],
    withdraw: str,
    privacy: str,
    report_token: str,
    share: str | None = None,
    total: int | None = None,
) -> Mail:
    """Render a mail of one kind, see `pages.mail`. `withdraw`, `privacy` (the notice), `share`: absolute URLs."""
    text, html = pages.mail(
        kind, campaign, locale, confirm=confirm, withdraw=withdraw, privacy=privacy, share=share, total=total
    )
    return Mail(
        to=to,
        sender_name=campaign.sender.name,
        sender_address=campaign.sender.address,
        reply_to=campaign.privacy.contact,
        subject=locale(f"mail.{kind}.subject", title=campaign.text(locale.language).title),
        text=text,
        html=html,
        language=locale.language,
        report_token=report_token,
    )
