"""Tokens in links: valid exactly as issued, for one purpose, and for a limited time."""

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
LIFETIME = {
    Purpose.CONFIRM: timedelta(days=30),
    Purpose.WITHDRAW: timedelta(days=3 * 365),
    Purpose.REPORT: timedelta(days=30),
}

UNRESERVED = string.ascii_letters + string.digits + "-._~"
tokens = Tokens([OLD, NEW])


def assert_refused(
    token: str, purpose: Purpose = Purpose.CONFIRM, now: datetime = NOW, by: Tokens = tokens
) -> None:
    """Fail unless the token is invalid, and not merely expired, which only a token of ours can be."""
    with pytest.raises(InvalidToken) as invalid:
        by.verify(purpose, token, now)
    assert type(invalid.value) is InvalidToken
    assert invalid.value.__suppress_context__ or invalid.value.__context__ is None


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "link", [LINK, BARE, replace(LINK, partner="", newsletter="", day="")], ids=["full", "bare", "some"]
)
class TestIssued:
    def test_gives_back_its_link_each_time(self, purpose: Purpose, link: Link) -> None:
        """A token is verified when the page is opened and at each press, with the same result."""
        token = tokens.issue(purpose, link, NOW)

        assert [tokens.verify(purpose, token, NOW + n * timedelta(days=10)) for n in range(3)] == [link] * 3

    def test_survives_mail_programs_and_cloud_run(self, purpose: Purpose, link: Link) -> None:
        """It has only unreserved characters (RFC 3986, 2.3) and ends with a letter."""
        token = tokens.issue(purpose, link, NOW)

        assert set(token) <= set(UNRESERVED)
        assert token.endswith("~u")

    def test_is_refused_with_any_character_changed(self, purpose: Purpose, link: Link) -> None:
        """At each position, every other character that links may hold, and some that they may not, is refused."""
        token = tokens.issue(purpose, link, NOW)

        for place, letter in enumerate(token):
            for other in UNRESERVED + "é\x00\ud800%= \n":
                if other != letter:
                    assert_refused(token[:place] + other + token[place + 1 :], purpose)

    def test_is_refused_with_any_character_more_or_less(self, purpose: Purpose, link: Link) -> None:
        """A token that is truncated, lacks or has an extra character anywhere, or is repeated is refused."""
        token = tokens.issue(purpose, link, NOW)

        for place in range(len(token)):
            assert_refused(token[:place], purpose)
            assert_refused(token[:place] + token[place + 1 :], purpose)
            assert_refused(token[:place] + "A" + token[place:], purpose)
            assert_refused(token[:place] + "~" + token[place:], purpose)
        for wrong in (token + "u", token + "~u", token + "=", token * 2, f" {token}", token.upper(), token[:-2]):
            assert_refused(wrong, purpose)

    def test_is_refused_for_another_purpose(self, purpose: Purpose, link: Link) -> None:
        """A confirm token cannot withdraw, nor the reverse, though one key signs both."""
        token = tokens.issue(purpose, link, NOW)

        for other in set(Purpose) - {purpose}:
            assert_refused(token, other)

    def test_is_refused_in_another_spelling_of_the_same_bytes(self, purpose: Purpose, link: Link) -> None:
        """The last base64 character of 32 bytes has two unused bits; only our own value for them is valid."""
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

    def test_expires_after_its_last_second(self, purpose: Purpose, link: Link) -> None:
        """The error of an expired token names the campaign, so that the page can offer the form again."""
        token = tokens.issue(purpose, link, NOW)
        end = NOW + LIFETIME[purpose]

        assert tokens.verify(purpose, token, end) == link
        with pytest.raises(ExpiredToken) as expired:
            tokens.verify(purpose, token, end + timedelta(seconds=1))
        assert expired.value.details == {"campaign": link.campaign}

    def test_says_when_it_was_issued(self, purpose: Purpose, link: Link) -> None:
        """To the second, however long ago that was."""
        token = tokens.issue(purpose, link, NOW)

        assert tokens.verify_time(purpose, token, NOW + timedelta(days=9)) == (link, NOW)

    def test_is_refused_with_the_time_of_another_token(self, purpose: Purpose, link: Link) -> None:
        """The time is signed, too, so that nobody can make a token live longer."""
        value, _, signature = tokens.issue(purpose, link, NOW).rsplit(".", 2)
        _, later, _ = tokens.issue(purpose, link, NOW + timedelta(days=99)).rsplit(".", 2)

        assert_refused(f"{value}.{later}.{signature}", purpose)

    def test_stays_valid_while_its_key_is_configured(self, purpose: Purpose, link: Link) -> None:
        """The newest key signs; older keys still verify until they are removed."""
        before = Tokens([OLD]).issue(purpose, link, NOW)
        after = tokens.issue(purpose, link, NOW)

        assert tokens.verify(purpose, before, NOW) == link
        assert Tokens([NEW]).verify(purpose, after, NOW) == link
        assert_refused(before, purpose, by=Tokens([NEW]))
        assert_refused(after, purpose, by=Tokens([OLD]))


def test_a_token_does_not_show_values_from_the_form() -> None:
    """Otherwise anybody could use our mail to send a text of their own to any address."""
    typed = replace(LINK, source="we-will-find-you", language="zebulon")

    token = tokens.issue(Purpose.CONFIRM, typed, NOW).lower()

    assert "find" not in token
    assert "zebu" not in token


def signed(written: str) -> str:
    """Return a token that we signed, whatever it contains."""
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
    """Even if we signed it, perhaps in a later version, it is invalid and raises no other error."""
    assert_refused(signed(written))


@pytest.mark.parametrize("field", [field.name for field in fields(Link)])
@pytest.mark.parametrize("wrong", ["a~b", "a b", "a/b", "a?b", "a%7Eb", "ä", "a\n", "a=", "a\x00"])
def test_no_token_is_issued_for_a_link_that_would_break(field: str, wrong: str) -> None:
    """Failing is better than mailing a dead link: the mail is retried and an alert is raised."""
    with pytest.raises(ValueError, match="cannot hold") as refused:
        tokens.issue(Purpose.CONFIRM, replace(LINK, **{field: wrong}), NOW)
    assert wrong not in str(refused.value)


@pytest.mark.parametrize("mailbox", sorted(mail_providers.CLASSES))
def test_every_class_of_mail_provider_fits_into_a_link(mailbox: str) -> None:
    """None is longer than the one that `MAX_CHARACTERS` allows for."""
    link = replace(LINK, mailbox=mailbox)

    assert tokens.verify(Purpose.CONFIRM, tokens.issue(Purpose.CONFIRM, link, NOW), NOW) == link
    assert len(mailbox) <= len("microsoft")


def test_the_longest_token_has_the_documented_length() -> None:
    """A token of the longest values has `MAX_CHARACTERS`, a third of what a line of a mail may have."""
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
def test_junk_is_refused_without_any_other_error(junk: str) -> None:
    """Any text is refused as invalid, with or without our ending."""
    for purpose in Purpose:
        assert_refused(junk, purpose)
        assert_refused(f"{junk}~u", purpose)
