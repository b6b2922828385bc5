"""The example campaign before and after its consent text has changed."""

from pathlib import Path

from tests.support.deployment import CAMPAIGN, CONSENT_VERSION, campaign_file

NEW_VERSION = "2026-12-06"
OLD_WORDS, NEW_WORDS = "can withdraw my consent at any time", "may withdraw my consent whenever I like"


def before(folder: Path) -> Path:
    """Write the example campaign as it is, in English alone; return the folder."""
    return campaign_file(folder, CAMPAIGN).parent


def after(folder: Path, *, keeps: bool = True) -> Path:
    """Write it with another consent text and version. `keeps`: whether the file holds the old text, too."""
    path = before(folder) / f"{CAMPAIGN}.toml"
    text = path.read_text(encoding="utf-8")
    [consent] = [line for line in text.splitlines() if line.startswith("consent = ")]
    text = text.replace(consent, consent.replace(OLD_WORDS, NEW_WORDS))
    text = text.replace(f'consent_version = "{CONSENT_VERSION}"', f'consent_version = "{NEW_VERSION}"')
    if keeps:
        days = "shown_from = 2026-11-01\nshown_until = 2026-12-05"
        text += f'\n[[earlier_consents]]\nversion = "{CONSENT_VERSION}"\n{days}\n'
        text += f'\n[texts.en.earlier_consents]\n"{CONSENT_VERSION}" = {consent.removeprefix("consent = ")}\n'
    path.write_text(text, encoding="utf-8")
    return folder
