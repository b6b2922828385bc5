"""Links: good as issued, and in no other spelling, for no other purpose and not for ever."""

import base64
import string
from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.crypto.tokens import MAX_CHARACTERS, Link, Purpose, Tokens, _SignerAt
from shared.errors import ExpiredToken, InvalidToken
from shared.reference import mail_providers
from tests.support.clock import NOW

OLD, NEW = "o" * 32, "n" * 32
LINK = Link(
    campaign="reclaim-your-face",
    digest="gcpgpy2njgmh7jsl335odgapqp53az7kbdn4ujh2zpn2dn6qkoeq",
    locale="en",
    submission="0123456789abcdef0123456789abcdef",
    country="DE",
    partner="digital-rights",
    newsletter="1",
    day="2026-11-22",
    source="radio-1",
    language="de",
    mailbox="gmx-webde",
)
BARE = Link(campaign="a", digest="b", locale="en")
LIFETIME = {Purpose.CONFIRM: timedelta(days=30), Purpose.WITHDRAW: timedelta(days=3 * 365)}

UNRESERVED = string.ascii_letters + string.digits + "-._~"
tokens = Tokens([OLD, NEW])


def assert_refused(
    token: str, purpose: Purpose = Purpose.CONFIRM, now: datetime = NOW, by: Tokens = tokens
) -> None:
    """Invalid, and not merely expired: an expired token is one of ours."""
    with pytest.raises(InvalidToken) as invalid:
        by.verify(purpose, token, now)
    assert type(invalid.value) is InvalidToken
    assert invalid.value.__suppress_context__ or invalid.value.__context__ is None


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "link", [LINK, BARE, replace(LINK, partner="", newsletter="", day="")], ids=["full", "bare", "some"]
)
class TestIssued:
    def test_tells_what_was_put_in_as_often_as_it_is_shown(self, purpose: Purpose, link: Link) -> None:
        """A link is opened, and pressed, and pressed again."""
        token = tokens.issue(purpose, link, NOW)

        assert [tokens.verify(purpose, token, NOW + n * timedelta(days=10)) for n in range(3)] == [link] * 3

    def test_survives_mail_programs_and_cloud_run(self, purpose: Purpose, link: Link) -> None:
        """Only unreserved characters (RFC 3986, 2.3), and a `u` at the end."""
        token = tokens.issue(purpose, link, NOW)

        assert set(token) <= set(UNRESERVED)
        assert token.endswith("~u")

    def test_is_refused_with_any_character_changed(self, purpose: Purpose, link: Link) -> None:
        """Every position, each with every character that a link may hold and some that it may not."""
        token = tokens.issue(purpose, link, NOW)

        for place, letter in enumerate(token):
            for other in UNRESERVED + "é\x00\ud800%= \n":
                if other != letter:
                    assert_refused(token[:place] + other + token[place + 1 :], purpose)

    def test_is_refused_with_any_character_more_or_less(self, purpose: Purpose, link: Link) -> None:
        """Cut off anywhere, torn anywhere, repeated or quoted."""
        token = tokens.issue(purpose, link, NOW)

        for place in range(len(token)):
            assert_refused(token[:place], purpose)
            assert_refused(token[:place] + token[place + 1 :], purpose)
            assert_refused(token[:place] + "A" + token[place:], purpose)
            assert_refused(token[:place] + "~" + token[place:], purpose)
        for wrong in (token + "u", token + "~u", token + "=", token * 2, f" {token}", token.upper(), token[:-2]):
            assert_refused(wrong, purpose)

    def test_is_refused_for_another_purpose(self, purpose: Purpose, link: Link) -> None:
        """Who may confirm may not withdraw, though one key signs both."""
        (other,) = set(Purpose) - {purpose}

        assert_refused(tokens.issue(purpose, link, NOW), other)

    def test_is_refused_in_another_spelling_of_the_same_bytes(self, purpose: Purpose, link: Link) -> None:
        """The last character of 32 bytes in base64 has two meaningless bits, which must be as we write them."""
        token = tokens.issue(purpose, link, NOW).removesuffix("~u")
        alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
        signature = token.rsplit(".", 1)[1]
        same = [
            token[:-1] + letter
            for letter in alphabet
            if letter != token[-1]
            and base64.urlsafe_b64decode(signature[:-1] + letter + "=")
            == base64.urlsafe_b64decode(signature + "=")
        ]

        assert len(same) == 3
        for spelling in [*same, token + "=", token + "A"]:
            assert_refused(f"{spelling}~u", purpose)

    def test_works_to_the_last_second_and_then_says_that_it_is_too_old(self, purpose: Purpose, link: Link) -> None:
        """And of which campaign it was, so that the page can offer the form again."""
        token = tokens.issue(purpose, link, NOW)
        end = NOW + LIFETIME[purpose]

        assert tokens.verify(purpose, token, end) == link
        with pytest.raises(ExpiredToken) as expired:
            tokens.verify(purpose, token, end + timedelta(seconds=1))
        assert expired.value.details == {"campaign": link.campaign}

    def test_cannot_be_made_to_live_longer(self, purpose: Purpose, link: Link) -> None:
        """The time of another token of the same link does not fit this one's signature."""
        value, _, signature = tokens.issue(purpose, link, NOW).rsplit(".", 2)
        _, later, _ = tokens.issue(purpose, link, NOW + timedelta(days=99)).rsplit(".", 2)

        assert_refused(f"{value}.{later}.{signature}", purpose)

    def test_stays_good_while_its_key_is_kept(self, purpose: Purpose, link: Link) -> None:
        """A new key signs from now on, and the old one is taken away when its last links have expired."""
        before = Tokens([OLD]).issue(purpose, link, NOW)
        after = tokens.issue(purpose, link, NOW)

        assert tokens.verify(purpose, before, NOW) == link
        assert Tokens([NEW]).verify(purpose, after, NOW) == link
        assert_refused(before, purpose, by=Tokens([NEW]))
        assert_refused(after, purpose, by=Tokens([OLD]))


def test_a_token_shows_nothing_that_somebody_typed() -> None:
    """Else anybody who knows an address could write to it, through our mail."""
    typed = replace(LINK, source="we-will-find-you", language="zebulon")

    token = tokens.issue(Purpose.CONFIRM, typed, NOW).lower()

    assert "find" not in token
    assert "zebu" not in token


def signed(written: str) -> str:
    """A token of ours, whatever it holds."""
    return _SignerAt(NOW, [OLD, NEW], Purpose.CONFIRM).sign(written).decode() + "~u"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "a",
        "a~b",
        "a~b~en~c~DE~ngo~1",
        "a~b~c~d~e~f~g~h",
        "a~b~c~d~e~f~g~h~aQ",
        "a~b~c~d~e~f~g~YX5ifmN-ZH5l",
        "~".join("abcdefghijkl"),
        "a" + "~" * 1000,
    ],
)
def test_a_token_of_another_number_of_fields_is_refused(written: str) -> None:
    """Signed by us, perhaps by a version that is to come: no link, and no error that nobody catches."""
    assert_refused(signed(written))


@pytest.mark.parametrize("field", [field.name for field in fields(Link)])
@pytest.mark.parametrize("wrong", ["a~b", "a b", "a/b", "a?b", "a%7Eb", "ä", "a\n", "a=", "a\x00"])
def test_no_token_is_issued_whose_link_would_break(field: str, wrong: str) -> None:
    """A mail with a dead link would be worse than none, which is tried again and complained of."""
    with pytest.raises(ValueError, match="cannot hold") as refused:
        tokens.issue(Purpose.CONFIRM, replace(LINK, **{field: wrong}), NOW)
    assert wrong not in str(refused.value)


@pytest.mark.parametrize("mailbox", sorted(mail_providers.CLASSES))
def test_every_class_of_a_mailbox_fits_into_a_link(mailbox: str) -> None:
    """And what it is called fits into the length that is reckoned with."""
    link = replace(LINK, mailbox=mailbox)

    assert tokens.verify(Purpose.CONFIRM, tokens.issue(Purpose.CONFIRM, link, NOW), NOW) == link
    assert len(mailbox) <= len("microsoft")


def test_the_longest_token_is_as_long_as_is_said() -> None:
    """A line of a mail takes more than three times as much."""
    longest = Link(
        campaign="c" * 40,
        digest="d" * 52,
        locale="en",
        submission="0" * 32,
        country="DE",
        partner="p" * 40,
        newsletter="1",
        day="2026-11-22",
        source="s" * 40,
        language="abcdefgh",
        mailbox="microsoft",
    )

    assert len(tokens.issue(Purpose.CONFIRM, longest, NOW)) == MAX_CHARACTERS < 998 / 3


@given(
    st.text(st.characters(codec=None)) | st.text(UNRESERVED) | st.binary().map(lambda junk: junk.decode("latin-1"))
)
@example("")
@example("~u")
@example("..~u")
@example(".A.A~u")
@example("a.____________.A~u")
@example("a~b~en~~~~.aaaaaa.\ud800~u")
def test_junk_is_refused_and_nothing_else_happens(junk: str) -> None:
    """With and without our ending."""
    for purpose in Purpose:
        assert_refused(junk, purpose)
        assert_refused(f"{junk}~u", purpose)
