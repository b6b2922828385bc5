"""Google's own Firestore emulator, started through gcloud for the length of a test run."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from tempfile import TemporaryFile

_START_SECONDS = 60


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = _START_SECONDS) -> bool:
    """Whether somebody listens on `port` before the time is up or the process has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def firestore_emulator() -> Iterator[str | None]:
    """host:port of the emulator named by FIRESTORE_EMULATOR_HOST, else of a new one; None if there is none."""
    if os.environ.get("FIRESTORE_EMULATOR_HOST"):
        yield os.environ["FIRESTORE_EMULATOR_HOST"]
        return
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        yield None
        return
    port = free_port()
    with TemporaryFile() as output:
        process = subprocess.Popen(
            [gcloud, "emulators", "firestore", "start", f"--host-port=127.0.0.1:{port}"],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield f"127.0.0.1:{port}" if wait_for_port(port, process) else None
        finally:
            # gcloud starts a shell that starts Java: all of them are one process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()
