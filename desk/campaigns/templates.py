"""What the desk writes for people to edit, from the templates in templates/. A missing value is an error."""

import re
from functools import cache
from pathlib import Path

import tomlkit
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

FOLDER = Path(__file__).parents[1] / "templates"


def render(template: str, **values: object) -> str:
    """Render a template with these values."""
    return _templates().get_template(template).render(values)


def html_page(markdown: str) -> str:
    """Render Markdown as an HTML page that needs nothing else; its title is the first heading."""
    [title] = re.findall(r"\A# (.*)$", markdown, re.MULTILINE)
    body = MarkdownIt("commonmark").enable("table").disable("html_block").disable("html_inline").render(markdown)
    return render("page.html.j2", title=re.sub(r"\\(.)", r"\1", title), body=body)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=False,  # noqa: S701 - TOML and Markdown, for an editor and not for a browser
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {"toml": _quoted, "number": _number, "md": _plain}
    return templates


def _quoted(text: str) -> str:
    """Quote text as a TOML string in one line."""
    return tomlkit.string(text).as_string()


def _plain(text: str) -> str:
    """Escape text so that Markdown shows it as it is, in one line."""
    return re.sub(r"([\\`*_\[\]|<>#~])", r"\\\1", " ".join(text.split()))


def _number(number: int) -> str:
    """Format a number for TOML, with thousands apart: 1_000."""
    return f"{number:_}"
