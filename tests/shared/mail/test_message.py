"""The mail on the wire: headers that nobody can add to, and links that arrive whole."""

import re
from datetime import datetime
from email import message_from_bytes, message_from_string
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default, strict
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from shared import locales
from shared.campaigns.loader import load_all
from shared.crypto.tokens import Link, Purpose, Tokens
from shared.mail import Mail
from shared.mail.compose import render
from shared.mail.message import ascii_recipient, build
from shared.models.fields import check_email
from shared.store.entities import MailKind
from shared.web.pages import MailLink
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, world

HEADERS = {
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Content-Language",
    "X-Undersign-Mail",
    "MIME-Version",
    "Content-Type",
}
TOKENS = Tokens(["k" * 32])
SHARE = f"{PUBLIC_URL}/c/{CAMPAIGN}?lang=en&source=share"
PRIVACY = f"{PUBLIC_URL}/c/{CAMPAIGN}/privacy?lang=en"


def url(purpose: Purpose = Purpose.CONFIRM, submission: str = "0" * 32) -> str:
    day, language, mailbox = "2026-11-22", "abcdefgh", "microsoft"
    link = Link(CAMPAIGN, "d" * 52, "en", submission, "DE", "p" * 40, "1", day, "s" * 40, language, mailbox)
    return f"{PUBLIC_URL}/v1/{purpose}/{TOKENS.issue(purpose, link, NOW)}"


def report_token(campaign: str = CAMPAIGN) -> str:
    return TOKENS.issue(Purpose.REPORT, Link(campaign, "m" * 52, "", mailbox="microsoft"), NOW)


def composed(kind: MailKind = MailKind.CONFIRM, links: int = 1, language: str = "en") -> Mail:
    """A mail of the example campaign with that many submissions."""
    links = 0 if kind is MailKind.SIGNED else links
    labels = [None] if links == 1 else [f"Signed in place {n}" for n in range(links)]
    confirm = [MailLink(url(submission=f"{n:032}"), label) for n, label in enumerate(labels[:links])]
    return render(
        kind,
        load_all()[CAMPAIGN],
        locales.load(language),
        to="ann@example.org",
        confirm=confirm,
        withdraw=url(Purpose.WITHDRAW),
        privacy=PRIVACY,
        report_token=report_token(),
        share=SHARE if kind is MailKind.SIGNED else None,
        total=12_345 if kind is MailKind.SIGNED else None,
    )


def made(**fields: Any) -> Mail:
    """A short mail, with `fields` of one's own."""
    return Mail(
        **{
            "to": "ann@example.org",
            "sender_name": "Unwatched Europe",
            "sender_address": "petition@unwatched.example.org",
            "reply_to": "privacy@unwatched.example.org",
            "subject": "Confirm",
            "text": "text",
            "html": "<p>html</p>",
            "language": "en",
            "report_token": "token",
            **fields,
        }
    )


def sent(message: Mail, now: datetime = NOW) -> EmailMessage:
    """What the recipient's mail program makes of the bytes."""
    return message_from_string(build(message, now).decode(), policy=default)


def assert_lines_are_short(raw: bytes) -> None:
    """Lines as RFC 2045 (76), RFC 2047 (75 for an encoded word, 76 for its line) and RFC 5322 (78) want them."""
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert max(map(len, lines)) <= 78
    assert max((len(line) for line in lines if "=?" in line), default=0) <= 76
    for word in re.findall(r"=\?utf-8\?.*?\?\S*?\?=(?=\s|$)", head.decode()):
        assert len(word) <= 75
        assert "\ufffd" not in str(make_header(decode_header(word)))
    assert not any(re.fullmatch(r"[A-Za-z-]+:\s*", line) for line in lines), "a fold before the first word"
    assert max(map(len, body.split(b"\r\n"))) <= 76


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body
    return str(body.get_content())


class TestHeaders:
    def test_say_who_writes_to_whom_when_and_in_what_language(self) -> None:
        """Answers reach the people who answer for the data."""
        message = sent(composed())

        assert set(message.keys()) == HEADERS
        assert message["From"] == "Unwatched Europe <petition@unwatched.example.org>"
        assert message["To"] == "ann@example.org"
        assert message["Reply-To"] == "privacy@unwatched.example.org"
        assert message["Subject"] == "Confirm your signature: Ban biometric mass surveillance in public places"
        assert message["Date"].datetime == NOW
        assert message["Content-Language"] == "en"

    def test_tell_machines_not_to_answer(self) -> None:
        """No out-of-office reply, no loop of them (RFC 3834)."""
        message = sent(composed())

        assert message["Auto-Submitted"] == "auto-generated"
        assert message["X-Auto-Response-Suppress"] == "All"

    @pytest.mark.parametrize("campaign", ["a", "b" * 40])
    def test_hold_the_token_of_reports_whole(self, campaign: str) -> None:
        """Folded, for with a long campaign it is longer than a line; who reads it leaves out the white space."""
        token = report_token(campaign)

        raw = build(made(report_token=token), NOW)

        assert "".join(message_from_bytes(raw)["X-Undersign-Mail"].split()) == token
        assert_lines_are_short(raw)

    def test_name_each_mail_under_the_senders_domain(self) -> None:
        """Spam filters look at it, and the name of our machine is nobody's business."""
        names = [str(sent(composed())["Message-ID"]) for _ in range(2)]

        assert all(re.fullmatch(r"<[^@<>\s]+@unwatched\.example\.org>", name) for name in names)
        assert len(set(names)) == 2

    @pytest.mark.parametrize(
        "subject",
        [
            "Bestätigen Sie Ihre Unterschrift:" + " Überwachung" * 20,
            "署名を確認してください：" + "公共の場での生体認証による大量監視の禁止を求めます" * 5,
            "أكّدتوقيعك" * 20,
            "Wort" * 60,
            "👩🏽‍🚀" * 30,
        ],
    )
    def test_carry_long_subjects_in_any_script(self, subject: str) -> None:
        """Encoded, in lines that every mail program decodes, and whole again at the other end."""
        raw = build(made(subject=subject), NOW)

        assert sent(made(subject=subject))["Subject"] == subject
        assert_lines_are_short(raw)
        assert raw.isascii()

    @pytest.mark.parametrize("to", ["ann@example.org", "jörg@example.org"])
    @pytest.mark.parametrize(
        "subject",
        ["Sign", "Sign: " + "a long word " * 20, "=?utf-8?q?Buy?= this", "=?" * 60, "Grüße", "Überwachung " * 20],
    )
    def test_bring_a_subject_back_exactly(self, subject: str, to: str) -> None:
        """Folded or encoded, in ASCII and in UTF-8, and not decoded where it only looks encoded."""
        mail = made(subject=subject, to=to)

        assert sent(mail)["Subject"] == subject.strip()
        assert_lines_are_short(build(mail, NOW))

    def test_make_one_line_of_a_subject(self) -> None:
        """A title that an editor has broken is no reason not to write."""
        assert (
            sent(made(subject="Confirm\r\n your\u2028 signature\t"))["Subject"].strip() == "Confirm your signature"
        )

    @pytest.mark.parametrize(
        "name",
        [
            "Européens sans surveillance",
            "Unwatched, Europe; (e.V.)",
            'Ann "Bee" <evil@example.com>',
            "監視なきヨーロッパ",
            "a@b.example",
            "=?utf-8?q?eve=40example.com?=",
            'Back\\slash "quoted',
            "An alliance of very many associations with a long name, " * 3 + "e.V.",
        ],
    )
    def test_keep_the_senders_name_a_name(self, name: str) -> None:
        """Whatever it holds, there is one sender with one address."""
        for to in ("ann@example.org", "jörg@example.org"):
            mail = made(sender_name=name, to=to)

            (sender,) = sent(mail)["From"].addresses

            assert sender == Address(name, addr_spec="petition@unwatched.example.org")
            assert_lines_are_short(build(mail, NOW))

    def test_carry_a_long_name_in_any_script(self) -> None:
        """Read without Python's strict parser, which puts blanks between the encoded words of a name."""
        name = "Ein Bündnis sehr vieler Vereine mit langem Namen, " * 3 + "e.V."
        raw = build(made(sender_name=name), NOW)

        written = re.sub(r"\r\n <.*>$", "", str(message_from_bytes(raw)["From"]))

        assert str(make_header(decode_header(written))) == name
        assert_lines_are_short(raw)

    @pytest.mark.parametrize("field", ["to", "sender_name", "sender_address", "reply_to", "subject", "language"])
    @pytest.mark.parametrize(
        "line_break",
        [
            "\r\n",
            "\n",
            "\r",
            "\r\n ",
            "\n\t",
            "\x0b",
            "\x0c",
            "\x1c",
            "\x1d",
            "\x1e",
            "\x85",
            "\u2028",
            "\u2029",
            "\0",
        ],
    )
    def test_take_nobody_elses_header(self, field: str, line_break: str) -> None:
        """A line break in any field gives no mail or one without it, never another header, recipient or body."""
        value = str(getattr(made(), field)) + line_break + "Bcc: eve@example.com\r\n\r\n<b>Buy!</b>"
        try:
            raw = build(made(**{field: value}), NOW)
        except ValueError:  # among them UnicodeError and the email package's own
            return

        message = message_from_string(raw.decode(), policy=default)
        assert set(message.keys()) <= HEADERS
        assert not re.search(rb"(?im)^bcc", raw)
        assert len(message["To"].addresses) == 1
        assert part(message, "plain").strip() == "text"

    @pytest.mark.parametrize(
        "value",
        [
            "ann@example.org, eve@example.com",
            "Eve <eve@example.com>",
            "ann@example.org(x)",
            "ann",
            "@",
            "a b@example.org",
        ],
    )
    @pytest.mark.parametrize("field", ["to", "sender_address", "reply_to"])
    def test_hold_no_second_address(self, field: str, value: str) -> None:
        """Nor a name, a comment or a half: it is refused, and not repeated to the log."""
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - of the standard library, of idna or of ours
            build(made(**{field: value}), NOW)

        assert "eve" not in str(refused.value)


class TestRecipient:
    @pytest.mark.parametrize(
        ("typed", "written"),
        [
            ("ann@example.org", "ann@example.org"),
            ("Ann.Lee+x@example.org", "Ann.Lee+x@example.org"),
            ("ann@faß.de", "ann@xn--fa-hia.de"),
            ("ann@例え.jp", "ann@xn--r8jz45g.jp"),
            ("jörg@faß.de", "jörg@xn--fa-hia.de"),
            ("o'brien@example.org", "o'brien@example.org"),
        ],
    )
    def test_has_its_domain_as_every_relay_knows_it(self, typed: str, written: str) -> None:
        """An A-label, and faß.de is not fass.de; the local part is as it was typed."""
        (recipient,) = sent(made(to=typed))["To"].addresses

        assert recipient.addr_spec == written == ascii_recipient(typed)

    def test_with_a_local_part_of_another_script_is_written_in_utf8(self) -> None:
        """There is no other way to write it (RFC 6532); all other mail stays ASCII."""
        assert "To: jörg@example.org\r\n".encode() in build(made(to="jörg@example.org"), NOW)
        assert build(made(to="ann@faß.de", subject="Grüße", text="Grüße"), NOW).isascii()

    @given(
        st.emails() | st.tuples(st.text(min_size=1), st.text(min_size=1)).map(lambda two: "{}@{}.org".format(*two))
    )
    @example("jörg@example.org")
    @example("用户@例え.jp")
    @example("a!#$%&'*+/=?^_`{|}~@example.org")
    def test_of_every_address_that_the_form_takes_can_be_written_to(self, typed: str) -> None:
        """Otherwise its mail would be tried for ever."""
        try:
            address = check_email(typed)
        except PydanticCustomError:
            reject()

        (recipient,) = sent(made(to=address))["To"].addresses

        assert recipient.addr_spec == ascii_recipient(address)


@pytest.mark.parametrize("kind", MailKind)
class TestBody:
    def test_comes_as_text_and_as_html(self, kind: MailKind) -> None:
        """In this order: the last is the one to prefer (RFC 2046, 5.1.4)."""
        message = sent(composed(kind))

        assert message.get_content_type() == "multipart/alternative"
        parts = [each for each in message.iter_parts() if isinstance(each, EmailMessage)]
        assert [each.get_content_type() for each in parts] == ["text/plain", "text/html"]
        assert [each["Content-Transfer-Encoding"] for each in parts] == ["quoted-printable"] * 2
        assert [each.get_content_charset() for each in parts] == ["utf-8"] * 2

    @pytest.mark.parametrize("links", [1, 5])
    def test_keeps_its_links_whole(self, kind: MailKind, links: int) -> None:
        """Each alone on its line of the text, each in the HTML, and each still a token that we accept."""
        count = 0 if kind is MailKind.SIGNED else links
        message = sent(composed(kind, count))
        lines = part(message, "plain").splitlines()

        found = [line for line in lines if "://" in line]

        share = [SHARE] if kind is MailKind.SIGNED else []
        confirm = [url(submission=f"{n:032}") for n in range(count)]
        assert found == [*share, *confirm, url(Purpose.WITHDRAW), PRIVACY]
        for each in found:
            assert f'href="{escape(each)}"' in part(message, "html")
        for each in (*confirm, url(Purpose.WITHDRAW)):
            purpose, token = each.rsplit("/", 2)[1:]
            assert TOKENS.verify(Purpose(purpose), token, NOW).campaign == CAMPAIGN

    def test_loads_nothing_from_anywhere(self, kind: MailKind) -> None:
        """No picture, no pixel, no script, and no link but ours."""
        html = part(sent(composed(kind)), "html")

        assert not re.search(r"(?i)<(img|script|link|iframe|object|form)\b|url\(|\bsrc=|@import", html)
        targets = {target.split("/v1/")[0] for target in re.findall(r'href="([^"]*)"', html)}
        assert targets == {PUBLIC_URL, PRIVACY, *([escape(SHARE)] if kind is MailKind.SIGNED else [])}

    def test_has_its_texts_filled_in(self, kind: MailKind) -> None:
        """No brace of a template is left."""
        message = sent(composed(kind, links=2))

        assert "Ban biometric mass surveillance" in part(message, "plain")
        assert not re.search(r"{\w*}|{{|{%", part(message, "plain") + str(message["Subject"]))
        assert not re.search(r"{\w+}|{{|{%", part(message, "html"))

    @pytest.mark.parametrize("language", sorted(locales.LANGUAGES))
    def test_arrives_as_it_was_composed_in_every_language(self, kind: MailKind, language: str) -> None:
        """Read by Python's strict parser; in lines that every relay and mail program takes."""
        mail = composed(kind, links=5, language=language)
        raw = build(mail, NOW)

        message = message_from_bytes(raw, policy=strict)

        assert_lines_are_short(raw)
        assert raw.isascii()
        assert message["Subject"] == mail.subject
        assert message["From"].addresses == (Address(mail.sender_name, addr_spec=mail.sender_address),)
        assert (message["To"], message["Reply-To"]) == (mail.to, mail.reply_to)
        assert message["Content-Language"] == mail.language == language
        for subtype, text in (("plain", mail.text), ("html", mail.html)):
            assert part(message, subtype).replace("\r\n", "\n").removesuffix("\n") == text.removesuffix("\n")


@given(st.text(st.sampled_from("aä監. \t=\n\r"), max_size=200) | st.text(max_size=200))
@example("x" * 74 + " \n")
@example("x" * 73 + "  \n")
@example("\r\n.\r.\n")
def test_any_text_comes_back_in_short_lines(text: str) -> None:
    """Blanks at the end of a line, dots at its start, and line breaks of any kind."""
    raw = build(made(text=text), NOW)

    assert_lines_are_short(raw)
    lines = text.encode().splitlines()
    assert part(sent(made(text=text)), "plain").encode().splitlines() == (lines or [b""])


async def test_no_mail_holds_what_somebody_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise our form would be a way to write anything to anyone."""
    async with world(tmp_path, monkeypatch) as deployment:
        await deployment.sign_and_deliver(name="Zebulon Quux", source="zebulon", postal_code="ZEBULON 1")
        await deployment.sign_and_deliver(name="Zebulon Again")
        (one, other) = deployment.outbox.messages()

        for message in (one, other):
            assert "confirm" in part(message, "plain")
            assert "zebulon" not in (message.as_string() + part(message, "plain") + part(message, "html")).lower()
