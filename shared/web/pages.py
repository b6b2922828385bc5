"""Every HTML page of Undersign, and the HTML of its mail, from the templates in templates/.

Pages work without a script, set no cookie and load nothing from anyone else. Where a script adds something, it is
the widget's; the style is in the page, named by its digest in the Content-Security-Policy. Jinja escapes every
value.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from jinja2 import BaseLoader, Environment, FileSystemLoader, ModuleLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from shared import locales
from shared.campaigns import accent, markdown
from shared.campaigns.model import Campaign, ClosedReason
from shared.locales import Locale
from shared.models.responses import Count
from shared.reference import countries, licenses, mail_providers
from shared.web import css, sharing
from shared.web.call import NO_STORE, hosted_page

if TYPE_CHECKING:
    from shared.stats.history import Line
    from shared.web.widget_versions import Scripts

FOLDER = Path(__file__).parent / "templates"
#: Where the build puts the templates as Python: the first page of a process need not wait until they are compiled.
COMPILED = "compiled"
_STYLES = ("style.css", "more.css")
#: Of pages that phones load first, and of those that look unlike all others.
_OWN_STYLES = {
    "petition.html": ("style.css",),
    "framed.html": ("style.css", "framed.css"),
    "progress.html": (*_STYLES, "framed.css"),
    "embed.html": (*_STYLES, "embed.css"),
    "sheet.html": ("sheet.css",),
    "stream.html": ("stream.css",),
}


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as its signer left it: `values` typed so far and `errors` (message) by field name."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


def petition(
    campaign: Campaign,
    locale: Locale,
    form: Filled,
    headers: Mapping[str, str],
    *,
    public_url: str,
    closed_reason: ClosedReason | None,
    moved: bool = False,
) -> HTMLResponse:
    """Render the petition with its form; 422 where the form has errors.

    `headers`: how it may be cached. `moved`: the signer comes from a form on a page that is not registered. Of
    `form.values`, partner and source go along unseen; see that they can be.
    """
    return _page(
        "petition.html",
        campaign,
        locale,
        status=422 if form.errors else 200,
        headers=headers,
        scripted=True,
        public_url=public_url,
        og_locale=sharing.og_locale(locale.language),
        closed_reason=closed_reason,
        moved=moved,
        **_form(campaign, locale, form),
    )


def framed(
    campaign: Campaign,
    locale: Locale,
    form: Filled,
    headers: Mapping[str, str],
    *,
    closed_reason: ClosedReason | None,
) -> HTMLResponse:
    """Render counter and form alone, to be framed by the partner that `form.values` names, and by us."""
    partner = campaign.partners.get(form.values.get("partner", ""))
    return _page(
        "framed.html",
        campaign,
        locale,
        headers=headers,
        scripted=True,
        framed_by=partner.origins if partner else (),
        frame_ancestors=" ".join(["'self'", *(partner.origins if partner else ())]),
        closed_reason=closed_reason,
        **_form(campaign, locale, form),
    )


#: What keeps consent managers and script optimisers from holding our script back. It sets no cookie and tracks
#: nobody, so there is nothing to ask for. Cookiebot, OneTrust, Usercentrics, consentmanager, CookieYes; Cloudflare
#: and LiteSpeed.
EXEMPT = Markup(
    'data-cookieconsent="ignore" data-ot-ignore data-uc-allowed="true" data-cmp-ab="1" data-cookieyes="ignore" '
    'data-cfasync="false" data-no-optimize="1"'
)


#: What a partner may show on its registered pages, and what anybody may, on any page.
_OF_PARTNERS = ("script", "frame", "plain")
_OF_ANYBODY = ("counter", "numbers", "badge", "button")


def embed(
    campaign: Campaign,
    locale: Locale,
    slug: str | None,
    scripts: "Scripts",
    headers: Mapping[str, str],
    *,
    public_url: str,
) -> HTMLResponse:
    """Render the page on which the snippets are built that show the petition on other pages.

    `slug`: the partner for whom it is made; without one, only what any page may show.
    """
    partner = campaign.partners.get(slug or "")
    query = urlencode({"lang": locale.language} | ({"partner": slug} if slug else {}))
    every = countries.names(locale.language)
    return _page(
        "embed.html",
        campaign,
        locale,
        headers=headers,
        scripted=True,
        scripts=scripts,
        public_url=public_url,
        slug=slug,
        kinds=(*(_OF_PARTNERS if partner else ()), *_OF_ANYBODY),
        translated=list(_snippet_texts(campaign)),
        organisation=partner.name if partner else "",
        countries=every,
        union=[(code, name) for code, name in every if code in countries.EUROPEAN_UNION],
        exempt=EXEMPT,
        hosted=f"/c/{campaign.id}?{query}",
        framed=f"/c/{campaign.id}?{query}&embed=1",
    )


def _snippet_texts(campaign: Campaign) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield code and name of each language, and what snippets say in it: title, link to the petition, button."""
    for code, name in _languages(campaign):
        locale = locales.load(code)
        yield code, name, campaign.text(code).title, locale("sending.hosted"), locale("progress.sign")


def sheet(
    campaign: Campaign, locale: Locale, slug: str | None, headers: Mapping[str, str], *, public_url: str
) -> HTMLResponse:
    """Render a sheet for signatures on paper, which the partner `slug` collects."""
    query = urlencode({"lang": locale.language} | ({"partner": slug} if slug else {}))
    return _page(
        "sheet.html",
        campaign,
        locale,
        headers=headers,
        partner=campaign.partners.get(slug or ""),
        qr_path=f"/c/{campaign.id}/qr.svg?{query}",
        address=f"{public_url}/c/{campaign.id}".removeprefix("https://"),
    )


def _form(campaign: Campaign, locale: Locale, form: Filled) -> dict[str, Any]:
    """Gather what form.html shows."""
    partner = campaign.partners.get(form.values.get("partner", ""))
    start = (partner.country if partner else None) or countries.BY_LANGUAGE.get(locale.language, "")
    return {
        "form": form,
        "partner": partner,
        "countries": countries.names(locale.language),
        "start_country": start,
    }


def check_inbox(campaign: Campaign, locale: Locale, typed: Mapping[str, str]) -> HTMLResponse:
    """Render the page after signing. `typed`: the form's values; "wrong address?" posts them back to the form."""
    return _page(
        "check_inbox.html",
        campaign,
        locale,
        scripted=True,
        typed=typed,
        mailbox=mail_providers.webmail(typed["email"], campaign.sender.address),
        form_path=hosted_page(campaign, lang=locale.language, partner=typed.get("partner")),
    )


def links(campaign: Campaign, locale: Locale, form: Filled, headers: Mapping[str, str] = NO_STORE) -> HTMLResponse:
    """Render the form that asks for an address to mail its links to; 422 where it has errors."""
    status = 422 if form.errors else 200
    return _page("links.html", campaign, locale, status=status, headers=headers, scripted=True, form=form)


def links_sent(campaign: Campaign, locale: Locale, email: str) -> HTMLResponse:
    """Render the answer to a request for links, the same whether or not any is due."""
    return _page("links_sent.html", campaign, locale, email=email)


def progress(
    campaign: Campaign,
    locale: Locale,
    count: Count,
    line: "Line",
    headers: Mapping[str, str],
    *,
    public_url: str,
    partner: str | None,
    framed: bool,
) -> HTMLResponse:
    """Render the numbers, for journalists. `framed`: without header and footer, for a frame in any page.

    `partner`: for which those sign who go on to the petition. Where it agrees to a public count, the page has its
    numbers, too, and leads to what it needs to collect more.
    """
    # Here: only count has numbers to show, and what they are made from.
    from shared.stats.count import MIN_SHOWN
    from shared.stats.history import HOURS_KEPT_DAYS
    from shared.web import stats_page as numbers

    query = {"lang": locale.language} | ({"partner": partner} if partner else {})
    return _page(
        "progress.html",
        campaign,
        locale,
        headers=headers,
        scripted=not framed,
        frame_ancestors="*" if framed else "'none'",
        framed=framed,
        public_url=public_url,
        address=f"{public_url}/c/{campaign.id}/progress?{urlencode(query)}",
        petition_path=hosted_page(campaign, **query),
        slug=partner,
        partner=campaign.counted_partners.get(partner or ""),
        collected=next((each.total for each in count.by_partner or () if each.id == partner), None),
        count=count,
        chart=numbers.chart(count, line),
        days=line.days,
        countries=numbers.country_rows(count, locale),
        min_shown=MIN_SHOWN,
        hours_days=HOURS_KEPT_DAYS,
        license_name=licenses.NAMES[campaign.data_license],
        license_url=licenses.URLS[campaign.data_license],
    )


def stream(
    campaign: Campaign, locale: Locale, count: Count, headers: Mapping[str, str], *, theme: str, size: str
) -> HTMLResponse:
    """Render the number alone, to be laid over the picture of a live stream. `theme`: dark or light, as that is.

    `size`: "compact", without the bar towards the next goal, or "".
    """
    return _page(
        "stream.html",
        campaign,
        locale,
        headers=headers,
        scripted=True,
        frame_ancestors="*",
        count=count,
        theme=theme,
        size=size,
    )


def privacy(campaign: Campaign, locale: Locale, headers: Mapping[str, str]) -> HTMLResponse:
    """Render the privacy notice (GDPR, Article 13)."""
    return _page("privacy.html", campaign, locale, headers=headers, scripted=True)


def confirm(
    campaign: Campaign, locale: Locale, *, country: str, partner: str, newsletter: bool | None
) -> HTMLResponse:
    """Render "not counted yet" and one big button that posts to the page's own address."""
    return _page(
        "confirm.html",
        campaign,
        locale,
        country=countries.name(country, locale.language),
        partner=campaign.partners.get(partner),
        newsletter=newsletter,
    )


def confirmed(
    campaign: Campaign,
    locale: Locale,
    *,
    share_url: str,
    country: str,
    source: str,
    total: int | None,
    already: bool,
    is_open: bool,
    withdraw_path: str,
) -> HTMLResponse:
    """Render the page after confirming.

    `share_url`: the link to pass on. `country`: the signer's, for what people there share with. `source`: where
    the signature came from, or "". `total`: how many have signed, which is this one's number unless it was counted
    `already`; None if unknown. `is_open`: one can still sign.
    """
    title = campaign.text(locale.language).title
    message = locale("share.message", title=title)
    return _page(
        "confirmed.html",
        campaign,
        locale,
        scripted=True,
        share_url=share_url,
        share_host=urlsplit(share_url).netloc,
        services=sharing.links(share_url, message),
        message=message,
        first=sharing.PRIMARY.get(country, sharing.DEFAULT),
        mail=sharing.mail(title, share_url, message),
        next_step_url=_next_step_url(campaign, locale, source),
        total=total,
        already=already,
        is_open=is_open,
        withdraw_path=withdraw_path,
    )


def withdraw(campaign: Campaign, locale: Locale) -> HTMLResponse:
    """Render one button that posts to the page's own address."""
    return _page("withdraw.html", campaign, locale)


def withdrawn(campaign: Campaign, locale: Locale) -> HTMLResponse:
    """Render the page after a withdrawal."""
    return _page("withdrawn.html", campaign, locale)


def retired(campaign: Campaign, locale: Locale) -> HTMLResponse:
    """Render what links in mails lead to once a petition has ended and all data of its signers was removed."""
    return _page("retired.html", campaign, locale, next_step_url=_next_step_url(campaign, locale))


def _next_step_url(campaign: Campaign, locale: Locale, source: str = "") -> str | None:
    """Return where the campaign's next step leads in this language; None where it has none."""
    if campaign.next_step is None or campaign.text(locale.language).next_step is None:
        return None
    return sharing.next_step(campaign.next_step.url, locale.language, campaign.id, source)


def petitions(campaigns: Sequence[Campaign], locale: Locale) -> HTMLResponse:
    """Render the list of petitions, in the language of who asks."""
    return _page("petitions.html", None, locale, petitions=campaigns)


def error(
    locale: Locale,
    *,
    code: str,
    text: str,
    status: int,
    campaign: Campaign | None,
    petitions: Sequence[Campaign],
    headers: Mapping[str, str],
) -> HTMLResponse:
    """Render any other error, with a link back: to `campaign`; without one, to the only one of `petitions`.

    Where there are several, they are listed.
    """
    if campaign is None and len(petitions) == 1:
        campaign, petitions = petitions[0], []
    return _page(
        "error.html",
        campaign,
        locale,
        status=status,
        headers={**NO_STORE, **headers},
        code=code,
        text=text,
        petitions=petitions,
    )


@dataclass(frozen=True, slots=True)
class MailLink:
    """A confirm link. `label` tells apart several submissions for one address; None where there is one."""

    url: str
    label: str | None


def mail(
    kind: str,
    campaign: Campaign,
    locale: Locale,
    *,
    confirm: Sequence[MailLink],
    withdraw: str,
    privacy: str,
    share: str | None = None,
    total: int | None = None,
) -> tuple[str, str]:
    """Render the text part and the HTML part of a mail. `kind`: "confirm", "reminder" or "signed" (already).

    `withdraw`, `privacy`: absolute addresses, of the link to withdraw and of the privacy notice. `share`: that of
    the petition, to pass on, and `total`: how many have signed; a mail has neither unless they are given.
    """
    text, html = (
        _render(
            template,
            campaign,
            locale,
            kind=kind,
            confirm_links=confirm,
            withdraw_url=withdraw,
            privacy_url=privacy,
            share_url=share,
            total=total,
        )
        for template in ("mail.txt", "mail.html")
    )
    return text, html


def _languages(campaign: Campaign) -> list[tuple[str, str]]:
    """List the languages one can read and sign the campaign in: (code, its own name for itself)."""
    spoken = locales.LANGUAGES.intersection(campaign.texts)
    return sorted(((code, locales.native_name(code)) for code in spoken), key=lambda pair: pair[1])


def _page(
    template: str,
    campaign: Campaign | None,
    locale: Locale,
    *,
    status: int = 200,
    headers: Mapping[str, str] = NO_STORE,
    scripted: bool = False,
    frame_ancestors: str = "'none'",
    **values: object,
) -> HTMLResponse:
    """`scripted`: whether the widget's script adds to the page. `frame_ancestors`: whose pages may frame it."""
    colour = campaign.accent if campaign else accent.DEFAULT_ACCENT
    own_style = style(colour, _OWN_STYLES.get(template, _STYLES))
    html = _render(
        template,
        campaign,
        locale,
        languages=_languages(campaign) if campaign else None,
        offers=locales.OFFERS,
        notice=campaign.privacy.translated(campaign.text(locale.language).glossary) if campaign else None,
        original=locales.native_name(campaign.default_language) if campaign else None,
        accent=colour,
        style=own_style,
        scripted=scripted,
        **{"framed_by": (), **values},
    )
    return HTMLResponse(
        html, status, {**_security_headers(own_style, frame_ancestors, scripted=scripted), **headers}
    )


def _render(template: str, campaign: Campaign | None, locale: Locale, **values: object) -> str:
    texts = campaign.text(locale.language) if campaign else None
    return _templates().get_template(template).render(values, campaign=campaign, locale=locale, texts=texts)


def _security_headers(style: str, frame_ancestors: str, *, scripted: bool) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    script = "script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; " if scripted else ""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; {script}img-src 'self' data:; frame-src 'self'; "
            f"form-action 'self'; base-uri 'none'; frame-ancestors {frame_ancestors}"
        ),
        "Referrer-Policy": "no-referrer",
    }


@cache
def style(colour: str, files: Sequence[str] = _STYLES) -> Markup:
    """Return the style of a page in a campaign's colour."""
    tones = accent.tones(colour)
    written = Template("".join((FOLDER / file).read_text(encoding="utf-8") for file in files)).substitute(
        act=tones.light, act_over=tones.light_hover, dark_act=tones.dark, dark_act_over=tones.dark_hover
    )
    return Markup(css.minified(written))  # noqa: S704 - our own file


def compile_templates(folder: Path) -> None:
    """Compile every template to Python, into `folder`."""
    templates = _environment(FileSystemLoader(FOLDER))
    templates.compile_templates(folder, extensions=["html", "txt"], zip=None, ignore_errors=False)


@cache
def _templates() -> Environment:
    compiled = FOLDER / COMPILED
    return _environment(ModuleLoader(compiled) if compiled.is_dir() else FileSystemLoader(FOLDER))


def _environment(loader: BaseLoader) -> Environment:
    templates = Environment(
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters |= {"markdown": markdown.render, "markdown_inline": markdown.render_inline}
    return templates
