"""The petition's text as HTML: links, emphasis and lists in Markdown (CommonMark). All else is shown as written.

No HTML, picture or heading can come of a text, and its links lead to https:// and mailto: alone: organisers copy
texts from anywhere, and a page must load nothing from there. markdown-it-py escapes all that is not markup.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from shared.campaigns.model import Campaign, Texts
from shared.campaigns.problems import Location

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

#: What may be marked up, by the name of markdown-it's rule.
_RULES = ("list", "newline", "escape", "emphasis", "link", "autolink")
_HREF = re.compile(r"https://[^/]|mailto:.", re.IGNORECASE)
#: What people try that is not shown, by the type of markdown-it's token, and what to write instead.
_REFUSED = {
    "image": "holds a picture, which is not shown: link to it, or use the campaign's share.png",
    "html_inline": "holds HTML, which is shown as it is written: use *emphasis*, **strong** and [a link](https://…)",
    "html_block": "holds HTML, which is shown as it is written: use *emphasis*, **strong** and [a link](https://…)",
    "heading_open": "holds a heading, which is shown as it is written: make it a **strong** line of its own",
}


@cache
def render(text: str) -> Markup:
    """Return a text of one or more paragraphs and lists as HTML."""
    return Markup(_renderer().render(text))  # noqa: S704 - escaped by markdown-it


@cache
def render_inline(text: str) -> Markup:
    """Return a sentence as HTML; what would begin a list is shown as it is."""
    return Markup(_renderer().renderInline(text))  # noqa: S704 - escaped by markdown-it


def errors(campaign: Campaign) -> Iterator[tuple[Location, str]]:
    """Yield what signers would see as it is written, though its writer meant it as markup: key and sentence."""
    for language, texts in campaign.texts.items():
        for key, text in _marked_up(texts):
            for message in dict.fromkeys(_errors_of(text)):
                yield ("texts", language, *key), message


def _marked_up(texts: Texts) -> Iterator[tuple[Location, str]]:
    for key, entries in (("paragraphs", texts.paragraphs), ("demands", texts.demands)):
        yield from (((key, index), text) for index, text in enumerate(entries))
    yield ("closing",), texts.closing
    if texts.arrangement:
        yield ("arrangement",), texts.arrangement


def _errors_of(text: str) -> Iterator[str]:
    tokens = list(_flat(_full_parser().parse(text)))
    for index, token in enumerate(tokens):
        if token.type in _REFUSED:
            yield _REFUSED[token.type]
        elif token.type == "link_open":
            shown = takewhile(lambda inner: inner.type != "link_close", tokens[index + 1 :])
            yield from _errors_of_link(str(token.attrs["href"]), "".join(inner.content for inner in shown))


def _errors_of_link(href: str, shown: str) -> Iterator[str]:
    if not href:
        yield f"has a link without an address: write [{shown or 'its text'}](https://…)"
    elif not _HREF.match(href):
        yield f"links to {href}: only https:// and mailto: are links, with the whole address"
    elif not shown.strip():
        yield f"has a link without text, which nobody sees: write [its text]({href})"


def _flat(tokens: "list[Token]") -> "Iterator[Token]":
    for token in tokens:
        yield token
        yield from _flat(token.children or [])


# Imported by the first page that shows a petition: no other function, and no start, has to wait for it.
@cache
def _renderer() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("zero").enable(_RULES)
    parser.validateLink = lambda url: _HREF.match(url) is not None  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _open_link)
    return parser


def _open_link(renderer: Any, tokens: "list[Token]", index: int, options: Any, _env: Any) -> str:
    tokens[index].attrSet("rel", "external noopener")
    return str(renderer.renderToken(tokens, index, options, _env))


@cache
def _full_parser() -> "MarkdownIt":
    """Parse all of CommonMark, to find what its writer meant."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    return parser
