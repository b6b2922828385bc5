"""Every HTML page of Undersign, and the HTML of its mail, from the templates in pages/.

Pages carry no script, no cookie and no address of anyone else; their style is in the page and named by its hash
in the Content-Security-Policy. Jinja escapes every value.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from shared import countries, locales
from shared.campaigns import Campaign
from shared.locales import Locale

FOLDER = Path(__file__).parent / "pages"

#: A page that shows what somebody typed, or that belongs to one link, is kept nowhere.
PRIVATE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as its signer left it: `values` typed so far and `faults` (message) by field name."""

    values: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


def petition(
    campaign: Campaign,
    say: Locale,
    form: Filled,
    headers: Mapping[str, str],
    *,
    is_open: bool,
    moved: bool = False,
) -> HTMLResponse:
    """The petition with its form; 422 where the form has faults.

    `headers`: how it may be cached. `moved`: the signer comes from a form on a page that is not registered. Of
    `form.values`, partner and source go along unseen; see that they can be.
    """
    return _page(
        "petition.html",
        campaign,
        say,
        status=422 if form.faults else 200,
        headers=headers,
        form=form,
        is_open=is_open,
        moved=moved,
        languages=_languages(campaign),
        partner=campaign.partners.get(form.values.get("partner", "")),
        countries=countries.names(say.language),
    )


def check_inbox(campaign: Campaign, say: Locale, typed: Mapping[str, str]) -> HTMLResponse:
    """After signing. `typed`: the form's values; "wrong address?" posts them back to the form."""
    return _page("check_inbox.html", campaign, say, typed=typed)


def links(campaign: Campaign, say: Locale, form: Filled) -> HTMLResponse:
    """Asks for an address to mail the links it is due."""
    return _page("links.html", campaign, say, status=422 if form.faults else 200, form=form)


def links_sent(campaign: Campaign, say: Locale, email: str) -> HTMLResponse:
    return _page("links_sent.html", campaign, say, email=email)


def privacy(campaign: Campaign, say: Locale, headers: Mapping[str, str]) -> HTMLResponse:
    return _page("privacy.html", campaign, say, headers=headers)


def confirm(
    campaign: Campaign, say: Locale, *, country: str, partner: str, newsletter: bool | None
) -> HTMLResponse:
    """ "Not counted yet": one big button that posts to the page's own address."""
    return _page(
        "confirm.html",
        campaign,
        say,
        country=countries.name(country, say.language),
        partner=campaign.partners.get(partner),
        newsletter=newsletter,
    )


def confirmed(campaign: Campaign, say: Locale, *, petition_url: str, withdraw_path: str) -> HTMLResponse:
    """`petition_url`: absolute, to be passed on."""
    return _page("confirmed.html", campaign, say, petition_url=petition_url, withdraw_path=withdraw_path)


def withdraw(campaign: Campaign, say: Locale) -> HTMLResponse:
    """One button that posts to the page's own address."""
    return _page("withdraw.html", campaign, say)


def withdrawn(campaign: Campaign, say: Locale) -> HTMLResponse:
    return _page("withdrawn.html", campaign, say)


def error(
    say: Locale, *, code: str, text: str, status: int, campaign: Campaign | None, headers: Mapping[str, str]
) -> HTMLResponse:
    """Any other fault, with a way on where the campaign is known."""
    return _page("error.html", campaign, say, status=status, headers={**PRIVATE, **headers}, code=code, text=text)


@dataclass(frozen=True, slots=True)
class MailLink:
    """A confirm link. `label` tells apart several submissions for one address; None where there is one."""

    url: str
    label: str | None


def mail(
    kind: str, campaign: Campaign, say: Locale, *, confirm: Sequence[MailLink], withdraw: str, privacy: str
) -> tuple[str, str]:
    """The text part and the HTML part of a mail. `kind`: "confirm", "reminder" or "signed" (already).

    `withdraw`, `privacy`: absolute addresses, of the link to withdraw and of the privacy notice.
    """
    text, html = (
        _templates()
        .get_template(template)
        .render(
            kind=kind,
            campaign=campaign,
            texts=campaign.text(say.language),
            say=say,
            confirm_links=confirm,
            withdraw_url=withdraw,
            privacy_url=privacy,
        )
        for template in ("mail.txt", "mail.html")
    )
    return text, html


def _languages(campaign: Campaign) -> list[tuple[str, str]]:
    """The languages one can read and sign the campaign in: (code, its own name for itself)."""
    spoken = locales.LANGUAGES.intersection(campaign.texts)
    return sorted(((code, locales.native_name(code)) for code in spoken), key=lambda pair: pair[1])


def _page(
    template: str,
    campaign: Campaign | None,
    say: Locale,
    *,
    status: int = 200,
    headers: Mapping[str, str] = PRIVATE,
    **values: object,
) -> HTMLResponse:
    style = _style()
    html = (
        _templates()
        .get_template(template)
        .render(
            campaign=campaign,
            texts=campaign.text(say.language) if campaign else None,
            say=say,
            style=style,
            **values,
        )
    )
    return HTMLResponse(html, status, {**_security_headers(style), **headers})


def _security_headers(style: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; frame-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


@cache
def _style() -> Markup:
    return Markup((FOLDER / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
