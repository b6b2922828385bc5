"""The cost of a mail over TLS with a login, compared with the defaults of `email` and aiosmtplib."""

import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import uvloop

from shared import locales
from shared.campaigns.loader import load_all
from shared.mail import Mail
from shared.mail.compose import render
from shared.mail.message import build
from shared.mail.smtp import SmtpRelay
from shared.store.entities import MailKind
from shared.web.pages import MailLink
from tests.bench.figures import Figures
from tests.bench.settings import authority_file, part
from tests.support.deployment import CAMPAIGN, PUBLIC_URL
from tests.support.relay import PASSWORD, USER

_MAILS = 100


def measure(figures: Figures, rounds: int, _seconds: float) -> None:
    """Measure the CPU time of this process; the relay runs in a process of its own."""
    with part("relay") as relay, tempfile.NamedTemporaryFile("w", suffix=".pem") as authorities:
        port = int(relay.rpartition(":")[2])
        system = ssl.get_default_verify_paths().cafile
        authorities.write(authority_file(port).read_text() + (Path(system).read_text() if system else ""))
        authorities.flush()
        for round_ in range(rounds + 1):
            uvloop.run(_compare(figures if round_ else Figures(), port, authorities.name))


async def _compare(figures: Figures, port: int, authorities: str) -> None:
    mail = _mail()
    relay = SmtpRelay(
        "first",
        host="localhost",
        port=port,
        user=USER,
        password=PASSWORD,
        mails_per_second=100,
        connections=1,
        envelope_sender=None,
        tls_context=ssl.create_default_context(cafile=authorities),
    )
    ours = await _cpu_ms(lambda: relay.send(mail, build(mail, datetime.now(UTC))))
    relay.close()
    by_default = await _cpu_ms(
        lambda: aiosmtplib.send(
            _message(mail),
            hostname="localhost",
            port=port,
            username=USER,
            password=PASSWORD,
            start_tls=True,
            cert_bundle=authorities,
        )
    )
    figures.add("mail/cpu_ms", ours, "ms")
    figures.add("mail/by_default/cpu_ms", by_default, "ms")
    figures.add("mail/cpu_to_default", ours / by_default, "×")


async def _cpu_ms(send: Callable[[], Awaitable[object]]) -> float:
    before = time.process_time()
    for _ in range(_MAILS):
        await send()
    return 1000 * (time.process_time() - before) / _MAILS


def _mail() -> Mail:
    token = "t" * 400
    return render(
        MailKind.CONFIRM,
        load_all()[CAMPAIGN],
        locales.load("de"),
        to="ann@example.org",
        confirm=[MailLink(f"{PUBLIC_URL}/v1/confirm/{token}", None)],
        withdraw=f"{PUBLIC_URL}/v1/withdraw/{token}",
        privacy=f"{PUBLIC_URL}/c/{CAMPAIGN}/privacy?lang=de",
        report_token="t" * 200,
    )


def _message(mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f'"{mail.sender_name}" <{mail.sender_address}>'
    message["To"] = mail.to
    message["Reply-To"] = mail.reply_to
    message["Subject"] = mail.subject
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message
