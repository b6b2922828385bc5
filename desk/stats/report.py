"""The report of `undersign stats` as one HTML file that opens offline, on the pages' own charts and style."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from desk.stats.summary import Stats, duration
from shared import locales
from shared.campaigns.model import Campaign
from shared.reference import countries
from shared.stats.funnel import Stage
from shared.stats.history import Line
from shared.web import pages, stats_page

FOLDER = Path(__file__).parents[1] / "templates"
_STAGES = {
    Stage.ACCEPTED: "Accepted",
    Stage.MAILED: "Mailed",
    Stage.OPENED: "Link opened",
    Stage.CONFIRMED: "Confirmed",
}


def render(stats: Stats, campaign: Campaign, line: Line) -> str:
    """Render the report as an HTML page that loads nothing."""
    style = pages.style(campaign.accent)
    environment = Environment(
        loader=FileSystemLoader([FOLDER, pages.FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        style=style,
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        **values(stats, campaign, line),
    )


def values(stats: Stats, campaign: Campaign, line: Line) -> Mapping[str, Any]:
    """Return what the template numbers.html is rendered with."""
    locale = locales.load("en")
    return {
        "stats": stats,
        "campaign": campaign,
        "locale": locale,
        "chart": stats_page.chart(stats.count, line),
        "countries": stats_page.country_rows(stats.count, locale),
        "stages": _STAGES,
        "names": {"country": dict(countries.names("en"))},
        "duration": duration,
    }
