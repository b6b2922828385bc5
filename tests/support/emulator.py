"""Google's own Firestore emulator, started through gcloud for one test run."""

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from tempfile import TemporaryFile

_START_SECONDS = 60
#: Below the ephemeral ports that systems assign themselves (Linux from 32768, others from 49152).
_PORTS = range(20_000, 32_000)
_PORTS_OF_A_PROCESS = 200


def free_port() -> int:
    """Return a port of this machine that nothing listens on.

    No other process can take it before the caller listens on it: systems do not assign it, and each process
    that calls this function has its own range of ports.
    """
    return next(port for port in _ours() if _is_free(port))


@functools.cache
def _ours() -> Iterator[int]:
    """Return an endless iterator over this process's ports, which it reserves by binding the one below them."""
    for held in _PORTS[::_PORTS_OF_A_PROCESS]:
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", held))
        except OSError:
            holder.close()
            continue
        atexit.register(holder.close)
        return itertools.cycle(range(held + 1, held + _PORTS_OF_A_PROCESS))
    raise OSError(f"every {_PORTS_OF_A_PROCESS}th port from {_PORTS.start} on is taken")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Return whether something listens on `port` before the time is up or the process has ended."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and (process is None or process.poll() is None):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def firestore_emulator(*, wait: bool = True) -> Iterator[str | None]:
    """Yield host:port of the emulator in FIRESTORE_EMULATOR_HOST, or of a new one; None if there is none.

    `wait`: until the new one listens, which takes seconds.
    """
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
            yield f"127.0.0.1:{port}" if not wait or wait_for_port(port, process) else None
        finally:
            # gcloud starts a shell, which starts Java; all of them are in one process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()
