"""Pages in states that the example campaign's journey does not reach, and what the privacy notice must say."""

import base64
import hashlib
import html
import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from babel import Locale as Cldr

from shared import campaigns, locales
from shared.campaigns.model import Campaign, ClosedReason
from shared.store.entities import MailKind
from shared.web import pages
from shared.web.pages import Filled, MailLink
from tests.support.deployment import CAMPAIGN, PUBLIC_URL

ENGLISH = locales.load("en")
SHARE_URL = f"https://petition.example.org/c/{CAMPAIGN}?lang=en&partner=digital-rights&source=share"
#: What the mail to somebody who has signed already holds besides.
SIGNED: Any = {"share": SHARE_URL, "total": 12_345}


def petition(
    campaign: Campaign, *, closed_reason: ClosedReason | None = None, moved: bool = False, **values: str
) -> str:
    """Return the petition page in English, its form filled in with `values`."""
    page = pages.petition(
        campaign, ENGLISH, Filled(values), {}, public_url=PUBLIC_URL, closed_reason=closed_reason, moved=moved
    )
    return bytes(page.body).decode()


def confirmed(campaign: Campaign, **changes: Any) -> str:
    """Return the page after confirming in English."""
    values = {"country": "DE", "source": "flyer", "total": 12_345, "already": False, "is_open": True, **changes}
    page = pages.confirmed(campaign, ENGLISH, share_url=SHARE_URL, withdraw_path="/v1/withdraw/w", **values)
    return bytes(page.body).decode()


def notice(campaign: Campaign) -> str:
    """Return the text of the privacy notice in English."""
    return words(bytes(pages.privacy(campaign, ENGLISH, {}).body).decode())


def words(page: str) -> str:
    """Return the text of a page without markup and styles."""
    text = html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))
    return " ".join(text.split())


def alone(campaign: Campaign) -> Campaign:
    """Return the campaign with only its first controller and without partners."""
    texts = {code: text.model_copy(update={"arrangement": None}) for code, text in campaign.texts.items()}
    return campaign.model_copy(update={"controllers": campaign.controllers[:1], "partners": {}, "texts": texts})


@pytest.fixture
def campaign() -> Campaign:
    """The example with texts in English, German and Tagalog, which Undersign does not support."""
    example = campaigns.load_all()[CAMPAIGN]
    return example.model_copy(update={"texts": dict.fromkeys(("en", "de", "tl"), example.text("en"))})


def test_languages_are_offered_by_their_own_names(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only languages of both the campaign and Undersign are offered, by links that keep partner and source."""
    monkeypatch.setattr(locales, "LANGUAGES", frozenset({"en", "de", "fr"}))

    page = petition(campaign, partner="digital-rights", source="flyer")

    link = f"/c/{CAMPAIGN}?lang=de&amp;partner=digital-rights&amp;source=flyer"
    assert f'<a href="{link}" hreflang="de" lang="de" data-offer="{locales.OFFERS["de"]}">Deutsch</a>' in page
    assert ">English</a>" in page
    assert 'hreflang="tl"' not in page
    assert 'hreflang="fr"' not in page


def test_one_language_has_no_menu(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """A menu with one language would be useless."""
    monkeypatch.setattr(locales, "LANGUAGES", frozenset({"en"}))

    assert "languages" not in re.sub(r"<style>.*?</style>", "", petition(campaign), flags=re.DOTALL)


@pytest.mark.parametrize("language", sorted(locales.LANGUAGES))
def test_networks_are_told_the_language_with_a_region(language: str) -> None:
    """As in `de_DE`, which is the only form that they know."""
    campaign = campaigns.load_all()[CAMPAIGN]
    page = pages.petition(
        campaign, locales.load(language), Filled(), {}, public_url=PUBLIC_URL, closed_reason=None
    )
    [told] = re.findall(r'"og:locale" content="(.*?)"', bytes(page.body).decode())

    assert told in {f"{language}_{language.upper()}", *ELSEWHERE}
    assert Cldr.parse(told).language == language


#: Languages whose region has another name than they have.
ELSEWHERE = {"cs_CZ", "da_DK", "el_GR", "en_GB", "et_EE", "ga_IE", "sl_SI", "sv_SE"}


@pytest.mark.parametrize("language", sorted(locales.LANGUAGES))
def test_the_confirm_page_is_true_for_somebody_who_has_pressed_before(language: str) -> None:
    """It is shown without asking the database, so it says nothing about whether the signature counts."""
    locale = locales.load(language)
    shown = pages.confirm(campaigns.load_all()[CAMPAIGN], locale, country="DE", partner="", newsletter=None)
    text = words(bytes(shown.body).decode())

    assert " ".join(locale("confirm.already").split()) in text
    assert locale("confirm.title") == locale("mail.confirm.subject", title="").strip(": \u00a0\u202f")


def test_a_closed_petition_shows_its_dates_and_no_form(campaign: Campaign) -> None:
    """The count stays on the page; the form and the link that skips to it do not."""
    page = petition(campaign, closed_reason="campaign_closed")

    assert "1 November 2026 to 31 October 2027" in page
    assert "<form" not in page
    assert 'class="skip"' not in page
    assert "count.svg" in page


def test_a_signer_from_an_unregistered_page_is_told_that_nothing_was_sent(campaign: Campaign) -> None:
    """Without this message, the empty form would look like a failure."""
    message = "The page you came from is not registered for this petition, so nothing was sent yet."

    assert f'<p class="moved" role="status">{message}' in petition(campaign, moved=True)
    assert message not in petition(campaign)


def test_the_form_keeps_where_the_signer_came_from(campaign: Campaign) -> None:
    """Partner and source are sent again when a signer corrects the form."""
    page = petition(campaign, partner="digital-rights", source="flyer")

    for name, value in [("partner", "digital-rights"), ("source", "flyer")]:
        assert f'<input type="hidden" name="{name}" value="{html.escape(value)}">' in page


def test_correcting_the_email_address_keeps_where_the_signer_came_from(campaign: Campaign) -> None:
    """Partner and source survive the correction of a typo; consent has to be given again."""
    typed = {"email": "ann@exmaple.org", "partner": "digital-rights", "source": "flyer", "consent": "true"}

    page = bytes(pages.check_inbox(campaign, ENGLISH, typed).body).decode()

    assert '<input type="hidden" name="partner" value="digital-rights">' in page
    assert '<input type="hidden" name="source" value="flyer">' in page
    assert 'name="consent"' not in page


def test_a_picture_has_its_place_before_it_is_loaded(campaign: Campaign) -> None:
    """The text does not jump; it comes first, and logos last, for the phone loads only what it shows."""
    page = petition(campaign)
    images = re.findall(r"<img [^>]*>", page)

    assert all(re.search(r' width="\d+" height="\d+" ', image) for image in images)
    [picture] = [image for image in images if "fetchpriority" in image]
    assert 'width="1440" height="720"' in picture
    assert "a large yellow umbrella" in picture
    assert "lazy" not in picture
    assert all('loading="lazy"' in image for image in re.findall("<img [^>]*>", page.partition("Supported by")[2]))


def test_links_to_organisations_tell_them_nothing(campaign: Campaign) -> None:
    """Not where a reader came from, and their pages cannot reach into ours."""
    page = petition(campaign)

    for website in ("https://unwatched.example.org", "https://open-cities.example.org"):
        assert f'<a href="{website}" rel="external noopener">' in page
    assert "Juristes pour les libertés" in page


def test_a_plain_campaign_has_no_gaps(campaign: Campaign) -> None:
    """Without picture, logos, supporters and closing call, nothing of them is in the page."""
    plain = alone(campaign)
    texts = {
        code: each.model_copy(update={"call": None, "picture_alt": None}) for code, each in plain.texts.items()
    }
    controllers = [each.model_copy(update={"logo": None}) for each in plain.controllers]
    update = {"texts": texts, "controllers": controllers, "picture": None, "supporters": ()}

    page = petition(plain.model_copy(update=update))

    assert "/images/" not in page
    assert "Supported by" not in page
    assert "None" not in page
    for name in ("brand", "supporters", "call"):
        assert f'class="{name}"' not in page


def test_a_closed_petition_calls_for_nothing(campaign: Campaign) -> None:
    """There is no way to sign any more."""
    assert 'class="call"' in petition(campaign)
    assert 'class="call"' not in petition(campaign, closed_reason="campaign_closed")


@pytest.mark.parametrize(
    ("total", "distance"),
    [
        (1, "999 more signatures to the next goal: 1,000"),
        (999, "1 more signature to the next goal: 1,000"),
        (1_000, "4,000 more signatures to the next goal: 5,000"),
        (1_000_000, "Goal reached: 1,000,000"),
        (1_000_001, "Goal reached: 1,000,000"),
    ],
)
def test_a_signer_sees_how_far_it_is_to_the_next_goal(campaign: Campaign, total: int, distance: str) -> None:
    """That is the first goal above their own number; past the last one, it is reached."""
    number = ENGLISH.number(total)

    assert f"You are number {number}. {distance}" in words(confirmed(campaign, total=total))
    assert re.search(
        f"{number} (person has|people have) signed {distance}",
        words(confirmed(campaign, total=total, already=True)),
    )


def test_a_number_that_is_unknown_leaves_no_gap(campaign: Campaign) -> None:
    """While the database is away, the page thanks all the same."""
    page = words(confirmed(campaign, total=None))

    assert "Thank you. Your signature is confirmed. You have signed" in page
    assert "next goal" not in page


def test_a_signer_sees_what_others_will_be_shown(campaign: Campaign) -> None:
    """Picture with its description, title, summary and host, then the words; all from us, in small sizes."""
    page = confirmed(campaign)
    assert campaign.share_image
    [image] = re.findall("<img [^>]*>", page)

    assert f'src="/c/{CAMPAIGN}/images/' in image
    assert 'loading="lazy"' in image
    assert "a large yellow umbrella" in image
    assert {re.sub(r"-\d+\..*", "", name) for name in re.findall(r"/images/(\S+)", page)} == {
        campaign.share_image.version
    }
    texts = campaign.text("en")
    message = f"I have just signed “{texts.title}”. Will you sign too? {SHARE_URL}"
    assert f"{texts.title} {texts.summary} petition.example.org {message}" in words(page)


def test_a_campaign_without_a_picture_for_posts_previews_words_alone(campaign: Campaign) -> None:
    """As messengers do then."""
    page = confirmed(campaign.model_copy(update={"share_image": None}))

    assert "<img" not in page
    assert "What your message will look like" in page


def test_after_the_close_nobody_is_asked_to_bring_others(campaign: Campaign) -> None:
    """Links confirm for a week more; the number still counts, and the next step is still there."""
    page = confirmed(campaign, is_open=False)

    assert "You are number 12,345." in page
    assert "Donate now" in page
    assert "next goal" not in page
    assert 'id="share-link"' not in page


def test_the_next_step_keeps_language_and_source(campaign: Campaign) -> None:
    """And knows the campaign, but nothing else: not the country, and no token in what the browser passes on."""
    link = "https://unwatched.example.org/en/donate?utm_source=flyer&amp;utm_campaign=reclaim-your-face"

    assert f'<a class="button" href="{link}" rel="external noopener">Donate now</a>' in confirmed(campaign)
    assert link.replace("utm_source=flyer&amp;", "") in confirmed(campaign, source="")


def test_the_next_step_comes_beside_the_official_initiative(campaign: Campaign) -> None:
    """The initiative first, for there the signature does not count yet; then sharing, then what else to do."""
    assert campaign.initiative
    initiative = campaign.initiative.model_copy(update={"hand_off": "https://eci.ec.europa.eu/1"})

    page = confirmed(campaign.model_copy(update={"initiative": initiative}))

    places = [
        page.index(text) for text in ("Sign the initiative there", "Now bring one more person", "Donate now")
    ]
    assert places == sorted(places)


def test_a_language_without_words_for_the_next_step_leads_nowhere(campaign: Campaign) -> None:
    """Nor does a campaign without one; a button in another language would be a riddle."""
    silent = {"en": campaign.text("en").model_copy(update={"next_step": None})}

    for each in ({"texts": silent}, {"next_step": None}):
        assert "unwatched.example.org/en/donate" not in confirmed(campaign.model_copy(update=each))


def test_what_is_left_of_a_retired_petition_leads_to_the_next_step(campaign: Campaign) -> None:
    """Those who open an old mail have signed; where they came from is no longer known."""
    page = bytes(pages.retired(campaign, ENGLISH).body).decode()

    assert 'href="https://unwatched.example.org/en/donate?utm_campaign=reclaim-your-face"' in page


def test_a_page_has_the_colour_of_its_campaign(campaign: Campaign) -> None:
    """The policy lets exactly this style in; another campaign's page has another one."""
    red = campaign.model_copy(update={"accent": "#aa0055"})

    for each in (campaign, red):
        answer = pages.petition(each, ENGLISH, Filled(), {}, public_url=PUBLIC_URL, closed_reason=None)
        [style] = re.findall("<style>(.*?)</style>", bytes(answer.body).decode(), flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"--act:{each.accent}" in style
        assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]


def test_a_mail_has_the_colour_of_its_campaign(campaign: Campaign) -> None:
    """Its button is that of the page to which it leads."""
    links = [MailLink(f"{PUBLIC_URL}/v1/confirm/x", None)]

    _, mail = pages.mail("confirm", campaign, ENGLISH, confirm=links, withdraw=PUBLIC_URL, privacy=PUBLIC_URL)

    assert f'bgcolor="{campaign.accent}"' in mail


def test_one_can_sign_from_above_the_form_and_from_below_the_text(campaign: Campaign) -> None:
    """By links to the form, which are gone when it is."""
    link = '<a class="button" href="#sign">Sign the petition</a>'

    assert petition(campaign).count(link) == 2
    assert link not in petition(campaign, closed_reason="campaign_closed")


@pytest.mark.parametrize(
    "statement",
    [
        "Unwatched Europe e.V.",
        "Musterstraße 12, 10115 Berlin, Germany",
        "These controllers decide on your data together (GDPR, Article 26)",
        "What they have agreed",
        "dpo@unwatched.example.org",
        "explicit consent (GDPR, Articles 6(1)(a) and 9(2)(a))",
        "with a consent of its own (GDPR, Article 6(1)(a))",
        "responsible for it from then on",
        "To withdraw this consent, turn to that organisation",
        "this one partner receives your name, email address, language and country: Digital Rights Watch Berlin",
        "Brieftaube Mail Relay GmbH (Germany)",
        "All processing takes place at the places named above.",
        "We store no IP address",
        "Its request logs are switched off in the set-up that we document.",
        "a second fingerprint, of your mailbox (the email address without any +tag)",
        "sealed to a key that one of our programs holds, until it is stored and the mail is sent",
        "one more day, for the reminder",
        "a spool of the same sealed data",
        "set aside, still sealed, for up to 31 days",
        "Once stored, your name and email address are sealed",
        "at most two mails an hour. After five in 30 days it is at most one a day",
        "finds no room within 30 days is dropped",
        "30 days from the last time we stored a signature with your email address",
        "ignored until they are gone: within 24 hours as a rule, within 30 days at most, or 31 days",
        "after the close on 31 October 2027 for seven more days",
        "Confirmed: until 28 April 2028",
        "Backups hold what was erased for up to 7 more days",
        "a fingerprint of its mail domain, made with the same key",
        "signs that a program may have sent the form, from a short list",
        "counted only after a person at the campaign has looked at it; no program rejects it",
        "To object, or to have a person look at it, write to privacy@unwatched.example.org",
        "Berlin Commissioner for Data Protection and Freedom of Information",
    ],
)
def test_the_privacy_notice_contains(statement: str) -> None:
    """The notice states what GDPR, Article 13, demands and what our own design promises."""
    assert statement in notice(campaigns.load_all()[CAMPAIGN])


def test_the_privacy_notice_of_one_controller_without_partners() -> None:
    """It mentions neither an arrangement between controllers nor a list of partners."""
    text = notice(alone(campaigns.load_all()[CAMPAIGN]))

    assert "This controller decides on your data:" in text
    assert "What they have agreed" not in text
    assert "None" not in text
    assert "one of these partners" not in text


def test_no_text_says_that_opening_the_link_is_enough() -> None:
    """The link opens a page, and the button there counts; the button in the mail has another label."""
    texts = [text for text in ENGLISH.texts.values() if "your signature counts" in text or "press" in text.lower()]

    assert [text for text in texts if re.search(r"[Pp]ress (it|the [a-z ]*link)\b|One press", text)] == []
    for kind in ("confirm", "reminder"):
        assert "open the link below and press the button there" in ENGLISH.texts[f"mail.{kind}.body"]
        assert ENGLISH.texts[f"mail.{kind}.button"] != ENGLISH.texts["confirm.submit"]


@pytest.mark.parametrize("language", sorted(locales.LANGUAGES))
@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("submissions", [1, 3])
def test_both_parts_of_a_mail_hold_the_same_links(language: str, kind: MailKind, submissions: int) -> None:
    """Each of them as often as in the other, because filters score a difference."""
    labels = ["22 November"] * submissions if submissions > 1 else [None]
    confirm = [MailLink(f"{PUBLIC_URL}/v1/confirm/{n}", label) for n, label in enumerate(labels)]
    text, page = pages.mail(
        kind,
        campaigns.load_all()[CAMPAIGN],
        locales.load(language),
        confirm=[] if kind is MailKind.SIGNED else confirm,
        withdraw=f"{PUBLIC_URL}/v1/withdraw/w",
        privacy=f"{PUBLIC_URL}/c/{CAMPAIGN}/privacy?lang={language}",
        **(SIGNED if kind is MailKind.SIGNED else {}),
    )

    in_text = re.findall(r"\b(?:https?:|mailto:)\S+", text)
    in_page = [html.unescape(link) for link in re.findall(r'\bhref="([^"]*)"', page)]

    assert sorted(in_text) == sorted(in_page)
    assert len(in_text) == 2 + (1 if kind is MailKind.SIGNED else submissions)


@pytest.mark.parametrize("kind", ["confirm", "reminder", "signed"])
def test_a_mail_is_short(kind: str) -> None:
    """A mail has some sixty words without its links, because longer ones are not read."""
    link = [] if kind == "signed" else [MailLink("https://petition.example.org/c", None)]
    text, _ = pages.mail(
        kind,
        campaigns.load_all()[CAMPAIGN],
        ENGLISH,
        confirm=link,
        withdraw="https://petition.example.org/w",
        privacy="https://petition.example.org/p",
        **(SIGNED if kind == "signed" else {}),
    )

    message, _, footer = text.partition("\n-- \n")

    assert len([word for word in message.split() if "://" not in word]) <= 75
    assert footer.splitlines()[-1] == "https://petition.example.org/p"


def test_the_petition_shows_its_markup_and_the_preview_its_plain_text(campaign: Campaign) -> None:
    """The text's marks become elements, nothing else does, and the summary is no Markdown."""
    marked = "*Now*, [here](https://a.example/) <b>![x](https://a.example/x.png)"
    texts = campaign.text("en").model_copy(
        update={"paragraphs": (marked,), "demands": (marked,), "closing": marked, "summary": "5 * 3 * 2"}
    )

    page = petition(campaign.model_copy(update={"texts": {"en": texts}}))

    link = 'href="https://a.example/" rel="external noopener"'
    assert page.count(f"<em>Now</em>, <a {link}>here</a> &lt;b&gt;!<a ") == 3
    assert 'content="5 * 3 * 2"' in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("closes", "shown"),
    [
        (date(2027, 10, 31), "31 October 2027."),
        (datetime(2027, 10, 31, 18, tzinfo=timezone(timedelta(hours=1))), "31 October 2027, 18:00 UTC+01:00."),
    ],
)
def test_the_end_is_shown_with_its_hour_where_it_has_one(closes: date, shown: str, campaign: Campaign) -> None:
    """The hour is the one of the campaign file, with the offset that makes it the same everywhere."""
    page = pages.withdraw(campaign.model_copy(update={"closes": closes}), locales.load("en"))

    assert f"until {shown}" in bytes(page.body).decode()
