"""The local outbox, read while several processes write it."""

import asyncio
from concurrent.futures import ProcessPoolExecutor, wait
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from shared.mail import Mail
from shared.mail.outbox import Outbox
from tests.support.clock import NOW

CONFIRM = "http://localhost:8080/v1/confirm/a~b~c.1.x~u"
WITHDRAW = "https://sign.example.org/v1/withdraw/a~b.1.y~u"


def made(subject: str = "Confirm", text: str = "text", to: str = "ann@example.org") -> Mail:
    return Mail(
        to=to,
        sender_name="Unwatched Europe",
        sender_address="petition@unwatched.example.org",
        reply_to="privacy@unwatched.example.org",
        subject=subject,
        text=text,
        html=f"<p>{text}</p>",
        language="en",
        report_token="token",
    )


def at(folder: Path, now: datetime = NOW) -> Outbox:
    return Outbox(folder / "outbox", lambda: now)


def test_an_outbox_that_nobody_wrote_to_is_empty(tmp_path: Path) -> None:
    """And reading makes no folder."""
    assert at(tmp_path).received() == []
    assert list(tmp_path.iterdir()) == []


async def test_the_newest_mail_comes_first(tmp_path: Path) -> None:
    """By the time of sending, to the microsecond, for every reader."""
    moments = [timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=40)]
    for n in (2, 0, 3, 1):
        await at(tmp_path, NOW + moments[n]).send(made(f"mail {n}"))

    assert [mail.subject for mail in at(tmp_path).received()] == ["mail 3", "mail 2", "mail 1", "mail 0"]


async def test_mails_of_one_moment_are_all_kept(tmp_path: Path) -> None:
    """The clock of a test stands still."""
    for n in range(10):
        await at(tmp_path).send(made(f"mail {n}"))

    assert {mail.subject for mail in at(tmp_path).received()} == {f"mail {n}" for n in range(10)}


@pytest.mark.parametrize(
    ("text", "links"),
    [
        (f"Press\n{CONFIRM}\n\nor\n{WITHDRAW}\n", {"confirm": CONFIRM, "withdraw": WITHDRAW}),
        (f"{WITHDRAW}\n", {"withdraw": WITHDRAW}),
        (f"{CONFIRM}\n{CONFIRM}2\n", {"confirm": CONFIRM}),
        ("https://example.org/v1/count\n", {}),
        (f"{CONFIRM}{'x' * 300}~u\n", {"confirm": f"{CONFIRM}{'x' * 300}~u"}),
    ],
)
async def test_links_are_found_by_what_they_do(text: str, links: dict[str, str], tmp_path: Path) -> None:
    """The first of each, whole; what the mail does not hold is absent."""
    await at(tmp_path).send(made(text=text))

    assert at(tmp_path).received()[0].links == links


@pytest.mark.parametrize("to", ["ann@example.org", "jörg@example.org", "用户@example.org"])
async def test_a_mail_is_read_as_its_reader_sees_it(to: str, tmp_path: Path) -> None:
    """In any script, and fit for JSON."""
    await at(tmp_path).send(made("Grüße 監視", "Grüße,\n監視\n", to=to))

    (mail,) = at(tmp_path).received()

    assert (mail.to, mail.subject, mail.text) == (to, "Grüße 監視", "Grüße,\n監視\n")
    assert mail.html.strip() == "<p>Grüße,\n監視\n</p>"
    assert to in mail.model_dump_json()


async def test_half_a_mail_is_never_read(tmp_path: Path) -> None:
    """One that is still being written, or whose writer was killed."""
    await at(tmp_path).send(made())
    (tmp_path / "outbox" / "20990101T000000.000000-aaaaaaaa.part").write_bytes(b"Subject: ha")

    assert [mail.subject for mail in at(tmp_path).received()] == ["Confirm"]


def _write_twenty(folder: Path, writer: int) -> None:
    for n in range(20):
        asyncio.run(at(folder).send(made(f"{writer}-{n}", "x" * 5_000)))


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    """At the same moment; anybody who reads meanwhile sees whole mails only, and in the end all of them."""
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        writing = [processes.submit(_write_twenty, tmp_path, writer) for writer in range(3)]
        while wait(writing, timeout=0).not_done:
            assert all(file.stat().st_size > 10_000 for file in (tmp_path / "outbox").glob("*.eml"))
        assert [work.result() for work in writing] == [None] * 3

    written = {mail.subject for mail in at(tmp_path).received()}

    assert written == {f"{writer}-{n}" for writer in range(3) for n in range(20)}
