"""What a form may send: names and addresses from all over the world, and nothing harmful."""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from shared import locales
from shared.errors import Unopenable
from shared.models.cleaning import clean_email, clean_text
from shared.models.fields import check_email, check_name, check_postal_code, field_errors
from shared.models.messages import TaskBody, parse_message, parse_task
from shared.models.requests import LinksRequest, SignRequest
from tests.support.deployment import signature
from tests.support.inputs import ADDRESSES, INVISIBLE, NAMES, POSTAL_CODES

FIELDS = tuple(SignRequest.model_fields)
ERROR_TEXTS = {key for key in locales.load("en").texts if key.startswith("fields.")}


def errors(body: Any) -> list[tuple[str, str]]:
    """Return (field, code) of each error in a body."""
    with pytest.raises(ValidationError) as refused:
        SignRequest.model_validate(body)
    return [(error.field, error.code) for error in field_errors(refused.value)]


class TestName:
    @pytest.mark.parametrize(
        "name",
        [
            "Ann Example",
            "X",
            "李",
            "王小明",
            "محمد علي",
            "ابراهیمی\u200cنژاد",
            "क्\u200dषत्रिय शर्मा",
            "ක්\u200dරිස්ටීනා",
            "ក្មេង",
            "Владимир Ильич",
            "Nguyễn Thị Minh",
            "O'Brien",
            "Seán Ó’Néill",
            "ʻOkina",
            "Anne-Marie d’Ormesson",
            "J.R.R. Tolkien",
            "J.R.R.Tolkien",
            "Mary St.John",
            "Ann.Ru",
            "St. John Ng",
            "Dr. Ru Xyz",
            "Elizabeth Ⅱ",
            "X Æ A-12",
            "Ann 😀",
        ],
    )
    def test_of_any_script_is_kept_as_typed(self, name: str) -> None:
        """A real name is accepted unchanged, whatever its script."""
        assert SignRequest.model_validate(signature(name=name)).name == name

    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("Jose\u0301", "Jos\u00e9"),
            ("Nguye\u0302\u0303n", "Nguy\u1ec5n"),
            ("  Ann \u00a0 Example\u3000", "Ann Example"),
            ("\u1112\u1161\u11ab", "\ud55c"),
            ("Ann\nBcc: x", "Ann Bcc: x"),
            ("Ann\r", "Ann"),
            ("Ann\x00\x7f", "Ann"),
            ("Ann\x85Example", "Ann Example"),
            ("\u202eAnn\u2066", "Ann"),
            ("Ann\u200fB", "AnnB"),
            ("Ann\u2029B", "Ann B"),
            ("A\u200dnn\u200c Example", "Ann Example"),
        ],
    )
    def test_is_normalised(self, typed: str, kept: str) -> None:
        """Letters are composed (NFC), spaces are single and only between words, and nothing is invisible."""
        assert SignRequest.model_validate(signature(name=typed)).name == kept

    def test_is_measured_after_composing(self) -> None:
        """A letter with an accent is one character of the hundred allowed, even if it is sent as two."""
        assert SignRequest.model_validate(signature(name="e\u0301" * 100)).name == "é" * 100
        assert errors(signature(name="e\u0301" * 101)) == [("name", "too_long")]

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("", "required"),
            ("   ", "required"),
            ("\u00a0\u3000", "required"),
            ("A" * 101, "too_long"),
            ("O\x92Brien", "control_characters"),
            ("Ann\ud800", "control_characters"),
            ("Ann\ue000", "control_characters"),
            ("\u3164", "required"),
            ("\u115f\u1160", "required"),
            ("\u200c\u200d", "required"),
            ("http://evil.example", "url_not_allowed"),
            ("Visit my-site.com now", "url_not_allowed"),
            ("WWW.EVIL", "url_not_allowed"),
            ("visit evil.de", "url_not_allowed"),
            ("bit.ly/Abc", "url_not_allowed"),
            ("ann@example", "url_not_allowed"),
            ("ｅvil.com", "url_not_allowed"),
            ("123", "name_invalid"),
            ("😀", "name_invalid"),
            ("-", "name_invalid"),
            ("\u0301", "name_invalid"),
            (7, "wrong_type"),
            (["Ann"], "wrong_type"),
            (True, "wrong_type"),
        ],
    )
    def test_that_is_not_a_name_is_refused(self, name: object, code: str) -> None:
        """Broken letters, URLs and names without a letter are refused."""
        assert errors(signature(name=name)) == [("name", code)]


class TestEmail:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("ann@example.org", "ann@example.org"),
            ("Ann.Lee@EXAMPLE.org", "Ann.Lee@example.org"),
            ("ann+petition@example.org", "ann+petition@example.org"),
            ("o'brien@example.org", "o'brien@example.org"),
            ("  ann@example.org\n", "ann@example.org"),
            ("jörg@faß.de", "jörg@faß.de"),
            ("jörg@xn--fa-hia.de", "jörg@faß.de"),
            ("jose\u0301@example.org", "jos\u00e9@example.org"),
            ("用户@例え.jp", "用户@例え.jp"),
            ("पता@example.org", "पता@example.org"),
            ("a%0a@example.org", "a%0a@example.org"),
            ("ann\x00@ex\u202eample.org", "ann@example.org"),
            ("mailto:ann@example.org?subject=Hello", "ann@example.org"),
            ("MAILTO: ann@example.org", "ann@example.org"),
            ("ann@example.org <mailto:ann@example.org>,", "ann@example.org"),
            ('"Example, Ann" <ann@example.org>;', "ann@example.org"),
            ("ann‑lee@t‑online.de", "ann-lee@t-online.de"),
        ],
    )
    def test_of_any_script_is_accepted(self, typed: str, kept: str) -> None:
        """Tags, umlauts and even a `%0a`, which nobody decodes, are valid parts of an address."""
        assert SignRequest.model_validate(signature(email=typed)).email == kept

    @pytest.mark.parametrize(
        ("email", "code"),
        [
            ("", "required"),
            (" \t", "required"),
            *(
                (wrong, "email_invalid")
                for wrong in [
                    "ann",
                    "@",
                    "ann@",
                    "@example.org",
                    "ann@localhost",
                    "ann@example",
                    "ann@[127.0.0.1]",
                    "ann@127.0.0.1",
                    "ann@example..org",
                    "ann@-example.org",
                    "ann..lee@example.org",
                    ".ann@example.org",
                    "ann@ex_ample.org",
                    "ann@bob@example.org",
                    "ann lee@example.org",
                    '"ann lee"@example.org',
                    '"ann"@example.org',
                    "Bob bob@example.org <ann@example.org>",
                    "Ann <ann@example.org>, Bob <bob@example.org>",
                    "ann(me)@example.org",
                    "ann@example.org,bob@example.org",
                    "ann@example.org;bob@example.org",
                    "ann@example.org\r\nBcc: bob@example.org",
                    "ann\r\nBcc: bob@example.org",
                    "ann@example.org\nRCPT TO:<bob@example.org>",
                    "ann@example.org%0aBcc:bob@example.org",
                    "ann@example.org%0d%0aBcc",
                    "ann\x92@example.org",
                    "ann\u2028@example.org",
                    "ann\ud800@example.org",
                    "ann@☃.net",
                    "ann@xn--a.org",
                    f"ann@{'.'.join(['b' * 62] * 4)}.org",
                    f"{'é' * 130}@example.org",
                    f"{'a' * 65}@example.org",
                ]
            ),
            (7, "wrong_type"),
            ({"ann": "example.org"}, "wrong_type"),
        ],
    )
    def test_that_is_not_a_plain_address_is_refused(self, email: object, code: str) -> None:
        """Header injection, lists, and addresses longer than SMTP allows are refused."""
        assert errors(signature(email=email)) == [("email", code)]

    def test_is_checked_in_the_same_way_in_a_request_for_links(self) -> None:
        """An address that sign refuses is refused there, too."""
        with pytest.raises(ValidationError) as refused:
            LinksRequest.model_validate({"email": "ann@example.org\r\nBcc: b@example.org", "locale": "en"})

        assert [error.code for error in field_errors(refused.value)] == ["email_invalid"]


class TestOtherFields:
    @pytest.mark.parametrize(
        ("field", "typed", "kept"),
        [
            ("country", "DE", "DE"),
            ("country", " de ", "DE"),
            ("country", "XK", "XK"),
            ("locale", "en", "en"),
            ("locale", "de-AT", "de-AT"),
            ("locale", "de_AT\n", "de-AT"),
            ("locale", "zh-Hant-TW", "zh-Hant-TW"),
            ("consent", True, True),
            ("newsletter", True, True),
            ("newsletter", False, False),
            ("partner", "digital-rights", "digital-rights"),
            ("source", "qr-code-7", "qr-code-7"),
            ("source", "a" * 40, "a" * 40),
            ("source", "a\u200b\n", "a"),
            ("partner", "\ufeffdigital-rights", "digital-rights"),
            ("postal_code", "１２３－４５６７", "123-4567"),
            ("postal_code", "10115", "10115"),
            ("postal_code", "SW1A 1AA", "SW1A 1AA"),
            ("postal_code", "1234-567", "1234-567"),
        ],
    )
    def test_are_accepted(self, field: str, typed: object, kept: object) -> None:
        """Each field accepts the values that the API documents."""
        assert getattr(SignRequest.model_validate(signature(**{field: typed})), field) == kept

    @pytest.mark.parametrize(
        ("field", "typed", "code"),
        [
            ("country", "", "required"),
            ("country", "UK", "country_unknown"),
            ("country", "EU", "country_unknown"),
            ("country", "EL", "country_unknown"),
            ("country", "DEU", "country_unknown"),
            ("country", "ＤＥ", "country_unknown"),
            ("country", 49, "wrong_type"),
            ("locale", "", "locale_invalid"),
            ("locale", "english please", "locale_invalid"),
            ("locale", "../en", "locale_invalid"),
            ("consent", False, "consent_required"),
            ("consent", "true", "consent_required"),
            ("consent", 1, "consent_required"),
            ("consent", "on", "consent_required"),
            ("newsletter", "true", "wrong_type"),
            ("newsletter", 1, "wrong_type"),
            ("newsletter", "", "wrong_type"),
            ("partner", "Digital Rights", "partner_unknown"),
            ("partner", "a" * 41, "partner_unknown"),
            ("source", "", "source_invalid"),
            ("source", "a" * 41, "source_invalid"),
            ("source", "A", "source_invalid"),
            ("source", "é", "source_invalid"),
            ("postal_code", "1", "postal_code_invalid"),
            ("postal_code", "1" * 16, "postal_code_invalid"),
            ("postal_code", "<b>10115", "postal_code_invalid"),
            ("postal_code", 10115, "wrong_type"),
        ],
    )
    def test_are_refused(self, field: str, typed: object, code: str) -> None:
        """Values are not guessed at: consent, for one, must be `true` and not something similar."""
        assert errors(signature(**{field: typed})) == [(field, code)]

    @pytest.mark.parametrize("field", ["email", "name", "country", "locale", "consent"])
    def test_that_are_required_must_be_sent(self, field: str) -> None:
        """Leaving out a required field is an error for that field."""
        assert errors(signature(**{field: None})) == [(field, "required")]

    @pytest.mark.parametrize("field", ["partner", "source", "newsletter", "postal_code"])
    def test_that_are_optional_may_be_left_out(self, field: str) -> None:
        """A field left out is None; above all, the newsletter is not taken as wanted."""
        assert getattr(SignRequest.model_validate(signature()), field) is None


class TestErrors:
    def test_of_all_fields_are_reported_at_once(self) -> None:
        """The errors in a body are all in one answer, so that nobody has to send the form five times."""
        found = errors(signature(email="ann", name="", country="UK", consent=False))

        assert found == [
            ("email", "email_invalid"),
            ("name", "required"),
            ("country", "country_unknown"),
            ("consent", "consent_required"),
        ]

    @pytest.mark.parametrize("body", [None, [], "signature", 7, True, [signature()]])
    def test_of_a_body_that_is_not_an_object_name_no_field(self, body: object) -> None:
        """The one error is `not_an_object`, with an empty field."""
        assert errors(body) == [("", "not_an_object")]

    def test_of_unknown_fields_name_them_in_at_most_40_characters(self) -> None:
        """A developer finds the typo, but a long name is not echoed in full."""
        assert errors({**signature(), "n" * 1000: 1}) == [("n" * 40, "unknown_field")]

    @pytest.mark.parametrize("shape", ["{}", "{}@x", "{}@x.org\r\n", "<{}>://", "\u202e{}", "{}.com"])
    @pytest.mark.parametrize("field", FIELDS)
    def test_never_hold_the_value(self, field: str, shape: str) -> None:
        """Neither the answer nor a traceback repeats what was typed."""
        secret = "Zebulon9"
        texts = []
        for value in (shape.format(secret), [shape.format(secret)], {secret: secret}, {"a": {secret: [secret]}}):
            try:
                SignRequest.model_validate({**signature(), field: value})
            except ValidationError as refused:
                texts += [str(refused), repr(refused), repr(field_errors(refused))]

        assert texts
        assert not any(secret in text for text in texts)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
nearly_right = st.one_of(
    json_values,
    st.emails(),
    st.tuples(st.text(), st.text()).map("@".join),
    st.text(st.characters(codec=None), max_size=120),
    st.sampled_from(["DE", "en", "true", "a-b", "ann@example.org"]),
)
bodies = json_values | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=50), nearly_right).map(
    lambda fields: {**signature(), **fields}
)


@given(bodies)
def test_any_body_is_a_request_or_has_errors_with_a_text(body: Any) -> None:
    """An invalid body raises nothing but a ValidationError, and each of its errors has a text for the form."""
    try:
        request = SignRequest.model_validate(body)
    except ValidationError as refused:
        found = field_errors(refused)
        assert found
        assert {f"fields.{error.code}" for error in found} <= ERROR_TEXTS
        assert all(len(error.field) <= 40 for error in found)
    else:
        assert SignRequest.model_validate(request.model_dump()) == request


@pytest.mark.parametrize(
    ("check", "typed", "kept"),
    [
        *((check_name, *case) for case in NAMES.items()),
        *((check_email, *case) for case in ADDRESSES.items()),
        *((check_postal_code, *case) for case in POSTAL_CODES.items()),
    ],
)
def test_slips_are_cleaned_and_errors_refused(check: Callable[[str], str], typed: str, kept: str | None) -> None:
    """What people type and paste has one right value, or none."""
    if kept is None:
        with pytest.raises(PydanticCustomError):
            check(typed)
    else:
        assert check(typed) == kept
        assert check(kept) == kept


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (check_name, "Ann Example"),
        (check_name, "Dr.med. Anna Müller"),
        (check_name, "李小明"),
        (check_email, "ann@example.org"),
        (check_email, "jörg@bücher.example"),
        (check_postal_code, "SW1A 1AA"),
    ],
)
@given(places=st.lists(st.integers(0, 40)), data=st.data())
def test_invisible_characters_change_nothing(
    check: Callable[[str], str], text: str, places: list[int], data: st.DataObject
) -> None:
    """Wherever they are inserted, the value is the same."""
    typed = text
    for place in places:
        typed = typed[:place] + data.draw(st.sampled_from(INVISIBLE)) + typed[place:]

    assert check(typed) == text


_texts = st.text(st.characters(codec=None), max_size=40)


@given(_texts | st.emails() | _texts.map(lambda text: f"{text}@example.org"))
@pytest.mark.parametrize("check", [clean_text, check_name, check_email])
def test_an_accepted_value_stays_as_it_is(check: Callable[[str], str], typed: str) -> None:
    """Checking again changes nothing; no line break or other control character can reach a mail's header."""
    try:
        value = check(typed)
    except PydanticCustomError:
        return

    assert check(value) == value
    assert not re.search(r"[\r\n\t\0]", value)
    if check is not clean_text:
        invisible = {character for character in value if unicodedata.category(character) in {"Cc", "Cf"}}
        assert invisible <= {*"\u200c\u200d"}


_ATEXT = "abcXYZ019!#$%&'*+/=?^_`{|}~-."


@given(
    local=st.one_of(st.text(_ATEXT, max_size=70), st.text(max_size=20)),
    domain=st.one_of(
        st.text("abC1-.", max_size=70), st.sampled_from(["example.org", "x.test", "localhost", "ex-.org", "[::1]"])
    ),
)
def test_an_address_is_judged_as_email_validator_judges_it(local: str, domain: str) -> None:
    """This holds although, for a plain local part, only the domain is passed to email-validator."""
    typed = f"{local}@{domain}"

    try:
        expected: str | None = validate_email(
            clean_email(typed), check_deliverability=False, strict=True
        ).normalized
    except EmailNotValidError:
        expected = None
    try:
        judged: str | None = check_email(typed)
    except ValueError:
        judged = None

    assert judged == expected


@given(st.binary(max_size=2000))
def test_a_task_survives_serialisation(sealed: bytes) -> None:
    """Parsing a task's body gives back the sealed bytes, whatever they are."""
    assert parse_task(TaskBody(sealed=sealed).model_dump_json().encode()).sealed == sealed


def test_a_task_may_use_either_alphabet_of_base64() -> None:
    """Tasks of earlier revisions hold + and / where today's hold - and _ (RFC 4648, sections 4 and 5)."""
    assert [parse_task(b'{"version":1,"sealed":"%b"}' % text).sealed for text in (b"+/+/", b"-_-_")] == [
        b"\xfb\xff\xbf",
        b"\xfb\xff\xbf",
    ]


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize("parse", [parse_task, parse_message])
def test_any_other_body_in_the_queue_is_unopenable(parse: Any, body: bytes) -> None:
    """Junk raises `Unopenable` and no other error, which is the one that deliver handles."""
    with pytest.raises(Unopenable) as refused:
        parse(body)

    assert refused.value.__suppress_context__


@pytest.mark.parametrize("change", [{"version": 2}, {"sealed": "not base64 at all!"}, {"more": 1}])
def test_a_task_of_another_version_is_unopenable(change: dict[str, object]) -> None:
    """A revision refuses bodies that it does not understand, and leaves them to one that does."""
    body = {"version": 1, "sealed": "YWdl", **change}

    assert parse_task(b'{"version": 1, "sealed": "YWdl"}').sealed == b"age"
    with pytest.raises(Unopenable):
        parse_task(json.dumps(body).encode())
