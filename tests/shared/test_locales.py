"""Languages: which one is chosen, and that the texts and the code that uses them agree."""

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
    def _five_languages(self, monkeypatch: pytest.MonkeyPatch) -> None:
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
    def test_picks_the_wanted_language_or_one_that_the_browser_accepts(
        self, wanted: str | None, accepted: str | None, spoken: str
    ) -> None:
        """Quality comes before order; regions fall back to their language, and junk is ignored."""
        assert negotiate(wanted, accepted, SPOKEN, "de") == spoken

    def test_picks_only_a_language_of_the_campaign(self) -> None:
        """Other languages are not chosen, since half of the page would be in one and half in another."""
        assert negotiate("fr", "fr, pt", {"en", "pl"}, "pl") == "pl"

    def test_picks_english_if_no_language_of_the_campaign_is_supported(self) -> None:
        """The form must be in some language."""
        assert negotiate(None, None, {"mt"}, "mt") == FALLBACK

    @given(st.none() | st.text(), st.none() | st.text() | st.text(" ,;=q*0123456789.-abcdefr"))
    def test_always_picks_a_supported_language(self, wanted: str | None, accepted: str | None) -> None:
        """No request and no header, however odd, makes it fail."""
        assert negotiate(wanted, accepted, SPOKEN, "de") in SPOKEN


@dataclass(frozen=True)
class Use:
    """One place that uses a text. `pattern`: of its keys; `given`: the placeholders filled, None if unknown."""

    place: str
    pattern: str
    given: frozenset[str] | None

    def possible(self) -> list[str]:
        return [key for key in TEXTS if re.fullmatch(self.pattern, key)]


def _in_templates() -> Iterator[Use]:
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
                    yield Use(f"{file.name}:{call.lineno}", key + form, given)


def _in_jinja(node: nodes.Node) -> list[str]:
    """Return the keys that an expression may yield, as patterns: a variable may be anything."""
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


def _in_python() -> Iterator[Use]:
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
                yield Use(f"{file.name}:{node.lineno}", _in_expression(node.args[0]), known)


def _in_expression(node: ast.expr) -> str:
    match node:
        case ast.Constant():
            return re.escape(str(node.value))
        case ast.JoinedStr():
            return "".join(_in_expression(part) for part in node.values)
    return r"\w+"


def _in_script() -> Iterator[str]:
    """Yield the keys in the widget's script, as patterns: a `${…}` in a key may be anything."""
    tables = {key.split(".")[0] for key in TEXTS}
    for key in re.findall(r"[\"`]((?:\w|\.|\$\{\w+\})+)[\"`]", SCRIPT.read_text(encoding="utf-8")):
        if key.split(".")[0] in tables and "." in key:
            yield re.sub(r"\\\$\\{\w+\\}", r"\\w+", re.escape(key))


IN_SCRIPT = list(_in_script())
USES = [
    *_in_templates(),
    *_in_python(),
    *(Use("widget.py", re.escape(key) + rf"({PLURAL_FORM})?", None) for key in widget.KEYS),
]


def placeholders(key: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(TEXTS[key]) if name is not None}


def test_every_text_that_is_used_exists() -> None:
    """A key with a typo would be a page that fails."""
    assert len(USES) > 100
    assert [use for use in USES if not use.possible()] == []


def test_every_text_that_exists_is_used() -> None:
    """An unused text would be translated for nothing."""
    assert set(TEXTS) - {key for use in USES for key in use.possible()} == set()


def test_the_widget_gets_the_texts_that_it_uses() -> None:
    """The keys in the script are those in `widget.KEYS`."""
    assert len(IN_SCRIPT) > 50
    given = [key for key in TEXTS if key in widget.KEYS or key.rpartition(".")[0] in widget.KEYS]

    assert [pattern for pattern in IN_SCRIPT if not any(re.fullmatch(pattern, key) for key in given)] == []
    assert [key for key in given if not any(re.fullmatch(pattern, key) for pattern in IN_SCRIPT)] == []


def test_every_placeholder_is_filled() -> None:
    """Each place fills the placeholders of every text that it may use, and no others."""
    known = [use for use in USES if use.given is not None]

    assert [use for use in known if any(placeholders(key) - set(use.given or ()) for key in use.possible())] == []
    assert [use for use in known if set(use.given or ()) != set().union(*map(placeholders, use.possible()))] == []


def _all_errors(base: type[errors.PublicError] = errors.PublicError) -> Iterator[type[errors.PublicError]]:
    yield base
    for each in base.__subclasses__():
        yield from _all_errors(each)


@pytest.mark.parametrize("table", ["errors", "error_titles"])
def test_every_public_error_has_its_text(table: str) -> None:
    """And every text in these tables belongs to a public error."""
    written = {key.split(".")[1] for key in TEXTS if key.startswith(f"{table}.")}

    assert written == {error.code for error in _all_errors()}


def test_only_one_public_error_has_a_placeholder() -> None:
    """It is the one that links to the hosted page instead."""
    asked = {key: placeholders(key) for key in TEXTS if key.startswith("errors.") and placeholders(key)}

    assert asked == {"errors.origin_not_allowed": {"hosted_page"}}


def test_every_error_of_a_field_has_its_text() -> None:
    """The codes that the source raises are those that have texts."""
    written = {key.split(".")[1] for key in TEXTS if key.startswith("fields.")}
    source = "\n".join(file.read_text(encoding="utf-8") for file in REPOSITORY.glob("[sf]*/**/*.py"))
    raised = {
        *re.findall(r'_error\("(\w+)"\)', source),
        *re.findall(r'_slug\("(\w+)"\)', source),
        *re.findall(r'FieldError\([^,]+, "(\w+)"\)', source),
        *re.findall(r'": "(\w+)"', source[source.index("_ERROR_CODES = ") :].splitlines()[0]),
        "wrong_type",
    }

    assert raised == written


@pytest.mark.parametrize("kind", MailKind)
def test_every_mail_has_its_texts(kind: MailKind) -> None:
    """It has a subject, a preview, a heading, a body and a withdraw text, and a button if it has one to press."""
    needed = {"subject", "preview", "heading", "body", "withdraw"}

    written = {key.split(".")[2] for key in TEXTS if key.startswith(f"mail.{kind}.")}

    assert needed <= written
    assert ("button" in written) == (kind is not MailKind.SIGNED)


#: The official languages of the European Union (Regulation No 1, Article 1).
OFFICIAL = "bg cs da de el en es et fi fr ga hr hu it lt lv mt nl pl pt ro sk sl sv"

#: Words that are the same in English and in another language.
SAME_WORDS = {
    "de": {"Name", "Petition"},
    "es": {"No"},
    "fr": {"Contact", "Date", "Signature"},
    "it": {"No"},
    "nl": {"Contact"},
    "ro": {"Contact"},
}


def base(key: str) -> str:
    """Return the key without its plural form."""
    return re.sub(f"{PLURAL_FORM}$", "", key)


PLURALS = {base(key) for key in TEXTS if base(key) != key}


def test_every_official_language_is_supported_and_in_the_example() -> None:
    """Undersign and the example campaign have all of the EU's official languages, and no others."""
    assert set(OFFICIAL.split()) == LANGUAGES
    assert campaigns.load_all()[CAMPAIGN].texts.keys() == LANGUAGES


@pytest.mark.parametrize("language", sorted(LANGUAGES))
class TestEachLanguage:
    def test_has_the_same_texts(self, language: str) -> None:
        """A translation without one of them would fail on the page that needs it."""
        texts = load(language).texts

        assert {base(key) for key in texts} == {base(key) for key in TEXTS}

    def test_has_the_plural_forms_that_cldr_knows(self, language: str) -> None:
        """Each text that depends on a number has exactly the plural forms of its language."""
        forms = {*Cldr.parse(language).plural_form.rules, "other"}

        written = {key for key in load(language).texts if base(key) in PLURALS}

        assert written == {f"{plural}.{form}" for plural in PLURALS for form in forms}

    def test_has_the_same_placeholders(self, language: str) -> None:
        """Each text, and each of its plural forms, has the placeholders of the English one."""
        texts = load(language).texts
        original = {base(key): text for key, text in TEXTS.items()}

        found = {key: re.findall(r"{.*?}", text) for key, text in texts.items()}

        assert [key for key in texts if set(found[key]) != set(re.findall(r"{.*?}", original[base(key)]))] == []

    def test_is_not_left_in_english(self, language: str) -> None:
        """No text equals the English one, except for words that are the same in both languages."""
        texts = load(language).texts

        same = {text for key, text in texts.items() if text in {TEXTS.get(key), TEXTS.get(f"{base(key)}.other")}}

        assert language == "en" or same <= SAME_WORDS.get(language, set())

    def test_uses_typographic_punctuation(self, language: str) -> None:
        """No text has straight quotation marks or apostrophes, three dots, or stray spaces."""
        texts = load(language).texts.values()

        assert [text for text in texts if re.search(r"[\"']|  |^\s|\s$|\.\.\.", text)] == []

    def test_fits_the_badge(self, language: str) -> None:
        """The badge is 200 pixels wide, so its texts must be short."""
        locale = load(language)

        assert len(locale("badge.label")) <= 22
        assert len(locale("counter.first")) <= 29
        assert len(locale("badge.label") + locale("badge.next_goal", next_goal="1 000 000")) <= 42

    def test_labels_the_mails_button_differently_from_the_pages(self, language: str) -> None:
        """The button in the mail only opens the page; the one on the page confirms."""
        locale = load(language)

        assert locale("confirm.submit") not in {locale("mail.confirm.button"), locale("mail.reminder.button")}

    @pytest.mark.parametrize("kind", MailKind)
    def test_writes_short_mails(self, language: str, kind: MailKind) -> None:
        """A mail has some sixty words in English, because longer ones are not read."""
        keys = ("heading", "body", "share", "button", "withdraw", "withdraw_link")
        texts = load(language).texts
        text = " ".join(texts.get(f"mail.{kind}.{key}", "") for key in keys)

        assert len(text.split()) <= {MailKind.CONFIRM: 80, MailKind.REMINDER: 95, MailKind.SIGNED: 65}[kind]

    def test_names_its_reviewers_with_dates(self, language: str) -> None:
        """Reviewers are native speakers; an empty list is fine if nobody has reviewed it."""
        assert all(re.fullmatch(r".+, \d{4}-\d{2}-\d{2}", reader) for reader in load(language).reviewed_by)

    def test_is_known_to_cldr(self, language: str) -> None:
        """Numbers, dates and countries are written in the style of the language."""
        locale = load(language)

        assert re.sub(r"\D", "", locale.number(1_234_567)) == "1234567"
        assert "2027" in locale.date(date(2027, 10, 31))

    def test_translates_the_whole_example_petition(self, language: str) -> None:
        """It has as many paragraphs and demands as the original, and none is left in English."""
        example = campaigns.load_all()[CAMPAIGN]
        original, texts = example.text("en"), example.text(language)

        assert len(texts.paragraphs) == len(original.paragraphs)
        assert len(texts.demands) == len(original.demands)
        assert texts.glossary.keys() == (set() if language == "en" else example.privacy.words)
        if language != "en":
            for name in ("title", "addressee", "summary", "demands_heading", "closing", "consent", "arrangement"):
                assert getattr(texts, name) != getattr(original, name)
            assert not {*texts.paragraphs, *texts.demands} & {*original.paragraphs, *original.demands}

    def test_is_called_by_its_native_name(self, language: str) -> None:
        """The names in our table are those of CLDR, which is not loaded for them."""
        assert locales.native_name(language) == locales.cldr_name(language)


def test_english_is_european() -> None:
    """Dates have the day before the month."""
    assert load("en").date(date(2027, 10, 31)) == "31 October 2027"
    assert load("en").number(1_000_000) == "1,000,000"


def test_english_exists() -> None:
    """It is what all other languages fall back to."""
    assert FALLBACK in LANGUAGES
    assert Path(locales.FOLDER, f"{FALLBACK}.toml").is_file()
