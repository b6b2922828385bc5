"""The data of the form and counter in a partner's page: the petition in one language, the same for all pages.

Which partner's page it is, the script finds out from `partners`, by the page's origin: so a CDN keeps one copy of
this for each language, not one for each page.
"""

from collections.abc import Set
from datetime import datetime

from shared.campaigns.model import Campaign
from shared.crypto.proof_of_work import challenge
from shared.locales import Locale
from shared.models.responses import Form, FormPartner, FormSender, FormSharing
from shared.reference import countries, mail_providers
from shared.web import sharing
from shared.web.call import hosted_page

#: What the widget says, by key; a key of plural forms stands for all of them. A test holds it against the script.
KEYS = frozenset(
    """
    counter.first counter.next_goal counter.progress counter.reached counter.signed
    check_inbox.done check_inbox.from check_inbox.lead check_inbox.open_mailbox
    check_inbox.resend check_inbox.resend_hint check_inbox.resend_in check_inbox.resent check_inbox.sent_to
    check_inbox.step_open check_inbox.step_press check_inbox.step_spam check_inbox.subject check_inbox.title
    check_inbox.trouble_heading check_inbox.wrong check_inbox.wrong_hint
    error.dates
    error_titles.campaign_closed error_titles.campaign_paused
    errors.campaign_paused errors.internal errors.try_again
    fields.consent_required fields.email_invalid fields.required
    form.country form.country_empty form.did_you_mean form.email form.email_hint form.faults
    form.heading form.just_signed form.name form.newsletter form.no form.optional
    form.postal_code form.privacy form.promise form.sending form.short_consent form.short_country
    form.short_email form.short_name form.short_newsletter form.short_postal_code form.submit form.yes
    sending.busy sending.gave_up sending.hosted sending.next_try sending.not_registered sending.retry
    share.copied share.copy share.heading share.lead share.mail share.message share.more share.native
    share.with
    """.split()
)

#: Of these, what the script says on partners' pages only, above all in the form that it makes. Our own pages have
#: their form already, and need not load its texts twice.
FOR_PARTNERS = frozenset(
    """
    error.dates error_titles.campaign_closed error_titles.campaign_paused errors.campaign_paused
    form.country form.country_empty form.email form.email_hint form.heading form.name
    form.newsletter form.no form.optional form.postal_code form.privacy form.promise form.yes
    sending.not_registered
    """.split()
)


def form(campaign: Campaign, locale: Locale, *, embedded: bool, public_url: str, now: datetime) -> Form:
    """Describe the form in one language. `embedded`: for another page than ours, which has no form of its own."""
    texts = campaign.text(locale.language)
    return Form(
        campaign=campaign.id,
        language=locale.language,
        title=texts.title,
        closed_reason=campaign.closed_reason(now),
        partners=[
            FormPartner(id=slug, name=partner.name, country=partner.country, origins=partner.origins)
            for slug, partner in campaign.partners.items()
        ],
        organisation=campaign.controllers[0].name,
        language_country=countries.BY_LANGUAGE.get(locale.language),
        countries=countries.names(locale.language) if embedded else [],
        required=["name", "email", "country", *sorted(campaign.required_fields)],
        asks_postal_code=campaign.asks_postal_code,
        consent=texts.consent,
        consent_version=campaign.consent_version,
        hosted_page=public_url + hosted_page(campaign, lang=locale.language),
        privacy_page=f"{public_url}/c/{campaign.id}/privacy?lang={locale.language}",
        contact=campaign.controllers[0].email,
        sender=FormSender(name=campaign.sender.name, address=campaign.sender.address),
        subject=locale("mail.confirm.subject", title=texts.title),
        mailboxes=mail_providers.webmail_by_domain(campaign.sender.address),
        lookalikes=mail_providers.LOOKALIKES,
        share=FormSharing(services=sharing.SERVICES, primary=sharing.PRIMARY),
        work=challenge(now) if campaign.asks_for_work else None,
        texts=_texts(campaign, locale, KEYS if embedded else KEYS - FOR_PARTNERS),
    )


class _Unfilled(dict[str, str]):
    """Placeholders that the widget fills in stay as they are."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def _texts(campaign: Campaign, locale: Locale, keys: Set[str]) -> dict[str, str]:
    values = {
        "title": campaign.text(locale.language).title,
        "opens": locale.deadline(campaign.opens),
        "closes": locale.deadline(campaign.closes),
    }
    return {
        key: text.format_map(_Unfilled(values))
        for key, text in locale.texts.items()
        if key in keys or key.rpartition(".")[0] in keys
    }
