"""The server for one machine in a process of its own, with real settings; its mail relay is the test's."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from aiosmtpd.smtp import Envelope

from functions.new_secrets import new_secrets
from shared.web.routes import health
from tests.shared.test_settings import EXAMPLE, proven
from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port, wait_for_port
from tests.support.polling import PATIENCE_SECONDS

CAMPAIGN = "save-the-swifts"
_CONFIRM = re.compile(r"https?://[^/\s]+(/v1/confirm/\S+)")


def settings(folder: Path, relay_port: int, **others: str) -> dict[str, str]:
    """Return complete settings, with a campaign that is ready to open; everything lies in `folder`."""
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    text = EXAMPLE.replace('recipients = ["throwaway"]', proven()).replace('recipient = "throwaway"', "")
    (campaigns / f"{CAMPAIGN}.toml").write_text(text, encoding="utf-8")
    relay = {"name": "first", "host": "127.0.0.1", "port": relay_port, "starttls": False}
    port = free_port()
    return {
        "PUBLIC_URL": f"http://localhost:{port}",
        "PORT": str(port),
        "STORE": "sqlite",
        "TASKS": "local",
        "LOCAL_FOLDER": str(folder / "data"),
        "CAMPAIGNS_FOLDER": str(campaigns),
        "MAIL": "smtp",
        "RELAYS": json.dumps([{**relay, "mails_per_second": 100, "connections": 4}]),
        **new_secrets(),
        **others,
    }


class Machine:
    """A server, running within `async with`. `url`: without TLS. `log`: all that it has printed.

    Waiting for it blocks no event loop, for its relay runs in the test's.
    """

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self.url = f"http://127.0.0.1:{environment['PORT']}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "functions.server"],
                cwd=REPOSITORY,
                env={"PATH": os.environ["PATH"], **self._environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        assert wait_for_port(int(self._environment["PORT"]), self.process), self.log
        # It listens before it has loaded its functions.
        httpx.get(self.url + health("sign"), trust_env=False, timeout=PATIENCE_SECONDS).raise_for_status()

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def stop(self) -> None:
        """Stop it as `docker stop` does, and wait until it has ended."""
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, PATIENCE_SECONDS)

    def kill(self) -> None:
        """Kill it without warning or clean-up, as the kernel does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def confirm_path(envelope: Envelope) -> str:
    """Return the path of the link in a mail that confirms."""
    assert isinstance(envelope.content, bytes)
    text = message_from_bytes(envelope.content, policy=default).get_body(("plain",))
    assert text
    found = _CONFIRM.search(text.get_content())
    assert found
    return found[1]
