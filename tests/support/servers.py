"""The development server in a separate process, started as a newcomer would."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.mail.outbox import Received
from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port, wait_for_port
from tests.support.polling import PATIENCE_SECONDS, until


@dataclass
class Server:
    """A running server. `folder`: where it stores everything."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path
    log: Path

    def mails(self) -> list[Received]:
        """Return the mails in the outbox, newest first."""
        content = httpx.get(f"{self.url}/dev/mail.json", trust_env=False).raise_for_status().json()
        return [Received.model_validate(mail) for mail in content]

    def mail_to(self, address: str, patience: float = PATIENCE_SECONDS) -> Received:
        """Wait for a mail to `address`, and return the newest."""
        return until(lambda: next((mail for mail in self.mails() if mail.to == address), None), patience)

    def kill(self) -> None:
        """Kill the server without warning or clean-up, as the kernel does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def server(folder: Path, **environment: str) -> Iterator[Server]:
    """Run a server. `environment`: settings that differ from the local defaults, and PORT if it matters."""
    port = int(environment.get("PORT", free_port()))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "functions.devserver"],
            cwd=REPOSITORY,
            env={**_without_settings(), **environment, "PORT": str(port), "LOCAL_FOLDER": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        assert wait_for_port(port, process), log.read_text()
        # It listens before it has loaded its functions, which may take longer than a client's timeout.
        httpx.get(f"http://localhost:{port}/dev/mail.json", trust_env=False, timeout=PATIENCE_SECONDS)
        yield Server(process, f"http://localhost:{port}", folder, log)
    finally:
        process.terminate()
        process.wait()


def _without_settings() -> dict[str, str]:
    """Return the environment without settings that another test may have set."""
    settings = {"STORE", "TASKS", "MAIL", "PUBLIC_URL", "TOKEN_KEYS", "PEPPER", "DELIVER_IDENTITIES"}
    settings |= {"DELIVER_RECIPIENT", "THROWAWAY_RECIPIENT", "LOCAL_FOLDER", "FIRESTORE_PROJECT"}
    return {name: value for name, value in os.environ.items() if name not in settings}
