"""`undersign campaign drafts`: the papers that a campaign needs before it opens, filled from its file.

A data protection impact assessment (GDPR, Article 35) and, where several controllers decide together, their
arrangement (Article 26): drafts for a data protection officer to complete, as Markdown and as HTML.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from desk import private_files
from desk.campaigns import templates
from desk.terminal.output import out
from desk.workspace import CampaignId, campaign_file
from shared import campaigns, log
from shared.campaigns.model import CONFIRM_GRACE, MIN_RECIPIENTS, Campaign
from shared.campaigns.types import THROWAWAY
from shared.clock import utc_now
from shared.models.labels import Label
from shared.settings import VERSION
from shared.stats.count import MIN_SHOWN
from shared.store import entities

ASSESSMENT = "impact-assessment"
ARRANGEMENT = "joint-controllers"
#: How each place is marked that somebody must fill in.
BLANK = "[to be filled in"


def draft_papers(
    campaign: CampaignId,
    to: Annotated[Path, typer.Option(help="The folder to write into; it must be new or empty.")] = Path("drafts"),
) -> None:
    """Draft the impact assessment and the arrangement between controllers, filled from the campaign file."""
    loaded = campaigns.load(campaign_file(campaign))
    facts = _facts(loaded)
    private_files.create_folder(to)
    names = [ASSESSMENT, *([ARRANGEMENT] if len(loaded.controllers) > 1 else [])]
    for name in names:
        text = templates.render(f"{name}.md.j2", **facts)
        (to / f"{name}.md").write_text(text, encoding="utf-8")
        (to / f"{name}.html").write_text(templates.html_page(text), encoding="utf-8")
        out.print(f"[green]Drafted[/]: {to / name}.md and .html; {text.count(BLANK)} places are to be filled in.")
    if ARRANGEMENT not in names:
        out.print(
            "One controller alone arranges nothing with anybody (GDPR, Article 26): no arrangement is needed."
        )
    out.print("These are drafts, not legal advice: have somebody check them who knows data protection law.")


def _facts(campaign: Campaign) -> Mapping[str, Any]:
    """Return the values for the templates: from the campaign, and from the limits of the store and the log."""
    return {
        "campaign": campaign,
        "privacy": campaign.privacy,
        "texts": campaign.text(campaign.default_language),
        "arrangements": {language: campaign.text(language).arrangement for language in campaign.vouched_languages},
        "today": utc_now().date(),
        "version": VERSION,
        "throwaway": THROWAWAY,
        "min_recipients": MIN_RECIPIENTS,
        "proven": len(set(campaign.sealing.recipients)) - len(set(campaign.sealing.unproven)),
        "confirmed_until": campaign.last_day + CONFIRM_GRACE,
        "entities": entities,
        "min_shown": MIN_SHOWN,
        "log_fields": sorted(log.FIELDS),
        "labels": list(Label),
    }
