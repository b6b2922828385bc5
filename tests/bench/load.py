"""Load by wrk (https://github.com/wg/wrk): as many requests as a number of connections can make."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.deployment import CONSENT_VERSION

#: Run by wrk at its end: prints its figures as one line of JSON.
_DONE = """
done = function(summary, latency)
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "failed": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
      + summary.errors.timeout))
end
"""

#: Makes requests of signers who all have different addresses.
_SIGN = """
local number, prefix = 0, string.format("%x", os.time())
local headers = {["Content-Type"] = "application/json"}
request = function()
  number = number + 1
  local body = string.format('{"email": "signer-%s-%d@example.org", "name": "Ann Example", "country": "DE", '
    .. '"locale": "en", "consent": true, "consent_version": "VERSION", "source": "mail"}', prefix, number)
  return wrk.format("POST", nil, headers, body)
end
""".replace("VERSION", CONSENT_VERSION)


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk reports. Latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def get(url: str, connections: int, seconds: float) -> Load:
    """GET `url` as a browser does."""
    return _wrk(url, connections, seconds, 'wrk.headers["Accept-Encoding"] = "gzip"')


def sign(url: str, connections: int, seconds: float) -> Load:
    """POST signatures to `url`, all with different addresses."""
    return _wrk(url, connections, seconds, _SIGN)


def _wrk(url: str, connections: int, seconds: float, script: str) -> Load:
    """Run wrk with a Lua script.

    Raises:
        SystemExit: a request failed, or none was made.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script + _DONE)
        lua.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "20s", "-s", lua.name, url]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    [result] = [line for line in printed.splitlines() if line.startswith("RESULT ")]
    load = Load(**json.loads(result.removeprefix("RESULT ")))
    if load.failed or not load.requests:
        raise SystemExit(f"{load.failed} of {load.requests} requests to {Path(url)} failed:\n{printed}")
    return load
