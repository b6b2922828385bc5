"""Several relays, each a real SMTP server with STARTTLS and accounts: shares, failures and recoveries."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import MailDeferred, MailRefused, MailRejected, MailUnavailable, MailUnresolved
from shared.mail.relays import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, RelayMailer
from shared.mail.smtp import SmtpRelay
from tests.shared.mail.test_smtp import MAIL
from tests.support.clock import NOW
from tests.support.relay import PASSWORD, USER, Relay, client_tls, relay, server_tls


class Clock:
    """What a test moves by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def mailing(
    clock: Clock, *servers: Relay, rates: tuple[float, ...] = (10, 10)
) -> AsyncIterator[RelayMailer]:
    """A mailer over these relays, named first and second, which takes the first one first."""
    context = client_tls()
    relays = [
        SmtpRelay(
            name,
            host="localhost",
            port=server.port,
            user=USER,
            password=PASSWORD,
            mails_per_second=rate,
            connections=4,
            envelope_sender=None,
            tls_context=context,
            monotonic=clock,
        )
        for name, rate, server in zip(("first", "second"), rates, servers, strict=False)
    ]
    mailer = RelayMailer(relays, lambda: NOW, clock, random.Random(1))
    try:
        yield mailer
    finally:
        mailer.close()


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged since this was called last."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_each_relay_takes_its_share(clock: Clock) -> None:
    """Three quarters and one quarter, in the long run."""
    async with (
        relay(server_tls()) as first,
        relay(server_tls()) as second,
        mailing(clock, first, second, rates=(30, 10)) as mailer,
    ):
        for _ in range(50):
            await asyncio.gather(*(mailer.send(MAIL) for _ in range(8)))

    assert len(first.taken) + len(second.taken) == 400
    assert 270 < len(first.taken) < 330
    assert max(first.most_open, second.most_open) <= 4


@pytest.mark.parametrize(
    "behaviour",
    [
        {"at_mail": "451 4.3.0 too busy"},
        {"at_mail": "421 4.3.2 going down"},
        {"at_rcpt": "421 4.3.2 going down"},
        {"at_data": "421 4.3.2 going down"},
        {"drops_at_rcpt": True},
        {"user": "somebody else"},
    ],
    ids=str,
)
async def test_a_mail_goes_out_at_once_when_one_relay_fails(
    behaviour: dict[str, Any], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever it meets first; and the one that failed is left in peace from then on."""
    async with (
        relay(server_tls(), **behaviour) as first,
        relay(server_tls()) as second,
        mailing(clock, first, second) as mailer,
    ):
        for _ in range(30):
            await mailer.send(MAIL)

    assert (len(first.taken), len(second.taken), len(first.connections)) == (0, 30, 1)
    [out] = events(capsys)
    assert (out["event"], out["severity"], out["relay"]) == ("relay_left_out", "WARNING", "first")
    assert out["seconds"] == FIRST_PAUSE_SECONDS


async def test_many_mails_that_meet_one_failure_leave_the_relay_out_once(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """They were all on their way when it died, which says no more than one of them does."""
    async with (
        relay(server_tls(), drops_at_rcpt=True) as first,
        relay(server_tls()) as second,
        mailing(clock, first, second) as mailer,
    ):
        await asyncio.gather(*(mailer.send(MAIL) for _ in range(30)))

    assert len(second.taken) == 30
    assert [event["event"] for event in events(capsys)] == ["relay_left_out"]


async def test_a_relay_that_is_down_is_probed_after_growing_pauses(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """One mail each time, which goes out through the other; up to a longest pause."""
    async with (
        relay(server_tls(), at_mail="451 4.3.0 later") as first,
        relay(server_tls()) as second,
        mailing(clock, first, second, rates=(1e9, 1)) as mailer,
    ):
        await mailer.send(MAIL)
        for _ in range(8):
            [out] = events(capsys)
            clock.now += out["seconds"] - 0.1
            await mailer.send(MAIL)
            assert events(capsys) == []
            clock.now += 0.2
            await asyncio.gather(*(mailer.send(MAIL) for _ in range(5)))

    [out] = events(capsys)
    assert out["seconds"] == MAX_PAUSE_SECONDS
    assert (len(first.sessions), len(second.taken)) == (9, 1 + 8 * 6)


async def test_a_relay_that_works_again_gets_its_share_again(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """After one probe; and its next failure begins with a short pause."""
    async with (
        relay(server_tls(), at_mail="451 4.3.0 later") as first,
        relay(server_tls()) as second,
        mailing(clock, first, second, rates=(1e9, 1)) as mailer,
    ):
        for _ in range(3):
            await mailer.send(MAIL)
            clock.now += MAX_PAUSE_SECONDS
        first.at_mail = None
        await asyncio.gather(*(mailer.send(MAIL) for _ in range(5)))
        probed = len(first.taken)
        await asyncio.gather(*(mailer.send(MAIL) for _ in range(5)))
        first.at_mail = "451 4.3.0 later"
        await mailer.send(MAIL)

    assert (probed, len(first.taken)) == (1, 6)
    *_, back, out = events(capsys)
    assert (back["event"], back["relay"]) == ("relay_taken_back", "first")
    assert out["seconds"] == FIRST_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"at_rcpt": "451 4.7.1 {address} is greylisted"}, MailDeferred),
        ({"at_rcpt": "550 5.1.1 {address}: no such mailbox"}, MailRefused),
        ({"at_data": "554 5.6.0 looks like spam"}, MailRejected),
    ],
    ids=str,
)
async def test_an_answer_about_a_recipient_is_the_others_no_problem(
    behaviour: dict[str, Any], error: type[Exception], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other relay is tried, and this one goes on."""
    async with (
        relay(server_tls(), **behaviour) as first,
        relay(server_tls()) as second,
        mailing(clock, first, second, rates=(1e9, 1)) as mailer,
    ):
        with pytest.raises(error) as failed:
            await mailer.send(MAIL)
        first.at_rcpt = first.at_data = None
        await mailer.send(replace(MAIL, to="bob@example.org"))

    assert type(failed.value) is error
    assert (len(first.taken), len(second.taken), len(first.connections)) == (1, 0, 1)
    assert "relay_left_out" not in {event["event"] for event in events(capsys)}


async def test_a_mail_that_may_have_gone_out_is_not_sent_again_and_its_relay_is_left_out(clock: Clock) -> None:
    """Otherwise it would take more mails, none of which could be tried again within the hour."""
    async with (
        relay(server_tls(), drops_at_data=True) as first,
        relay(server_tls()) as second,
        mailing(clock, first, second, rates=(1e9, 1)) as mailer,
    ):
        with pytest.raises(MailUnresolved):
            await mailer.send(MAIL)
        afterwards = len(second.taken)
        await mailer.send(MAIL)

    assert (afterwards, len(second.taken)) == (0, 1)


async def test_every_relay_may_be_down(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Then it is said at once, without asking them again; and each mail that waits for them is in the log."""
    async with relay(server_tls()) as first, relay(server_tls(), at_mail="451 4.3.0 later") as second:
        pass
    async with relay(server_tls(), at_mail="451 4.3.0 later") as second, mailing(clock, first, second) as mailer:
        for _ in range(3):
            with pytest.raises(MailUnavailable):
                await mailer.send(MAIL)

    assert len(second.sessions) == 1
    logged = events(capsys)
    assert [event["event"] for event in logged[:2]] == ["relay_left_out"] * 2
    assert [(event["event"], event["error"]) for event in logged[2:]] == [("mail_deferred", "MailUnavailable")] * 3
    assert "canary" not in str(logged)


async def test_a_relay_that_hung_up_meanwhile_has_not_failed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """An idle connection ends, here or there; that is how it is."""
    async with relay(server_tls()) as only, mailing(clock, only) as mailer:
        await mailer.send(MAIL)
        only.hang_up()
        await mailer.send(MAIL)

    assert (len(only.taken), events(capsys)) == (2, [])


async def test_a_probe_that_nobody_waits_for_is_no_answer(clock: Clock) -> None:
    """The next mail probes instead."""
    async with relay(server_tls(), at_mail="451 4.3.0 later") as only, mailing(clock, only) as mailer:
        with pytest.raises(MailUnavailable):
            await mailer.send(MAIL)
        clock.now += MAX_PAUSE_SECONDS
        only.at_mail = None
        probe = asyncio.create_task(mailer.send(MAIL))
        await asyncio.sleep(0)
        probe.cancel()
        await asyncio.wait([probe])

        await mailer.send(MAIL)

    assert len(only.taken) == 1
