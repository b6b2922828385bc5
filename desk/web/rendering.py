"""Render the desk's pages, each of which says what it works on."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from desk import runtime
from desk.settings import NoRecordsNamed, command, deployment
from desk.stats import report
from desk.terminal.output import pluralize
from desk.web import rights
from shared import locales
from shared.campaigns.accent import DEFAULT_ACCENT
from shared.errors import ConfigurationError
from shared.web import pages

_FOLDER = Path(__file__).parent / "templates"


def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page. `values`: what its template needs beside the place."""
    known: Mapping[str, Any] = {
        "place": place(),
        "named": named(),
        "command": command(),
        "read_only": rights.read_only(),
        "locale": locales.load("en"),
        **values,
    }
    html = _environment().get_template(template).render(known)
    # A path of this machine, which pages name, may hold bytes that are no text.
    return HTMLResponse(html.encode(errors="replace"), status_code=status)


def named() -> str:
    """Return what the desk works on, for buttons: "in production", "on this machine"."""
    if chosen := deployment():
        return f"in {chosen.name}"
    return "on this machine" if runtime.is_local() else f"in {place()}"


def place() -> str:
    """Return where the records are, in words; without settings, what is wrong with them."""
    try:
        return runtime.place()
    except NoRecordsNamed:
        return "campaign files alone, for no deployment is named, and nothing was run here yet"
    except ConfigurationError as error:
        return str(error)


def style() -> str:
    """Return the style sheet: that of the public pages, and what the desk has besides."""
    # As a string, for what is added to Markup is escaped.
    return str(pages.style(DEFAULT_ACCENT)) + (_FOLDER / "desk.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([_FOLDER, report.FOLDER, pages.FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pluralize"] = pluralize
    return environment
