"""The petition's text in Markdown: what becomes HTML, and that nothing else does."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.campaigns import markdown
from shared.campaigns.loader import load, load_all
from tests.shared.campaigns.test_campaigns import EXAMPLE_FILE

#: What a text may become: the attributes of each element.
ALLOWED = {"p": {}, "em": {}, "strong": {}, "ul": {}, "ol": {"start"}, "li": {}, "br": {}, "a": {"href", "rel"}}

#: Known ways to smuggle a script, a picture or a request through a Markdown parser.
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>a</a>",
    "<!-- x --><iframe src=//evil.example>",
    "</p></article><script>alert(1)</script>",
    "<p onclick=alert(1)>a",
    "![a](https://evil.example/pixel.png)",
    "![a](javascript:alert(1))",
    "![a][b]\n\n[b]: https://evil.example/pixel.png",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a]( javascript:alert(1) )",
    "[a](<javascript:alert(1)>)",
    "[a](java\nscript:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](javascript&colon;alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](&#x6A&#x61;vascript:alert(1))",
    "[a](\\javascript:alert(1))",
    "[a](\x01javascript:alert(1))",
    "[a](\u200bjavascript:alert(1))",
    "[a](vbscript:msgbox(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](data:image/svg+xml;base64,PHN2Zz4=)",
    "[a](file:///etc/passwd)",
    "[a](//evil.example)",
    "[a](/\\evil.example)",
    "[a](https:evil.example)",
    "[a](http://evil.example)",
    "[a](#sign)",
    "[a](?moved)",
    '[a](https://a.example "x" onmouseover="alert(1)")',
    '[a](https://a.example" onmouseover="alert(1))',
    "[a](https://a.example'onmouseover='alert(1))",
    '[a](https://a.example/"><script>alert(1)</script>)',
    "[<script>alert(1)</script>](https://a.example)",
    "[![a](https://evil.example/p.png)](https://a.example)",
    "<javascript:alert(1)>",
    "<http://evil.example>",
    '<https://a.example/"onmouseover=alert(1)>',
    "[a]: javascript:alert(1)\n\n[a]",
    "`<script>alert(1)</script>`",
    '```"><script>alert(1)</script>\nx\n```',
    "    <script>alert(1)</script>",
    "> <script>alert(1)</script>",
    "# <script>alert(1)</script>",
    "- <script>alert(1)</script>",
    "*<script>*alert(1)*</script>*",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<style>*{background:url(//evil.example)}</style>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "**<b onmouseover=alert(1)>**",
    "a\x00<script>b",
]

#: Pieces of Markdown and HTML, of which Hypothesis makes texts.
MARKS = ["*", "**", "_", "[", "](", ")", "!", "<", ">", '"', "'", "\\", "- ", "1. ", "# ", "`", "&", ";", "//"]
WORDS = [
    "javascript:",
    "data:",
    "https://a.example",
    "mailto:a@b.example",
    "<script>",
    "onload=",
    " ",
    "\n",
    "\n\n",
]
TEXTS = st.lists(st.sampled_from(MARKS + WORDS) | st.text(max_size=3), max_size=25).map("".join) | st.sampled_from(
    ATTACKS
)


class Elements(HTMLParser):
    """The elements of some HTML, each with its attributes; an element that is not allowed is an error."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.links = list[str]()
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= set(ALLOWED[tag]), (tag, attrs)
        given = dict(attrs)
        if tag == "a":
            assert given["rel"] == "external noopener"
            self.links.append(str(given["href"]))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


def check(markup: str) -> None:
    """See that some HTML holds only what is allowed. The link of `[text]()` leads to the page itself."""
    assert all(re.match(r"https://[^/]|mailto:.|\Z", link, re.IGNORECASE) for link in Elements(markup).links)


@pytest.mark.parametrize("text", ATTACKS)
def test_no_attack_becomes_more_than_text_and_links(text: str) -> None:
    """Neither a script, nor a picture, nor an attribute, nor a link to anything but a web page or a mailbox."""
    check(markdown.render(text))
    check(markdown.render_inline(text))


@given(TEXTS)
def test_no_text_becomes_more_than_text_and_links(text: str) -> None:
    """The same of all that can be put together."""
    check(markdown.render(text))
    check(markdown.render_inline(text))


@given(st.text(st.characters(categories=["L", "Nd", "Po", "Sm"], exclude_characters="\\*_[]<>`!#&"), min_size=1))
def test_a_text_without_marks_is_shown_as_it_is(text: str) -> None:
    """Files from before there was any markup look the same."""
    assert html.unescape(markdown.render_inline(text)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ban *all* of it, **now**.", "<p>Ban <em>all</em> of it, <strong>now</strong>.</p>\n"),
        (
            "Read [the law](https://a.example/b?c=d&e).",
            '<p>Read <a href="https://a.example/b?c=d&amp;e" rel="external noopener">the law</a>.</p>\n',
        ),
        (
            "<mailto:a@b.example>",
            '<p><a href="mailto:a@b.example" rel="external noopener">mailto:a@b.example</a></p>\n',
        ),
        ("We ask for:\n- trees\n- birds", "<p>We ask for:</p>\n<ul>\n<li>trees</li>\n<li>birds</li>\n</ul>\n"),
        ("1. first\n2. second", "<ol>\n<li>first</li>\n<li>second</li>\n</ol>\n"),
        ("One.\n\nTwo.", "<p>One.</p>\n<p>Two.</p>\n"),
        ("5 * 3 and snake_case and https://a.example", "<p>5 * 3 and snake_case and https://a.example</p>\n"),
        ("\\*not\\* marked", "<p>*not* marked</p>\n"),
        ("# 1 of <3 `things`", "<p># 1 of &lt;3 `things`</p>\n"),
    ],
)
def test_links_emphasis_and_lists_are_shown(text: str, shown: str) -> None:
    """And nothing else: a mark that stands alone, a bare address and a number sign stay what they are."""
    assert markdown.render(text) == shown


def test_a_demand_is_one_sentence() -> None:
    """It is an entry of a list already: what would begin another list stays text."""
    assert markdown.render_inline("1. *No* cameras") == "1. <em>No</em> cameras"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("See ![a map](https://a.example/map.png).", "holds a picture"),
        ("<b>Now</b>", "holds HTML"),
        ("<div>\nNow\n</div>", "holds HTML"),
        ("# Why", "holds a heading"),
        ("[a](http://a.example)", "links to http://a.example: only https://"),
        ("[a](javascript:alert(1))", "links to javascript:alert(1): only https://"),
        ("- one\n- [two](www.a.example)", "links to www.a.example: only https://"),
        ("[the law]()", "has a link without an address: write [the law](https://…)"),
        ("[]()", "has a link without an address: write [its text](https://…)"),
        (
            "[ ](https://a.example)",
            "has a link without text, which nobody sees: write [its text](https://a.example)",
        ),
    ],
)
@pytest.mark.parametrize("key", ["paragraphs.1", "demands.0", "closing", "arrangement"])
def test_what_is_not_shown_is_named_by_key(text: str, error: str, key: str) -> None:
    """Signers would read the marks, or miss the picture."""
    campaign = load(EXAMPLE_FILE)
    name, _, index = key.partition(".")
    before = getattr(campaign.text("en"), name)
    value = (*before[: int(index)], text, *before[int(index) + 1 :]) if index else text
    changed = campaign.text("en").model_copy(update={name: value})

    found = list(markdown.errors(campaign.model_copy(update={"texts": {"en": changed}})))

    assert [(".".join(map(str, at)), said[: len(error)]) for at, said in found] == [(f"texts.en.{key}", error)]


def test_the_texts_that_are_shipped_hold_only_what_is_shown() -> None:
    """In each of their languages."""
    assert not [error for campaign in load_all().values() for error in markdown.errors(campaign)]
