"""The petition's page in what the example campaign does not show: several languages, a closed campaign."""

from pathlib import Path

import pytest

from shared import campaigns, locales, pages
from shared.campaigns import Campaign
from shared.pages import Filled
from tests.world import CAMPAIGN


def petition(campaign: Campaign, *, is_open: bool = True, **values: str) -> str:
    """The page in English, its form filled in with `values`."""
    page = pages.petition(campaign, locales.locale("en"), Filled(values), {}, is_open=is_open)
    return bytes(page.body).decode()


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    """The example, with texts in German as well, and in a language that Undersign does not speak yet."""
    content = (campaigns.FOLDER / f"{CAMPAIGN}.toml").read_text(encoding="utf-8")
    texts = content[content.index("[texts.en]") :]
    path = tmp_path / "example.toml"
    others = [texts.replace("[texts.en]", f"[texts.{language}]") for language in ("de", "tl")]
    path.write_text("\n".join([content, *others]), encoding="utf-8")
    return campaigns.load(path)


def test_languages_are_offered_by_their_own_names(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in which both the campaign and its forms are written; where the signer came from goes along."""
    monkeypatch.setattr(locales, "LANGUAGES", frozenset({"en", "de", "fr"}))

    page = petition(campaign, partner="digital-rights", source="flyer")

    link = "/c/example?lang=de&amp;partner=digital-rights&amp;source=flyer"
    assert f'<a href="{link}" hreflang="de" lang="de">Deutsch</a>' in page
    assert ">English</a>" in page
    assert 'hreflang="tl"' not in page
    assert 'hreflang="fr"' not in page


def test_one_language_needs_no_menu(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """A menu of one would be noise."""
    monkeypatch.setattr(locales, "LANGUAGES", frozenset({"en"}))

    assert "hreflang" not in petition(campaign)


def test_a_closed_petition_says_when_one_could_sign_and_points_at_no_form(campaign: Campaign) -> None:
    """The text and the number stay."""
    page = petition(campaign, is_open=False)

    assert "1 November 2026 to 31 October 2027" in page
    assert "<form" not in page
    assert 'class="skip"' not in page
    assert "count.svg" in page
