"""Languages: which one is spoken, and that nothing is said that was not written, nor written and never said."""

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jinja2
import pytest
from babel import Locale as Cldr
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import nodes

from shared import campaigns, errors, locales
from shared.locales import FALLBACK, LANGUAGES, load, negotiate
from shared.store.entities import MailKind
from shared.web import pages, widget
from tests.support.deployment import CAMPAIGN, REPOSITORY

TEXTS = load("en").texts
SCRIPT = REPOSITORY / "functions" / "embed" / "static" / "v1.js"
PLURAL_FORM = r"\.(?:zero|one|two|few|many|other)"
SPOKEN = {"en", "de", "fr", "pt"}


class TestNegotiate:
    @pytest.fixture(autouse=True)
    def _speaks_four_languages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locales, "LANGUAGES", frozenset({*SPOKEN, "pl"}))

    @pytest.mark.parametrize(
        ("wanted", "accepted", "spoken"),
        [
            (None, None, "de"),
            ("", "", "de"),
            ("fr", None, "fr"),
            ("FR", None, "fr"),
            ("pt-BR", None, "pt"),
            ("de-Latn-AT", "fr", "de"),
            ("fr", "en", "fr"),
            ("mt", "en", "en"),
            ("mt", None, "de"),
            ("pl", None, "de"),
            (None, "fr", "fr"),
            (None, "FR-ca", "fr"),
            (None, "mt, fr", "fr"),
            (None, "pl, en", "en"),
            (None, "en;q=0.5, fr;q=0.9, pt;q=0.7", "fr"),
            (None, "en ; q=0.5 ,fr", "fr"),
            (None, "en;q=0.8, fr;q=0.8", "en"),
            (None, "en;q=0.001,fr;q=0", "en"),
            (None, "fr;q=0", "de"),
            (None, "fr;q=0.000, en;q=1.000", "en"),
            (None, "*", "de"),
            (None, "*, fr;q=0.1", "fr"),
            (None, "mt, *;q=0.5", "de"),
            (None, "fr;q=2, en", "en"),
            (None, "fr;q=-1, en", "en"),
            (None, "fr;level=1, en", "en"),
            (None, "en_US, fr", "fr"),
            (None, ", ,;q=1,,fr,", "fr"),
            (None, "x" * 10_000 + ", fr", "de"),
            (None, "fr," * 4_000, "fr"),
            (None, "a-" * 5_000, "de"),
            (None, "fr;q=0.9" + " " * 10_000, "fr"),
            (None, "\x00é漢, fr", "fr"),
        ],
    )
    def test_speaks_what_is_wanted_else_what_the_browser_accepts(
        self, wanted: str | None, accepted: str | None, spoken: str
    ) -> None:
        """By quality, then by order; regions fall back to their language, and junk is passed over."""
        assert negotiate(wanted, accepted, SPOKEN, "de") == spoken

    def test_speaks_only_what_the_campaign_has_texts_in(self) -> None:
        """Half a page in another language helps nobody."""
        assert negotiate("fr", "fr, pt", {"en", "pl"}, "pl") == "pl"

    def test_speaks_english_where_the_campaigns_language_is_none_of_ours(self) -> None:
        """A form must be in some language."""
        assert negotiate(None, None, {"mt"}, "mt") == FALLBACK

    @given(st.none() | st.text(), st.none() | st.text() | st.text(" ,;=q*0123456789.-abcdefr"))
    def test_always_speaks_a_language(self, wanted: str | None, accepted: str | None) -> None:
        """Whatever a header holds."""
        assert negotiate(wanted, accepted, SPOKEN, "de") in SPOKEN


@dataclass(frozen=True)
class Said:
    """One place that says something. `pattern`: which keys; `given`: the placeholders filled, None if unknown."""

    place: str
    pattern: str
    given: frozenset[str] | None

    def possible(self) -> list[str]:
        return [key for key in TEXTS if re.fullmatch(self.pattern, key)]


def _in_templates() -> Iterator[Said]:
    for file in sorted(pages.FOLDER.iterdir()):
        if file.suffix in {".html", ".txt"}:
            tree = jinja2.Environment(autoescape=True).parse(file.read_text(encoding="utf-8"))
            for call in tree.find_all(nodes.Call):
                given = frozenset(keyword.key for keyword in call.kwargs)
                match call.node:
                    case nodes.Name(name="locale"):
                        form = ""
                    case nodes.Getattr(node=nodes.Name(name="locale"), attr="plural"):
                        form = PLURAL_FORM
                    case _:
                        continue
                for key in _in_jinja(call.args[0]):
                    yield Said(f"{file.name}:{call.lineno}", key + form, given)


def _in_jinja(node: nodes.Node) -> list[str]:
    """The keys an expression can be, as patterns: what is not written there can be anything."""
    match node:
        case nodes.Const():
            return [re.escape(str(node.value))]
        case nodes.CondExpr():
            return [*_in_jinja(node.expr1), *(_in_jinja(node.expr2) if node.expr2 else [])]
        case nodes.Concat():
            patterns = [""]
            for part in node.nodes:
                patterns = [before + after for before in patterns for after in _in_jinja(part)]
            return patterns
    return [r"\w+"]


def _in_python() -> Iterator[Said]:
    for file in sorted([*REPOSITORY.glob("shared/**/*.py"), *REPOSITORY.glob("functions/**/*.py")]):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "locale"
                and node.args
            ):
                given = [keyword.arg for keyword in node.keywords]
                known = None if None in given else frozenset(name for name in given if name)
                yield Said(f"{file.name}:{node.lineno}", _in_expression(node.args[0]), known)


def _in_expression(node: ast.expr) -> str:
    match node:
        case ast.Constant():
            return re.escape(str(node.value))
        case ast.JoinedStr():
            return "".join(_in_expression(part) for part in node.values)
    return r"\w+"


def _in_script() -> Iterator[str]:
    """The keys in the widget, as patterns: they stand there as strings, and `${…}` in them can be anything."""
    tables = {key.split(".")[0] for key in TEXTS}
    for key in re.findall(r"[\"`]((?:\w|\.|\$\{\w+\})+)[\"`]", SCRIPT.read_text(encoding="utf-8")):
        if key.split(".")[0] in tables and "." in key:
            yield re.sub(r"\\\$\\{\w+\\}", r"\\w+", re.escape(key))


IN_SCRIPT = list(_in_script())
SAID = [
    *_in_templates(),
    *_in_python(),
    *(Said("widget.py", re.escape(key) + rf"({PLURAL_FORM})?", None) for key in widget.KEYS),
]


def placeholders(key: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(TEXTS[key]) if name is not None}


def test_everything_that_is_said_is_written() -> None:
    """A key with a typing error would be a page that fails."""
    assert len(SAID) > 100
    assert [said for said in SAID if not said.possible()] == []


def test_everything_that_is_written_is_said() -> None:
    """Nobody translates for the bin."""
    assert set(TEXTS) - {key for said in SAID for key in said.possible()} == set()


def test_the_widget_is_given_what_it_says() -> None:
    """Each key in the script is in the list of those it gets, and each in the list is in the script."""
    assert len(IN_SCRIPT) > 50
    given = [key for key in TEXTS if key in widget.KEYS or key.rpartition(".")[0] in widget.KEYS]

    assert [said for said in IN_SCRIPT if not any(re.fullmatch(said, key) for key in given)] == []
    assert [key for key in given if not any(re.fullmatch(said, key) for said in IN_SCRIPT)] == []


def test_every_placeholder_is_filled() -> None:
    """In every text that may be said there; and nothing is given that none of them uses."""
    known = [said for said in SAID if said.given is not None]

    assert [
        said for said in known if any(placeholders(key) - set(said.given or ()) for key in said.possible())
    ] == []
    assert [
        said for said in known if set(said.given or ()) != set().union(*map(placeholders, said.possible()))
    ] == []


def _all_errors(base: type[errors.PublicError] = errors.PublicError) -> Iterator[type[errors.PublicError]]:
    yield base
    for each in base.__subclasses__():
        yield from _all_errors(each)


@pytest.mark.parametrize("table", ["errors", "error_titles"])
def test_every_public_error_has_its_text(table: str) -> None:
    """And no text is left of an error that is no more."""
    written = {key.split(".")[1] for key in TEXTS if key.startswith(f"{table}.")}

    assert written == {error.code for error in _all_errors()}


def test_errors_ask_for_no_more_than_they_are_given() -> None:
    """Only one of them says where else to go."""
    asked = {key: placeholders(key) for key in TEXTS if key.startswith("errors.") and placeholders(key)}

    assert asked == {"errors.origin_not_allowed": {"hosted_page"}}


def test_every_error_of_a_field_has_its_text() -> None:
    """Codes as the source names them: each is written, and each that is written can happen."""
    written = {key.split(".")[1] for key in TEXTS if key.startswith("fields.")}
    source = "\n".join(file.read_text(encoding="utf-8") for file in REPOSITORY.glob("[sf]*/**/*.py"))
    raised = {
        *re.findall(r'_error\("(\w+)"\)', source),
        *re.findall(r'_matching\([^,]+, "(\w+)"\)', source),
        *re.findall(r'FieldError\([^,]+, "(\w+)"\)', source),
        *re.findall(r'": "(\w+)"', source[source.index("_ERROR_CODES = ") :].splitlines()[0]),
        "wrong_type",
    }

    assert raised == written


@pytest.mark.parametrize("kind", MailKind)
def test_every_mail_has_its_texts(kind: MailKind) -> None:
    """A subject, a line for the list of mails, a heading, words, and the way out; a button where there is one."""
    needed = {"subject", "preview", "heading", "body", "withdraw"}

    written = {key.split(".")[2] for key in TEXTS if key.startswith(f"mail.{kind}.")}

    assert needed <= written
    assert ("button" in written) == (kind is not MailKind.SIGNED)


#: Of the European Union (Regulation No 1, Article 1).
OFFICIAL = "bg cs da de el en es et fi fr ga hr hu it lt lv mt nl pl pt ro sk sl sv"

#: Words that are the same in English and in another language.
SAME_WORDS = {
    "de": {"Name", "Petition"},
    "es": {"No"},
    "fr": {"Contact"},
    "it": {"No"},
    "nl": {"Contact"},
    "ro": {"Contact"},
}


def base(key: str) -> str:
    """The key without its plural form."""
    return re.sub(f"{PLURAL_FORM}$", "", key)


PLURALS = {base(key) for key in TEXTS if base(key) != key}


def test_every_official_language_is_spoken_and_so_is_the_example() -> None:
    """All of them, and no other."""
    assert set(OFFICIAL.split()) == LANGUAGES
    assert campaigns.load_all()[CAMPAIGN].texts.keys() == LANGUAGES


@pytest.mark.parametrize("language", sorted(LANGUAGES))
class TestEachLanguage:
    def test_has_the_same_texts(self, language: str) -> None:
        """A translation that lacks one would fail on the page that needs it."""
        texts = load(language).texts

        assert {base(key) for key in texts} == {base(key) for key in TEXTS}

    def test_has_the_plural_forms_that_cldr_knows(self, language: str) -> None:
        """Each of them for each text that goes with a number, and no other."""
        forms = {*Cldr.parse(language).plural_form.rules, "other"}

        written = {key for key in load(language).texts if base(key) in PLURALS}

        assert written == {f"{plural}.{form}" for plural in PLURALS for form in forms}

    def test_has_the_same_placeholders(self, language: str) -> None:
        """In each text, and in each plural form of one."""
        texts = load(language).texts
        original = {base(key): text for key, text in TEXTS.items()}

        told = {key: re.findall(r"{.*?}", text) for key, text in texts.items()}

        assert [key for key in texts if set(told[key]) != set(re.findall(r"{.*?}", original[base(key)]))] == []

    def test_is_not_left_in_english(self, language: str) -> None:
        """Nothing but what is the same word in both."""
        texts = load(language).texts

        same = {text for key, text in texts.items() if text in {TEXTS.get(key), TEXTS.get(f"{base(key)}.other")}}

        assert language == "en" or same <= SAME_WORDS.get(language, set())

    def test_has_the_marks_of_a_printed_page(self, language: str) -> None:
        """No quotation mark or apostrophe of a typewriter, and no space that was left by accident."""
        texts = load(language).texts.values()

        assert [text for text in texts if re.search(r"[\"']|  |^\s|\s$|\.\.\.", text)] == []

    def test_fits_the_badge(self, language: str) -> None:
        """Which is 200 pixels wide."""
        locale = load(language)

        assert len(locale("badge.label")) <= 22
        assert len(locale("badge.label") + locale("badge.next_goal", next_goal="1 000 000")) <= 42

    def test_calls_the_mails_button_otherwise_than_the_pages(self, language: str) -> None:
        """The one opens the page, the other one counts."""
        locale = load(language)

        assert locale("confirm.submit") not in {locale("mail.confirm.button"), locale("mail.reminder.button")}

    @pytest.mark.parametrize("kind", MailKind)
    def test_writes_short_mails(self, language: str, kind: MailKind) -> None:
        """Some sixty words in English: a longer one is not read."""
        keys = ("heading", "body", "button", "withdraw", "withdraw_link")
        texts = load(language).texts
        said = " ".join(texts.get(f"mail.{kind}.{key}", "") for key in keys)

        assert len(said.split()) <= {MailKind.CONFIRM: 80, MailKind.REMINDER: 95, MailKind.SIGNED: 60}[kind]

    def test_says_who_has_read_it(self, language: str) -> None:
        """Native speakers, by name and date; none is honest, too."""
        assert all(re.fullmatch(r".+, \d{4}-\d{2}-\d{2}", reader) for reader in load(language).reviewed_by)

    def test_is_known_to_cldr(self, language: str) -> None:
        """Numbers, days and countries are written its way."""
        locale = load(language)

        assert re.sub(r"\D", "", locale.number(1_234_567)) == "1234567"
        assert "2027" in locale.date(date(2027, 10, 31))

    def test_says_the_whole_petition(self, language: str) -> None:
        """As many paragraphs and demands as the original, and none of it in English."""
        example = campaigns.load_all()[CAMPAIGN]
        original, texts = example.text("en"), example.text(language)

        assert len(texts.paragraphs) == len(original.paragraphs)
        assert len(texts.demands) == len(original.demands)
        assert texts.glossary.keys() == (set() if language == "en" else example.privacy.words)
        if language != "en":
            for name in ("title", "addressee", "summary", "demands_heading", "closing", "consent", "arrangement"):
                assert getattr(texts, name) != getattr(original, name)
            assert not {*texts.paragraphs, *texts.demands} & {*original.paragraphs, *original.demands}

    def test_is_called_what_its_readers_call_it(self, language: str) -> None:
        """As CLDR has it, though nothing asks CLDR."""
        assert locales.native_name(language) == locales.cldr_name(language)


def test_english_is_that_of_europe() -> None:
    """Day before month."""
    assert load("en").date(date(2027, 10, 31)) == "31 October 2027"
    assert load("en").number(1_000_000) == "1,000,000"


def test_the_folder_holds_english() -> None:
    """What everything falls back to."""
    assert FALLBACK in LANGUAGES
    assert Path(locales.FOLDER, f"{FALLBACK}.toml").is_file()
